from __future__ import annotations

import json
from typing import Any

import pytest

from cli.conftest import Page, User
from kotta import errors
from kotta_cli import main as main_module
from kotta_cli.exit_codes import ExitCode
from kotta_cli.main import main
from kotta_cli.render.errors import error_lines

TEXT = '{\n  "executable": "echo",\n  "waltime": 5,\n\t"cpus": "日本", "memory": -1\n}\n'


def _description_error() -> errors.DescriptionError:
    return errors.DescriptionError(
        "job.json is no description of a job",
        problems=(
            errors.FieldProblem(
                "/waltime", "is not a known field", "did you mean `walltime`?", 3, 3
            ),
            errors.FieldProblem("/memory", "must be an amount", line=4, column=16),
            errors.FieldProblem("", "has neither `executable` nor `script`"),
        ),
        source="job.json",
        text=TEXT,
        hint="see the documentation",
    )


def test_a_wrong_description_is_shown_with_its_places() -> None:
    assert error_lines(_description_error(), Page().app) == [
        "error: job.json is no description of a job",
        "  job.json:3:3: waltime is not a known field (did you mean `walltime`?)",
        '      3 |   "waltime": 5,',
        "        |   ^",
        "  job.json:4:16: memory must be an amount",
        '      4 |  "cpus": "日本", "memory": -1',
        "        |                  ^",
        "  job.json: has neither `executable` nor `script`",
        "hint: see the documentation",
    ]


def test_a_long_source_line_is_cut_around_the_place() -> None:
    text = '{"script": "' + "x" * 500 + '", "bad": 1}'
    column = text.index('"bad"') + 1
    error = errors.DescriptionError(
        "no", problems=(errors.FieldProblem("/bad", "is bad", line=1, column=column),), text=text
    )
    _, _, line, caret = error_lines(error, Page().app)
    assert len(line) < 100
    assert line[caret.index("^") :].startswith('"bad"')


def test_jobs_between_which_a_name_does_not_choose_are_listed() -> None:
    error = errors.AmbiguousError("two jobs", candidates=(("id-1", "a\x1b[2J", "failed"),))
    assert error_lines(error, Page().app)[1] == "  id-1  a  failed"


def test_an_error_is_red_on_a_terminal() -> None:
    (line,) = error_lines(errors.NotFoundError("no job"), Page(tty=True, color=True).app)
    assert line == "\x1b[31merror:\x1b[0m no job"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("no"), 1),
        (errors.ConfigError("no"), 1),
        (errors.ConnectionFailedError("no"), 1),
        (_description_error(), 2),
        (errors.LoginRequiredError("no"), 4),
        (errors.WaitTimeoutError("no"), 124),
        (errors.ServiceFaultError("no", request_id="r-1"), 125),
        (errors.ServiceStartError("no"), 125),
        (ZeroDivisionError("no"), 125),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page()
    monkeypatch.setattr(main_module, "_run", _raising(error))
    assert main(["list"], page.app) == code
    assert "Traceback" not in page.err


def _raising(error: BaseException) -> Any:
    def fail(*_: object) -> int:
        raise error

    return fail


def test_an_internal_error_is_one_plain_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    monkeypatch.setattr(main_module, "_run", _raising(ZeroDivisionError("division by zero")))
    assert main(["list"], page.app) == ExitCode.KOTTA_FAULT
    assert page.err == (
        "error: internal error (ZeroDivisionError: division by zero); please report it\n"
        "hint: KOTTA_DEBUG=1 shows the traceback\n"
    )


def test_a_traceback_is_shown_to_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    monkeypatch.setenv("KOTTA_DEBUG", "1")
    monkeypatch.setattr(main_module, "_run", _raising(ZeroDivisionError("division by zero")))
    main(["list"], page.app)
    assert "Traceback (most recent call last)" in page.err


def test_with_json_an_error_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    monkeypatch.setattr(main_module, "_run", _raising(_description_error()))
    assert main(["submit", "--json"], page.app) == ExitCode.USAGE
    shape = json.loads(page.err)
    assert (shape["code"], shape["exit_code"], shape["source"]) == (
        "bad_description",
        2,
        "job.json",
    )
    assert shape["errors"][0] == {
        "pointer": "/waltime",
        "detail": "is not a known field",
        "hint": "did you mean `walltime`?",
        "line": 3,
        "column": 3,
        "source": "job.json",
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lsit"], "there is no command `lsit`\nhint: did you mean `kotta list`?"),
        (["frobnicate"], "there is no command `frobnicate`\nhint: see `kotta --help`"),
        (["service", "stat"], "there is no command `stat`\nhint: did you mean `kotta service s"),
        (
            ["list", "--stauts", "x"],
            "there is no option `--stauts`\nhint: did you mean `--status`?",
        ),
        (["list", "-x"], "there is no option `-x`\nhint: see `kotta list --help`"),
        (["list", "--status", "fail"], "`fail` is no state of a job\nhint: did you mean `failed`?"),
        (
            ["list", "--limit", "x"],
            "`--limit` must be a whole number\nhint: see `kotta list --help`",
        ),
        (["list", "--limit", "0"], "`--limit` must be at least 1\nhint: see `kotta list --help`"),
        (["list", "--limit"], "`--limit` needs a value\nhint: see `kotta list --help`"),
        (["list", "x"], "`kotta list` has no use for `x`\nhint: see `kotta list --help`"),
        (["cp", "x:y"], "`kotta cp` needs JOB:FILE and PATH\nhint: see `kotta cp --help`"),
        (["status"], "`kotta status` needs JOB\nhint: see `kotta status --help`"),
        (
            ["completion", "install", "tcsh"],
            "`tcsh` is no shell known here\nhint: did you mean `zsh`?",
        ),
        (
            ["serve", "--local", "--port", "80"],
            "`--local` is for no network, so it has no --host and no --port",
        ),
    ],
)
def test_a_wrong_command_line_is_told_what_would_be_right(words: list[str], said: str) -> None:
    page = Page()
    assert main(words, page.app) == ExitCode.USAGE
    assert page.out == ""
    assert page.err.startswith(f"error: {said}")


def test_a_wrong_command_line_with_json_is_refused_in_json(user: User) -> None:
    result = user.kotta("list", "--json", "--stauts", "x")
    assert (result.code, result.out) == (2, "")
    assert json.loads(result.err)["hint"] == "did you mean `--status`?"


def test_a_wrong_command_line_is_refused_by_the_command_itself(user: User) -> None:
    result = user.kotta("lsit")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: there is no command `lsit`\nhint: did you mean `kotta list`?\n"
