"""Everything that the first library's documentation names, in its words, on a real service."""

from __future__ import annotations

import copy
import inspect
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

import kotta

from kotta import KottaJob, Kotta, KOut, KottaFn, errors, kottajob  # isort: skip
from kotta.credentials import understand

HELLO = {
    "jobtype": "script",
    "jobname": "hello",
    "executable": "/bin/bash myscript.sh",
    "script_name": "myscript.sh",
    "script": '#!/bin/bash \n echo "Hello World!"',
}
STATES = {
    "unsubmitted", "pending", "staging_inputs", "cancelled", "completed", "failed", "processing",
    "staging_outputs",
}  # fmt: skip


def hello(**more: Any) -> KottaJob:
    return KottaJob(**{**HELLO, **more})


def test_the_names_are_where_they_were() -> None:
    names: dict[str, Any] = {}
    exec("from kotta.kotta_functions import *", names)
    assert names["kottajob"] is kottajob
    assert {"KottaJob", "KottaFn", "KOut"} <= set(names)
    for name in kotta.__all__:
        assert getattr(kotta, name) is not None


def test_importing_kotta_imports_neither_httpx_nor_pydantic() -> None:
    code = (
        "import sys, kotta; from kotta import *; "
        "print([name for name in ('httpx', 'pydantic') if name in sys.modules])"
    ).replace("from kotta import *; ", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (Kotta, "(creds, *, profile, server, notify)"),
        (kottajob, "(conn, queue, walltime, block, requirements, inputs, outputs, **fields)"),
        (KottaJob.wait, "(self, konn, maxwait, sleep, silent)"),
        (KOut, "(filestring, konn, *, s3_url)"),
        (KOut.fetch, "(self, filename)"),
    ],
)
def test_signatures_are_those_of_the_documentation(function: Any, signature: str) -> None:
    found = inspect.signature(function)
    empty = inspect.Parameter.empty
    bare = [item.replace(default=empty, annotation=empty) for item in found.parameters.values()]
    assert str(found.replace(parameters=bare, return_annotation=empty)) == signature


def test_defaults_are_those_of_the_documentation() -> None:
    wait = inspect.signature(KottaJob.wait).parameters
    assert {name: wait[name].default for name in ("maxwait", "sleep", "silent")} == {
        "maxwait": 600, "sleep": 2, "silent": True,
    }  # fmt: skip
    assert inspect.signature(kottajob).parameters["block"].default is True
    assert KottaJob().desc == {
        "inputs": "", "outputs": "", "walltime": 300, "queue": "Test",
        "output_file_stdout": "STDOUT.txt", "output_file_stderr": "STDERR.txt",
    }  # fmt: skip


def test_a_script_job_from_beginning_to_end(konn: Kotta) -> None:
    job = hello()
    assert job.status(konn) == "unsubmitted"
    assert job.job_id is None
    assert job.STDOUT is None
    assert job.submit(konn) is True
    assert job.status(konn) in STATES
    assert job.wait(konn) == "completed"
    assert job.jobname == "hello"
    assert job.STDOUT == "Hello World!\n"
    assert job.STDERR == ""
    assert [output.file for output in job.outputs] == ["myscript.sh"]
    assert job.desc["executable"] == "/bin/bash myscript.sh"
    assert job.get_results(konn) is None
    assert job.result() is None


def test_the_connection_may_be_left_out_once_the_job_knows_it(konn: Kotta) -> None:
    job = hello()
    with pytest.raises(errors.RequestError, match="no connection"):
        job.submit()
    job.submit(konn)
    assert job.wait() == "completed"
    assert job.status() == "completed"
    assert job.get_results() is None
    assert job.cancel() is False


def test_what_needs_a_submission_says_so() -> None:
    with pytest.raises(errors.RequestError, match="not been submitted"):
        hello().result()
    assert not hello().done()


def test_wait_gives_up_after_maxwait(konn: Kotta) -> None:
    job = KottaJob(executable="sleep 60")
    job.submit(konn)
    assert job.wait(konn, maxwait=0.2) is False
    assert job.cancel(konn) is True
    assert job.wait(konn, maxwait=20) == "cancelled"


def test_a_job_is_attached_to_by_its_id(konn: Kotta) -> None:
    job = hello()
    job.submit(konn)
    attached = KottaJob(konn, job_id=job.job_id)
    assert attached.wait() == "completed"
    assert attached.STDOUT == "Hello World!\n"
    assert attached.desc["script_name"] == "myscript.sh"
    assert attached.jobname == "hello"
    with pytest.raises(errors.NotFoundError):
        KottaJob(konn, job_id="0" * 8)


def test_resubmitting_keeps_earlier_ids(konn: Kotta) -> None:
    job = hello()
    job.submit(konn)
    first = job.job_id
    job.desc = {"script": "echo again"}
    job.submit(konn)
    assert job.job_id != first
    assert job.job_ids == [first, job.job_id]
    job.wait()
    assert job.STDOUT == "again\n"


def test_inputs_and_outputs_are_added_as_text_or_lists(konn: Kotta, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    job = KottaJob(executable="cat *.txt > all; cp all most", inputs=str(tmp_path / "a.txt"))
    job.add_inputs([tmp_path / "b.txt"])
    job.add_inputs(f"{tmp_path}/c.txt")
    job.add_outputs("all, most")
    job.add_outputs([])
    assert [(output.file, output.url) for output in job.outputs] == [("all", None), ("most", None)]
    job.submit(konn)
    job.wait()
    assert [output.read() for output in job.outputs] == ["a.txtb.txtc.txt"] * 2


def test_deepcopy_gives_a_job_of_its_own(konn: Kotta) -> None:
    job = hello()
    copied = copy.deepcopy(job)
    copied.desc["jobname"] = "other"
    assert job.jobname == "hello"
    job.submit(konn)
    again = copy.deepcopy(job)
    assert again.wait() == "completed"
    assert copied.job_id is None


def test_outputs_can_be_fetched_and_be_the_next_jobs_inputs(
    konn: Kotta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = KottaJob(executable="echo one > 'a b.txt'", outputs=["a b.txt", "never.txt"])
    first.submit(konn)
    first.wait(konn)
    made, never = first.outputs
    by_job = f"kotta://jobs/{first.job_id}/a%20b.txt"
    in_s3 = rf"s3://.+/{first.job_id}\.1/a b.txt"
    assert made.s3_url == made.url == by_job or re.fullmatch(in_s3, made.s3_url)
    assert made.file == "a b.txt"
    assert made.fetch() == "a b.txt"
    assert Path("a b.txt").read_text() == "one\n"
    assert made.fetch("other.txt") == "other.txt"
    assert made.get_data() == "a b.txt"
    assert made.read() == "one\n"
    assert (never.url, never.s3_url) == (None, None)
    with pytest.raises(errors.NotFoundError, match="never"):
        never.read()
    with pytest.raises(errors.NotFoundError):
        never.fetch()
    second = KottaJob(executable="cat 'a b.txt'", inputs=[made.s3_url])
    second.submit(konn)
    second.wait()
    assert second.STDOUT == "one\n"


@pytest.mark.parametrize(
    ("text", "file", "url", "s3_url"),
    [
        ("<i>STDOUT.txt</i>", "STDOUT.txt", None, None),
        ("<i>a &amp; b</i>", "a & b", None, None),
        ("plain.txt", "plain.txt", None, None),
        ("https://h.example/a/b%20c.txt?x=1", "b c.txt", "https://h.example/a/b%20c.txt?x=1",
         "https://h.example/a/b%20c.txt?x=1"),
        ('<a href="https://klab.s3.amazonaws.com/out/1/a.txt?Signature=x&amp;y">a.txt</a>', "a.txt",
         "https://klab.s3.amazonaws.com/out/1/a.txt?Signature=x&y", "s3://klab/out/1/a.txt"),
        ('<a href="https://s3.amazonaws.com/klab/out/a.txt">a.txt</a>', "a.txt",
         "https://s3.amazonaws.com/klab/out/a.txt", "s3://klab/out/a.txt"),
        ('<a href="https://s3-us-east-1.amazonaws.com/klab/a">a</a>', "a",
         "https://s3-us-east-1.amazonaws.com/klab/a", "s3://klab/a"),
        ('<a href="https://klab.s3.eu-west-1.amazonaws.com/a">a</a>', "a",
         "https://klab.s3.eu-west-1.amazonaws.com/a", "s3://klab/a"),
    ],
)  # fmt: skip
def test_an_output_is_built_from_what_the_first_service_said(
    text: str, file: str, url: str | None, s3_url: str | None
) -> None:
    output = KOut(text)
    assert (output.file, output.url, output.s3_url) == (file, url, s3_url)


def test_an_output_of_any_name_is_fetched_by_several_at_once(
    konn: Kotta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "n" * 250
    job = konn.wait(konn.submit({"executable": f"echo x > {name}", "outputs": name}))[0]
    monkeypatch.chdir(tmp_path)
    output = KOut(f"kotta://jobs/{job.id}/{name}", konn)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: output.fetch(), range(16))) == {name}
    assert (os.listdir(), Path(name).read_text()) == ([name], "x\n")
    with pytest.raises(errors.TransferError, match="nowhere/x: No such file"):
        output.fetch("nowhere/x")


def test_submit_task_and_status_task_speak_as_before(konn: Kotta, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("in")
    answer = konn.submit_task(
        {
            **HELLO,
            "script": "cat in.txt > foo.txt",
            "access_token": "secret",
            "refresh_token": "",
            "queue": "Test",
            "walltime": "5",
            "input_url1": konn.upload_file(str(tmp_path / "in.txt")),
            "outputs": "foo.txt, <odd>.txt",
            "output_file1": "bar.txt",
        }
    )
    assert answer["status"] == "Success"
    job = KottaJob(konn, job_id=answer["job_id"])
    job.wait()
    status = konn.status_task(answer["job_id"])
    assert status["status"] == "completed"
    assert (status["jobname"], status["queue"], status["walltime"]) == ("hello", "Test", 300)
    url = f"kotta://jobs/{job.job_id}"
    assert status["outputs"] == [
        f'<a href="{url}/foo.txt">foo.txt</a>',
        "<i>&lt;odd&gt;.txt</i>",
        "<i>bar.txt</i>",
        f'<a href="{url}/myscript.sh">myscript.sh</a>',
        f'<a href="{url}/STDOUT.txt">STDOUT.txt</a>',
        f'<a href="{url}/STDERR.txt">STDERR.txt</a>',
    ]
    assert status["inputs"][0].endswith(">in.txt</a>")
    assert [KOut(item).file for item in status["outputs"]][1] == "<odd>.txt"
    assert KOut(status["outputs"][0], konn).read() == "in"
    assert len(status["submit_time"]) == len("2016-01-01 00:00:00")
    assert "ERROR" not in status


def test_a_refused_task_says_why(konn: Kotta) -> None:
    answer = konn.submit_task({**HELLO, "queue": "Nowhere"})
    assert answer["status"] == "Fail"
    assert answer["reason"]
    assert konn.status_task("00000000-0000-4000-8000-000000000000") == {}


def test_a_failed_task_tells_its_error(konn: Kotta) -> None:
    job = KottaJob(executable="exit 3")
    job.submit(konn)
    job.wait()
    assert konn.status_task(job.job_id or "")["ERROR_CODE"] == 3


def test_a_killed_task_tells_by_what(konn: Kotta) -> None:
    by_signal, by_request = KottaJob(executable="kill -9 $$"), KottaJob(executable="sleep 60")
    by_signal.submit(konn)
    by_signal.wait()
    assert konn.status_task(by_signal.job_id or "")["ERROR_CODE"] == 128 + 9
    by_request.submit(konn)
    wait_until(lambda: by_request.status(konn) == "processing")
    by_request.cancel(konn)
    by_request.wait()
    told = konn.status_task(by_request.job_id or "")
    assert (told["ERROR_CODE"], told["reason"]) == (1002, "cancelled by request")


@pytest.mark.parametrize(
    "creds",
    [
        {"access_token": "s3cret", "refresh_token": "r3fresh"},
        json.dumps({"access_token": "s3cret", "refresh_token": "r3fresh"}),
        " https://login.example/cb?access_token=s3cret&refresh_token=r3fresh&token_type=bearer\n",
        "https://login.example/cb#access_token=s3cret&refresh_token=r3fresh",
    ],
)
def test_credentials_are_understood_and_not_shown(creds: Any) -> None:
    found = understand(creds)
    assert (found.access_token, found.refresh_token) == ("s3cret", "r3fresh")
    with Kotta(creds, server="local") as konn:
        for text in (repr(found), repr(konn), str(vars(konn))):
            assert "s3cret" not in text
            assert "r3fresh" not in text


@pytest.mark.parametrize("creds", ["", "s3cret", "{s3cret", "[1]", "{}", {"access_token": 3}])
def test_what_are_no_credentials_is_refused_without_repeating_it(creds: Any) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Kotta(creds)
    assert "s3cret" not in str(caught.value)


def test_without_arguments_it_is_the_local_service(newcomer: Path) -> None:
    with Kotta() as konn:

        @kottajob(konn, "Test", 5)
        def my_sum(items: Any) -> int:
            return sum(items)

        assert my_sum(range(100)) == 4950
        assert isinstance(my_sum, KottaFn)
        assert konn.trusts_pickles
        assert konn.service().data_directory.startswith(str(newcomer))
