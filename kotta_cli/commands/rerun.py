"""`kotta rerun`: the same job again, perhaps with something changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.commands.submit import finish
from kotta_cli.description_options import (
    AfterOption,
    CpusOption,
    EnvOption,
    InputOption,
    MemoryOption,
    NameOption,
    OutputOption,
    QueueOption,
    RequirementsOption,
    RetriesOption,
    SetOption,
    TagOption,
    WalltimeOption,
)
from kotta_cli.parameters import JobArguments, JsonOption, QuietOption
from kotta_cli.tree import CommandLine, command_app, words_after_dashes

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "rerun",
    cls=CommandLine,
    epilog=examples(
        {
            "kotta rerun @last --walltime 60": "With more time",
            "kotta rerun @failed": "All that failed",
            "kotta rerun fit --wait -- python3 fit.py --lr 0.1": "With another command line",
        }
    ),
)
def rerun(
    ctx: typer.Context,
    jobs: JobArguments,
    inputs: InputOption = None,
    outputs: OutputOption = None,
    env: EnvOption = None,
    requirements: RequirementsOption = None,
    sets: SetOption = None,
    name: NameOption = None,
    queue: QueueOption = None,
    walltime: WalltimeOption = None,
    cpus: CpusOption = None,
    memory: MemoryOption = None,
    retries: RetriesOption = None,
    tags: TagOption = None,
    after: AfterOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for its end, and exit with its exit code.")
    ] = False,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Wait, then download what it made.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> int:
    """Submit jobs again, as they were or with changes.

    The jobs themselves stay as they are; what is submitted are new ones from their descriptions.
    What a job was to come after does not count any more.
    """
    from kotta.description import LoadedDescription
    from kotta_cli.overrides import Overrides
    from kotta_cli.selecting import chosen
    from kotta_cli.submitting import submit_all

    app: App = ctx.obj
    app.as_json, app.quiet = as_json, quiet
    overrides = Overrides(
        fields={
            "jobname": name,
            "queue": queue,
            "walltime": walltime,
            "cpus": cpus,
            "memory": memory,
            "retries": retries,
        },
        inputs=inputs or (),
        outputs=outputs or (),
        tags=tags or (),
        after=after or (),
        env=env or (),
        sets=sets or (),
        requirements=requirements,
        command=words_after_dashes(ctx),
    )
    found = chosen(app, jobs)
    if not found.jobs:
        return 0
    documents = [_description(app.client.status(job).description) for job in found.jobs]
    source = f"job {found.jobs[0].id}" if found.is_one else "the jobs"
    loaded = LoadedDescription(source, "", documents, not found.is_one, Path())
    for document in documents:
        loaded.said_elsewhere |= overrides.apply(document)
    return finish(app, submit_all(app, loaded), loaded, wait=wait, fetch=fetch)


def _description(stored: dict[str, object]) -> dict[str, object]:
    """A description that can be submitted again, from one that was."""
    document = {name: value for name, value in stored.items() if name != "after"}
    env = stored.get("env")
    if isinstance(env, dict) and any(name.startswith("KOTTA_PARAM_") for name in env):
        # it was one of an array; its values are given to it as to an array of one
        document["env"] = {key: text for key, text in env.items() if not key.startswith("KOTTA_")}
        prefix = "KOTTA_PARAM_"
        document["array"] = [
            {key.removeprefix(prefix): text for key, text in env.items() if key.startswith(prefix)}
        ]
    return document
