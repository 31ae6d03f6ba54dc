"""Downloads one input over http or https. Apart from the rest, as it is slow to import."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any, Callable, Optional

from kotta_runner.staging import StagingError

TIMEOUT_SECONDS = 30
Receive = Callable[[Callable[[int], bytes], Optional[int]], None]


class SameKinds(urllib.request.HTTPRedirectHandler):
    """Follows redirects between http and https only (the default would follow ftp)."""

    max_redirections = 10

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Optional[urllib.request.Request]:
        if not newurl.lower().startswith(("http://", "https://")):
            raise StagingError("input %s: redirects to %s" % (req.full_url, newurl[:200]))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, receive: Receive) -> None:
    """Hands `receive` a function that reads the answer's body, and its announced length in bytes.

    Raises:
        StagingError: no answer, not a good one, or one that was cut short.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise StagingError("input %s: only http:// and https:// can be downloaded" % url)
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "kotta-runner"})
        opener = urllib.request.build_opener(SameKinds)
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            length = answer.headers.get("Content-Length")
            receive(answer.read, int(length) if length and length.isdigit() else None)
    except urllib.error.HTTPError as error:
        error.close()
        raise StagingError("input %s: HTTP %d %s" % (url, error.code, error.reason)) from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise StagingError("input %s: %s" % (url, reason)) from error
    except http.client.IncompleteRead as error:
        raise StagingError("input %s: the download was cut short" % url) from error
    except (http.client.HTTPException, ValueError) as error:
        raise StagingError("input %s: %s" % (url, error or type(error).__name__)) from error
