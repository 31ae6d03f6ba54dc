"""What Slurm's words mean, and what of settings for it is wrong: without a Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from kotta_service.executors import Sight
from kotta_service.executors.slurm import checking, states
from kotta_service.executors.slurm.commands import Commands
from kotta_service.executors.slurm.partitions import Partition, Partitions, minutes
from kotta_service.executors.slurm.requests import time_limit_minutes
from kotta_service.settings import Settings
from kotta_service.slurm_settings import problems

RECORD = {"status": "failed", "reason": "cluster", "error": "the cluster ended it"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("01:00:00", 60), ("1-00:00:00", 1440), ("2-12:30:59", 3630), ("UNLIMITED", None)],
)
def test_time_limits_are_read(text: str, expected: int | None) -> None:
    assert minutes(text) == expected


def test_a_reason_that_nobody_knows_is_told_as_it_is() -> None:
    assert states.reason_in_words("Resources") == "it waits for cores, memory or nodes to be free"
    assert states.reason_in_words("ReqNodeNotAvail, UnavailableNodes:n1").startswith("a node")
    assert "limit" in states.reason_in_words("QOSMaxJobsPerUserLimit")
    assert "limit" in states.reason_in_words("AssocGrpCpuLimit")
    assert states.reason_in_words("BurstBufferStageIn") == "Slurm says BurstBufferStageIn"
    assert states.reason_in_words("") == "Slurm does not say why"


@pytest.mark.parametrize(
    "words",
    [
        "Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, …)",
        "Batch job submission failed: Resource temporarily unavailable",
        "sbatch gave no answer in 60 s",
    ],
)
def test_what_may_go_by_is_sent_again(words: str) -> None:
    assert states.is_for_now(words)


@pytest.mark.parametrize(
    "words",
    [
        "Batch job submission failed: Invalid partition name specified",
        "Batch job submission failed: Requested node configuration is not available",
        "Batch job submission failed: Invalid account or account/partition combination specified",
        "Batch job submission failed: Invalid feature specification",
    ],
)
def test_what_is_wrong_for_good_is_not_sent_again(words: str) -> None:
    assert not states.is_for_now(words)


@pytest.mark.parametrize(
    ("state", "log", "expected"),
    [
        ("CANCELLED", "", ("cancelled", "user")),
        ("TIMEOUT", "", ("failed", "walltime")),
        ("OUT_OF_MEMORY", "", ("failed", "memory")),
        ("FAILED", "slurmstepd: error: Exceeded job memory limit", ("failed", "memory")),
        ("FAILED", "error: Detected 1 oom-kill event(s) in StepId=1.batch", ("failed", "memory")),
    ],
)
def test_an_end_that_slurm_knows_is_told(state: str, log: str, expected: tuple[str, str]) -> None:
    verdict = states.after_the_end(state, log).verdict
    assert verdict is not None
    assert (verdict.status, verdict.reason) == expected


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "FAILED", "COMPLETED", "NEW_WORD", ""])
def test_all_other_ends_without_a_record_are_lost_and_may_be_tried_again(state: str) -> None:
    sighting = states.after_the_end(state)
    assert (sighting.sight, sighting.verdict) == (Sight.LOST, None)
    assert sighting.words


def test_the_record_says_how_a_job_ended_whatever_slurm_calls_it() -> None:
    own = {"status": "failed", "reason": "exit", "signal": 9, "error": "killed"}
    assert states.with_slurms_word(own, "COMPLETED").record == own
    killed = states.with_slurms_word(own, "OUT_OF_MEMORY").record
    assert killed is not None
    assert killed["reason"] == "memory"
    ended = states.with_slurms_word(RECORD, "CANCELLED")
    assert ended.record is not None
    assert (ended.sight, ended.record["status"]) == (Sight.ENDED, "cancelled")
    preempted = states.with_slurms_word(RECORD, "PREEMPTED")
    assert (preempted.sight, preempted.words) == (Sight.LOST, "Slurm preempted it for another job")


def test_a_time_limit_has_room_for_staging_and_is_never_beyond_the_partitions() -> None:
    settings = Settings()
    assert time_limit_minutes(settings, None, 90) == 2 + 1 + 10
    hour = Partition("hour", max_minutes=60)
    assert time_limit_minutes(settings, hour, 90) == 13
    assert time_limit_minutes(settings, hour, 3500) == 60


def test_settings_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    queue = {"cpus": 1, "memory_mib": 100, "partition": "batch"}
    slurm = {"programs": str(tmp_path), "folder": "here", "configuration": "/no/slurm.conf"}
    found = problems(
        Settings.model_validate(
            {"queues": {"A": queue, "B": {"executor": "slurm"}}, "slurm": slurm}
        )
    )
    assert found[0] == 'queue `A`: `partition` needs executor = "slurm"'
    assert "there is no sbatch, squeue, scancel, sinfo, scontrol in" in found[1]
    assert found[2:] == [
        "[slurm] configuration: there is no /no/slurm.conf",
        "[slurm] folder: here is no absolute path",
    ]
    assert problems(Settings()) == []


def test_slurm_and_parsl_need_a_folder_each(tmp_path: Path) -> None:
    queues = {"A": {"executor": "slurm"}, "B": {"executor": "parsl"}}
    (tmp_path / "link").symlink_to(tmp_path)
    given = {"queues": queues, "slurm": {"folder": str(tmp_path)}}
    same = Settings.model_validate({**given, "parsl": {"folder": str(tmp_path / "link")}})
    assert any("have the same folder" in words for words in problems(same))
    other = Settings.model_validate({**given, "parsl": {"folder": str(tmp_path / "other")}})
    assert not any("have the same folder" in words for words in problems(other))


def test_a_cluster_that_cannot_be_asked_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    queue = {"executor": "slurm", "partition": "batch"}
    slurm = {"programs": str(tmp_path)}
    settings = Settings.model_validate({"queues": {"A": queue}, "slurm": slurm})
    (found,) = checking.problems(settings)
    assert found.startswith("[slurm] the cluster cannot be asked: ")
    partitions = Partitions(Commands(settings.slurm, lambda _: False))
    assert partitions.missing(settings.queues["A"]) == []
