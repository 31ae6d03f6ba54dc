"""Writes the launch of an attempt: everything its runner has to know, as docs/runner.md says."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from kotta.errors import RequestError
from kotta.models import JobDescription
from kotta.models.field_values import CALL_FILE, input_name
from kotta_service import isolation, own_urls
from kotta_service.executors import Key
from kotta_service.executors.router import Executors
from kotta_service.isolation import NoAccountError
from kotta_service.settings import MIB, QueueSettings, Settings
from kotta_service.storage import Kept, Storage
from kotta_service.store import jobs as store
from kotta_service.store import uploads
from kotta_service.store.jobs import JobRow
from kotta_service.store.visibility import readable_by
from kotta_service.tokens import JobTokens

logger = logging.getLogger(__name__)
_INHERITED = ("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")


class InputGoneError(RequestError):
    """An input that was accepted cannot be had any more."""


class UnforeseenError(RequestError):
    """A launch could not be made, for a reason that nobody has thought of."""


REFUSALS = (InputGoneError, NoAccountError, UnforeseenError)
"""What ends one job before its next attempt, and must not hold up others."""


class Launches:
    """Makes launches.

    Args:
        executors: know where the directory of an attempt is.
        environments: where Python environments for `requirements` are kept.
        address: where runners report.
        is_shared: whether jobs are others' than the user's who runs the service.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        tokens: JobTokens,
        executors: Executors,
        environments: Path,
        address: str,
        is_shared: bool = False,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._tokens = tokens
        self._executors = executors
        self._environments = environments
        self._address = address
        self._environment = _job_environment()
        refuses = settings.refuse_private_inputs
        self._downloads = {
            "refuse_private": is_shared if refuses is None else refuses,
            "allowed_networks": settings.allowed_input_networks,
            "max_bytes": settings.max_input_mib * MIB,
            "max_seconds": settings.input_seconds,
        }
        isolation.prepare(settings, environments.parent)

    def make(self, connection: Connection, row: JobRow, attempt: int) -> dict[str, Any]:
        """The launch of an attempt of a job (a row with every column).

        Raises:
            InputGoneError: one of its inputs is an output that does not exist (any more).
            NoAccountError: the account that it was to run as does not exist any more.
            UnforeseenError: something else is wrong with this job; what is wrong with the database
                is raised as it is, as it would be the same for any job.
        """
        try:
            return self._made(connection, row, attempt)
        except (InputGoneError, NoAccountError, DBAPIError, MemoryError):
            raise
        except Exception as error:
            logger.exception("no launch can be made of job %s", row.id)
            words = f"the service could not begin it: {type(error).__name__}: {error}"
            raise UnforeseenError(words) from error

    def _made(self, connection: Connection, row: JobRow, attempt: int) -> dict[str, Any]:
        key = Key(row.id, attempt)
        description = JobDescription.model_construct(**row.description)
        inputs = [self._input(connection, row.owner, url) for url in description.inputs]
        queue = self._settings.queues.get(row.queue)
        if queue is None:
            raise InputGoneError(f"queue {row.queue} is not there any more")
        function = _with_payload_in_place(row.description.get("function"), inputs)
        is_its_runners = queue.isolation == "process" or queue.has_runners_of_accounts
        if function is not None and is_its_runners:
            _read_in_place(inputs)
        own = isolation.environment(queue, row.owner)
        script = {"name": description.script_name, "text": description.script}
        return {
            "job_id": key.job_id,
            "attempt": key.attempt,
            "owner": row.owner,
            "directory": str(self._executors.of(row.queue).directory(key)),
            "command": "" if function else description.command_line,
            "script": script if description.script else None,
            "inputs": inputs,
            "outputs": description.declared_outputs,
            "stdout": description.output_file_stdout,
            "stderr": description.output_file_stderr,
            "environment": {**self._environment, **own, **description.env},
            "function": function,
            "requirements": description.requirements,
            "requirements_seconds": self._settings.requirements_seconds,
            "environments": str(self._environments / own.get("LOGNAME", "")),
            "resources": {
                "queue": row.queue,
                "cpus": row.cpus,
                "memory_mib": row.memory_mib,
                "gpus": row.description.get("gpus", 0),
            },
            "walltime_seconds": row.walltime_seconds,
            "grace_seconds": self._settings.grace_seconds,
            "downloads": self._downloads,
            "limits": self._limits(queue, row),
            "isolation": isolation.of_launch(queue, row.owner),
            "stage_out": self._storage.launch_stage_out(row.id, attempt),
            "service": {"address": self._address, "token": self._tokens.make(row.id, attempt)},
        }

    def _limits(self, queue: QueueSettings, row: JobRow) -> dict[str, int | None]:
        return {
            "memory_bytes": row.memory_mib * MIB if queue.enforce_memory else None,
            "processes": queue.max_processes,
            "output_bytes": self._settings.max_output_mib * MIB,
        }

    def _input(self, connection: Connection, owner: str, url: str) -> dict[str, Any]:
        name = input_name(url)
        if url.startswith("s3://"):
            return {"name": name, "signed": url}
        if not url.startswith(own_urls.SCHEME):
            return {"name": name, "url": url}
        kept, sha256 = kept_input(connection, self._storage, owner, url)
        return {"name": name, **self._storage.launch_input(kept, url), "sha256": sha256}


def kept_input(connection: Connection, storage: Storage, owner: str, url: str) -> tuple[Kept, str]:
    """The place of what a `kotta://` URL names for `owner`, and its SHA-256.

    Raises:
        InputGoneError: it is an output that does not exist (any more).
    """
    own = own_urls.parsed(url)
    if own is None:
        raise InputGoneError(f"input {url} names nothing that Kotta keeps")
    if own.kind == "uploads":
        holder = uploads.holder(connection, owner, own.place) if storage.is_direct else owner
        return storage.upload(holder, own.place), own.place
    output = store.output(connection, own.place, own.name, readable_by(owner))
    if output is None:
        raise InputGoneError(f"input {url} is not available: that job did not make this file")
    return storage.output(own.place, output.attempt, output.name), output.sha256


def _with_payload_in_place(
    function: dict[str, Any] | None, inputs: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """The call, its payload read from where it is kept rather than copied beside the job first."""
    if function is None or not function["payload_input"]:
        return function
    for kept in inputs:
        if kept["name"] == function["payload_input"] and "path" in kept:
            inputs.remove(kept)
            return {**function, "payload_path": kept["path"]}
    return function


def _read_in_place(inputs: list[dict[str, Any]]) -> None:
    """Has the large parts of a call read from where they are kept: a call only ever reads them."""
    for kept in inputs:
        if "path" in kept and CALL_FILE.match(kept["name"]):
            kept["in_place"] = True


def _job_environment() -> dict[str, str]:
    """Who and where the user is; nothing else of what the service was started with."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith("LC_")
    }
