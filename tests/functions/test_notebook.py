"""How a job looks: the card, the progress line, the log."""

from __future__ import annotations

import io
import logging
from html.parser import HTMLParser

import pytest

from kotta import Kotta, KottaJob, set_stream_logger
from kotta.progress import ProgressLine


class Checked(HTMLParser):
    """Collects text and elements, and sees whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class TerminalText(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_card_shows_state_times_and_outputs(konn: Kotta) -> None:
    job = KottaJob(executable="echo hi > made.txt", outputs="made.txt, never.txt", jobname="My job")
    unsubmitted = Checked(job._repr_html_())
    assert "unsubmitted" in unsubmitted.words
    job.submit(konn)
    job.wait()
    card = Checked(job._repr_html_())
    assert not card.open
    text = " ".join(card.words)
    for words in ("My job", "completed", "submitted", "ended", "made.txt (3 bytes)", "never.txt"):
        assert words in text
    assert str(job.job_id) in text


def test_nothing_of_a_job_becomes_markup(konn: Kotta) -> None:
    evil = "<script>alert(1)</script>"
    job = KottaJob(executable="false", jobname=evil, outputs="<img src=x>.txt")
    assert "script" not in Checked(job._repr_html_()).elements
    job.submit(konn)
    job.wait()
    card = Checked(job._repr_html_())
    assert not {"script", "img"} & set(card.elements)
    assert evil in card.words
    assert "<img src=x>.txt" in card.words


def test_a_card_is_drawn_without_the_service_too(
    konn: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kotta.errors import ConnectionFailedError

    job = KottaJob(executable="true")
    job.submit(konn)
    job.wait()

    def away(*_: object, **__: object) -> None:
        raise ConnectionFailedError("<gone>")

    with monkeypatch.context() as patched:
        patched.setattr("kotta.submission.Submission.detail", away)
        assert "the service does not answer: <gone>" in Checked(job._repr_html_()).words


def test_elsewhere_a_job_is_plain_text(konn: Kotta) -> None:
    job = KottaJob(executable="true", jobname="x")
    assert repr(job) == "<KottaJob 'x' unsubmitted>"
    job.submit(konn)
    job.wait()
    assert repr(job) == f"<KottaJob 'x' {job.job_id} completed>"


def test_a_progress_line_is_redrawn_on_a_terminal(konn: Kotta) -> None:
    job = KottaJob(executable="true", jobname="bell\x07" * 0 + "work")
    job.submit(konn)
    stream = TerminalText()
    with ProgressLine(stream) as line:
        assert job.latest is not None
        line.show(job.latest, 0)
        line.show(job.latest, 0)
        job.wait()
        line.show(job.latest, 12.4)
    said = stream.getvalue()
    assert said.endswith("\rwork: completed, 12 s\n")
    assert said.count("\r") == 2


def test_elsewhere_a_line_is_printed_for_each_state(
    konn: Kotta, capsys: pytest.CaptureFixture[str]
) -> None:
    job = KottaJob(executable="sleep 0.3", jobname="work")
    job.submit(konn)
    assert job.wait(silent=False) == "completed"
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[-1] == "work: completed"
    assert len(lines) == len(set(lines))
    assert job.wait(maxwait=0, silent=False) == "completed"


def test_a_loud_wait_gives_up_too(konn: Kotta, capsys: pytest.CaptureFixture[str]) -> None:
    job = KottaJob(executable="sleep 60")
    job.submit(konn)
    assert job.wait(maxwait=0.1, silent=False) is False
    assert "sleep" in capsys.readouterr().err


def test_the_library_logs_to_nobody_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("kotta")
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    handler = set_stream_logger(level=logging.INFO)
    again = set_stream_logger(level=logging.INFO)
    try:
        logging.getLogger("kotta.job").info("heard")
        assert capsys.readouterr().err.count("heard") == 1
        assert handler not in logger.handlers
    finally:
        logger.removeHandler(again)
        logger.setLevel(logging.NOTSET)
