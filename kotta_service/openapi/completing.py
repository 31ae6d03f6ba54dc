"""Completes the document: security, errors, headers, examples, tags."""

from __future__ import annotations

from typing import Any

from kotta_service.openapi.examples import MODELS
from kotta_service.openapi.operations import ANYBODY, OPERATIONS, PARAMETERS, TAGS, Operation
from kotta_service.openapi.refusals import REFUSALS

PROBLEM = "application/problem+json"
_REQUEST_ID = {
    "description": "Names the request in the service's log",
    "required": True,
    "schema": {"type": "string"},
    "example": "5f0c9a1e-17",
}
_RETRY_AFTER = {
    "description": "Seconds after which it may be worth asking again",
    "schema": {"type": "integer", "minimum": 0},
    "example": 2,
}
_WWW_AUTHENTICATE = {
    "description": "What is asked for (RFC 9110, 11.6.1)",
    "required": True,
    "schema": {"type": "string"},
    "example": 'Bearer realm="kotta"',
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": _WWW_AUTHENTICATE},
    416: {
        "Content-Range": {
            "description": "How long the file is",
            "schema": {"type": "string"},
            "example": "bytes */12",
        }
    },
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with everything that FastAPI leaves out."""
    document["info"]["license"] = {
        "name": "Apache-2.0",
        "identifier": "Apache-2.0",
    }
    document["servers"] = [{"url": "/", "description": "The service that answers"}]
    document["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    schemes = document["components"].setdefault("securitySchemes", {})
    schemes["token"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of a login, or one for scripts. Over the service's own Unix "
        "socket none is asked for.",
    }
    schemes["attempt"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "What a runner was given for the attempt it reports on.",
    }
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            facts = OPERATIONS.get(described["operationId"], Operation())
            _complete(path, method, described, facts)
    _show_models(document)
    return document


def _complete(path: str, method: str, described: dict[str, Any], facts: Operation) -> None:
    described["security"] = [] if facts.security == ANYBODY else [{facts.security: []}]
    if facts.words:
        described["description"] = facts.words
    _complete_parameters(described, facts)
    _complete_body(described, facts)
    answers = described["responses"]
    answers.pop("default", None)
    for status, answer in answers.items():
        answer.setdefault("headers", {})["Kotta-Request-Id"] = _REQUEST_ID
        if status.startswith("2"):
            answer["headers"].update(facts.headers)
            _show(answer.get("content", {}), facts.answer)
    for status, codes in sorted(_codes(path, method, described, facts).items()):
        answer = answers.setdefault(str(status), {"description": ""})
        answer["description"] = ", ".join(f"`{code}`" for code in codes)
        answer["headers"] = {"Kotta-Request-Id": _REQUEST_ID, **_HEADERS.get(status, {})}
        answer.setdefault("content", {})[PROBLEM] = {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {code: {"value": REFUSALS[code].example(code)} for code in codes},
        }


def _complete_parameters(described: dict[str, Any], facts: Operation) -> None:
    # Source: OpenAPI 3.1, 4.8.12.1: a header called Authorization is said by `security`
    known = [
        each for each in described.get("parameters", []) if each["name"].lower() != "authorization"
    ]
    for each in known:
        each.update(PARAMETERS.get(each["name"].lower(), {}))
    if known or facts.parameters:
        described["parameters"] = [*known, *facts.parameters]
    else:
        described.pop("parameters", None)


def _complete_body(described: dict[str, Any], facts: Operation) -> None:
    if facts.upload:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "x,y\n1,2\n",
                }
            },
        }
    elif "requestBody" in described:
        _show(described["requestBody"]["content"], facts.request)


def _codes(
    path: str, method: str, described: dict[str, Any], facts: Operation
) -> dict[int, list[str]]:
    """Which errors can occur, by status."""
    codes = list(facts.refusals)
    if facts.security == "token":
        codes += ["login_required", "token_invalid", "scope_missing"]
        codes += ["bad_request", "unavailable"]
    if "{" in path and not facts.upload:
        codes.append("not_found")
    body = described.get("requestBody", {}).get("content", {})
    if body:
        codes += ["bad_request", "too_large"]
    if "application/json" in body:
        codes += ["wrong_content_type", "bad_description"]
    if path.startswith("/api/") and method in ("post", "put", "patch", "delete"):
        codes += ["storage_full", "unavailable"]
    codes += ["too_many_requests", "service_fault"]
    found: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        found.setdefault(REFUSALS[code].status, []).append(code)
    return found


def _show(content: dict[str, Any], example: Any) -> None:
    """Puts an example beside a body's schema."""
    for kind, body in content.items():
        if example is not None and kind != PROBLEM:
            body["example"] = example
        elif "octet-stream" in kind:
            body["schema"] = {"type": "string", "format": "binary"}


def _show_models(document: dict[str, Any]) -> None:
    for name, example in MODELS.items():
        if name in document["components"]["schemas"]:
            document["components"]["schemas"][name]["examples"] = [example]
