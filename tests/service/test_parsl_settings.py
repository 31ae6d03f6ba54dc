"""What is wrong with settings of queues whose jobs go to Parsl, told before they are served."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from kotta_service.deployment import asked
from kotta_service.parsl_settings import problems
from kotta_service.settings import load_settings

QUEUE = '[queues.Fast]\nexecutor = "parsl"\n[queues.Fast.parsl]\n'


def told(text: str, folder: Path) -> str:
    file = folder / "service.toml"
    file.write_text(text)
    return "; ".join(problems(load_settings(file)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (QUEUE, ""),
        (
            f"{QUEUE}min_blocks = 2",
            "queue `Fast`: min_blocks is 2, but max_blocks 1",
        ),
        (
            f'{QUEUE}provider = "slurm"\nnodes_per_block = 2',
            "queue `Fast`: blocks of several nodes need a launcher, such as srun or mpiexec",
        ),
        (
            f"{QUEUE}options = {{ max_blocks = 3 }}",
            "queue `Fast`: options.max_blocks is a setting beside options",
        ),
        (
            "[queues.A]\ncpus = 1\nmemory_mib = 64\n[queues.A.parsl]\nmax_blocks = 2",
            'queue `A`: `parsl` needs executor = "parsl"',
        ),
        (
            f'storage = "s3://files/kotta"\n{QUEUE}provider = "slurm"',
            "[parsl] url is missing: runners ask the service for the URLs of files in S3",
        ),
        (
            f'{QUEUE}[parsl]\nfolder = "here"',
            "[parsl] folder: here is no absolute path",
        ),
    ],
)
def test_what_would_keep_a_block_from_running_is_told(
    text: str, words: str, tmp_path: Path
) -> None:
    assert told(text, tmp_path) == words


def test_that_parsl_is_missing_is_told_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert told(QUEUE, tmp_path) == "Parsl is not installed: pip install 'kotta-cli[parsl]'"


def test_an_option_that_a_provider_does_not_have_is_told(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text(f'{QUEUE}provider = "slurm"\noptions = {{ partition = "a", patrition = "b" }}')
    words = "queue `Fast`: Parsl's provider slurm has no option `patrition`"
    assert asked(load_settings(file), tmp_path) == [words]
