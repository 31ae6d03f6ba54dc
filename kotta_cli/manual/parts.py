"""Parts of a page that are made, between comments that Markdown does not show."""

from __future__ import annotations

_BEGIN = "<!-- made by `python -m kotta_cli.manual`, do not edit: "
_END = "<!-- end of what is made -->"


def part(key: str, text: str) -> str:
    """A made part with its marks; `key` says of what it is made."""
    return f"{_begin(key)}\n\n{text.strip()}\n\n{_END}\n"


def keys(page: str) -> list[str]:
    """Of what the made parts of a page are made, in order."""
    return [
        line.removeprefix(_BEGIN).removesuffix(" -->")
        for line in page.splitlines()
        if line.startswith(_BEGIN)
    ]


def with_part(page: str, key: str, text: str) -> str:
    """The page with this part made anew.

    Raises:
        ValueError: it has no such part, or one that does not end.
    """
    before, begun, rest = page.partition(_begin(key))
    _, ended, after = rest.partition(_END + "\n")
    if not begun or not ended:
        raise ValueError(f"there is no part for `{key}`")
    return before + part(key, text) + after


def without_parts(page: str) -> str:
    """What people have written."""
    written, *rest = page.split(_BEGIN)
    return written + "".join(text.partition(_END)[2] for text in rest)


def _begin(key: str) -> str:
    return f"{_BEGIN}{key} -->"
