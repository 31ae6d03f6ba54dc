"""Whether a shared service may be served as its settings say: what `kotta serve --check` finds."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kotta_service import certificates, isolation
from kotta_service.executors.slurm.checking import problems as cluster_problems
from kotta_service.login_settings import problems as login_problems
from kotta_service.parsl_settings import problems as parsl_problems
from kotta_service.s3_settings import problems as s3_problems
from kotta_service.settings import ServeSettings, Settings
from kotta_service.slurm_settings import problems as slurm_problems
from kotta_service.storage.choosing import bucket_problem
from kotta_service.store.backends import backend_of
from kotta_service.store.backends import problems as database_problems
from kotta_service.store.migration import problem as schema_problem

_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def problems(settings: Settings, data: Path | None = None) -> list[str]:
    """What has to be changed first, in sentences; empty if it may be served.

    Args:
        data: the service's data directory; None: it is not looked at.
    """
    serve = settings.serve
    found = [*_listening(serve), *_certificate(serve), *_public_url(serve), *_proxies(serve)]
    found += login_problems(settings.login)
    found += database_problems(settings.database)
    found += s3_problems(settings.storage, settings.s3)
    if not settings.dispatch and not settings.database:
        found.append("dispatch = false, but it shares no database with a process that starts jobs")
    found += isolation.problems(settings, data)
    found += slurm_problems(settings)
    found += parsl_problems(settings)
    found += [] if data is None else _data(data)
    if isolation.runs_jobs_as_root(settings) and not serve.run_jobs_as_root:
        found.append(
            "it would run as root, and so would jobs: run it as another user, give every queue "
            'isolation = "user", or set [serve] run_jobs_as_root = true'
        )
    return found


def asked(settings: Settings, data: Path) -> list[str]:
    """What others say who are needed for it, in sentences; they are asked, which may take a while.

    A service that was started before they said so waits for them, and is not ready.
    """
    words = bucket_problem(settings)
    found = [f"storage: {words}"] if words else []
    return [
        *_schema(settings, data),
        *found,
        *cluster_problems(settings),
        *_providers(settings),
    ]


def _schema(settings: Settings, data: Path) -> Iterator[str]:
    file = data / "kotta.db"
    if not settings.database and not file.exists():
        return
    backend = backend_of(settings.database or file)
    try:
        if words := schema_problem(backend):
            yield f"the database {words}"
    finally:
        backend.close()


def _providers(settings: Settings) -> Iterator[str]:
    ours = {name: queue for name, queue in settings.queues.items() if queue.executor == "parsl"}
    if not ours:
        return
    from kotta_service.executors.parsl.pilots import unknown_options

    for name, queue in ours.items():
        for option in unknown_options(queue.parsl):
            provider = queue.parsl.provider
            yield f"queue `{name}`: Parsl's provider {provider} has no option `{option}`"


def warnings(settings: Settings, data: Path, file: Path) -> list[str]:
    """What should be seen to, of settings that can be served; in sentences.

    Args:
        file: where they come from; it need not be there.
    """
    found = [] if settings.serve.tls is None else certificates.warnings(*settings.serve.tls)
    # where jobs run under accounts of their own, those pass through it and list nothing
    if data.is_dir() and data.stat().st_mode & (_FOR_OTHERS & ~stat.S_IXOTH & ~stat.S_IXGRP):
        found.append(f"others can read or write {data}: chmod 700 {data}")
    has_secret = any(
        provider.client_secret.get_secret_value()
        for provider in (*settings.login.oidc.values(), settings.login.amazon)
        if provider is not None
    )
    if has_secret and file.is_file() and file.stat().st_mode & _FOR_OTHERS:
        found.append(f"others can read the client_secret in {file}: chmod 600 {file}")
    return found


def summary(settings: Settings, data: Path) -> dict[str, Any]:
    """What would be served with settings in which there is no problem: `Served` of docs/json.md."""
    serve, login = settings.serve, settings.login
    ways = ["accounts"] if login.accounts else []
    ways += [*login.oidc, *(["amazon"] if login.amazon is not None else [])]
    ends_at = certificates.read(serve.tls[0]).ends_at if serve.tls is not None else None
    return {
        "url": serve.url,
        "host": serve.host,
        "port": serve.port,
        "certificate_ends_at": ends_at and ends_at.isoformat().replace("+00:00", "Z"),
        "trusted_proxies": serve.trusted_proxies,
        "login": ways,
        "data_directory": str(data),
        "queues": {name: queue.isolation for name, queue in settings.queues.items()},
    }


def _data(data: Path) -> Iterator[str]:
    nearest = next(folder for folder in (data, *data.parents) if folder.exists())
    if not nearest.is_dir():
        yield f"data cannot be kept in {data}: {nearest} is no folder"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"data cannot be kept in {data}: {nearest} cannot be written to"
    elif nearest == data and data.stat().st_uid != os.geteuid():
        yield f"{data} belongs to another user than the one who would serve it"


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


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
        return all(ipaddress.ip_address(item[4][0]).is_loopback for item in found)
    except (OSError, ValueError):
        return False


def _certificate(serve: ServeSettings) -> list[str]:
    if serve.tls is not None:
        return certificates.problems(*serve.tls, urlsplit(serve.url).hostname or "")
    if serve.tls_certificate is not None or serve.tls_key is not None:
        return ["[serve] tls_certificate and tls_key belong together: one of them is missing"]
    return []


def _public_url(serve: ServeSettings) -> list[str]:
    if not serve.public_url:
        if serve.trusted_proxies:
            return ["[serve] public_url is missing: by which address do users reach the proxy?"]
        if _is_unspecified(serve.host):
            return [f"[serve] public_url is missing: nobody reaches a service at {serve.host}"]
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
            ipaddress.ip_network(each)
        except ValueError:
            found.append(f"[serve] trusted_proxies: {each!r} is no address or network")
    return found
