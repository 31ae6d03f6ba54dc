"""Reads what `kotta submit` is given: a file, stdin, a script, or a description and its script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kotta.errors import DescriptionError
from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta.description import LoadedDescription
    from kotta_cli.context import App


def read_descriptions(app: App, file: str | None, script: Path | None) -> LoadedDescription:
    """What is to be submitted, not yet checked.

    Args:
        file: name of the description's file, `-` for stdin, None where the script is all.
        script: becomes `script` of every description, and its name their `script_name` where they
            have none.

    Raises:
        DescriptionError: something cannot be read or is not JSON.
        UsageProblem: there is neither a file nor a script.
    """
    from kotta import description

    if file == "-":
        if app.stdin.isatty():
            app.note("Reading a description from the terminal; Ctrl-D ends it.")
        loaded = description.load(app.stdin.buffer.read(), "standard input")
    elif file is not None:
        loaded = description.read(Path(file))
    elif script is not None:
        loaded = description.LoadedDescription(str(script), "", [{}], False, Path())
    else:
        raise UsageProblem(
            "there is nothing to submit",
            hint="name a description's file, - for stdin, or a script with --script",
        )
    if script is not None:
        text = _script_text(script)
        for document in loaded.documents:
            document["script"] = text
            document["script_name"] = document.get("script_name") or script.name
    return loaded


def _script_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DescriptionError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(
            f"{path} is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}",
            hint="name it in `inputs`, and run it by `executable`",
        ) from error
