"""A real Slurm of the tests' own on this machine: no systemd, no cgroups, ended by its pids.

munged, slurmctld and three slurmd, partitions `Test` (an hour at most) and `Prod`, and two nodes
with GPUs that exist on paper alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol")
NODES, CPUS = 3, 4
_CONFIGURATION = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmUser=slurm
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/sock/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdPidFile={folder}/run/%n.pid
SlurmdLogFile={folder}/log/%n.log
SlurmdSpoolDir={folder}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SlurmdTimeout=10
KillWait=3
OverTimeLimit=0
InactiveLimit=0
MinJobAge=300
MaxJobCount=25000
ReturnToService=2
JobRequeue=1
MpiDefault=none
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
{nodes}
PartitionName=Test Nodes=node[1-3] Default=YES MaxTime=60 DefaultTime=5 PriorityTier=1 State=UP
PartitionName=Prod Nodes=node[1-3] MaxTime=1440 DefaultTime=30 PriorityTier=1 State=UP
PartitionName=Urgent Nodes=node[1-3] MaxTime=60 PriorityTier=10 State=UP
"""


_SETTINGS = """
grace_seconds = {grace_seconds}
[queues.Test]
executor = "slurm"
partition = "Prod"
[queues.Short]
executor = "slurm"
partition = "Test"
[queues.Prod]
executor = "slurm"
partition = "Prod"
[queues.Here]
cpus = 2
memory_mib = 2048
[slurm]
configuration = "{configuration}"
{more}
"""


def is_installed() -> bool:
    return all(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in PROGRAMS)


class SlurmCluster:
    """A cluster under test: start it, kill parts of it, ask it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = _Ports(NODES + 1)
        self._port = self._ports.first
        self._started: list[subprocess.Popen[bytes]] = []
        self.environment = {"SLURM_CONF": str(folder / "etc" / "slurm.conf")}
        self._write_configuration()

    def settings(self, *, grace_seconds: float = 1, **slurm: object) -> str:
        """TOML for a service whose jobs it runs, quick to notice what becomes of them."""
        given = {"poll_seconds": 0.3, "absent_seconds": 3, "alive_seconds": 0.5}
        given |= {"python": sys.executable, **slurm}
        lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
        return _SETTINGS.format(
            grace_seconds=grace_seconds,
            configuration=self.environment["SLURM_CONF"],
            more="\n".join(lines),
        )

    def start(self) -> None:
        """Starts all of it; returns once its nodes are idle."""
        munged = [
            "munged",
            "--foreground",
            f"--key-file={self.folder}/munge/key",
            f"--socket={self._munge}",
        ]
        munged += [f"--pid-file={self.folder}/sock/munged.pid"]
        munged += [f"--log-file={self.folder}/munge/log", f"--seed-file={self.folder}/munge/seed"]
        self._run(munged, account="munge")
        wait_until(self._munge.exists, timeout=10)
        self.start_controller()
        for number in range(1, NODES + 1):
            self.start_node(number)
        wait_until(lambda: self.idle_nodes() == NODES, timeout=30, what=self.log)

    def start_controller(self) -> None:
        self._run(["slurmctld", "-D"], account="slurm")
        wait_until(lambda: self._pids("slurmctld"), timeout=10, what=self.log)

    def start_node(self, number: int) -> None:
        (self.folder / f"spool-node{number}").mkdir(exist_ok=True)
        self._run(["slurmd", "-D", "-N", f"node{number}"])
        wait_until(lambda: self._pids(f"node{number}"), timeout=10, what=self.log)

    def idle_nodes(self) -> int:
        found = self.ask("sinfo", "--noheader", "--Node", "--partition=Test", "--format=%N %t")
        return sum(line.split()[1] == "idle" for line in set(found.splitlines()))

    def kill_controller(self) -> None:
        for pid in self._pids("slurmctld"):
            _kill(pid)

    def kill_node(self, number: int) -> None:
        """What a power cut does: the daemon, its steps and their jobs go at once."""
        for pid in self._pids(f"node{number}"):
            _kill(pid)
        for job in self.steps(number):
            for process in [*job.children(recursive=True), job]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        shutil.rmtree(self.folder / f"spool-node{number}", ignore_errors=True)

    def steps(self, number: int) -> list[psutil.Process]:
        """The processes in which jobs of a node run: each has a socket in its spool."""
        sockets = (self.folder / f"spool-node{number}").glob(f"node{number}_*")
        titles = tuple(f"slurmstepd: [{path.name.split('_')[1].split('.')[0]}." for path in sockets)
        found = []
        for process in psutil.process_iter(["cmdline"]):
            # other clusters number their jobs alike
            if titles and "".join(process.info["cmdline"] or []).startswith(titles):
                with contextlib.suppress(psutil.Error):
                    if process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                        found.append(process)
        return found

    def until_idle(self) -> None:
        """Until no job is left that might write to a folder that is to be removed."""
        wait_until(lambda: not self.ask("squeue", "-h", "-a").strip(), timeout=30, what=self.jobs)

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints; "" if it fails."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def jobs(self) -> list[list[str]]:
        """Name, state, node and number of each job that Slurm tells of, ended ones included."""
        text = self.ask("squeue", "-h", "-a", "-t", "all", "-o", "%j|%T|%N|%i")
        return [line.split("|") for line in text.splitlines()]

    def stop(self) -> None:
        pids = [pid for name in self._daemons() for pid in self._pids(name)]
        for number in range(1, NODES + 1):
            pids += [each.pid for step in self.steps(number) for each in step.children(True)]
            pids += [step.pid for step in self.steps(number)]
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 1
        while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in pids:
            # munged may sleep through a SIGTERM, and slurmd waits for its controller
            _kill(pid)
        for started in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(5)
        self._ports.close()

    def log(self) -> str:
        texts = [path.read_text()[-2000:] for path in (self.folder / "log").glob("*.log")]
        return "\n".join(texts)

    @property
    def _munge(self) -> Path:
        return self.folder / "sock" / "munge.socket"

    def _daemons(self) -> list[str]:
        return [*(f"node{number}" for number in range(1, NODES + 1)), "slurmctld", "munged"]

    def _pids(self, daemon: str) -> list[int]:
        folder = self.folder / ("sock" if daemon == "munged" else "run")
        path = folder / f"{daemon}.pid"
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.read_text())
            if psutil.pid_exists(pid) and psutil.Process(pid).name() in (daemon, "slurmd"):
                return [pid]
        return []

    def _write_configuration(self) -> None:
        for name in ("etc", "run", "log", "munge", "state", "sock"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        (self.folder / "munge" / "key").write_bytes(os.urandom(1024))
        (self.folder / "munge" / "key").chmod(0o600)
        for name, account in (("munge", "munge"), ("munge/key", "munge"), ("sock", "munge"),
                              ("state", "slurm"), ("run", "slurm"), ("log", "slurm")):  # fmt: skip
            shutil.chown(self.folder / name, account)
        (self.folder / "munge").chmod(0o700)
        host = socket.gethostname().split(".")[0]
        memory_mib = psutil.virtual_memory().total // (1 << 20) * 9 // 10 // NODES
        nodes = [
            f"NodeName=node{number} NodeHostname={host} NodeAddr=127.0.0.1 "
            f"Port={self._port + number} CPUs={CPUS} RealMemory={memory_mib} State=UNKNOWN"
            + (" Gres=gpu:2" if number < NODES else "")
            for number in range(1, NODES + 1)
        ]
        (self.folder / "etc" / "slurm.conf").write_text(
            _CONFIGURATION.format(
                host=host, port=self._port, folder=self.folder, nodes="\n".join(nodes)
            )
        )
        (self.folder / "etc" / "gres.conf").write_text(
            "NodeName=node[1-2] Name=gpu File=/dev/null,/dev/zero\n"
        )

    def _run(self, command: list[str], account: str | None = None) -> None:
        """Runs a program until the test's process ends, however that ends."""
        as_account = ["setpriv", "--pdeathsig=KILL"]
        if account is not None:
            entry = pwd.getpwnam(account)
            ids = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
            as_account += ids
        path = f"{os.environ['PATH']}:/usr/sbin"
        with open(self.folder / "started.log", "ab") as log:
            started = subprocess.Popen(
                [*as_account, *command],
                env={**self.environment, "PATH": path},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started.append(started)


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).wait(5)


class _Ports:
    """Ports in a row that nobody listens on, kept from other clusters of this machine's tests."""

    def __init__(self, count: int) -> None:
        for first in range(20_000, 32_000, 16):
            path = f"{tempfile.gettempdir()}/kotta-slurm-{first}.lock"
            lock = os.open(path, os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for port in range(first, first + count):
                    with socket.socket() as tried:
                        tried.bind(("127.0.0.1", port))
            except OSError:
                os.close(lock)
                continue
            self.first, self._lock = first, lock
            return
        raise AssertionError("no ports are free")

    def close(self) -> None:
        os.close(self._lock)


@contextmanager
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A cluster that runs; skips where Slurm is not installed or not ours to start."""
    if not is_installed() or os.geteuid() != 0:
        pytest.skip("Slurm is not installed, or this is not root")
    with tempfile.TemporaryDirectory(prefix="kotta-slurm-") as name:
        cluster = SlurmCluster(Path(name))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
