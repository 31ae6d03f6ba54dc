"""Whether a shared service may be served as its settings say: what `kotta serve --check` finds."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from kotta_service import isolation
from kotta_service.login_settings import problems as login_problems
from kotta_service.settings import ServeSettings, Settings


def problems(settings: Settings, data: Path | None = None) -> list[str]:
    """What has to be changed first, in sentences; empty if it may be served.

    Args:
        data: the service's data directory; None: it is not looked at.
    """
    serve = settings.serve
    found = [*_listening(serve), *_certificate(serve), *_public_url(serve), *_proxies(serve)]
    found += login_problems(settings.login)
    found += isolation.problems(settings, data)
    if isolation.runs_jobs_as_root(settings) and not serve.run_jobs_as_root:
        found.append(
            "it would run as root, and so would jobs: run it as another user, give every queue "
            'isolation = "user", or set [serve] run_jobs_as_root = true'
        )
    return found


def _listening(serve: ServeSettings) -> list[str]:
    is_safe = serve.has_tls or serve.trusted_proxies or serve.plain_http_is_fine
    if is_safe or _is_loopback(serve.host):
        return []
    return [
        (
            f"it would listen on {serve.host} without TLS, and everybody on the way would read "
            "tokens: set [serve] tls_certificate and tls_key, or trusted_proxies if a proxy speaks "
            "TLS for it, or plain_http_is_fine = true"
        )
    ]


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
        return all(ipaddress.ip_address(item[4][0]).is_loopback for item in found)
    except (OSError, ValueError):
        return False


def _certificate(serve: ServeSettings) -> list[str]:
    if serve.tls_certificate is None and serve.tls_key is None:
        return []
    if serve.tls_certificate is None or serve.tls_key is None:
        return ["[serve] tls_certificate and tls_key belong together: one of them is missing"]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            serve.tls_certificate, serve.tls_key, password=lambda: ""
        )
    except (OSError, ssl.SSLError) as error:
        words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return [f"[serve] tls_certificate and tls_key cannot be used: {words}"]
    return []


def _public_url(serve: ServeSettings) -> list[str]:
    if not serve.public_url:
        return []
    try:
        parts = urlsplit(serve.public_url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        is_url = False
    if not is_url or parts.path.rstrip("/"):
        return [f"[serve] public_url = {serve.public_url!r} is no address like https://kotta.lab"]
    is_plain = parts.scheme == "http" and not _is_loopback(parts.hostname or "")
    if is_plain and not serve.plain_http_is_fine:
        return ["[serve] public_url is not https: set plain_http_is_fine = true if it must be"]
    return []


def _proxies(serve: ServeSettings) -> list[str]:
    found = []
    for each in serve.trusted_proxies:
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            found.append(f"[serve] trusted_proxies: {each!r} is no address or network")
    return found
