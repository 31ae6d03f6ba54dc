"""What an administrator may choose, from a TOML file and the environment.

Every setting has a default that suits one person's machine. A setting `name` is also read from the
environment variable `KOTTA_SERVICE_NAME`, which wins over the file; one in a table from
`KOTTA_SERVICE_TABLE_NAME`. What is no text is written as in JSON: `KOTTA_SERVICE_SERVE_PORT=80`.
How that is done is in `settings_sources.py`.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from kotta_service import settings_sources
from kotta_service.login_settings import LoginSettings
from kotta_service.parsl_settings import BlockSettings, ParslSettings
from kotta_service.s3_settings import S3Settings, storage_url
from kotta_service.slurm_settings import SlurmSettings

MIB = 1 << 20


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


_Network = Annotated[str, AfterValidator(_network)]


def _database_url(text: str) -> str:
    scheme, colon, rest = text.partition("://")
    if text and (scheme not in ("postgresql", "postgres") or not colon):
        raise ValueError("is no URL like postgresql://user@host/name")
    return f"postgresql://{rest}" if text else ""


_Word = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f]*$", max_length=1024)]
_UNCOUNTED = {"cpus": 65_536, "memory_mib": 1 << 40}
"""Of a queue whose engine counts by itself."""


class QueueSettings(BaseModel):
    """How much of the machine a queue's jobs share, and how they are kept from others.

    Attributes:
        executor: `local`: jobs are processes of this machine; `slurm`: jobs of Slurm's, which
            counts cores and memory by itself; `parsl`: calls in blocks of nodes that Parsl holds.
        cpus: cores; with `slurm` as many as the largest job may have, by default what a node has.
        memory_mib: memory, MiB; the same.
        max_walltime_minutes: longest walltime a job may ask for.
        partition: with `slurm`, where its jobs go; "": Slurm's default.
        account: with `slurm`, whom Slurm counts them for; "": the default of who submits.
        qos: with `slurm`, their quality of service; "": the default.
        constraint: with `slurm`, which features a node must have, such as `skylake&ib`.
        extra_arguments: with `slurm`, further options of `sbatch`.
        isolation: `process`: a job may do what the service may; `user`: it runs under an account of
            its owner; `bubblewrap`: in a view of the file system of its own. See docs/isolation.md.
        run_as: with `user`, the account's name; `{owner}` stands for the job's owner.
        network: with `bubblewrap`, whether a job can reach the network.
        visible: with `bubblewrap`, what a job can read beside the system's programs.
        enforce_memory: end a job whose processes together use more memory than it asked for.
        max_processes: how many processes a job may have at once; None: as many as the system lets.
        parsl: with `parsl`, the blocks.
    """

    model_config = ConfigDict(extra="forbid")

    executor: Literal["local", "slurm", "parsl"] = "local"
    cpus: Annotated[int, Field(ge=1, le=65_536)]
    memory_mib: Annotated[int, Field(ge=16)]
    max_walltime_minutes: Annotated[int, Field(ge=1)] = 7 * 24 * 60
    isolation: Literal["process", "user", "bubblewrap"] = "process"
    run_as: Annotated[str, Field(min_length=1, max_length=64)] = "{owner}"
    network: bool = True
    visible: list[Annotated[str, Field(pattern="^/", max_length=4096)]] = Field(
        default_factory=list
    )
    enforce_memory: bool = False
    max_processes: Annotated[int, Field(ge=1)] | None = None
    partition: _Word = ""
    account: _Word = ""
    qos: _Word = ""
    constraint: _Word = ""
    extra_arguments: list[Annotated[str, Field(pattern="^-", max_length=1024)]] = Field(
        default_factory=list
    )
    parsl: BlockSettings = Field(default_factory=BlockSettings)

    @model_validator(mode="before")
    @classmethod
    def _uncounted(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("executor") in ("slurm", "parsl"):
            return {**_UNCOUNTED, **values}
        return values

    @property
    def is_counted(self) -> bool:
        """Whether the service counts what its jobs use, rather than an engine."""
        return self.executor == "local"

    @property
    def has_runners_of_accounts(self) -> bool:
        """Whether the runner of a job is its account's itself: what that says is hearsay."""
        return self.isolation == "user" and not self.is_counted

    def default_memory_mib(self, cpus: int) -> int:
        """What is counted for a job that did not say how much memory it needs."""
        return max(1, min(1024, self.memory_mib // self.cpus) * min(cpus, self.cpus))

    slurm_options: ClassVar = ("partition", "account", "qos", "constraint")
    """The settings that are options of sbatch by the same name."""


class ServeSettings(BaseModel):
    """How a shared service listens: `[serve]`.

    Attributes:
        host: address to listen on.
        port: TCP port; 0: any that is free.
        public_url: what users type and pages link to, such as `https://kotta.lab`; by default what
            it listens on.
        tls_certificate: PEM file with the certificate and those between it and its root.
        tls_key: PEM file with its key.
        trusted_proxies: addresses or networks of proxies that speak TLS with users in its stead,
            and whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        plain_http_is_fine: listen off loopback without TLS; everybody on the way reads tokens.
        run_jobs_as_root: jobs may run as root, where the service does.
        max_requests_per_user: how many requests of one user may be under way at once; a command
            that waits for a job has one.
        log_format: `json`, an object a line, or `text`.
        first_clients: whether the clients of 2016 are answered: `/rest/v1`.
        bucket: what these call the place of their uploads: the first part of its host's name.
        log_level: what is logged: `info` has a line for each request, `warning` only what somebody
            should look at.
    """

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8520
    public_url: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: list[str] = Field(default_factory=list)
    plain_http_is_fine: bool = False
    run_jobs_as_root: bool = False
    max_requests_per_user: Annotated[int, Field(ge=1)] = 128
    log_format: Literal["json", "text"] = "json"
    first_clients: bool = True
    bucket: Annotated[
        str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", min_length=3, max_length=63)
    ] = "klab-jobs"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def has_tls(self) -> bool:
        return self.tls_certificate is not None

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key, None without TLS."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return self.tls_certificate, self.tls_key

    @property
    def url(self) -> str:
        """Where users reach it, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.has_tls else 'http'}://{host}:{self.port}"


class LimitSettings(BaseModel):
    """How much each user of a shared service may have: `[limits]`; None: as much as there is.

    `kotta admin user limit` gives one user others.

    Attributes:
        queued: jobs that wait, whatever they wait for.
        running: jobs that run at once; others' jobs overtake those beyond.
        cores: cores of jobs that run at once.
        storage_mib: what uploads and kept outputs hold together.
    """

    model_config = ConfigDict(extra="forbid")

    queued: Annotated[int, Field(ge=0)] | None = None
    running: Annotated[int, Field(ge=0)] | None = None
    cores: Annotated[int, Field(ge=0)] | None = None
    storage_mib: Annotated[int, Field(ge=0)] | None = None


class KeepSettings(BaseModel):
    """How long, and how much, is kept of what has ended: `[keep]`; None: all of it, for ever.

    What something that stays refers to stays as well. `kotta admin prune` forgets at once; by
    itself the service does so every hour.

    Attributes:
        days: jobs are forgotten so long after their end, uploads after they came, Python
            environments after a job last began to use them.
        storage_mib: uploads and outputs may hold so much together; of more, the oldest go.
    """

    model_config = ConfigDict(extra="forbid")

    days: Annotated[float, Field(gt=0, le=100_000)] | None = None
    storage_mib: Annotated[int, Field(ge=1)] | None = None


class Settings(BaseModel):
    """Everything that can be set.

    Attributes:
        idle_stop_seconds: the local service leaves after this long with neither jobs nor callers;
            0: never.
        grace_seconds: between SIGTERM and SIGKILL of a job that is cancelled or out of walltime.
        max_upload_mib: largest single uploaded file.
        max_input_mib: how much the inputs of one job may hold together.
        input_seconds: how long bringing them may take.
        requirements_seconds: how long making the environment for a job's `requirements` may take,
            or waiting for another job to make it.
        refuse_private_inputs: whether inputs are downloaded from public addresses only; None: in a
            shared service yes, in a user's own no.
        allowed_input_networks: what may be downloaded from nevertheless, such as `10.1.0.0/16`.
        max_output_mib: how much the outputs of one job may hold together, and each of its files.
        database: `postgresql://user@host/name`, with the parameters that libpq knows; "": a file
            of SQLite's in the data directory.
        storage: `s3://bucket/prefix`, where uploads and outputs are kept; "": the data directory.
        dispatch: whether this process may start jobs; of those that share a database, one does.
        queues: by name; a job that names none waits in `Test`.
        slurm: how the service speaks with Slurm, for queues with that executor.
        parsl: what queues whose jobs are handed to Parsl have in common.
        limits: how much each user of a shared service may have.
        keep: how long, and how much, is kept of what has ended.
        serve: how `kotta serve` listens; of no matter to the local service.
        login: how its users say who they are; of no matter to the local service either.
        s3: how S3 is reached, and what in it users may name as inputs.
    """

    model_config = ConfigDict(extra="forbid")

    idle_stop_seconds: Annotated[float, Field(ge=0)] = 900
    grace_seconds: Annotated[float, Field(ge=0, le=3600)] = 30
    max_upload_mib: Annotated[int, Field(ge=1)] = 1 << 20
    max_input_mib: Annotated[int, Field(ge=1)] = 1 << 20
    input_seconds: Annotated[float, Field(gt=0)] = 24 * 3600
    requirements_seconds: Annotated[float, Field(gt=0)] = 3600
    refuse_private_inputs: bool | None = None
    allowed_input_networks: list[_Network] = Field(default_factory=list)
    max_output_mib: Annotated[int, Field(ge=1)] = 1 << 20
    # it may hold a password
    database: Annotated[str, AfterValidator(_database_url)] = Field(default="", repr=False)
    storage: Annotated[str, AfterValidator(storage_url)] = ""
    dispatch: bool = True
    queues: dict[str, QueueSettings] = Field(default_factory=lambda: _machine_queues())
    slurm: SlurmSettings = Field(default_factory=SlurmSettings)
    parsl: ParslSettings = Field(default_factory=ParslSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    keep: KeepSettings = Field(default_factory=KeepSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings)
    login: LoginSettings = Field(default_factory=LoginSettings)
    s3: S3Settings = Field(default_factory=S3Settings)


def default_settings_file() -> Path:
    return platformdirs.user_config_path("kotta") / "service.toml"


def settings_file(named: Path | None = None) -> tuple[Path, bool]:
    """The settings file that counts, and whether it does for want of another."""
    variable = os.environ.get("KOTTA_SERVICE_SETTINGS")
    if named is None and not variable:
        return default_settings_file(), True
    return named or Path(variable or ""), False


def load_settings(file: Path | None = None) -> Settings:
    """The settings in `file`, in what KOTTA_SERVICE_SETTINGS names, or in the user's own file.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or it or the environment has a wrong or
            unknown setting; names file, line and setting.
    """
    path, is_default = settings_file(file)
    values, text = settings_sources.read(path, is_needed=not is_default)
    said = settings_sources.lay_over(values, Settings, os.environ)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise settings_sources.refusal(error, Settings, path, text, said) from None


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
