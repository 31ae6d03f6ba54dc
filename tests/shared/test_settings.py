"""The settings of a service: the sample file, the environment, and what is told of mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from kotta.errors import ConfigError
from kotta_service import settings_sources
from kotta_service.deployment import problems
from kotta_service.settings import Settings, load_settings

SAMPLE = Path(__file__).parents[2] / "examples" / "service.toml"
QUEUE = "[queues.Lab]\ncpus = 1\nmemory_mib = 64\n"
OTHER: dict[str, str] = {
    "REFUSE_PRIVATE_INPUTS": "true",
    "ALLOWED_INPUT_NETWORKS": '["10.0.0.0/8"]',
    "DATABASE": "postgresql://kotta@db.example/kotta",
    "QUEUES": '{"Other": {"cpus": 2, "memory_mib": 64}}',
    "ISOLATION": "bubblewrap",
    "VISIBLE": '["/opt"]',
    "TRUSTED_PROXIES": '["10.0.0.1"]',
    "LOG_FORMAT": "text",
    "LOG_LEVEL": "error",
    "OIDC": '{"other": {"issuer": "https://x.example", "client_id": "x"}}',
    "AMAZON": '{"client_id": "other"}',
    "ALLOWED_DOMAINS": '["x.example"]',
    "SCOPES": '["openid"]',
    "STORAGE": "s3://lab-files/kotta",
    "ADDRESSING": "path",
    "ENCRYPTION": "AES256",
    "STORAGE_CLASS": "STANDARD_IA",
    "S3_INPUTS": '["s3://lab-public/"]',
    "S3_INPUTS_OF": '{"ada": ["s3://genomes/ada/"]}',
    "EXECUTOR": "slurm",
    "EXTRA_ARGUMENTS": '["--exclusive"]',
    "SLURM_PROGRAMS": "/opt/slurm/bin",
    "SLURM_URL": "https://x.example",
    "POLL_SECONDS": "17.5",
    "ALIVE_SECONDS": "17.5",
    "PARSL_PROVIDER": "slurm",
    "PARSL_OPTIONS": '{"partition": "debug"}',
    "PARSL_LAUNCHER": "srun",
    "PARSL_PYTHON": "/opt/kotta/bin/python",
    "PARSL_URL": "https://x.example",
}
"""What to say of a setting, by the end of its variable, where 1777 does not do."""
TABLES = (
    f'{QUEUE}[login.oidc.cam-pus]\nissuer = "https://id.example"\nclient_id = "kotta"\n'
    '[login.amazon]\nclient_id = "kotta"\n'
)


def at(settings: Any, place: tuple[str, ...]) -> Any:
    for part in place:
        settings = settings[part] if isinstance(settings, dict) else getattr(settings, part)
    return settings


@pytest.mark.parametrize(("variable", "place"), list(settings_sources.variables(Settings)))
def test_every_setting_is_an_environment_variable(
    variable: str, place: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "service.toml"
    file.write_text(TABLES)
    own = {"queues": ("Lab", "Lab"), "login": ("CAM_PUS", "cam-pus")}.get(place[0], ("", ""))
    place = tuple(own[1] if part == "NAME" else part for part in place)
    before = at(load_settings(file), place)
    # the longest ending counts: CLIENT_SECRET_FILE is not FILE
    fit = [text for end, text in OTHER.items() if variable.endswith(f"_{end}")]
    text = fit[-1] if fit else str(not before).lower() if isinstance(before, bool) else "1777"
    monkeypatch.setenv(variable.replace("NAME", own[0]), text)
    after = at(load_settings(file), place)
    assert after != before
    said = after.get_secret_value() if hasattr(after, "get_secret_value") else after
    if not isinstance(after, (dict, BaseModel)):
        assert str(said).lower() in (text.lower(), text.replace('"', "'"), "1777.0")


def test_a_table_of_its_own_name_can_come_from_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "service.toml"
    file.write_text("")
    monkeypatch.setenv("KOTTA_SERVICE_QUEUES_Big_CPUS", "64")
    monkeypatch.setenv("KOTTA_SERVICE_QUEUES_Big_MEMORY_MIB", "128000")
    queues = load_settings(file).queues
    assert list(queues) == ["Big"]
    assert (queues["Big"].cpus, queues["Big"].memory_mib) == (64, 128_000)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("grace_second = 1", ":1: grace_second is no setting", "did you mean `grace_seconds`?"),
        ("\n[serve]\nprot = 1", ":3: [serve] prot is no setting", "did you mean `port`?"),
        ("serve.port = 80_000", ":1: [serve] port should be less than or equal to 65535", ""),
        (f"{QUEUE}cpu = 2", ":4: [queues.Lab] cpu is no setting", "did you mean `cpus`?"),
        ("# x\n[queues.Lab]\ncpus = 2", ":2: [queues.Lab] memory_mib is missing", ""),
        ('allowed_input_networks = ["x"]', ":1: allowed_input_networks cannot be: ", ""),
        ('[login.oidc."a b"]\nissuer = "x"', ":1: [login.oidc.a b] client_id is missing", ""),
        (
            "[login.amazon]\nclient_idd = 1\nclient_id = 'x'",
            ":2: [login.amazon] client_idd",
            "id`?",
        ),
        ("queues = 1", ":1: queues should be a valid dictionary", ""),
        ("serve = ", " is not TOML: ", ""),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_is_near(
    text: str, told: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "service.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert caught.value.message.startswith(f"{file}{told}")
    assert caught.value.hint.endswith(hint)


def test_all_mistakes_are_told_at_once_and_whose_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "service.toml"
    file.write_text('grace_seconds = "long"\n[serve]\nhosts = "x"\n')
    monkeypatch.setenv("KOTTA_SERVICE_SERVE_PORT", "many")
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert caught.value.message.splitlines()[0] == "3 settings of the service are wrong"
    assert f"{file}:1: grace_seconds" in caught.value.message
    assert (
        "KOTTA_SERVICE_SERVE_PORT: [serve] port should be a valid integer" in caught.value.message
    )
    assert f"{file}:3: [serve] hosts is no setting (did you mean `host`?)" in caught.value.message


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("KOTTA_SERVICE_SERVE_PROT", "1", "did you mean KOTTA_SERVICE_SERVE_PORT?"),
        ("KOTTA_SERVICE_GRACE", "1", "did you mean KOTTA_SERVICE_GRACE_SECONDS?"),
        ("KOTTA_SERVICE_SERVE_TRUSTED_PROXIES", "10.0.0.1", "is not JSON"),
        ("KOTTA_SERVICE_LOGIN_OIDC", "{", "is not JSON"),
    ],
)
def test_a_variable_that_means_nothing_is_refused(
    variable: str, text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    file = tmp_path / "service.toml"
    file.write_text("")
    with pytest.raises(ConfigError) as caught:
        load_settings(file)
    assert variable in caught.value.message
    assert told in f"{caught.value.message} {caught.value.hint}"


def test_the_sample_can_be_served(tmp_path: Path) -> None:
    serve = load_settings(SAMPLE).serve.model_copy(update={"run_jobs_as_root": True})
    found = load_settings(SAMPLE).model_copy(update={"serve": serve})
    assert problems(found, tmp_path / "data") == []
    plain = load_settings(SAMPLE).model_dump(exclude={"queues"})
    assert plain == Settings().model_dump(exclude={"queues"}), "it says what holds anyhow"


def test_every_setting_is_in_the_sample(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=[\w\[])", "", SAMPLE.read_text(), flags=re.MULTILINE)
    file = tmp_path / "service.toml"
    file.write_text(text)
    whole = load_settings(file).model_dump(exclude_unset=True)

    def places(table: dict[str, Any], above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for key, value in table.items():
            key = "NAME" if above in (("queues",), ("login", "oidc")) else key
            found |= {(*above, key)}
            found |= places(value, (*above, key)) if isinstance(value, dict) else set()
        return found

    known = {place for _, place in settings_sources.variables(Settings)}
    assert known - places(whole) == set()
    assert json.dumps(whole, default=str)
