"""A person at the service's pages without a browser: follows, reads and fills their forms."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urljoin

import httpx

MAX_STEPS = 25


class FormFiller:
    """One person, with cookies of their own; `page` is what they see."""

    def __init__(self, base: str, *, verify: bool = True) -> None:
        self.client = httpx.Client(base_url=base, timeout=30, trust_env=False, verify=verify)
        self.page: httpx.Response

    def close(self) -> None:
        self.client.close()

    def open(self, path: str) -> FormFiller:
        self.page = self.client.get(path, follow_redirects=True)
        return self

    def send(self, _button: str = "", **fields: str) -> FormFiller:
        """Sends the form of the page, with what it holds already and what is filled in.

        Args:
            _button: value of the button that is pressed, where there are several.
        """
        form = re.search(r"<form\b([^>]*)>(.*?)</form>", self.page.text, re.DOTALL)
        assert form, self.page.text
        given = {
            name: value
            for each in re.findall(r"<input\b[^>]*>", form[2])
            if (name := attribute(each, "name")) and (value := attribute(each, "value"))
        }
        for each in re.findall(r"<button\b[^>]*>", form[2]):
            if _button and attribute(each, "value") == _button:
                given[attribute(each, "name")] = _button
        action = urljoin(str(self.page.url), attribute(form[1], "action"))
        data: dict[str, Any] = {**given, **fields}
        self.page = self.client.post(action, data=data, follow_redirects=True)
        return self

    def follow(self, words: str) -> FormFiller:
        """Follows the link with these words."""
        for tag, inner in re.findall(r"(<a\b[^>]*>)(.*?)</a>", self.page.text, re.DOTALL):
            if words in html.unescape(inner):
                return self.open(urljoin(str(self.page.url), attribute(tag, "href")))
        raise AssertionError(f"no link {words!r} in {self.page.text}")

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.page.text, re.DOTALL)
        assert found, self.page.text
        return html.unescape(found[1])

    @property
    def text(self) -> str:
        """What can be read on the page."""
        body = self.page.text.partition("<main>")[2]
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""
