"""The tables of commands in the overview and in the README."""

from __future__ import annotations

from kotta_cli.command_table import COMMANDS
from kotta_cli.manual.parts import with_part

KEY = "the commands"


def overview(text: str, below: str) -> str:
    """The page with its table of commands; `below` leads from it to the commands' pages."""
    prefix = "kotta " if below else ""
    groups = [
        "\n".join(
            [
                f"| {title} | |",
                "|---|---|",
                *(
                    f"| [`{prefix}{name}`]({below}{name}.md) | {line} |"
                    for name, line in rows.items()
                ),
            ]
        )
        for title, rows in COMMANDS.items()
    ]
    return with_part(text, KEY, "\n\n".join(groups))
