"""Reads what `kotta submit` is given: a file, stdin, a script, a command line, and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kotta_cli.overrides import Overrides, text_of
from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta.description import LoadedDescription
    from kotta_cli.context import App


def read_descriptions(
    app: App, file: str | None, script: Path | None, overrides: Overrides
) -> LoadedDescription:
    """What is to be submitted, not yet checked.

    What a script says in its head goes over the description's file, and options over both.

    Args:
        file: name of a description's or a script's file, `-` for stdin, None for none.
        script: becomes `script` of every description, and its name their `script_name` where they
            have none.

    Raises:
        DescriptionError: something cannot be read or understood.
        UsageProblem: there is nothing to run, or an option cannot be understood.
    """
    from kotta import description

    if file == "-":
        if app.stdin.isatty():
            app.note("Reading a description from the terminal; Ctrl-D ends it.")
        loaded = description.sniff(app.stdin.buffer.read(), "standard input")
    elif file is not None:
        loaded = description.read(Path(file))
    elif script is not None:
        loaded = description.load_script(
            text_of(script), script.name, str(script), directory=Path()
        )
    elif overrides.command or overrides.sets:
        loaded = description.LoadedDescription("the command line", "", [{}], False, Path())
    else:
        raise UsageProblem(
            "there is nothing to submit",
            hint="name a file, - for stdin, a script with --script, or a command after --",
        )
    if script is not None and file is not None:
        _join(loaded, script)
    for document in loaded.documents:
        loaded.said_elsewhere |= overrides.apply(document)
    return loaded


def _join(loaded: LoadedDescription, script: Path) -> None:
    from kotta.description import load_script

    said = load_script(text_of(script), script.name, str(script)).documents[0]
    for document in loaded.documents:
        own = {**document, "script": said["script"]}
        own["script_name"] = document.get("script_name") or said["script_name"]
        more = {name: value for name, value in said.items() if name not in own}
        head = {
            name: value
            for name, value in said.items()
            if name not in ("script", "script_name", "executable")
        }
        document.update({**own, **more, **head})
    loaded.said_elsewhere |= set(said)
