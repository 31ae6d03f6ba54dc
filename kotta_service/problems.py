"""Turns errors into RFC 9457 answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from kotta.errors import (
    ConflictError,
    DescriptionError,
    FieldProblem,
    ForbiddenError,
    KottaError,
    LoginRequiredError,
    NotFoundError,
    QuotaError,
    RequestError,
    StorageFullError,
    UnavailableError,
)
from kotta.models import Problem, ProblemField
from kotta.models.problems import located

logger = logging.getLogger(__name__)

_STATUS_BY_CODE = {
    "beyond_quota": HTTPStatus.FORBIDDEN,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "wrong_content_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "hash_mismatch": HTTPStatus.UNPROCESSABLE_ENTITY,
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
}
_STATUS_BY_CLASS = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (DescriptionError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RequestError, HTTPStatus.BAD_REQUEST),
    (LoginRequiredError, HTTPStatus.UNAUTHORIZED),
    (QuotaError, HTTPStatus.TOO_MANY_REQUESTS),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (StorageFullError, HTTPStatus.INSUFFICIENT_STORAGE),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)
ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "What went wrong, and what to do about it"}
}


_CODE_BY_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    416: "range_not_satisfiable",
}


_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem."""

    @app.exception_handler(KottaError)
    def _ours(request: Request, error: KottaError) -> ProblemResponse:
        return answer_to(error, request_id(request))

    @app.exception_handler(RequestValidationError)
    def _shape(request: Request, error: RequestValidationError) -> ProblemResponse:
        return answer_to(_refusal(request, error.errors()), request_id(request))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> ProblemResponse:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(app, request)) or headers.get("Allow", "")
        return problem(
            error.status_code,
            _CODE_BY_STATUS.get(error.status_code, "bad_request"),
            str(error.detail),
            request_id=request_id(request),
            headers=headers,
        )

    @app.exception_handler(SQLAlchemyError)
    def _database(request: Request, error: SQLAlchemyError) -> ProblemResponse:
        known = request.app.state.parts.database.translated(error)
        if isinstance(known, KottaError):
            return answer_to(known, request_id(request))
        logger.error("request %s failed in the database: %s", request_id(request), error)
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "service_fault",
            "the service's database failed",
            hint="see the service's log: kotta service logs",
            request_id=request_id(request),
        )


def is_json(request: Request) -> bool:
    """Whether its body is said to be JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def wrong_content_type() -> RequestError:
    """The error for a body that is not said to be JSON."""
    return RequestError(
        "the request's body is not application/json",
        hint="send Content-Type: application/json",
        code="wrong_content_type",
    )


def request_id(request: Request) -> str:
    return str(request.scope.get("kotta.request_id", ""))


def answer_to(error: KottaError, request_id: str | None = None) -> ProblemResponse:
    """The answer that tells a client of this error."""
    fallback = next(
        (status for kind, status in _STATUS_BY_CLASS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    headers = {}
    if isinstance(error, LoginRequiredError):
        # Source: RFC 9110, 11.6.1: a 401 names what it asks for
        headers["WWW-Authenticate"] = 'Bearer realm="kotta"'
    if isinstance(error, QuotaError | UnavailableError) and error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return problem(
        _STATUS_BY_CODE.get(error.code, fallback),
        error.code,
        error.message,
        hint=error.hint,
        request_id=request_id,
        fields=error.problems if isinstance(error, DescriptionError) else (),
        headers=headers,
    )


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    request_id: str | None = None,
    fields: tuple[FieldProblem, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    content = Problem(
        title=HTTPStatus(status).phrase,
        status=int(status),
        code=code,
        detail=_sound(detail),
        hint=_sound(hint),
        request_id=request_id,
        errors=[
            ProblemField(
                pointer=_sound(item.pointer), detail=_sound(item.detail), hint=_sound(item.hint)
            )
            for item in fields
        ],
    )
    return ProblemResponse(
        content.model_dump(mode="json"), status_code=status, headers=dict(headers or {})
    )


def _sound(text: str) -> str:
    """What can be sent: a request may hold halves of surrogate pairs, and be quoted."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _allowed(app: FastAPI, request: Request) -> list[str]:
    """What this path understands; the router knows of the first route alone that it met."""
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in app.routes
        )
    ]


def _refusal(request: Request, errors: Any) -> RequestError:
    """A wrong body is a bad description; a wrong path, query or header is a bad request."""
    in_body = [{**item, "loc": item["loc"][1:]} for item in errors if item["loc"][:1] == ("body",)]
    if any(item["type"] == "json_invalid" for item in errors):
        return RequestError("the request's body is not JSON")
    if in_body and not is_json(request):
        return wrong_content_type()
    if in_body:
        return DescriptionError("the request's body is wrong", problems=located(in_body))
    words = "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in errors)
    return RequestError(f"the request is wrong: {words}")
