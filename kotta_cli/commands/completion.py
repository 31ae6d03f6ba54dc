"""`kotta completion`: the script that teaches a shell about kotta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kotta_cli.command_page import examples
from kotta_cli.parameters import one_of
from kotta_cli.tree import Command, command_app

if TYPE_CHECKING:
    from kotta_cli.context import App

app = command_app()


@app.command(
    "completion",
    cls=Command,
    epilog=examples(
        {
            'eval "$(kotta completion bash)"': "In ~/.bashrc",
            'eval "$(kotta completion zsh)"': "In ~/.zshrc, after compinit",
            "kotta completion fish | source": "In ~/.config/fish/config.fish",
        }
    ),
)
def completion(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print the completion script for a shell.

    With it, Tab completes commands, options, states, and the ids and names of your jobs.
    """
    from kotta_cli.completion_scripts import SCRIPTS

    app: App = ctx.obj
    app.out.write(SCRIPTS[one_of(shell, list(SCRIPTS), "shell known here")]())
    return 0
