"""A request for a page: what its browser carries, what its form says, and how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response

from kotta.errors import RequestError
from kotta_service.accounts import sessions
from kotta_service.accounts.sessions import Session
from kotta_service.pages import page
from kotta_service.parts import Parts, WithParts
from kotta_service.routes.forms import form_of


class Visit:
    """One request of a browser.

    Attributes:
        session: how far its person has come; a new one if they have just arrived.
        client: the address that they come from.
    """

    def __init__(self, request: Request, parts: Parts) -> None:
        self.request = request
        self.parts = parts
        self._is_encrypted = parts.url.startswith("https:")
        # Source: RFC 6265bis, 4.1.3.2: no other host can set a cookie with this prefix
        self._cookie = "__Host-kotta-login" if self._is_encrypted else "kotta-login"
        kept = request.cookies.get(self._cookie, "")
        found = sessions.unseal(parts.logins.keys, kept) if kept else None
        self._is_new = found is None
        self.session = found or Session()
        self.client = request.client.host if request.client else ""

    @property
    def providers(self) -> list[tuple[str, str]]:
        """Name and label of each provider."""
        return [(name, each.label) for name, each in self.parts.providers.items()]

    @property
    def accounts(self) -> bool:
        """Whether users may have passwords."""
        return self.parts.settings.login.accounts

    async def form(self) -> dict[str, str] | None:
        """The form that was sent; None if it is not one of this session's, and to be sent again."""
        try:
            found = await form_of(self.request)
        except RequestError:
            return None
        return None if self._is_new or not self.session.fits(found.get("csrf", "")) else found

    def show(self, template: str, status: int = 200, *, error: str = "", **values: Any) -> Response:
        """A page with a form of this session's."""
        values = {"url": self.parts.url, "csrf": self.session.csrf, "error": error, **values}
        return self._carrying(page(template, status, values))

    def tell(
        self, heading: str, *lines: str, status: int = 200, command: str = "", again: bool = False
    ) -> Response:
        """A page that only says something.

        Args:
            command: what to type next, "" for nothing.
            again: with the way back to the first page.
        """
        return page(
            "message",
            status,
            {
                "url": self.parts.url,
                "error": "",
                "heading": heading,
                "lines": lines,
                "command": command,
                "again": again,
            },
        )

    def go(self, path: str, session: Session | None = None) -> Response:
        """To another page."""
        if session is not None:
            self.session = session
        return self._carrying(self._to(path))

    def leave(self, path: str) -> Response:
        """To another page, and what the browser carried is forgotten."""
        return self.forgetting(self._to(path))

    def forgetting(self, answer: Response) -> Response:
        """The same answer, with which what the browser carried is forgotten."""
        answer.delete_cookie(
            self._cookie, path="/", secure=self._is_encrypted, httponly=True, samesite="lax"
        )
        return answer

    def stale(self) -> Response:
        """A form came that belongs to no session, or to one that has ended."""
        return self.tell(
            "This page has expired",
            f"It was open for more than {sessions.SESSION_SECONDS // 60} minutes, or your browser "
            "keeps no cookies for this service. Nothing was done.",
            status=403,
            again=True,
        )

    def _to(self, path: str) -> Response:
        # what leads to a provider holds its state: it is nobody else's, and is not to be kept
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(path, 303, headers)

    def _carrying(self, answer: Response) -> Response:
        answer.set_cookie(
            self._cookie,
            sessions.seal(self.parts.logins.keys, self.session),
            max_age=sessions.SESSION_SECONDS,
            path="/",
            secure=self._is_encrypted,
            httponly=True,
            samesite="lax",
        )
        return answer


async def _visit(request: Request, parts: WithParts) -> Visit:
    return Visit(request, parts)


WithVisit = Annotated[Visit, Depends(_visit)]


def abilities(scopes: Sequence[str]) -> list[str]:
    """What scopes allow, in words."""
    words = {
        "read": "see your jobs and their files",
        "write": "submit and cancel jobs in your name, and change what is yours",
        "admin": "administer this service: users, and everybody's jobs",
    }
    return [words[scope] for scope in scopes]
