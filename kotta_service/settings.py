"""What an administrator may choose, from a TOML file and the environment.

Every setting has a default that suits one person's machine. A setting `name` is also read from the
environment variable `KOTTA_SERVICE_NAME`, which wins over the file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kotta.errors import ConfigError
from kotta.models.problems import field_problems

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MIB = 1 << 20


class QueueSettings(BaseModel):
    """How much of the machine a queue's jobs share.

    Attributes:
        cpus: cores.
        memory_mib: memory, MiB.
        max_walltime_minutes: longest walltime a job may ask for.
    """

    model_config = ConfigDict(extra="forbid")

    cpus: Annotated[int, Field(ge=1, le=65_536)]
    memory_mib: Annotated[int, Field(ge=16)]
    max_walltime_minutes: Annotated[int, Field(ge=1)] = 7 * 24 * 60

    def default_memory_mib(self, cpus: int) -> int:
        """What is counted for a job that did not say how much memory it needs."""
        return max(1, min(1024, self.memory_mib // self.cpus) * min(cpus, self.cpus))


class Settings(BaseModel):
    """Everything that can be set.

    Attributes:
        idle_stop_seconds: the local service leaves after this long with neither jobs nor callers;
            0: never.
        grace_seconds: between SIGTERM and SIGKILL of a job that is cancelled or out of walltime.
        max_upload_mib: largest single uploaded file.
        queues: by name; a job that names none waits in `Test`.
    """

    model_config = ConfigDict(extra="forbid")

    idle_stop_seconds: Annotated[float, Field(ge=0)] = 900
    grace_seconds: Annotated[float, Field(ge=0, le=3600)] = 30
    max_upload_mib: Annotated[int, Field(ge=1)] = 1 << 20
    queues: dict[str, QueueSettings] = Field(default_factory=lambda: _machine_queues())


def default_settings_file() -> Path:
    return platformdirs.user_config_path("kotta") / "service.toml"


def load_settings(file: Path | None = None) -> Settings:
    """The settings in `file`, or in the user's own settings file if there is one.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or has a wrong or unknown setting.
    """
    path = file or default_settings_file()
    values: dict[str, Any] = {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if file is not None:
            raise ConfigError(f"there is no settings file {path}") from None
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for name in Settings.model_fields:
        if name != "queues" and (text := os.environ.get(f"KOTTA_SERVICE_{name.upper()}")):
            values[name] = text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        words = "; ".join(f"{item.field}: {item.detail}" for item in field_problems(error))
        raise ConfigError(
            f"a setting of the service is wrong: {words}", hint=f"see {path}"
        ) from None


def _machine_queues() -> dict[str, QueueSettings]:
    """`Test` with two cores and 4 GiB, `Prod` with the rest of this machine, at least one core."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    test_mib = min(4096, max(16, memory_mib // 2))
    return {
        "Test": QueueSettings(
            cpus=min(2, cores), memory_mib=test_mib, max_walltime_minutes=24 * 60
        ),
        "Prod": QueueSettings(cpus=max(1, cores - 2), memory_mib=max(16, memory_mib - test_mib)),
    }
