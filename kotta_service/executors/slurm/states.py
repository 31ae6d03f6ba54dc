"""What Slurm's states and reasons mean for a job of ours, whose runner has left no record.

Source: squeue(1), "JOB STATE CODES" and "JOB REASON CODES". Slurm has more reasons with each
version: a word that is not known here is told as it is.
"""

from __future__ import annotations

import re
from typing import Any

from kotta_service.executors import Sight, Sighting, Verdict

ALIVE = frozenset(
    {
        "COMPLETING",
        "CONFIGURING",
        "PENDING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "RESV_DEL_HOLD",
        "RUNNING",
        "SIGNALING",
        "SPECIAL_EXIT",
        "STAGE_OUT",
        "STOPPED",
        "SUSPENDED",
    }
)
"""A job in one of these has a runner, or may get one."""
WAITS = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD"})
"""A job in one of these has no runner yet."""
_VERDICTS = {
    "CANCELLED": Verdict("cancelled", "user", "cancelled by the cluster: its job at Slurm was"),
    "TIMEOUT": Verdict("failed", "walltime", "Slurm ended it at its time limit"),
    "DEADLINE": Verdict("failed", "walltime", "Slurm ended it at its deadline"),
    "OUT_OF_MEMORY": Verdict("failed", "memory", "Slurm ended it for using more memory than asked"),
}
_LOST = {
    "NODE_FAIL": "its node failed (Slurm: NODE_FAIL)",
    "BOOT_FAIL": "its node could not be started (Slurm: BOOT_FAIL)",
    "PREEMPTED": "Slurm preempted it for another job",
    "REVOKED": "another cluster took it (Slurm: REVOKED)",
}
GONE_FOR_SURE = frozenset({*_VERDICTS, "COMPLETED", "FAILED", "PREEMPTED"})
"""A node has told that nothing of such a job is left; of one that failed nobody knows."""
UNKNOWN = "Slurm does not know it any more, and its runner left no record"


_MEMORY = re.compile(r"exceeded \w+ memory limit|oom.kill|out.of.memory", re.IGNORECASE)
"""What slurmstepd writes into a job's stderr. Without cgroups there is no state for it."""


def after_the_end(state: str, log: str = "") -> Sighting:
    """What is said of an attempt that was begun, and whose job at Slurm has ended so.

    Args:
        state: as squeue has it; "" for a job that it does not know.
        log: what was written into the job's own stderr, which its command does not have.
    """
    if state == "FAILED" and _MEMORY.search(log):
        state = "OUT_OF_MEMORY"
    if verdict := _VERDICTS.get(state):
        return Sighting(Sight.LOST, verdict=verdict)
    if state:
        default = f"its runner was gone without a record when Slurm called its job {state}"
        return Sighting(Sight.LOST, words=_LOST.get(state, default))
    return Sighting(Sight.LOST, words=UNKNOWN)


def refused(words: str) -> Verdict:
    """The end of an attempt that Slurm does not take."""
    return Verdict("failed", "staging", f"Slurm does not take it: {words}")


def with_slurms_word(record: dict[str, Any], state: str) -> Sighting:
    """How an attempt ended whose record leaves open why."""
    is_own = record.get("reason") != "cluster"
    verdict = _VERDICTS.get(state)
    if is_own:
        # something in it was killed: by whom, only this state tells
        if state == "OUT_OF_MEMORY" and verdict is not None:
            record = {**record, "reason": verdict.reason, "error": verdict.words}
        return Sighting(Sight.ENDED, record=record)
    if verdict is not None:
        changed = {"status": verdict.status, "reason": verdict.reason, "error": verdict.words}
        return Sighting(Sight.ENDED, record={**record, **changed})
    words = _LOST.get(state, "the cluster ended it, and does not say why")
    return Sighting(Sight.LOST, record={**record, "reason": "lost", "error": words}, words=words)


_REASONS = {
    "Priority": "jobs of a higher priority are before it",
    "Resources": "it waits for cores, memory or nodes to be free",
    "None": "Slurm has not looked at it yet",
    "BeginTime": "its earliest time to start has not come",
    "Dependency": "it waits for another job at Slurm",
    "JobHeldAdmin": "an administrator of the cluster holds it back",
    "JobHeldUser": "it is held back: scontrol release lets it go",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "PartitionTimeLimit": "it asks for more time than its partition gives",
    "PartitionNodeLimit": "it asks for more nodes than its partition has",
    "ReqNodeNotAvail": "a node that it needs is not available",
    "Reservation": "it waits for its reservation",
    "Licenses": "it waits for a license",
    "BadConstraints": "no node is as it asks for",
    "NodeDown": "a node that it needs is down",
    "InvalidAccount": "its account is not valid",
    "InvalidQOS": "its quality of service is not valid",
}
_LIMIT = re.compile(r"(QOS|Assoc)\w*(Limit|PerUser|PerAccount|PerJob)\w*")


def reason_in_words(reason: str) -> str:
    """Why a job waits, for people; Slurm's own word where we have none."""
    word = reason.split(",")[0].strip("() ")
    if word in _REASONS:
        return _REASONS[word]
    if _LIMIT.fullmatch(word):
        return "a limit of its account or quality of service is reached"
    return f"Slurm says {word}" if word else "Slurm does not say why"


_FOR_NOW = re.compile(
    r"unable to contact|socket timed out|connection refused|communication connection|"
    r"gave no answer|zero bytes|temporarily|try again|shutdown|transport|authentication|"
    r"job violates accounting|submit limit|max.*jobs|too many|queue.*full|plugin|munge|"
    r"in the process|not responding|unexpected message|protocol|primary|backup",
    re.IGNORECASE,
)


def is_for_now(words: str) -> bool:
    """Whether what sbatch says may be different later; what is refused for good is not sent again.

    Source: the texts of slurm_errno.h.
    """
    return _FOR_NOW.search(words) is not None
