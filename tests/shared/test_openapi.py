"""The API's document says everything, and the service does as it says, whatever it is sent.

`KOTTA_API_CASES` says how many requests are made up; see docs/contributing.md.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import requests
import schemathesis

# otherwise imported while a case is made up, at a depth at which Python 3.11 fails to parse it
import schemathesis.core.jsonschema.patterns
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from shared_service import SharedService

CASES = int(os.environ.get("KOTTA_API_CASES", "1500"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
"""Rules of jobs refuse more than their schema says; whether that is right is tested elsewhere."""
OF_RUNNERS = {"report", "runner_inputs", "runner_uploads", "finish_runner_upload"}
"""Operations that take a job's own token, which says nothing of a user."""
OPEN = {"healthz", "readyz", "oauth_metadata", "begin_login", "give_tokens", "revoke_login"}
PROBLEM = "application/problem+json"
BLOCKER = "sleep 86399.75"
SETTINGS = "[queues.Test]\ncpus = 1\nmemory_mib = 1024\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedService]:
    """One whose only queue is full, so that nothing that is made up is ever started."""
    # a runner that was left may be writing yet how its job ended
    with tempfile.TemporaryDirectory(prefix="kotta-", ignore_cleanup_errors=True) as home:
        service = SharedService(Path(home), SETTINGS)
        service.start()
        try:
            for name, role in (("ada", "user"), ("eve", "admin")):
                service.add_user(name, role)
            service.until_status(service.submit({"executable": BLOCKER})[0], "processing")
            yield service
        finally:
            # killed, not stopped: it must not start what waits
            service.kill()
            _end(BLOCKER)
            service.close()


@pytest.fixture(scope="module")
def document(shared: SharedService) -> dict[str, Any]:
    found: dict[str, Any] = shared.client().get("/openapi.json").json()
    return found


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["servers"]
    used = {tag for _, _, each in _operations(document) for tag in each["tags"]}
    assert {tag["name"] for tag in document["tags"]} == used
    assert all(tag["description"] for tag in document["tags"])


def test_every_operation_is_described_in_full(document: dict[str, Any]) -> None:
    lacks = [
        f"{method.upper()} {path}: {words}"
        for path, method, each in _operations(document)
        for words in _lacks(each)
    ]
    assert not lacks, "\n".join(lacks)
    names = Counter(each["operationId"] for _, _, each in _operations(document))
    assert max(names.values()) == 1


def test_every_example_is_what_it_is_an_example_of(document: dict[str, Any]) -> None:
    for path, method, each in _operations(document):
        for content in _contents(each):
            for kind, body in content.items():
                shown = [item["value"] for item in body.get("examples", {}).values()]
                if "json" in kind and "schema" in body:
                    for example in [*shown, *([body["example"]] if "example" in body else [])]:
                        schema = {**body["schema"], "components": document["components"]}
                        problems = list(
                            jsonschema.Draft202012Validator(schema).iter_errors(example)
                        )
                        assert not problems, f"{method} {path}: {problems[0]}"


@pytest.mark.slow
@pytest.mark.timeout(120 + CASES)
def test_the_service_does_as_its_document_says(
    shared: SharedService, document: dict[str, Any]
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=shared.url)
    operations = [found.ok() for found in schema.get_all_operations()]
    tokens = {"eve": shared.token("eve"), "ada": shared.token("ada"), "nobody": ""}
    each = max(1, -(-CASES // (len(operations) * len(tokens) * 2)))
    statuses: Counter[int] = Counter()
    with requests.Session() as session:
        session.trust_env = False
        for operation in operations:
            for user, token in tokens.items():
                if operation.definition.raw["operationId"] == "stop" and user == "eve":
                    continue
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    _ask(session, operation, token, mode, each, statuses)
    print(f"{sum(statuses.values())} requests: {dict(sorted(statuses.items()))}")
    assert sum(statuses.values()) >= min(CASES, 1000) * 0.8
    assert '"traceback"' not in shared.log()


def _ask(
    session: requests.Session,
    operation: Any,
    token: str,
    mode: GenerationMode,
    examples: int,
    statuses: Counter[int],
) -> None:
    """Asks for one operation, rightly or wrongly, as somebody or nobody."""
    name = operation.definition.raw["operationId"]
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        _hurry(case)
        answer = case.call_and_validate(session=session, headers=headers, checks=CHECKS)
        statuses[answer.status_code] += 1
        if not token and name not in OPEN | OF_RUNNERS:
            # NUL and what is no request are refused before that
            assert answer.status_code in (400, 401), answer.status_code

    # what takes nothing cannot be asked for wrongly
    with contextlib.suppress(Unsatisfiable):
        ask()


def _hurry(case: Any) -> None:
    """Waits for nothing: what is right about waiting is tested elsewhere."""
    query = case.query or {}
    if isinstance(query.get("wait"), (int, float)) and query["wait"] > 0.01:
        query["wait"] = 0.01


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            yield path, method, each


def _contents(each: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield each.get("requestBody", {}).get("content", {})
    for answer in each["responses"].values():
        yield answer.get("content", {})


def _lacks(each: dict[str, Any]) -> Iterator[str]:
    """What the description of an operation leaves open."""
    answers = each["responses"]
    if not each.get("summary") or each.get("tags") in (None, []):
        yield "no summary, or no tag"
    if bool(each["security"]) == (each["operationId"] in OPEN):
        yield "wrong security"
    if each["security"] == [{"token": []}] and not {"400", "401", "403", "429"} <= set(answers):
        yield "not every error of a caller"
    if "default" in answers or "500" not in answers:
        yield "errors are not named one by one"
    yield from _lacks_in_parts(each)


def _lacks_in_parts(each: dict[str, Any]) -> Iterator[str]:
    for parameter in each.get("parameters", []):
        if not parameter.get("description"):
            yield f"parameter {parameter['name']} without a description"
    for body in each.get("requestBody", {}).get("content", {}).values():
        if "example" not in body:
            yield "a request without an example"
    for status, answer in each["responses"].items():
        if "Kotta-Request-Id" not in answer.get("headers", {}):
            yield f"{status} without Kotta-Request-Id"
        for kind, body in answer.get("content", {}).items():
            if status.startswith("2") and "example" not in body:
                yield f"{status} {kind} without an example"
            if kind == PROBLEM and not body["examples"]:
                yield f"{status} without its codes"


def _end(command: str) -> None:
    for process in psutil.process_iter(["cmdline"]):
        if " ".join(process.info["cmdline"] or ()) == command:
            runners = process.parents()[:1]
            process.kill()
            # it writes down how its job ended, where the test is about to clear up
            psutil.wait_procs(runners, timeout=60)
