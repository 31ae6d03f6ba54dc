from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from programs import needed

from kotta_cli import markdown
from kotta_cli.command_table import command_names
from kotta_cli.manual.pages import shapes
from kotta_cli.manual.roff import ManPage

MAN = Path(__file__).parents[2] / "man"
_PAGES = sorted(MAN.rglob("*.?"))


def _shown(page: str, columns: int = 78) -> str:
    """What a reader sees of a page, and nothing that groff complains of."""
    command = [needed("groff"), "-ww", "-man", "-Tutf8", "-P-cbou", f"-rLL={columns}n"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("path", _PAGES, ids=lambda path: path.name)
def test_groff_has_nothing_to_complain_of(path: Path) -> None:
    text = _shown(path.read_text())
    assert text.split()[0] == f"{path.stem.upper()}({path.suffix[1:]})"
    # a bare minus, quote or accent would be drawn as a sign that no shell takes
    assert not re.search(r"[\u2010\u2212\u2018\u2019\u00b4\u02c6\u02dc]", text), text


@pytest.mark.parametrize("name", command_names())
def test_a_man_page_shows_every_command_option_and_summary(name: str) -> None:
    text = " ".join(_shown((MAN / f"man1/kotta-{name}.1").read_text()).split())
    for command in shapes(name):
        for rows in (command.arguments, *command.panels.values()):
            assert all(
                " ".join(f"{term} {meaning}".split()) in text for term, meaning in rows.items()
            )
        assert command.paragraphs[0] in text
    assert "<!--" not in text


def test_man_finds_the_pages_in_a_prefix_and_whatis_knows_them(tmp_path: Path) -> None:
    man = tmp_path / "share/man"
    shutil.copytree(MAN, man)
    environment = {"PATH": os.environ["PATH"], "MANPATH": str(man), "LC_ALL": "C.UTF-8"}
    command = [needed("man"), "--warnings", "kotta-submit"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "kotta-submit - submit a job, or many" in done.stdout


def test_whatever_a_text_holds_a_reader_sees_it_as_it_is() -> None:
    hostile = [".SH no", "'br", "\\fBno\\n(.x", 'it\'s `x` ^ ~ -- "q"', "naïve 日", ".", "\\"]
    page = ManPage("kotta-x", 1, "1")
    page.section("Name")
    page.code(hostile)
    for line in hostile:
        page.term(line.replace("`", ""), line.replace("`", ""))
    shown = _shown(page.text())
    for line in hostile:
        assert line in shown
        assert shown.count(line.replace("`", "")) >= 2


def test_markdown_is_read_as_it_is_meant() -> None:
    text = (
        "# T\n\nSee [the `a`](b.md) and\n**not** *this* 2 * 3.\n\n* one\n  more\n* two\n\n"
        "| a | b |\n|---|---|\n| `x\\|y` | z |\n"
    )
    assert markdown.blocks(text) == [
        markdown.Heading(1, "T"),
        markdown.Paragraph("See [the `a`](b.md) and **not** *this* 2 * 3."),
        markdown.Items(["*", "*"], ["one more", "two"]),
        markdown.Table(["a", "b"], [["`x|y`", "z"]]),
    ]
    assert list(markdown.spans("See [the `a`](b.md) and **not** *this* 2 * 3.")) == [
        markdown.Span("", "See the a and "),
        markdown.Span("bold", "not"),
        markdown.Span("", " "),
        markdown.Span("italic", "this"),
        markdown.Span("", " 2 * 3."),
    ]
