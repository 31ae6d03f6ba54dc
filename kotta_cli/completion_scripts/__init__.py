"""Makes the completion scripts from the command tree, so that they always know what it knows.

`python -m kotta_cli.completion_scripts` writes them to `completions/`, and a test holds those files
equal to what is made here.
"""

from __future__ import annotations

from collections.abc import Callable

from kotta_cli.completion_scripts.bash import bash_script
from kotta_cli.completion_scripts.fish import fish_script
from kotta_cli.completion_scripts.zsh import zsh_script

SCRIPTS: dict[str, Callable[[], str]] = {
    "bash": bash_script,
    "zsh": zsh_script,
    "fish": fish_script,
}
FILE_NAMES = {"bash": "kotta.bash", "zsh": "_kotta", "fish": "kotta.fish"}
"""How each shell wants its file to be called."""
