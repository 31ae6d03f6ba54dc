"""Takes the power out of text that came from jobs and servers, before a terminal sees it.

A file name or an error message may hold escape sequences that repaint the screen, or bidirectional
controls that make it read as something else. What they spell stays; what they do is removed.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import cache

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"


# Compiled when first needed: nearly all names are plain, and compiling costs more than a listing.
@cache
def _escape() -> re.Pattern[str]:
    return re.compile(
        r"""
          (?: \x1b\[ | \x9b ) [0-?]* [\x20-/]* [@-~]      # CSI: colours, cursor, modes
        | \x1b[\]PX^_] [^\x07\x1b\x9c\n]*                 # OSC, DCS, SOS, PM, APC: titles, links,
          (?: \x07 | \x1b\\ | \x9c )?                     #   unended ones up to their line's end
        | \x1b [\x20-/]* (?! [\[\]PX^_] ) [0-~]           # the rest of ECMA-48
        """,
        re.VERBOSE,
    )


@cache
def _unfinished_escape() -> re.Pattern[str]:
    return re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*|\x1b[\]PX^_][^\x07\x1b\x9c\n]*|\x1b[ -/]*")


@cache
def _invisible() -> re.Pattern[str]:
    return re.compile(
        f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
    )


@cache
def _unsafe_in_json() -> re.Pattern[str]:
    return re.compile(
        f"[\x7f-\x9f{_BIDI}\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
    )


def one_line(text: str) -> str:
    """`text` on one line, with every control and bidirectional character gone."""
    if text.isprintable():
        return text
    breaks = "[\t\n\r\x0b\x0c\x85\u2028\u2029]+"
    return several_lines(re.sub(breaks, " ", _escape().sub("", text)))


def several_lines(text: str) -> str:
    """The same, but newlines and tabs stay."""
    if text.isprintable():
        return text
    text = re.sub("\r\n|[\u2028\u2029]", "\n", text)
    text = _invisible().sub("", _escape().sub("", text))
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def json_for_terminal(text: str) -> str:
    r"""JSON with its unsafe characters written as `\uXXXX`: the same value, harmless to look at."""
    return _unsafe_in_json().sub(lambda match: _escaped(match[0]), text)


def cell_width(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def folded(text: str, width: int) -> list[str]:
    """One line in pieces of at most so many cells; at least one, if an empty one."""
    pieces, room = [""], width
    for char in text:
        room -= cell_width(char)
        if room < 0:
            pieces.append("")
            room = width - cell_width(char)
        pieces[-1] += char
    return pieces


class LogText:
    """Makes a job's output fit for a terminal, chunk by chunk.

    Newlines, tabs, carriage returns and colours stay. A character or an escape sequence that a
    chunk boundary cuts in two is held back until the rest of it arrives.
    """

    _LONGEST_SEQUENCE = 4096
    """A sequence that is longer never ends: it must not hold back the output behind it."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._is_colored = False

    def feed(self, chunk: bytes) -> str:
        """What of the output so far can be shown now."""
        text = self._held + self._decoder.decode(chunk)
        self._held = ""
        start = max(text.rfind("\x1b"), text.rfind("\x9b"))
        is_cut = start >= 0 and _unfinished_escape().fullmatch(text, start) is not None
        if is_cut and len(text) - start <= self._LONGEST_SEQUENCE:
            text, self._held = text[:start], text[start:]
        return self._clean(text)

    def end(self) -> str:
        """What was held back, and the end of colours that the job left on."""
        text = self._clean(self._held + self._decoder.decode(b"", final=True))
        reset = "\x1b[0m" if self._is_colored else ""
        self._held, self._is_colored = "", False
        return text + reset

    def _clean(self, text: str) -> str:
        cleaned, position = [], 0
        for match in _escape().finditer(text):
            cleaned.append(_without_controls(text[position : match.start()]))
            if re.fullmatch(r"\x1b\[[0-9;:]*m", match[0]):
                cleaned.append(match[0])
                self._is_colored = match[0] not in ("\x1b[0m", "\x1b[m")
            position = match.end()
        return "".join(cleaned) + _without_controls(text[position:])


def _without_controls(text: str) -> str:
    # no new line, for that would have no label before it
    text = re.sub("[\u2028\u2029]", " ", text)
    return "\r".join(_invisible().sub("", part) for part in text.split("\r"))


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
