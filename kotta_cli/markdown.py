"""Reads the little Markdown that our own pages are written in; imports nothing.

The man pages are made from it, and `kotta help TOPIC` is drawn from it, which must be as quick as
any other help.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Heading(NamedTuple):
    level: int
    text: str


class Paragraph(NamedTuple):
    text: str


class Code(NamedTuple):
    lines: list[str]


class Items(NamedTuple):
    texts: list[str]


class Table(NamedTuple):
    header: list[str]
    rows: list[list[str]]


Block = Heading | Paragraph | Code | Items | Table


class Span(NamedTuple):
    """A piece of a line; `style` is "", "code", "bold" or "italic"."""

    style: str
    text: str


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in order; comments are left out."""
    lines = [line for line in text.splitlines() if not line.startswith("<!--")]
    found: list[Block] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("```"):
            end = lines.index("```", at + 1)
            found.append(Code(lines[at + 1 : end]))
            at = end + 1
        elif line.startswith("#"):
            marks, _, title = line.partition(" ")
            found.append(Heading(len(marks), title))
            at += 1
        else:
            end = at
            while end < len(lines) and lines[end].strip() and not lines[end].startswith("```"):
                end += 1
            found.append(_block_of(lines[at:end]))
            at = end
    return found


def spans(text: str) -> Iterator[Span]:
    """The pieces of a paragraph, an item or a cell; of a link its words."""
    plain = ""
    while text:
        mark = next((mark for mark in ("`", "**", "*", "[") if text.startswith(mark)), None)
        style, inside, rest = _marked(text, mark) if mark else ("", "", "")
        if not inside:
            plain, text = plain + text[0], text[1:]
            continue
        if style == "link":
            plain, text = plain + "".join(span.text for span in spans(inside)), rest
            continue
        if plain:
            yield Span("", plain)
        yield Span(style, inside)
        plain, text = "", rest
    if plain:
        yield Span("", plain)


def plain(text: str) -> str:
    """The words of a paragraph without their marks."""
    return "".join(span.text for span in spans(text))


def _marked(text: str, mark: str) -> tuple[str, str, str]:
    """What the mark at the start means, what it encloses, and what follows."""
    if mark == "[":
        inside, closed, rest = text[1:].partition("](")
        _, ended, rest = rest.partition(")")
        return ("link", inside, rest) if closed and ended else ("", "", "")
    inside, closed, rest = text[len(mark) :].partition(mark)
    if not closed or (mark != "`" and inside.strip() != inside):
        return "", "", ""
    return {"`": "code", "**": "bold", "*": "italic"}[mark], inside, rest


def _block_of(lines: list[str]) -> Block:
    if lines[0].startswith("|"):
        header, _, *rows = [_cells(line) for line in lines]
        return Table(header, rows)
    if lines[0].startswith(("* ", "- ")):
        texts: list[str] = []
        for line in lines:
            if line.startswith(("* ", "- ")):
                texts.append(line[2:].strip())
            else:
                texts[-1] += " " + line.strip()
        return Items(texts)
    return Paragraph(" ".join(line.strip() for line in lines))


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|").replace("\\|", "\0")
    return [cell.strip().replace("\0", "|") for cell in inner.split("|")]
