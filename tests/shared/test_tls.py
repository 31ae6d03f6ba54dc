"""A service that speaks TLS by itself, or behind nginx; and certificates that are wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import need
from shared_service import SharedService
from waiting import wait_until

from kotta_service.deployment import problems, warnings
from kotta_service.settings import load_settings

KOTTA = str(Path(sys.executable).with_name("kotta"))


class Authority:
    """An authority of certificates, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test", "-days", "30"),
            *("-addext", "keyUsage=critical,keyCertSign"),
        )

    def make(self, name: str, hosts: str, days: int) -> tuple[Path, Path]:
        """A certificate and its key."""
        (self.folder / "ext").write_text(f"subjectAltName={hosts}\n")
        self._openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"),
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-out", f"{name}.pem", "-days", str(days), "-extfile", "ext", "-CAcreateserial"),
        )
        (self.folder / f"{name}.key").chmod(0o600)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    need("openssl", shutil.which("openssl") is not None)
    return Authority(folder)


def tls(pair: tuple[Path, Path]) -> str:
    return f'[serve]\ntls_certificate = "{pair[0]}"\ntls_key = "{pair[1]}"\n'


@pytest.fixture(scope="module")
def service(folder: Path, authority: Authority) -> Iterator[SharedService]:
    some = SharedService(folder, tls(authority.make("good", "IP:127.0.0.1", 30)))
    some.start()
    some.add_user("ada")
    yield some
    some.close()


def kotta(
    service: SharedService, url: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command of ada's, on a machine that trusts the authority."""
    given = {
        **service.environment,
        "HOME": str(service.home / "ada"),
        "SSL_CERT_FILE": str(service.home / "ca.pem"),
        "KOTTA_SERVER": url,
        "KOTTA_TOKEN": service.token("ada"),
        **environment,
    }
    return subprocess.run([KOTTA, *words], env=given, capture_output=True, text=True, timeout=60)


def test_jobs_are_run_over_tls(service: SharedService, tmp_path: Path) -> None:
    assert service.url.startswith("https://")
    script = "echo begun; sleep 0.5; echo over"
    url = service.url
    job = kotta(service, url, "submit", "--", "sh", "-c", script).stdout.strip()
    assert kotta(service, url, "logs", "-f", job).stdout == "begun\nover\n"
    assert kotta(service, url, "wait", job).returncode == 0
    fetched = kotta(service, url, "fetch", job, "-o", str(tmp_path / "out"))
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "out" / "STDOUT.txt").read_text() == "begun\nover\n"


@pytest.mark.parametrize(
    ("host", "trusted", "words", "hint"),
    [
        ("127.0.0.1", "", "unable to get local issuer certificate", "SSL_CERT_FILE"),
        ("localhost", "ca.pem", "hostname mismatch", "is the address right?"),
    ],
)
def test_who_cannot_be_trusted_is_told_of_at_once(
    service: SharedService, host: str, trusted: str, words: str, hint: str
) -> None:
    url = service.url.replace("127.0.0.1", host)
    began = time.monotonic()
    file = {"SSL_CERT_FILE": str(service.home / trusted) if trusted else ""}
    for command in (["list"], ["login", url, "--no-browser"]):
        told = kotta(service, url, *command, **file)
        assert told.returncode == 1
        first, second = told.stderr.splitlines()
        assert first.startswith(f"error: {url} cannot be trusted: ")
        assert words in first
        assert hint in second
    assert time.monotonic() - began < 20


def test_a_renewed_certificate_is_taken_without_a_restart(
    service: SharedService, authority: Authority
) -> None:
    assert service.process is not None
    before = service.log().count("took the certificate")
    authority.make("good", "IP:127.0.0.1,DNS:localhost", 60)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log().count("took the certificate") > before)
    url = service.url.replace("127.0.0.1", "localhost")
    assert kotta(service, url, "list").returncode == 0
    authority.make("good", "IP:127.0.0.1", 30)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log().count("took the certificate") > before + 1)


def test_a_check_looks_at_the_certificate(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    url = 'public_url = "https://kotta.lab"\nrun_jobs_as_root = true\n'

    def found(hosts: str, days: int) -> str:
        file.write_text(tls(authority.make("other", hosts, days)) + url)
        return "\n".join(problems(load_settings(file)))

    assert found("DNS:kotta.lab", 30) == ""
    assert found("DNS:*.lab", 30) == ""
    assert warnings(load_settings(file), tmp_path, file) == []
    assert "is for x.lab, not for kotta.lab" in found("DNS:x.lab", 30)
    assert "has expired" in found("DNS:kotta.lab", -1) or sys.platform == "darwin"
    assert found("DNS:kotta.lab", 5) == ""
    (authority.folder / "other.key").chmod(0o644)
    told = "\n".join(warnings(load_settings(file), tmp_path, file))
    assert "expires on" in told
    assert "can be read by others: chmod 600" in told
    (authority.folder / "other.key").unlink()
    said = "\n".join(problems(load_settings(file)))
    assert said == f"[serve] tls_key: {authority.folder / 'other.key'}: No such file or directory"


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {key};
{snippet}
    }}
}}
"""


def test_behind_nginx_all_goes_as_without(authority: Authority, folder: Path) -> None:
    need("nginx", shutil.which("nginx") is not None)
    docs = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    snippet = docs.split("```nginx\n")[1].split("```")[0]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"https://127.0.0.1:{port}"
    home = folder / "behind"
    home.mkdir()
    shutil.copy(authority.certificate, home)
    service = SharedService(
        home, f'[serve]\npublic_url = "{url}"\ntrusted_proxies = ["127.0.0.1"]\n'
    )
    service.start()
    said = next(line for line in service.log().splitlines() if '"port"' in line)
    proxied = f"http://127.0.0.1:{json.loads(said)['port']}"
    certificate, key = authority.make("proxy", "IP:127.0.0.1", 30)
    config = home / "nginx.conf"
    config.write_text(
        NGINX.format(
            folder=home,
            port=port,
            certificate=certificate,
            key=key,
            snippet=snippet.replace("http://127.0.0.1:8520", proxied),
        )
    )
    nginx = subprocess.Popen(["nginx", "-c", str(config), "-e", str(home / "error.log")])
    try:
        assert service.add_user("ada").startswith(f"{url}/")
        data = home / "data.bin"
        data.write_bytes(os.urandom(9 << 20))
        wait_until(lambda: kotta(service, url, "queues").returncode == 0, timeout=20)
        words = ["submit", "--wait", "--output", "copy.bin", "--input", str(data), "--"]
        done = kotta(service, url, *words, "cp", "data.bin", "copy.bin")
        assert done.returncode == 0, done.stderr
        job = json.loads(kotta(service, url, "list", "--json").stdout)[0]["id"]
        kotta(service, url, "fetch", job, "-o", str(home / "out"))
        assert (home / "out" / "copy.bin").read_bytes() == data.read_bytes()
        answer = service.client().get(
            f"{proxied}/healthz", headers={"X-Forwarded-For": "192.0.2.7, 203.0.113.9"}
        )
        name = answer.headers["kotta-request-id"]
        line = wait_until(lambda: [one for one in service.log().splitlines() if name in one])[0]
        assert json.loads(line)["client"] == "203.0.113.9"
    finally:
        nginx.terminate()
        nginx.wait()
        service.close()


def test_who_is_not_trusted_says_not_where_it_comes_from(service: SharedService) -> None:
    client = service.client(verify=False)
    answer = client.get(f"{service.url}/healthz", headers={"X-Forwarded-For": "192.0.2.7"})
    name = answer.headers["kotta-request-id"]
    line = wait_until(lambda: [one for one in service.log().splitlines() if name in one])[0]
    assert json.loads(line)["client"] == "127.0.0.1"
