"""Routes that read their requests themselves.

FastAPI looks at each argument of a function by itself, and each time anew; where little else is
done, that takes most of the time. What such a function declares, FastAPI still writes into the
OpenAPI document, and what it refuses is refused in the same words.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Header, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from kotta.errors import RequestError
from kotta_service import problems
from kotta_service.callers import Owner, WithCaller, caller
from kotta_service.parts import Parts, WithParts

_Read: TypeAlias = Callable[[Request], Awaitable[Any]]


class DirectRoute(APIRoute):
    """A route whose function is asynchronous and returns a `Response`, as by `answer`.

    Its arguments may be the service's parts, the caller or owner, a model of the query
    (`Annotated[Model, Query()]`), headers, and a model of the body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        hints = get_type_hints(self.endpoint, include_extras=True)
        hints.pop("return", None)
        reads = {name: _reading(name, hint) for name, hint in hints.items()}

        async def handle(request: Request) -> Response:
            given = {name: await read(request) for name, read in reads.items()}
            response: Response = await self.endpoint(**given)
            return response

        return handle


def answer(model: BaseModel, status: int = 200) -> Response:
    """The answer that holds this."""
    # what FastAPI's own answers are made by
    content = type(model).__pydantic_serializer__.to_json(model)
    return Response(content, status, media_type="application/json")


def _reading(name: str, hint: Any) -> _Read:
    """What reads one argument of a function.

    Raises:
        TypeError: it is of another kind than those of `DirectRoute`.
    """
    if hint in _OF_REQUEST:
        return _OF_REQUEST[hint]
    kinds = {type(each) for each in get_args(hint)[1:]} if get_origin(hint) is Annotated else set()
    if Query in kinds:
        return _reading_query(get_args(hint)[0])
    if Header in kinds:
        return _reading_header(name.replace("_", "-"), TypeAdapter(hint))
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return _reading_body(hint)
    raise TypeError(f"a direct route cannot read `{name}`")


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def _caller(request: Request) -> Any:
    return await caller(request, await _parts(request))


async def _owner(request: Request) -> str:
    return (await caller(request, await _parts(request))).name


async def _itself(request: Request) -> Request:
    return request


_OF_REQUEST: dict[Any, _Read] = {
    Request: _itself,
    WithParts: _parts,
    WithCaller: _caller,
    Owner: _owner,
}


def _reading_query(model: type[BaseModel]) -> _Read:
    lists = {
        name
        for name, field in model.model_fields.items()
        if any(get_origin(kind) is list for kind in (field.annotation, *get_args(field.annotation)))
    }

    async def read(request: Request) -> Any:
        given: dict[str, Any] = {}
        text = request.scope["query_string"].decode("latin-1")
        for name, value in parse_qsl(text, keep_blank_values=True):
            if name in lists:
                given.setdefault(name, []).append(value)
            else:
                given[name] = value
        return _checked(model.model_validate, given, "query")

    return read


def _reading_header(name: str, type_: TypeAdapter[Any]) -> _Read:
    async def read(request: Request) -> Any:
        return _checked(type_.validate_python, request.headers.get(name), "header", name)

    return read


def _reading_body(model: type[BaseModel]) -> _Read:
    async def read(request: Request) -> Any:
        body = await request.body()
        if body and not problems.is_json(request):
            raise problems.wrong_content_type()
        if not body:
            nothing = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
            raise RequestValidationError([nothing])
        try:
            given = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RequestError("the request's body is not JSON") from error
        return _checked(model.model_validate, given, "body")

    return read


def _checked(validate: Callable[[Any], Any], given: Any, *place: str) -> Any:
    try:
        return validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": (*place, *each["loc"])} for each in found]
        ) from error
