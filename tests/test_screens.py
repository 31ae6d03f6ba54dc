from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from kotta_cli.command_table import command_names

REPOSITORY = Path(__file__).parent.parent
SCREENS = REPOSITORY / "docs" / "screens"
SVG = "{http://www.w3.org/2000/svg}"


def test_every_picture_is_of_a_command_that_there_is_at_both_widths() -> None:
    pictures = sorted(SCREENS.glob("*.svg"))
    assert len(pictures) >= 16
    for picture in pictures:
        root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
        title = root.attrib["aria-label"].split()
        assert title[0] == "kotta"
        assert title[1] in (*command_names(), "--help")
        assert len(root.findall(f"{SVG}text")) > 3
        other = {"80": "120", "120": "80"}[picture.stem.rpartition("-")[2]]
        assert (SCREENS / f"{picture.stem.rpartition('-')[0]}-{other}.svg").exists()


def test_every_picture_that_a_page_shows_is_there() -> None:
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    shown = [
        (page.parent / name).resolve()
        for page in pages
        for name in re.findall(r"!\[[^\]]*\]\(([^)]*\.svg)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(shown) >= 6
    assert [picture for picture in shown if not picture.exists()] == []
