"""The help topics: where in `docs/` each is written, for the package, the terminal and `man`."""

from __future__ import annotations

from pathlib import Path

from kotta._version import __version__
from kotta_cli import markdown
from kotta_cli.command_table import TOPICS
from kotta_cli.manual.parts import without_parts
from kotta_cli.manual.roff import ManPage

_COMMANDS = "docs/commands/README.md"
SOURCES = {
    "selectors": (_COMMANDS, "Selectors"),
    "description": ("docs/description.md", ""),
    "output": (_COMMANDS, "Results, remarks, errors"),
    "json": ("docs/json.md", ""),
    "exit-codes": (_COMMANDS, "Exit codes"),
    "environment": (_COMMANDS, "Environment"),
    "configuration": ("docs/configuration.md", ""),
}
"""Topic → page, and the section of it; "" is the whole page."""


def topic_text(name: str, root: Path) -> str:
    """What is written of a topic, as a page of its own.

    Raises:
        ValueError: its page has no such section.
    """
    page, section = SOURCES[name]
    text = without_parts((root / page).read_text(encoding="utf-8"))
    if not section:
        return text.strip() + "\n"
    _, found, rest = text.partition(f"\n## {section}\n")
    if not found:
        raise ValueError(f"{page} has no section `{section}`")
    return f"# {section}\n{rest.partition(chr(10) + '## ')[0].rstrip()}\n"


def topic_man_page(name: str, text: str) -> str:
    """The man page of a topic."""
    page = ManPage(f"kotta-{name}", 7, __version__)
    page.section("Name")
    page.paragraph(f"kotta-{name} - {TOPICS[name][0].lower()}{TOPICS[name][1:].rstrip('.')}")
    page.section("Description")
    page.blocks(markdown.blocks(text)[1:])
    page.section("See also")
    page.paragraph("`kotta`(1)")
    return page.text()
