from __future__ import annotations

from pathlib import Path

import pytest

from kotta_cli.command_table import command_names
from kotta_cli.manual import leftovers, manual
from kotta_cli.manual.pages import page, shapes
from kotta_cli.manual.parts import keys, part, with_part, without_parts

REPOSITORY = Path(__file__).parents[2]
PAGES = REPOSITORY / "docs/commands"


def test_the_manual_is_what_is_made_of_the_commands() -> None:
    for path, text in manual(REPOSITORY).items():
        assert (REPOSITORY / path).read_text() == text, f"{path}: run python -m kotta_cli.manual"
    assert not leftovers(REPOSITORY)


def test_there_is_no_page_without_a_command() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {*command_names(), "README"}


@pytest.mark.parametrize("name", command_names())
def test_a_page_has_a_part_for_its_command_and_each_below_it(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert keys(text) == [command.path for command in shapes(name)]
    assert len(without_parts(text).split()) > 20, "nobody has written anything"


def test_making_a_page_anew_keeps_what_people_wrote() -> None:
    commands = shapes("service")
    first = page(commands, {}, "")
    written = first.replace("## Examples\n", "By hand.\n\n## Examples\n")
    stale = with_part(written, "kotta service stop", "old")
    assert page(commands, {}, stale) == written


def test_a_command_that_is_new_below_gets_its_section_after_its_siblings() -> None:
    commands = shapes("service")
    before = page(commands[:-1], {}, "")
    text = page(commands, {}, before)
    sections = [line for line in text.splitlines() if line.startswith("## ")]
    assert sections == [*(f"## {command.path}" for command in commands[1:]), "## Examples"]


def test_a_page_that_has_lost_a_mark_is_refused_and_not_overwritten() -> None:
    with pytest.raises(ValueError, match="no part for `kotta wait`"):
        with_part("# kotta wait\n\nText.\n", "kotta wait", "made")
    cut = part("kotta wait", "made").replace("<!-- end", "<!-- fin")
    with pytest.raises(ValueError, match="no part for `kotta wait`"):
        with_part(cut, "kotta wait", "made")
