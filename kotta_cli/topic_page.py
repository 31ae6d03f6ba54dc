"""The pages of `kotta help TOPIC`: parts of the documentation that the package carries with it.

`python -m kotta_cli.manual` takes them from `docs/`; see `kotta_cli.manual.topics`.
"""

from __future__ import annotations

import os

from kotta_cli import markdown
from kotta_cli.help_page import HelpPage

_TOPICS = os.path.join(os.path.dirname(__file__), "topics")


def topic_page(name: str, width: int, *, color: bool) -> str:
    """The page of a topic that is in `kotta_cli.command_table.TOPICS`."""
    with open(os.path.join(_TOPICS, f"{name}.md"), encoding="utf-8") as file:
        blocks = markdown.blocks(file.read())
    page = HelpPage(width, color=color)
    for block in blocks:
        _draw(page, block)
    return page.text()


def _draw(page: HelpPage, block: markdown.Block) -> None:
    if isinstance(block, markdown.Heading):
        page.heading(markdown.plain(block.text))
    elif isinstance(block, markdown.Paragraph):
        page.paragraph(markdown.plain(block.text, quote="`"))
    elif isinstance(block, markdown.Code):
        page.verbatim(block.lines)
    elif isinstance(block, markdown.Items):
        page.gap()
        for mark, text in zip(block.marks, block.texts, strict=True):
            page.item(mark, markdown.plain(text, quote="`"))
    else:
        page.gap()
        rows = block.terms()
        page.terms(
            {markdown.plain(term): markdown.plain(meaning, quote="`") for term, meaning in rows}
        )
