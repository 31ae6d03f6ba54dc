"""The service's pages: plain HTML that works without script, in which text is never markup.

Templates lie in `templates/`, all within `page.html`; the one style sheet, `style.css`, is put into
each page, and allowed by its digest alone.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from jinja2 import Environment


def page(name: str, status: int, values: Mapping[str, Any]) -> HTMLResponse:
    """The page that a template gives; every value in it is text.

    Args:
        name: of the template, without `.html`.
        values: what the template may show.
    """
    environment = _environment()
    text = environment.get_template(f"{name}.html").render(values)
    return HTMLResponse(text, status, _headers())


@functools.cache
def _environment() -> Environment:
    # slow to import, and of no use to a service that nobody logs in to
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kotta_service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = _style()
    return environment


def _style() -> str:
    from importlib.resources import files

    return files("kotta_service.pages").joinpath("style.css").read_text(encoding="utf-8")


@functools.cache
def _headers() -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        # providers are reached by links, for this governs where the answer to a form may lead, too
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
