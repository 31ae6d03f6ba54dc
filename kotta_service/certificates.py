"""The certificate that a service speaks TLS with: whether it can be used, and for how long."""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

SOON = timedelta(days=21)
"""A certificate that ends sooner is told of; those who renew by themselves do so a month ahead."""


@dataclass(frozen=True)
class Certificate:
    """What a certificate says.

    Attributes:
        hosts: the names and addresses that it is for.
    """

    hosts: tuple[str, ...]
    begins_at: datetime
    ends_at: datetime

    def is_for(self, host: str) -> bool:
        """Whether clients take it for the one of this host."""
        host = host.lower()
        _, _, domain = host.partition(".")
        return host in self.hosts or (bool(domain) and f"*.{domain}" in self.hosts)


def read(certificate: Path) -> Certificate:
    """The first certificate of a PEM file, which is the service's own.

    Raises:
        ValueError: there is none.
        OSError: the file cannot be read.
    """
    from cryptography import x509

    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        hosts: list[str] = []
    else:
        hosts = names.get_values_for_type(x509.DNSName)
        hosts += [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    return Certificate(
        tuple(host.lower() for host in hosts), found.not_valid_before_utc, found.not_valid_after_utc
    )


def problems(certificate: Path, key: Path, host: str) -> list[str]:
    """Why nobody could be served with them, in sentences; empty if somebody can be.

    Args:
        host: by which users call the service.
    """
    for setting, file in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            file.open("rb").close()
        except OSError as error:
            return [f"[serve] {setting}: {file}: {error.strerror}"]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, key, password=lambda: ""
        )
        found = read(certificate)
    except (OSError, ValueError) as error:
        words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return [f"[serve] tls_certificate and tls_key cannot be used: {words}"]
    now = datetime.now(timezone.utc)
    if found.ends_at < now:
        return [f"[serve] tls_certificate has expired on {found.ends_at:%Y-%m-%d}"]
    if found.begins_at > now:
        return [f"[serve] tls_certificate counts only from {found.begins_at:%Y-%m-%d %H:%M} UTC on"]
    if not found.is_for(host):
        hosts = ", ".join(found.hosts) or "nobody"
        return [f"[serve] tls_certificate is for {hosts}, not for {host}: see [serve] public_url"]
    return []


def warnings(certificate: Path, key: Path) -> list[str]:
    """What should be seen to soon, of a pair that can be used."""
    found = []
    ends_at = read(certificate).ends_at
    if ends_at < datetime.now(timezone.utc) + SOON:
        found.append(f"[serve] tls_certificate expires on {ends_at:%Y-%m-%d}: renew it")
    if key.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        found.append(f"[serve] tls_key can be read by others: chmod 600 {key}")
    return found
