"""What the endpoints of OAuth answer and are asked, for the description of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from kotta_service.callers import SCOPES

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT = "refresh_token"


class DeviceAuthorization(BaseModel):
    """A login that waits for a person (RFC 8628, 3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class TokenAnswer(BaseModel):
    """Tokens (RFC 6749, 5.1)."""

    access_token: str
    token_type: str = "Bearer"
    expires_in: int
    refresh_token: str
    scope: str


class OAuthError(BaseModel):
    """Why there are none (RFC 6749, 5.2; RFC 8628, 3.5)."""

    error: str
    error_description: str


class ServerMetadata(BaseModel):
    """Where a client finds what (RFC 8414)."""

    issuer: str
    device_authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    grant_types_supported: list[str] = [DEVICE_GRANT, REFRESH_GRANT]
    response_types_supported: list[str] = []
    scopes_supported: list[str] = list(SCOPES)
    token_endpoint_auth_methods_supported: list[str] = ["none"]
    revocation_endpoint_auth_methods_supported: list[str] = ["none"]


def answer(content: BaseModel | None = None, status: int = 200) -> JSONResponse:
    """An answer that nobody on the way may keep.

    Source: RFC 6749, 5.1: `Cache-Control: no-store`, `Pragma: no-cache`.
    """
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    body = {} if content is None else content.model_dump(mode="json")
    return JSONResponse(body, status, headers)


def refusal(error: str, description: str, status: int = 400) -> JSONResponse:
    return answer(OAuthError(error=error, error_description=description), status)


def described(
    answers: type[BaseModel] | None, fields: Mapping[str, str], *refusals: int
) -> dict[str, Any]:
    """How FastAPI is to describe a route that takes a form.

    Args:
        answers: what it answers with 200, None for an empty object.
        refusals: with which status it refuses, beside 400.
        fields: of the form, with a sentence each; one that ends with "(optional)" may be left out.
        refuses_with: statuses of what OAuth calls errors.
    """
    ok: dict[str, Any] = {"description": "As asked for"}
    if answers is not None:
        ok["model"] = answers
    schema = {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": words} for name, words in fields.items()
        },
        "required": [name for name, words in fields.items() if not words.endswith("(optional)")],
    }
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {
        "responses": {
            200: ok,
            **{each: {"model": OAuthError, "description": "Why not"} for each in (400, *refusals)},
        },
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }
