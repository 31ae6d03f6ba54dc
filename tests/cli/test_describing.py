"""Descriptions from anything: YAML, scripts with a head, command lines, and options over all."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Result, User

EXAMPLES = Path(__file__).parents[2] / "examples"


def _description(user: User, *words: str, stdin: str = "", **environment: str) -> dict[str, Any]:
    """What the service keeps of a job that is submitted so."""
    result = user.quick("submit", *words, stdin=stdin, **environment)
    assert result.code == 0, result.err
    return user.client.status(result.lines[0]).description


def _refused(user: User, *words: str, stdin: str = "") -> Result:
    before = _newest(user)
    result = user.quick("submit", *words, stdin=stdin)
    assert (result.code, result.out) == (2, "")
    assert _newest(user) == before, "something was submitted"
    return result


def _newest(user: User) -> list[str]:
    return [job.id for job in user.client.list(limit=1).jobs]


def test_yaml_means_what_it_says(user: User) -> None:
    (user.home / "job.yaml").write_text(
        "executable: /bin/sh fit.sh\n"
        "script_name: fit.sh\n"
        "script: |\n"
        "  echo one\n"
        "  echo two\n"
        "tags: [no, on, 1:30]\n"
        "env: {ANSWER: yes, MODE: 0o17, RATE: 1e-3}\n"
    )
    found = _description(user, "job.yaml")
    assert found["script"] == "echo one\necho two\n"
    assert found["tags"] == ["no", "on", "1:30"]
    assert found["env"] == {"ANSWER": "yes", "MODE": "15", "RATE": "0.001"}


def test_yaml_may_say_once_what_several_jobs_have_in_common(user: User) -> None:
    (user.home / "two.yml").write_text(
        "- &first\n  executable: 'true'\n  queue: Prod\n  walltime: 5\n"
        "- <<: *first\n  walltime: 6\n"
    )
    result = user.quick("submit", "two.yml", "--json")
    assert [(job["queue"], job["walltime_seconds"]) for job in result.json] == [
        ("Prod", 300),
        ("Prod", 360),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("executable: a\nwaltime: 5\n", ["job.yaml:2:1: waltime is not a known field",
                                        "      2 | waltime: 5", "        | ^"]),
        ("executable: a\nexecutable: b\n", ["job.yaml:2:1: executable stands there twice"]),
        ("executable: a\nenv:\n\tA: 1\n", ["job.yaml:3:1: a tab stands here"]),
        ("jobname: night: run\n", ["job.yaml:1:15: a second `:` stands here"]),
        ("executable: a\nwalltime: 1:30\n", ["job.yaml:2:1: walltime must be a number"]),
        ("executable: a\nenv: {A: true}\n", ["job.yaml:2:1: env `A` must be text, not true"]),
        ("executable: a\n---\nexecutable: b\n", ["job.yaml:2:1: a second document begins here"]),
        ("a: &a [*a]\n", ["is nested too deeply"]),
        ("# nothing\n", ["job.yaml holds no description"]),
        ("just words\n", ["job.yaml:1:1: must be an object of fields and values"]),
        ("executable: a\nargs: [x\n", ["job.yaml:3:1: while parsing a flow sequence"]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_yaml_is_shown_in_its_line(user: User, text: str, said: list[str]) -> None:
    (user.home / "job.yaml").write_text(text)
    result = _refused(user, "job.yaml")
    for words in said:
        assert words in result.err


def test_a_few_lines_of_yaml_cannot_fill_the_memory(user: User) -> None:
    names = "abcdefgh"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    (user.home / "bomb.yaml").write_text("\n".join(lines))
    assert "holds more than 200000 values" in _refused(user, "bomb.yaml").err


@pytest.mark.parametrize(
    ("stdin", "wanted"),
    [
        ('{"executable": "true", "queue": "Prod"}', {"queue": "Prod"}),
        ("executable: 'true'\nqueue: Prod\n", {"queue": "Prod"}),
        ("#!/bin/sh\n#KOTTA queue: Prod\ntrue\n", {"queue": "Prod", "executable": ""}),
        ("# mine\n#KOTTA queue: Prod\ntrue\n", {"executable": "/bin/bash script.sh"}),
    ],
)
def test_standard_input_may_be_any_of_them(user: User, stdin: str, wanted: dict[str, Any]) -> None:
    found = _description(user, "-", stdin=stdin)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("head.sh", "#!/bin/sh\n#KOTTA queue: Prod\ntrue\n", ""),
        ("head.py", "# KOTTA queue: Prod\nprint()\n", "python3 head.py"),
        ("head.R", "#KOTTA queue: Prod\nx <- 1\n", "Rscript head.R"),
        ("head.jl", "#KOTTA queue: Prod\nx = 1\n", "julia head.jl"),
        ("head crlf.sh", "#!/bin/sh\r\n\r\n#KOTTA queue: Prod\r\ntrue\r\n", ""),
        ("bracket.sh", "[ -d / ] && true\n#KOTTA queue: Test\n", "/bin/bash bracket.sh"),
        ("late.sh", "#KOTTA queue: Prod\ntrue\n#KOTTA queue: Test\n", "/bin/bash late.sh"),
    ],
)
def test_a_script_says_in_its_head_how_it_is_run(
    user: User, name: str, text: str, command: str
) -> None:
    (user.home / name).write_bytes(text.encode())
    found = _description(user, name)
    assert (found["executable"], found["script_name"]) == (command, name)
    assert found["queue"] == ("Test" if name == "bracket.sh" else "Prod")


def test_a_head_may_go_over_several_lines(user: User) -> None:
    (user.home / "lines.sh").write_text("#KOTTA tags:\n#KOTTA   - a\n#KOTTA   - b\ntrue\n")
    assert _description(user, "lines.sh")["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/bin/sh\n#KOTTA queue Prod\n", "head.sh:2:8: a #KOTTA line is written `#KOTTA name:"),
        ("#!/bin/sh\n\n# KOTTA  waltime: 5\n", "head.sh:3:10: waltime is not a known field"),
        ("#KOTTA tags: [a\n", "head.sh:1:16: while parsing a flow sequence"),
        ("#KOTTA queue: Prod\n#KOTTA queue: Test\n", "head.sh:2:8: queue stands there twice"),
        ("#KOTTA queue: Nowhere\r\n", "head.sh:1:8: queue `Nowhere` is no queue here"),
    ],
)
def test_what_is_wrong_in_a_head_is_shown_in_its_line(user: User, text: str, said: str) -> None:
    (user.home / "head.sh").write_bytes(text.encode())
    result = _refused(user, "head.sh")
    assert said in result.err
    shown, caret = result.err.splitlines()[-2:]
    column = int(said.split(":")[2])
    assert caret.index("^") == shown.index("| ") + 1 + column


def test_a_file_that_does_not_say_what_it_is_is_not_run(user: User) -> None:
    (user.home / "notes.txt").write_text("rm -rf everything\n")
    assert "does not say what runs it" in _refused(user, "notes.txt").err
    assert _description(user, "--script", "notes.txt")["script_name"] == "notes.txt"


def test_a_command_line_alone_is_a_job(user: User) -> None:
    (user.home / "train.py").write_text("import sys\nprint(sys.argv[1:], open('data').read())\n")
    (user.home / "folder").mkdir(exist_ok=True)
    (user.home / "folder/data").write_text("local")
    words = ["--queue", "Test", "--walltime", "5", "-i", "train.py", "-i", "folder/data"]
    result = user.quick(
        "submit", *words, "--wait", "--", "python3", "train.py", "--lr", "0.1", "a b", "-q"
    )
    assert result.code == 0
    said = b"".join(user.client.logs(result.lines[0]))
    assert said == b"['--lr', '0.1', 'a b', '-q'] local\n"


def test_later_sources_go_over_earlier_ones(user: User) -> None:
    user.describe(queue="Test", walltime=1, cpus=1, tags="file", executable="true", retries=1)
    (user.home / "over.sh").write_text("#KOTTA walltime: 2\n#KOTTA retries: 2\ntrue\n")
    words = ["--retries", "3", "--cpus", "2", "--tag", "option", "--set", "retries=4"]
    found = _description(user, "job.json", "--script", "over.sh", *words)
    assert (found["walltime"], found["cpus"], found["retries"]) == (2, 2, 4)
    assert found["tags"] == ["file", "option"]
    assert found["executable"] == "true"


def test_a_command_line_takes_the_place_of_a_files_with_its_arguments(user: User) -> None:
    user.describe(executable="echo", args="old")
    found = _description(user, "job.json", "--", "echo", "new")
    assert (found["executable"], found["args"]) == ("echo new", "")


def test_set_takes_text_as_it_is_and_other_fields_as_json(user: User) -> None:
    words = ["--set", "jobname=2026", "--set", 'env={"A": 1}', "--set", "tags=a,b"]
    found = _description(user, *words, "--set", "walltime=1e1", "--set", "executable=true")
    assert (found["jobname"], found["env"], found["walltime"]) == ("2026", {"A": "1"}, 10)
    assert found["tags"] == ["a", "b"]
    user.describe(executable="true", tags="a")
    assert _description(user, "job.json", "--set", "tags=")["tags"] == []


def test_inputs_of_options_are_looked_up_where_one_types(user: User) -> None:
    (user.home / "sub").mkdir(exist_ok=True)
    (user.home / "sub/own.txt").write_text("own")
    (user.home / "here.txt").write_text("here")
    user.describe("sub/job.json", executable="cat own.txt here.txt", inputs="own.txt")
    result = user.quick("submit", "sub/job.json", "--input", "here.txt", "--wait")
    assert b"".join(user.client.logs(result.lines[0])) == b"ownhere"


def test_env_passes_on_what_is_set_here(user: User) -> None:
    words = ["-e", "A=x=y", "-e", "MINE", "-e", "EMPTY=", "--", "true"]
    found = _description(user, *words, MINE="here")
    assert found["env"] == {"A": "x=y", "MINE": "here", "EMPTY": ""}


def test_requirements_are_read_from_a_file(user: User) -> None:
    (user.home / "requirements.txt").write_text("# none\n")
    assert _description(user, "--requirements", "requirements.txt", "--", "true")
    (user.home / "latin.txt").write_bytes(b"caf\xe9\n")
    result = _refused(user, "--requirements", "latin.txt", "--", "true")
    assert "latin.txt is not UTF-8 text" in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--walltime", "x"], "  --walltime x: walltime must be a number, not `x`"),
        (["--walltime", "nan"], "  --walltime nan: walltime must be minutes"),
        (["--walltime", "-1"], "  --walltime -1: walltime must be minutes"),
        (["--cpus", "1.5"], "  --cpus 1.5: cpus must be a whole number"),
        (["--cpus", "4000"], "  --cpus 4000: cpus "),
        (["--memory", "lots"], "  --memory lots: memory must be an amount"),
        (["--retries", "1000"], "  --retries 1000: retries must be a whole number"),
        (["--queue", "Nowhere"], "  --queue Nowhere: queue `Nowhere` is no queue here"),
        (["--name", "a\x1b[2J"], "  --name a: jobname `a\\x1b[2J` contains a control character"),
        (["--name", "n" * 300], f"  --name {'n' * 40}...: jobname is longer than 256"),
        (["--tag", "a\nb"], "  --tag: tags[0] `a\\x0ab` contains a control character"),
        (["--input", "nowhere.txt"], "  --input: inputs[0] "),
        (["--input", "ftp://host/x"], "  --input: inputs[0] is no URL"),
        (["--output", "../x"], "  --output: outputs `../x` contains `/`"),
        (["--env", "1=x"], "  --env: env `1` cannot be set"),
        (["--env", "KOTTA_JOB_ID=x"], "  --env: env `KOTTA_JOB_ID` cannot be set"),
        (["--env", "NOWHERE"], "error: `--env NOWHERE`: it is not set here"),
        (["--set", "walltme=1"], "error: `--set walltme=1`: a job has no field `walltme`"),
        (["--set", "walltime"], "error: `--set walltime` has no value"),
        (["--set", "walltime=[1]"], "  --set walltime=[1]: walltime must be a number"),
        (["--set", "env=" + "[" * 3000], "  --set env=[[["),
        (["--requirements", "nowhere"], "error: cannot read nowhere: No such file"),
        (["--after", "@nothing"], "error: `@nothing` means nothing"),
    ],
)
def test_a_wrong_value_is_told_by_its_option(user: User, words: list[str], said: str) -> None:
    before = _newest(user)
    result = user.quick("submit", *words, "--", "true")
    assert result.code == (1 if words[0] == "--after" else 2)
    assert said in result.err
    assert "\x1b" not in result.err
    assert _newest(user) == before


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_a_queue_that_there_is_not_is_told_with_what_else_is_wrong(
    user: User, more: list[str]
) -> None:
    user.describe(executable="true", walltime=0, queue="Nowhere", outptus="x")
    result = user.quick("submit", "job.json", *more)
    assert result.code == 2
    for words in ("walltime must be", "did you mean `outputs`?", "`Nowhere` is no queue here"):
        assert words in result.err
    assert "the queues are `Test`, `Prod`" in result.err


def test_errors_of_several_sources_each_have_their_own(user: User) -> None:
    user.describe(executable="true", walltime=0)
    (user.home / "head.sh").write_text("#!/bin/sh\n#KOTTA cpus: 0\n")
    result = _refused(user, "job.json", "--script", "head.sh", "--memory", "x")
    assert result.err.splitlines() == [
        "error: job.json has 3 problems",
        "  job.json:1:36: walltime must be minutes, more than 0 and at most 527040",
        '      1 | {"executable": "true", "walltime": 0}',
        "        |                                    ^",
        "  head.sh:2:8: cpus must be a whole number from 1 to 4096",
        "      2 | #KOTTA cpus: 0",
        "        |        ^",
        "  --memory x: memory must be an amount such as `512 MiB` or `4 GiB`; a bare number is MiB",
    ]


def test_json_names_the_source_of_each_problem(user: User) -> None:
    user.describe(executable="true", walltime=0)
    result = _refused(user, "job.json", "--cpus", "0", "--json")
    shape = json.loads(result.err)
    assert [(each["pointer"], each["source"]) for each in shape["errors"]] == [
        ("/walltime", "job.json"),
        ("/cpus", "--cpus 0"),
    ]


def test_the_examples_in_yaml_and_of_a_head_run(user: User) -> None:
    result = user.quick("submit", str(EXAMPLES / "letters.yaml"), "--wait")
    assert result.code == 0, result.err
    jobs = user.client.select_many(result.lines[0])
    said = {job.name: b"".join(user.client.logs(job)).decode() for job in jobs}
    assert said["Words with e"] == "12 words have the letter e\n"
    sweep = ["--sweep", "seed=1..2", "--wait", "--json"]
    jobs = user.quick("submit", str(EXAMPLES / "estimate_pi.sh"), *sweep).json
    assert [job["status"] for job in jobs] == ["completed", "completed"]
    assert {job["name"] for job in jobs} == {"Estimate pi[0]", "Estimate pi[1]"}
    assert float(b"".join(user.client.logs(jobs[0]["id"]))) == pytest.approx(3.14, abs=0.1)
