"""Reads the little Markdown that our own pages are written in; imports nothing.

The man pages are made from it, and `kotta help TOPIC` is drawn from it, which must be as quick as
any other help.
"""

from __future__ import annotations


class _Piece:
    # named tuples would do, but importing them takes longer than drawing a page

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, vars(self).values()))})"


class Heading(_Piece):
    def __init__(self, level: int, text: str) -> None:
        self.level, self.text = level, text


class Paragraph(_Piece):
    def __init__(self, text: str) -> None:
        self.text = text


class Code(_Piece):
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines


class Items(_Piece):
    """Points, each with its mark: `*`, or `1.` and so on."""

    def __init__(self, marks: list[str], texts: list[str]) -> None:
        self.marks, self.texts = marks, texts


class Table(_Piece):
    def __init__(self, header: list[str], rows: list[list[str]]) -> None:
        self.header, self.rows = header, rows

    def terms(self) -> list[tuple[str, str]]:
        """The same in two columns: what each term means, then the other cells, with titles."""
        at = next((at for at, title in enumerate(self.header) if title in _MEANINGS), 1)
        return [(row[0], self._meaning(row, at)) for row in self.rows]

    def _meaning(self, row: list[str], at: int) -> str:
        more = (
            f"{title}: {cell}"
            for other, (title, cell) in enumerate(zip(self.header, row, strict=True))
            if cell and other not in (0, at)
        )
        return "; ".join([row[at], *more])


_MEANINGS = ("meaning", "what it does", "what it means")

Block = Heading | Paragraph | Code | Items | Table


class Span(_Piece):
    """A piece of a line; `style` is "", "code", "bold" or "italic"."""

    def __init__(self, style: str, text: str) -> None:
        self.style, self.text = style, text


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


def spans(text: str) -> list[Span]:
    """The pieces of a paragraph, an item or a cell; of a link its words."""
    found: list[Span] = []
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
            found.append(Span("", plain))
        found.append(Span(style, inside))
        plain, text = "", rest
    if plain:
        found.append(Span("", plain))
    return found


def plain(text: str, quote: str = "") -> str:
    """The words of a paragraph without their marks; `quote` stands on both sides of code."""
    return "".join(
        f"{quote}{span.text}{quote}" if span.style == "code" else span.text for span in spans(text)
    )


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
    if _mark(lines[0]):
        items = Items([], [])
        for line in lines:
            if mark := _mark(line):
                items.marks.append(mark)
                items.texts.append(line[len(mark) :].strip())
            else:
                items.texts[-1] += " " + line.strip()
        return items
    return Paragraph(" ".join(line.strip() for line in lines))


def _mark(line: str) -> str:
    """What makes this line the first of a point, "" if nothing does."""
    mark = line.partition(" ")[0]
    return mark if mark in ("*", "-") or (mark[:-1].isdigit() and mark.endswith(".")) else ""


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|").replace("\\|", "\0")
    return [cell.strip().replace("\0", "|") for cell in inner.split("|")]
