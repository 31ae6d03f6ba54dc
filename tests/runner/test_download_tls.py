"""A download over TLS speaks with the name that was asked for, at the address that was checked."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kotta_runner.addresses import Policy
from kotta_runner.download import download
from kotta_runner.staging import StagingError

NAME = "data.example"


class Secure:
    """A server with a certificate for NAME that says what it was asked by."""

    def __init__(self, folder: Path) -> None:
        self.certificate = make_certificate(folder)
        self.names: list[str | None] = []
        self.requests: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                try:
                    with self._context.wrap_socket(plain, server_side=True) as connection:
                        self.requests.append(connection.recv(65536))
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes")
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def make_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, form, plain))
    return file


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secure]:
    some = Secure(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(some.certificate))
    really = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **how: Any) -> Any:
        return really("127.0.0.1" if host.endswith(".example") else host, port, **how)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield some
    some.close()


def fetch(url: str, policy: Policy) -> bytes:
    found: list[bytes] = []
    download(url, lambda read, _: found.append(read(100)), policy, time.monotonic() + 5)
    return found[0]


def test_the_name_that_was_asked_for_is_told_and_checked(secure: Secure) -> None:
    policy = Policy(is_open=False, allowed=["127.0.0.1/32"])
    assert fetch(f"https://{NAME}:{secure.port}/x", policy) == b"bytes"
    assert secure.names == [NAME]
    assert f"Host: {NAME}:{secure.port}\r\n".encode() in secure.requests[0]


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(secure: Secure, host: str) -> None:
    with pytest.raises(StagingError, match=r"(?i)certificate"):
        fetch(f"https://{host}:{secure.port}/x", Policy())
    assert secure.requests == []


def test_a_private_address_is_refused_over_tls_as_well(secure: Secure) -> None:
    with pytest.raises(StagingError, match="does not download from"):
        fetch(f"https://{NAME}:{secure.port}/x", Policy(is_open=False))
    assert secure.names == []
