"""The OpenAPI document: what FastAPI knows of the routes, completed by what it cannot know.

FastAPI writes down paths, parameters and models. Which errors can occur, who may ask, and what
requests and answers look like is in the modules of this package, by the name of the operation.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from kotta_service.openapi.completing import complete

ADDRESS = "/api/v2/openapi.json"


def describe(app: FastAPI) -> None:
    """Lets `app` answer with a complete document; it is made when it is first asked for."""
    made: dict[str, Any] = {}
    written: list[bytes] = []

    def document() -> dict[str, Any]:
        if not made:
            made.update(
                complete(
                    get_openapi(
                        title=app.title,
                        version=app.version,
                        description=app.description,
                        routes=app.routes,
                    )
                )
            )
        return made

    @app.get(ADDRESS, include_in_schema=False)
    async def openapi() -> Response:
        # written once: it is large, and anybody may ask for it
        if not written:
            written.append(json.dumps(document()).encode())
        return Response(written[0], media_type="application/json")

    app.openapi = document  # type: ignore[method-assign]
