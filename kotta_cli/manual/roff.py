"""Writes man pages: text that groff and mandoc read as text, in the macros of man(7).

Source: man(7) and groff_char(7) of groff 1.23.
"""

from __future__ import annotations

from collections.abc import Iterable

from kotta_cli import markdown

_FONTS = {"code": "B", "bold": "B", "italic": "I"}
_ESCAPES = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    '"': "\\(dq",
}
"""What would be an escape, or be drawn as a typographer's sign, which nobody can paste."""


class ManPage:
    """A man page under construction."""

    def __init__(self, name: str, section: int, release: str) -> None:
        self._lines = [
            '.\\" made by `python -m kotta_cli.manual`; do not edit',
            # Words are not broken, for nobody can paste half of one; HY is for groff, whose macros
            # forget .nh.
            ".nr HY 0",
            f'.TH {escaped(name.upper())} {section} "" "Kotta {escaped(release)}" "Kotta Manual"',
            ".nh",
            ".ad l",
        ]

    def section(self, title: str) -> None:
        self._lines.append(f'.SH "{escaped(title.upper())}"')

    def subsection(self, title: str) -> None:
        self._lines.append(f'.SS "{escaped(title)}"')

    def paragraph(self, text: str) -> None:
        """Add Markdown text."""
        self._lines += [".PP", _line(formatted(text))]

    def term(self, term: str, meaning: str) -> None:
        """Add a term and, below it, what it means, both Markdown."""
        self._lines += [".TP", _line(formatted(term))]
        self._lines.append(_line(formatted(meaning)) if meaning else "\\&")

    def code(self, lines: Iterable[str]) -> None:
        """Add lines that are shown as they are."""
        self._lines += [
            ".PP",
            ".RS 4",
            ".EX",
            *(_line(escaped(line)) for line in lines),
            ".EE",
            ".RE",
        ]

    def blocks(self, blocks: Iterable[markdown.Block]) -> None:
        """Add the blocks of a page; headings become sections and subsections."""
        for block in blocks:
            match block:
                case markdown.Heading(level=2):
                    self.section(markdown.plain(block.text))
                case markdown.Heading():
                    self.subsection(markdown.plain(block.text))
                case markdown.Paragraph():
                    self.paragraph(block.text)
                case markdown.Code():
                    self.code(block.lines)
                case markdown.Items():
                    for mark, text in zip(block.marks, block.texts, strict=True):
                        head = f".IP {mark} 4" if mark.endswith(".") else ".IP \\(bu 2"
                        self._lines += [head, _line(formatted(text))]
                case markdown.Table():
                    for term, meaning in block.terms():
                        self.term(term, meaning)

    def text(self) -> str:
        """The whole page."""
        return "\n".join(self._lines) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is an escape, in ASCII."""
    return "".join(
        _ESCAPES.get(char, char) if char.isascii() else f"\\[u{ord(char):04X}]" for char in text
    )


def formatted(text: str) -> str:
    """Markdown as roff: code and bold are bold, emphasis is italic."""
    parts = []
    for span in markdown.spans(text):
        font = _FONTS.get(span.style)
        words = escaped(span.text)
        parts.append(f"\\f{font}{words}\\fR" if font else words)
    return "".join(parts)


def _line(text: str) -> str:
    # A line that begins with one of these would be a request.
    return f"\\&{text}" if text.startswith((".", "'")) else text or "\\&"
