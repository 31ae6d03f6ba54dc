"""`kotta admin check`, `prune`, `lifecycle`: what is done about all that a service keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.exit_codes import ExitCode
from kotta_cli.parameters import JsonOption, UsageProblem, YesOption, one_of, span_seconds
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta.models.upkeep import CheckReport, PruneReport
    from kotta_cli.context import App

app = command_app()
ARCHIVE_CLASSES = ["GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"]


@app.command(
    "check",
    cls=Command,
    epilog=examples(
        {
            "kotta admin check": "Exit code 1 if something is broken",
            "kotta admin check --contents": "Read every file as well",
        }
    ),
)
def check(
    ctx: typer.Context,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every file, and compare its SHA-256.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Hold all that the service keeps to what it promises.

    Every job, its history and its files are looked at; nothing is changed. It may be done at any
    time. `--contents` takes as long as reading all files does.
    """
    app: App = ctx.obj
    app.as_json = as_json
    report = app.client.upkeep.check(contents=contents)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, report)
    else:
        render_check(app, report)
    return ExitCode.ERROR if report.broken else ExitCode.OK


def render_check(app: App, report: CheckReport) -> None:
    """The defects, a line each on stdout, and what was looked at on stderr."""
    from kotta_cli.render.plain_text import one_line
    from kotta_cli.render.states import paint
    from kotta_cli.render.times import size

    for defect in report.defects:
        if app.out.is_tty:
            color = "red" if defect.kind == "broken" else "yellow"
            kind = paint(f"{defect.kind:<8}", color, app.out.color)
            app.print(f"{kind}  {one_line(defect.subject)}: {one_line(defect.words)}")
        else:
            app.print("\t".join(map(one_line, (defect.kind, defect.subject, defect.words))))
    told = len(report.defects)
    if told < report.broken + report.leftovers:
        app.note(f"… and {report.broken + report.leftovers - told} more")
    read = f", {size(report.read_bytes)} read" if report.read_bytes else ""
    app.note(
        f"Jobs: {report.jobs}, outputs: {report.outputs}, uploads: {report.uploads}{read}. "
        f"Broken: {report.broken}, left over: {report.leftovers}."
    )


@app.command(
    "backup",
    cls=Command,
    epilog=examples({"kotta admin backup kotta.tar": "While the service is at work"}),
)
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Copy all that the service must not lose into one file, while it is at work.

    It holds every job, output and upload as of one moment, and the service's secrets: keep it as
    you would a key. `kotta admin restore` makes a service of it.
    """
    from kotta_cli.backing_up import back_up

    app: App = ctx.obj
    app.as_json = as_json
    size_bytes = back_up(app, file, force=force)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, {"path": str(file.absolute()), "size_bytes": size_bytes})
    else:
        app.print(str(file))
    return ExitCode.OK


@app.command(
    "prune",
    cls=Command,
    epilog=examples(
        {
            "kotta admin prune --older-than 90d --dry-run": "What would go",
            "kotta admin prune --storage-mib 500000": "The oldest, until the rest fits",
        }
    ),
)
def prune(
    ctx: typer.Context,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="TIME", help="What ended so long ago: 12h, 30d, 4w."),
    ] = None,
    storage_mib: Annotated[
        int | None,
        typer.Option(
            "--storage-mib", metavar="MIB", min=0, help="The oldest of what is beyond so much."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Forget nothing; say what would be.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> int:
    """Forget jobs that ended long ago, with their outputs, and uploads that no job needs.

    Without --older-than and --storage-mib, what the service's settings say. What has not ended
    stays, and what something that stays refers to.
    """
    app: App = ctx.obj
    app.as_json = as_json
    seconds = None if older_than is None else span_seconds("--older-than", older_than)
    forget = app.client.upkeep.prune
    if not (dry_run or yes):
        if not app.can_ask:
            raise UsageProblem(
                "what is forgotten is gone, and nobody can be asked here",
                hint="--yes, or --dry-run",
            )
        told = forget(older_than_seconds=seconds, storage_mib=storage_mib, dry_run=True)
        if not app.ask(f"Forget {_what(told)}? [y/N] "):
            return ExitCode.ERROR
    report = forget(older_than_seconds=seconds, storage_mib=storage_mib, dry_run=dry_run)
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, report)
    else:
        verb = "Would forget" if dry_run else "Forgot"
        kept = f" {report.kept_as_needed} more are still needed." if report.kept_as_needed else ""
        app.print(f"{verb} {_what(report)}.{kept}")
    return ExitCode.OK


def _what(report: PruneReport) -> str:
    from kotta_cli.render.times import size

    counts = [(report.jobs, "job"), (report.uploads, "upload"), (report.leftovers, "leftover")]
    words = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts]
    return f"{words[0]}, {words[1]} and {words[2]}, {size(report.freed_bytes)}"


@app.command(
    "lifecycle",
    cls=Command,
    epilog=examples(
        {
            "kotta admin lifecycle": "The policy that the first service had",
            "kotta admin lifecycle --archive-class GLACIER_IR --apply": "Fetched at once, ever",
        }
    ),
)
def lifecycle(
    ctx: typer.Context,
    infrequent_after: Annotated[
        int,
        typer.Option(
            "--infrequent-after",
            metavar="DAYS",
            min=0,
            help="Outputs go to infrequent access after so long; 0: never; 30.",
        ),
    ] = 30,
    archive_after: Annotated[
        int,
        typer.Option(
            "--archive-after",
            metavar="DAYS",
            min=0,
            help="They go to an archive after so long; 0: never; 180.",
        ),
    ] = 180,
    archive_class: Annotated[
        str,
        typer.Option(
            "--archive-class",
            metavar="CLASS",
            help="Which archive: GLACIER, GLACIER_IR or DEEP_ARCHIVE; GLACIER.",
        ),
    ] = "GLACIER",
    abort_after: Annotated[
        int,
        typer.Option(
            "--abort-after",
            metavar="DAYS",
            min=1,
            help="Uploads that were not finished go after so long; 7.",
        ),
    ] = 7,
    apply: Annotated[
        bool, typer.Option("--apply", help="Give the bucket these rules; those of others stay.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Print how the bucket of a service is to treat what grows old, as S3 takes it.

    What is printed is for `aws s3api put-bucket-lifecycle-configuration`; with --apply the service
    does the same.
    """
    app: App = ctx.obj
    app.as_json = as_json
    one_of(archive_class, ARCHIVE_CLASSES, "class of archives")
    found = app.client.upkeep.lifecycle(
        infrequent_after_days=infrequent_after,
        archive_after_days=archive_after,
        archive_class=archive_class,
        abort_after_days=abort_after,
        apply=apply,
    )
    if app.as_json:
        from kotta_cli.render.as_json import print_json

        print_json(app, found)
        return ExitCode.OK
    import json

    app.print(json.dumps(found.policy, indent=2))
    if found.applied:
        app.note(f"The bucket {found.bucket} has these rules now.")
    elif app.err.is_tty:
        app.note(
            f"For: aws s3api put-bucket-lifecycle-configuration --bucket {found.bucket} "
            "--lifecycle-configuration file://policy.json"
        )
    return ExitCode.OK
