from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.conftest import User
from kotta_cli.command_table import TOPICS, command_names
from kotta_cli.exit_codes import ExitCode
from kotta_cli.help_page import MAX_WIDTH, MIN_WIDTH, top_page
from kotta_cli.manual.topics import SOURCES, topic_text
from kotta_cli.topic_page import topic_page

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.parametrize("width", [MIN_WIDTH, 80, MAX_WIDTH])
def test_a_topic_is_drawn_in_ascii_and_keeps_its_width(name: str, width: int) -> None:
    page = topic_page(name, width, color=False)
    assert page.isascii(), "an ASCII terminal could not show it"
    for line in page.splitlines():
        # what stands as it is, and words that cannot be broken, may be longer
        assert len(line) <= width or line.startswith("    ") or len(line.split()) == 1, line
    assert "](" not in page


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_shown_by_help_as_it_stands_in_the_docs(name: str, user: User) -> None:
    result = user.kotta("help", name)
    assert (result.code, result.err) == (0, "")
    title = (REPOSITORY / SOURCES[name][0]).read_text()
    assert result.lines[0] in title


def test_topics_are_on_the_top_page_and_are_no_commands() -> None:
    page = top_page(80, color=False)
    for name, line in TOPICS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", page, re.MULTILINE)
    assert not TOPICS.keys() & set(command_names())


def test_a_topic_that_is_nearly_right_is_named(user: User) -> None:
    result = user.quick("exit-code", "--help")
    assert (result.code, result.err) == (
        2,
        "error: there is no command `exit-code`\nhint: did you mean `kotta help exit-codes`?\n",
    )


def test_the_exit_codes_that_are_told_are_those_there_are() -> None:
    text = topic_text("exit-codes", REPOSITORY)
    told = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert [int(code) for code in told] == list(ExitCode)


def test_a_section_that_is_gone_is_missed(tmp_path: Path) -> None:
    (tmp_path / "docs/commands").mkdir(parents=True)
    (tmp_path / "docs/commands/README.md").write_text("# The command line\n")
    with pytest.raises(ValueError, match="no section `Exit codes`"):
        topic_text("exit-codes", tmp_path)
