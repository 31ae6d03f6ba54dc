"""Puts completion scripts where shells look for them, and takes them away again.

Start-up files are touched only by `add_to_rc` and `remove_from_rc`, which keep to a marked block.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from kotta.errors import ConfigError
from kotta.paths import write_at_once
from kotta_cli.completion_scripts import FILE_NAMES, SCRIPTS

_OURS = "completion for kotta; made by"
_BEGIN = "# >>> completion of kotta >>>"
_END = "# <<< completion of kotta <<<"
_BASH_COMPLETION = (
    "/usr/share/bash-completion/bash_completion",
    "/usr/local/etc/profile.d/bash_completion.sh",
    "/opt/homebrew/etc/profile.d/bash_completion.sh",
)


@dataclass(frozen=True)
class Place:
    """Where one shell's script lies.

    Attributes:
        script: the file, in a folder of this user.
        rc: the shell's start-up file, None where none is ever needed.
        is_found: whether the shell finds the script without a line in its start-up file.
    """

    shell: str
    script: Path
    rc: Path | None
    is_found: bool


def place_of(shell: str) -> Place:
    """Where the script of a shell belongs.

    Source: README of bash-completion 2.11 (`BASH_COMPLETION_USER_DIR`), fish(1) "Where to put
    completions"; zsh has no folder of a user's own, so one is named after its site-functions.
    """
    home = Path(os.path.expanduser("~"))
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    if shell == "bash":
        base = Path(os.environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
        is_found = any(os.path.exists(path) for path in _BASH_COMPLETION)
        # bash-completion loads a script by the name of the command
        return Place(shell, base / "completions" / "kotta", home / ".bashrc", is_found)
    if shell == "zsh":
        rc = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
        return Place(shell, data / "zsh/site-functions" / FILE_NAMES[shell], rc, is_found=False)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return Place(shell, config / "fish/completions" / FILE_NAMES[shell], None, is_found=True)


def is_installed(place: Place) -> bool:
    """Whether a script of ours is there, of whatever version."""
    return _OURS in _text(place.script)


def is_current(place: Place) -> bool:
    """Whether the script that is there is the one of this version."""
    return _text(place.script) == SCRIPTS[place.shell]()


def is_in_rc(place: Place) -> bool:
    """Whether the start-up file has our block."""
    return place.rc is not None and _BEGIN in _text(place.rc)


def install(place: Place) -> bool:
    """Write the script; whether there was need to.

    Raises:
        ConfigError: it cannot be written, or what is there is not ours.
    """
    if is_current(place):
        return False
    _refuse_foreign(place)
    _write(place.script, SCRIPTS[place.shell]())
    return True


def uninstall(place: Place) -> bool:
    """Remove the script; whether it was there.

    Raises:
        ConfigError: it cannot be removed, or is not ours.
    """
    if not os.path.lexists(place.script):
        return False
    _refuse_foreign(place)
    try:
        place.script.unlink()
    except OSError as error:
        raise ConfigError(f"cannot remove {place.script}: {error.strerror}") from error
    return True


def add_to_rc(place: Place) -> bool:
    """Let the start-up file load the script; whether there was need to.

    Raises:
        ConfigError: it cannot be written.
    """
    if place.rc is None:
        return False
    before = _text(place.rc)
    after = _without_block(before)
    gap = "" if not after or after.endswith("\n\n") else "\n" if after.endswith("\n") else "\n\n"
    after = f"{after}{gap}{_BEGIN}\n{rc_lines(place)}\n{_END}\n"
    if after == before:
        return False
    _write(place.rc, after)
    return True


def remove_from_rc(place: Place) -> bool:
    """Take our block out of the start-up file; whether it was there.

    Raises:
        ConfigError: it cannot be written.
    """
    if place.rc is None or not is_in_rc(place):
        return False
    _write(place.rc, _without_block(_text(place.rc)))
    return True


def rc_lines(place: Place) -> str:
    """What the start-up file has to say for the shell to find the script; harmless without one."""
    script = shlex.quote(str(place.script))
    if place.shell == "bash":
        return f"[ -r {script} ] && . {script}"
    folder = shlex.quote(str(place.script.parent))
    return (
        f"if [[ -r {script} ]]; then\n"
        "  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
        f"  fpath=({folder} $fpath); autoload -Uz _kotta && compdef _kotta kotta\n"
        "fi"
    )


def _without_block(text: str) -> str:
    before, begun, rest = text.partition(_BEGIN + "\n")
    _, ended, after = rest.partition(_END + "\n")
    if not begun or not ended:
        return text
    # the empty line before it came with it
    before = before[:-1] if before.endswith("\n\n") else before
    return before + after


def _refuse_foreign(place: Place) -> None:
    if os.path.lexists(place.script) and not is_installed(place):
        raise ConfigError(
            f"{place.script} is there already, and not made by kotta",
            hint="move it away, then repeat this",
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """Replace a file at once, or make it; a link stays one, and a file's mode stays."""
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        write_at_once(target, text.encode("utf-8", "surrogateescape"), mode=mode)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
