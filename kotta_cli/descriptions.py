"""Reads what `kotta submit` is given: a file, stdin, a script, a command line, and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kotta.description import LoadedDescription, Origin
from kotta_cli.overrides import Overrides, bytes_of
from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta_cli.context import App
    from kotta_cli.description_options import DescriptionOptions


def read_descriptions(
    app: App, file: str | None, script: Path | None, options: DescriptionOptions
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
    if file == "-" and options.array == "-":
        raise UsageProblem("standard input cannot be both the description and `--array`")
    overrides = Overrides(options, app.stdin.buffer.read)
    loaded = _read(app, file, script, has_command=bool(options.command or options.sets))
    for document in loaded.documents:
        loaded.origins.update(overrides.apply(document))
    return loaded


def _read(
    app: App, file: str | None, script: Path | None, *, has_command: bool
) -> LoadedDescription:
    from kotta import description_text

    if file == "-":
        if app.stdin.isatty():
            app.note("Reading a description from the terminal; Ctrl-D ends it.")
        loaded = description_text.sniff(app.stdin.buffer.read(), "standard input")
    elif file is not None:
        loaded = description_text.read(Path(file))
    elif script is not None:
        content = bytes_of(str(script))
        return description_text.load_script(content, script.name, str(script))
    elif has_command:
        return LoadedDescription("the command line", "", [{}], False, Path())
    else:
        raise UsageProblem(
            "there is nothing to submit",
            hint="name a file, - for stdin, a script with --script, or a command after --",
        )
    if script is not None:
        _join(loaded, script)
    return loaded


def _join(loaded: LoadedDescription, script: Path) -> None:
    """Puts a script into descriptions; what its head says goes over theirs."""
    from kotta.description_text import load_script

    own = load_script(bytes_of(str(script)), script.name, str(script))
    said = own.documents[0]
    in_head = {place.split("/")[1] for place in own.places or () if place}
    for document in loaded.documents:
        for name, value in said.items():
            # what its file's name implies is no more than a default
            if name in in_head or name == "script" or not document.get(name):
                document[name] = value
    origin = Origin(str(script), own.text, own.places or {})
    loaded.origins.update((name, origin) for name in {*in_head, "script"})
