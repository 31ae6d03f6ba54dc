from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import platformdirs
import pytest

from cli.conftest import User
from cli.terminal import TerminalWindow
from kotta.models import Job, JobState
from kotta_cli import remembering
from kotta_cli.completion_cache import cache_path, read
from kotta_cli.completion_scripts import FILE_NAMES, SCRIPTS

REPOSITORY = Path(__file__).parents[2]
FIRST = "11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
SECOND = "22222222-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


def _needs(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        assert not os.environ.get("CI"), f"{program} is missing"
        pytest.skip(f"{program} is not installed")
    return path


def _job(job_id: str, name: str, status: str, minutes: int = 0) -> Job:
    return Job(
        id=job_id,
        name=name,
        status=JobState(status),
        queue="Test",
        jobtype="script",
        cpus=1,
        memory_mib=1,
        walltime_seconds=1,
        attempt=0,
        submitted_at=datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minutes),
        change=1,
    )


@pytest.fixture
def cache(user: User, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a user who has seen two jobs, one called by two words."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(user.home / ".cache"))
    monkeypatch.delenv("KOTTA_PROFILE", raising=False)
    monkeypatch.delenv("KOTTA_SERVER", raising=False)
    path = Path(cache_path())
    path.unlink(missing_ok=True)
    remembering.remember(
        None,
        jobs=[_job(FIRST, "my fit", "completed"), _job(SECOND, "sim$x", "processing", 1)],
        queues=[],
    )
    return path


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_scripts_in_the_repository_are_those_of_the_command_tree(shell: str) -> None:
    committed = (REPOSITORY / "completions" / FILE_NAMES[shell]).read_text()
    assert committed == SCRIPTS[shell](), "run `python -m kotta_cli.completion_scripts`"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_command_prints_the_script(user: User, shell: str) -> None:
    result = user.kotta("completion", shell)
    assert (result.code, result.out, result.err) == (0, SCRIPTS[shell](), "")


def test_jobs_are_offered_by_short_id_with_name_and_state(user: User, cache: Path) -> None:
    assert user.kotta("__complete", "jobs", "").lines == [
        "@last\tthe newest job",
        "22222222\tsim$x, processing",
        "11111111\tmy fit, completed",
    ]


def test_jobs_are_offered_by_name_once_it_has_begun(user: User, cache: Path) -> None:
    assert user.kotta("__complete", "jobs", "my").lines == ["my fit\tcompleted"]


def test_a_long_prefix_is_completed_to_the_whole_id(user: User, cache: Path) -> None:
    assert user.kotta("__complete", "jobs", FIRST[:10]).lines == [f"{FIRST}\tmy fit, completed"]


def test_jobs_that_have_ended_are_not_offered_to_cancel(user: User, cache: Path) -> None:
    assert [line[:8] for line in user.kotta("__complete", "active-jobs", "").lines] == [
        "@last\tth",
        "22222222",
    ]


def test_nothing_is_said_without_a_cache_or_for_what_is_not_known(user: User) -> None:
    for words in (["queues", "x"], ["jobs", "zzz"], ["nonsense"], []):
        result = user.kotta("__complete", *words, XDG_CACHE_HOME="/nonexistent")
        assert (result.code, result.out, result.err) == (0, "", "")


def test_a_spoiled_cache_is_read_as_far_as_it_makes_sense(user: User, cache: Path) -> None:
    cache.write_bytes(
        b"job\tx\njob\tnan't\tid\tfailed\tname\n\xff\xfe\n\njob\t1.0\tabc\tfailed\tn\n"
    )
    assert user.kotta("__complete", "jobs", "abc").lines == ["abc\tn, failed"]
    remembering.remember(None, jobs=[_job(FIRST, "again", "failed")])
    assert user.kotta("__complete", "jobs", "again").lines == ["again\tfailed"]


def test_the_cache_keeps_the_newest_two_hundred(cache: Path) -> None:
    jobs = [_job(f"{number:08}-0000", f"n{number}", "pending", number) for number in range(300)]
    remembering.remember(None, jobs=jobs[150:])
    remembering.remember(None, jobs=jobs[:150])
    kept, _ = read(str(cache))
    assert [line[3] for line in kept] == [f"n{number}" for number in range(299, 99, -1)]


def test_the_cache_is_this_users_alone_and_one_for_each_service(cache: Path) -> None:
    assert cache.stat().st_mode & 0o777 == 0o600
    assert cache.parent.stat().st_mode & 0o777 == 0o700
    assert cache_path("work") != cache_path("https://kotta.example.org/") != cache_path()


def test_the_cache_lies_where_platformdirs_says(cache: Path) -> None:
    assert cache.parent == Path(platformdirs.user_cache_dir("kotta"))


def test_a_cache_that_cannot_be_written_disturbs_nobody(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    remembering.remember(None, jobs=[_job(FIRST, "x", "failed")])


Completer = Callable[..., list[str]]


def _bash(user: User, *words: str) -> list[str]:
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _kotta 2>/dev/null
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [_needs("bash"), "-c", script, "bash", REPOSITORY / "completions/kotta.bash", *words],
        capture_output=True,
        text=True,
        env=user.environment,
        cwd=user.home,
        check=True,
    )
    return done.stdout.split()


def _fish(user: User, *words: str) -> list[str]:
    script = f"source {REPOSITORY}/completions/kotta.fish; complete -C $argv[1]"
    done = subprocess.run(
        [_needs("fish"), "--no-config", "-c", script, " ".join(words)],
        capture_output=True,
        text=True,
        env=user.environment,
        cwd=user.home,
        check=True,
    )
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("complete", [_bash, _fish])
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["su"], ["submit"]),
        (["-p", "work", "canc"], ["cancel"]),
        (["list", "--sta"], ["--status"]),
        (["list", "--status", "stag"], ["staging_inputs", "staging_outputs"]),
        (["service", "st"], ["status", "stop"]),
        (["service", "logs", "--f"], ["--follow"]),
        (["completion", "z"], ["zsh"]),
        (["logs", "--stream", "stde"], ["stderr"]),
        (["status", "1"], ["11111111"]),
        (["cancel", "1"], []),
        (["wait", "2"], ["22222222"]),
        (["queues", "x"], []),
    ],
)
def test_bash_and_fish_complete(
    user: User, cache: Path, complete: Completer, words: list[str], offered: list[str]
) -> None:
    assert sorted(complete(user, "kotta", *words)) == offered


def test_bash_completes_after_an_equals_sign(user: User, cache: Path) -> None:
    assert _bash(user, "kotta", "list", "--status", "=", "canc") == ["cancelled"]


def test_bash_quotes_names_with_blanks_and_dollars(user: User, cache: Path) -> None:
    assert _bash(user, "kotta", "status", "my") == ["my\\", "fit"]
    assert _bash(user, "kotta", "status", "my\\ f") == ["my\\", "fit"]
    assert _bash(user, "kotta", "status", "sim") == ["sim\\$x"]


def test_zsh_completes_with_descriptions(user: User, cache: Path) -> None:
    functions = user.home / "functions"
    functions.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "completions/_kotta", functions)
    zsh = TerminalWindow(
        [_needs("zsh"), "-f", "-i"],
        columns=120,
        rows=30,
        environment={**user.environment, "PS1": "ready> "},
        cwd=user.home,
    )
    zsh.type(f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; clear\r")
    zsh.until_it(lambda: zsh.lines == ["ready>"])
    for typed, shown in (
        ("kotta sub\t", "ready> kotta submit"),
        ("kotta list --status canc\t", "--status cancelled"),
        ("kotta service \t\t", "-- Stop the local service"),
        ("kotta status \t\t", "11111111  -- my fit, completed"),
        ("kotta status m\t", "kotta status my\\ fit"),
    ):
        zsh.type(typed)
        zsh.until(shown)
        zsh.type("\x15\x0c")
        zsh.until_it(lambda: zsh.lines == ["ready>"])
    zsh.type("exit\r")
    zsh.end()
