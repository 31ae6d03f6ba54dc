from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from programs import needed

from cli.conftest import User
from cli.terminal import TerminalWindow
from kotta.models import Job, JobState, Queue
from kotta.settings import IN_PROFILE, SETTINGS
from kotta_cli import completion_requests, remembering
from kotta_cli.completion_cache import cache_path, read, service_key
from kotta_cli.completion_scripts import FILE_NAMES, SCRIPTS

REPOSITORY = Path(__file__).parents[2]
FIRST = "11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
SECOND = "22222222-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


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


def _queue(name: str) -> Queue:
    return Queue(
        name=name,
        cpus=1,
        memory_mib=1,
        cpus_used=0,
        memory_used_mib=0,
        running=0,
        pending=0,
        max_walltime_minutes=1,
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
        "local",
        jobs=[_job(FIRST, "my fit", "completed"), _job(SECOND, "sim$x", "processing", 1)],
        queues=[],
        outputs={FIRST: ["a b.csv", "plot.png"]},
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
        "@failed\tall that failed",
    ]
    assert len(user.kotta("__complete", "job", "").lines) == 3


def test_jobs_are_offered_by_name_once_it_has_begun(user: User, cache: Path) -> None:
    assert user.kotta("__complete", "jobs", "my").lines == ["my fit\tcompleted"]


def _swept(index: int, status: str = "completed", name: str = "swp") -> Job:
    job = _job(f"{index + 1}3333333-{name}", f"{name}[{index}]", status, 9 - index)
    return job.model_copy(update={"array": "a", "array_index": index})


def test_an_array_is_offered_by_its_name_before_its_jobs(user: User, cache: Path) -> None:
    remembering.remember("local", jobs=[_swept(0), _swept(1, "pending"), _swept(0, name="swept")])
    remembering.remember("local", jobs=[_job(SECOND, "swx[0]", "completed")])
    for request in ("jobs", "job-then-outputs"):
        offered = [line.split("\t")[0] for line in user.kotta("__complete", request, "sw").lines]
        assert offered == ["swp", "swept", "swp[0]", "swept[0]", "swp[1]", "swx[0]"]
    assert user.kotta("__complete", "jobs", "swp[1").lines == ["swp[1]\tpending"]
    assert user.kotta("__complete", "active-jobs", "sw").lines == [
        "swp\tan array",
        "swp[1]\tpending",
    ]
    assert user.kotta("__complete", "job", "swp").lines == ["swp[0]\tcompleted", "swp[1]\tpending"]


def test_an_array_is_forgotten_with_its_jobs(cache: Path) -> None:
    remembering.remember("local", jobs=[_swept(0)])
    assert read(str(cache)).arrays == ["swp"]
    others = [_job(f"{number:08}-0000", f"n{number}", "pending", 99) for number in range(200)]
    remembering.remember("local", jobs=others)
    assert read(str(cache)).arrays == []


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
    remembering.remember("local", jobs=[_job(FIRST, "again", "failed")])
    assert user.kotta("__complete", "jobs", "again").lines == ["again\tfailed"]


def test_the_cache_keeps_the_newest_two_hundred(cache: Path) -> None:
    jobs = [_job(f"{number:08}-0000", f"n{number}", "pending", number) for number in range(300)]
    remembering.remember("local", jobs=jobs[150:])
    remembering.remember("local", jobs=jobs[:150])
    kept = read(str(cache))
    assert [line[3] for line in kept.jobs] == [f"n{number}" for number in range(299, 99, -1)]


def test_the_cache_is_this_users_alone_and_one_for_each_service(cache: Path) -> None:
    assert cache.stat().st_mode & 0o777 == 0o600
    assert cache.parent.stat().st_mode & 0o777 == 0o700
    keys = [
        *(service_key("work", ""), service_key("a b", ""), service_key("a-b", "")),
        *(service_key(None, "https://kotta.example.org"), service_key(None, "")),
        *(service_key("local", ""), service_key("ä", ""), service_key("a", "")),
    ]
    assert len({cache_path(key) for key in keys}) == len(keys)


def test_the_cache_lies_where_platformdirs_says(cache: Path) -> None:
    assert cache.parent == Path(platformdirs.user_cache_dir("kotta"))


def test_a_cache_that_cannot_be_written_disturbs_nobody(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    remembering.remember("local", jobs=[_job(FIRST, "x", "failed")])


def _remember(jobs: list[Job], **more: Any) -> None:
    remembering.remember("local", jobs=jobs, **more)


def test_sets_and_tags_are_offered_where_many_jobs_may_stand(user: User, cache: Path) -> None:
    _remember([_job(FIRST, "my fit", "failed").model_copy(update={"tags": ["old", "a b"]})])
    assert user.kotta("__complete", "jobs", "@fa").lines == ["@failed\tall that failed"]
    assert [line.split("\t")[0] for line in user.kotta("__complete", "jobs", "tag=").lines] == [
        "tag=old",
        "tag=a b",
    ]
    assert user.kotta("__complete", "job", "@fa").lines == []
    assert user.kotta("__complete", "active-jobs", "@fa").lines == []
    assert user.kotta("__complete", "active-jobs", "@op").lines == [
        "@open\tall that have not ended"
    ]
    assert user.kotta("__complete", "tags", "o").lines == ["old"]


@pytest.mark.parametrize("job", ["@last", "@1", "my fit", "1111", FIRST])
def test_the_outputs_offered_are_those_of_the_job_before(user: User, cache: Path, job: str) -> None:
    _remember([_job(FIRST, "my fit", "completed", 9)])
    words = ["fetch", "-o", "results", job]
    assert user.kotta("__complete", "job-then-outputs", "", *words).lines == ["a b.csv", "plot.png"]
    assert user.kotta("__complete", "job-then-outputs", "p", *words).lines == ["plot.png"]
    again = user.kotta("__complete", "job-then-outputs", "", *words, "plot.png").lines
    assert again == ["a b.csv"]
    assert user.kotta("__complete", "job-and-output", f"{job}:p").lines == [f"{job}:plot.png"]


def test_the_outputs_offered_of_an_array_are_those_of_its_jobs(user: User, cache: Path) -> None:
    user.kotta("submit", "--name", "swp", "--sweep", "x=1,2", "--output", "made-{x}", "--", "true")
    user.kotta("wait", "swp")
    user.quick("status", "swp[0]")
    user.quick("status", "swp[1]")
    offered = user.kotta("__complete", "job-then-outputs", "made", "fetch", "swp").lines
    assert sorted(offered) == ["made-1", "made-2"]


def test_before_there_is_a_job_jobs_are_offered(user: User, cache: Path) -> None:
    first = user.kotta("__complete", "job-then-outputs", "m", "fetch", "-o", "results").lines
    assert first == ["my fit\tcompleted"]
    assert user.kotta("__complete", "job-and-output", "m").lines == ["my fit:\tcompleted"]
    assert user.kotta("__complete", "job-then-outputs", "", "fetch", SECOND).lines == []


def test_commands_remember_the_outputs_that_they_see(user: User, cache: Path) -> None:
    user.describe(executable="touch made", outputs="made, not made", output_file_stdout="said")
    job = user.kotta("submit", "job.json", "--wait").out.strip()
    ask = ("__complete", "job-then-outputs", "", "fetch", job)
    assert user.kotta(*ask).lines == ["made", "not made", "said", "STDERR.txt"]
    cache.unlink()
    user.quick("status", job)
    assert sorted(user.kotta(*ask).lines) == ["STDERR.txt", "made", "not made", "said"]
    cache.unlink()
    user.quick("fetch", job, "made")
    assert "not made" in user.kotta(*ask).lines


def test_names_that_would_be_dangerous_to_show_are_not_remembered(cache: Path) -> None:
    _remember([], outputs={FIRST: ["x"]})
    _remember(
        [_job(FIRST, "a\nb\x1b[31m\tc", "failed").model_copy(update={"tags": ["\x1b]0;x\x07"]})],
    )
    known = read(str(cache))
    assert [line[3] for line in known.jobs] == ["sim$x", "a b c"]
    assert known.tags == []


def test_what_is_offered_is_of_the_service_that_is_meant(
    user: User, cache: Path, tmp_path: Path
) -> None:
    config = user.home / ".config/kotta/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('[profiles.lab]\nserver = "https://lab.example"\n[profiles."a b"]\n')
    for key, name in (
        (service_key("lab", ""), "of lab"),
        (service_key(None, "https://far.example"), "of far"),
    ):
        remembering.remember(key, jobs=[_job(FIRST, name, "failed")])

    def offered(*words: str, **environment: str) -> list[str]:
        lines = user.kotta("__complete", "job", "of", *words, **environment).lines
        return [line.split("\t")[0] for line in lines]

    far = {"KOTTA_SERVER": "https://far.example/"}
    assert offered("status") == []
    assert offered("-p", "lab", "status") == ["of lab"]
    assert offered("--profile=lab", "status") == ["of lab"]
    assert offered("-plab", "status", **far) == ["of lab"]
    assert offered("--server", "https://far.example", "status") == ["of far"]
    assert offered("status", KOTTA_PROFILE="lab", **far) == ["of far"]
    assert offered("status", KOTTA_PROFILE="lab") == ["of lab"]
    assert offered("rerun", "-p", "lab") == []
    project = user.home / "kotta.toml"
    project.write_text('# here\nprofile = "lab"  # theirs\n')
    assert offered("status") == ["of lab"]
    project.chmod(0o666)
    assert offered("status") == []
    project.unlink()
    config.write_text("profile = 'lab'\n" + config.read_text())
    assert offered("status") == ["of lab"]
    assert user.kotta("__complete", "profiles", "").lines == ["lab", "a b"]
    config.unlink()


def test_settings_are_offered_and_what_they_may_be(user: User, cache: Path) -> None:
    config = user.home / ".config/kotta/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('[profiles.lab]\nserver = "https://lab.example"\n')
    remembering.remember("local", queues=[_queue("Big")])
    keys = user.kotta("__complete", "keys", "").lines
    assert keys[:2] == ["profile", "queue"]
    assert "profiles.lab.server" in keys
    ask = ("__complete", "key-then-value", "")
    assert user.kotta(*ask, "config", "set").lines == keys
    assert user.kotta(*ask, "config", "set", "profile").lines == ["lab"]
    assert user.kotta(*ask, "config", "set", "profiles.lab.queue").lines == ["Big"]
    assert user.kotta(*ask, "config", "set", "walltime").lines == []
    config.unlink()


def test_the_settings_that_are_offered_are_those_there_are() -> None:
    assert tuple(SETTINGS) == completion_requests.SETTINGS
    assert tuple(IN_PROFILE) == completion_requests.IN_PROFILE


def test_answering_imports_next_to_nothing(user: User, cache: Path) -> None:
    script = "import sys; before = set(sys.modules)\n"
    script += "from kotta_cli.completion_requests import answer; answer(['jobs', ''])\n"
    script += "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=user.environment
    )
    imported = {name for name in done.stderr.split() if not name.startswith(("kotta", "_"))}
    assert imported <= {"stat"}


Completer = Callable[..., list[str]]


def _bash(user: User, *words: str) -> list[str]:
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        COMP_LINE=${COMP_WORDS[*]}; COMP_POINT=${#COMP_LINE}
        _kotta 2>/dev/null
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [needed("bash"), "-c", script, "bash", REPOSITORY / "completions/kotta.bash", *words],
        capture_output=True,
        text=True,
        env=user.environment,
        cwd=user.home,
        check=True,
    )
    return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []


def _fish(user: User, *words: str) -> list[str]:
    script = f"source {REPOSITORY}/completions/kotta.fish; complete -C $argv[1]"
    done = subprocess.run(
        [needed("fish"), "--no-config", "-c", script, " ".join(words)],
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
        (["submit", "--name", "my"], []),
        (["submit", "--output", "my"], []),
        (["fetch", "my\\ fit", "pl"], ["plot.png"]),
        (["fetch", "-o", "somewhere", "11111111", "pl"], ["plot.png"]),
        (["list", "--fields", "na"], ["name"]),
        (["list", "--fields", "id,na"], ["id,name"]),
        (["config", "set", "list.l"], ["list.limit"]),
        (["rerun", "@fai"], ["@failed"]),
        (["help", "ex"], ["exit-codes"]),
        (["help", "canc"], ["cancel"]),
    ],
)
def test_bash_and_fish_complete(
    user: User, cache: Path, complete: Completer, words: list[str], offered: list[str]
) -> None:
    assert sorted(complete(user, "kotta", *words)) == offered


def test_bash_completes_after_an_equals_sign(user: User, cache: Path) -> None:
    assert _bash(user, "kotta", "list", "--status", "=", "canc") == ["cancelled"]


def test_bash_quotes_names_with_blanks_and_dollars(user: User, cache: Path) -> None:
    assert _bash(user, "kotta", "status", "my") == ["my\\ fit"]
    assert _bash(user, "kotta", "status", "my\\ f") == ["my\\ fit"]
    assert _bash(user, "kotta", "status", "sim") == ["sim\\$x"]


def test_bash_completes_to_the_name_of_an_array(user: User, cache: Path) -> None:
    remembering.remember("local", jobs=[_swept(0), _swept(1)])
    assert _bash(user, "kotta", "status", "sw") == ["swp", "swp\\[0\\]", "swp\\[1\\]"]


class Shell:
    """A shell that somebody sits at, with the completion of kotta."""

    def __init__(self, name: str, user: User) -> None:
        self._name = name
        program = needed(name)
        words = {
            "bash": [program, "--norc", "--noprofile", "-i"],
            "zsh": [program, "-f", "-i"],
            "fish": [program, "--no-config", "-i"],
        }[name]
        functions = user.home / "functions"
        functions.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "completions/_kotta", functions)
        self.window = TerminalWindow(
            words,
            columns=120,
            rows=30,
            environment={**user.environment, "PS1": "ready> ", "INPUTRC": "/dev/null"},
            cwd=user.home,
        )
        self.window.type(
            {
                "bash": f"source {REPOSITORY}/completions/kotta.bash",
                "zsh": f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D",
                "fish": f"source {REPOSITORY}/completions/kotta.fish; "
                "function fish_prompt; echo -n 'ready> '; end",
            }[name]
            + "; clear\r"
        )
        self._until_ready()

    def words_after(self, typed: str) -> list[str]:
        """What the command would be given, were it run after this was typed, Tab and all."""
        self.window.type(typed)
        # the line becomes that of a command that says what it is given
        self.window.type("\x01printf '<%s>\\n' \x05 END\r")
        self.window.until("<END>")
        shown = self.window.text.split("<END>")[0]
        words = shown[shown.index("<kotta>") :].splitlines()
        self.clear()
        return [word[1:-1] for word in words if word]

    def clear(self) -> None:
        self.window.type("clear\r")
        self._until_ready()

    def leave(self) -> None:
        self.window.type("\x15exit\r")
        self.window.end()

    def _until_ready(self) -> None:
        self.window.until_it(lambda: self.window.lines == ["ready>"])


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, user: User, cache: Path) -> Iterator[Shell]:
    shell = Shell(request.param, user)
    yield shell
    shell.leave()


NAMES = {
    "q1": "q1 it's",
    "q2": 'q2 say "hi"',
    "q3": "q3 $HOME `id`",
    "q4": "q4\\back",
    "q5": "q5 größe 数",
    "q6": "q6:colon",
    "q7": "q7=equal",
    "q8": "q8*?[a]",
    "q9": "q9;&|<>(x)",
    "qa": "qa#~!x",
}


def test_names_of_any_kind_arrive_as_they_are(shell: Shell) -> None:
    jobs = [_job(f"{number:08}-0", name, "failed") for number, name in enumerate(NAMES.values())]
    _remember(jobs)
    for typed, name in NAMES.items():
        assert shell.words_after(f"kotta status {typed}\t") == ["kotta", "status", name]


def test_a_word_that_was_begun_in_quotes_is_ended_in_them(shell: Shell) -> None:
    assert shell.words_after('kotta status "my f\t') == ["kotta", "status", "my fit"]
    assert shell.words_after("kotta status 'my f\t") == ["kotta", "status", "my fit"]
    assert shell.words_after("kotta status my\\ f\t") == ["kotta", "status", "my fit"]


def test_outputs_follow_their_job_in_every_shell(shell: Shell) -> None:
    assert shell.words_after("kotta fetch my\\ fit a\t") == ["kotta", "fetch", "my fit", "a b.csv"]
    assert shell.words_after("kotta fetch 1\t pl\t") == ["kotta", "fetch", "11111111", "plot.png"]


def test_a_job_and_its_output_are_one_word_and_a_path_may_follow(shell: Shell, user: User) -> None:
    (user.home / "results dir").mkdir(exist_ok=True)
    assert shell.words_after("kotta cat 1\tpl\t") == ["kotta", "cat", "11111111:plot.png"]
    assert shell.words_after("kotta cat my\\ fit:a\t") == ["kotta", "cat", "my fit:a b.csv"]
    assert shell.words_after("kotta cp @last:x resu\t")[-1].rstrip("/") == "results dir"


def test_tags_lists_and_options_with_equals_signs_are_completed(shell: Shell) -> None:
    _remember([_job(FIRST, "my fit", "failed").model_copy(update={"tags": ["night run"]})])
    assert shell.words_after("kotta rerun tag=\t") == ["kotta", "rerun", "tag=night run"]
    assert shell.words_after("kotta list --fields id,que\t")[-1].rstrip(",") == "id,queue"
    assert shell.words_after("kotta list --tag=ni\t")[-1] == "--tag=night run"
    assert shell.words_after("kotta list --json=id,exit\t")[-1].rstrip(",") == "--json=id,exit_code"
    assert shell.words_after("kotta config list --json=orig\t")[-1].rstrip(",") == "--json=origin"


def test_zsh_completes_with_descriptions(user: User, cache: Path) -> None:
    functions = user.home / "functions"
    functions.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "completions/_kotta", functions)
    zsh = TerminalWindow(
        [needed("zsh"), "-f", "-i"],
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
        ("kotta help sel\t", "kotta help selectors"),
    ):
        zsh.type(typed)
        zsh.until(shown)
        zsh.type("\x15\x0c")
        zsh.until_it(lambda: zsh.lines == ["ready>"])
    zsh.type("exit\r")
    zsh.end()
