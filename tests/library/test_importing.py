from __future__ import annotations

import subprocess
import sys

import pytest

import kotta


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import kotta; print(*set(sys.modules) - before)"
    assert set(run_python(code).split()) == {"kotta", "kotta._version", "__future__"}


def test_importing_the_client_leaves_terminal_and_server_packages_alone() -> None:
    code = (
        "import sys, kotta.client\n"
        "heavy = ('rich', 'click', 'typer', 'pygments', 'fastapi', 'uvicorn', 'sqlalchemy',"
        " 'cloudpickle', 'subprocess', 'fcntl', 'kotta.description', 'kotta.transfers',"
        " 'kotta.service_process')\n"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    found = set(run_python(code).split())
    # httpx itself may bring subprocess along
    assert found <= {"subprocess"}


def test_the_command_line_of_httpx_is_still_there_for_who_wants_it() -> None:
    code = (
        "import sys, kotta._httpx, httpx\n"
        "assert 'httpx._main' not in sys.modules\n"
        "import importlib.util; print(importlib.util.find_spec('httpx._main') is not None)"
    )
    assert run_python(code) == "True"


def test_an_httpx_that_was_imported_before_is_left_as_it_is() -> None:
    code = "import httpx; before = httpx.main; import kotta._httpx; print(httpx.main is before)"
    assert run_python(code) == "True"


@pytest.mark.parametrize("name", kotta.__all__)
def test_everything_that_is_announced_is_there(name: str) -> None:
    assert getattr(kotta, name) is not None
    assert name in dir(kotta)


def test_every_error_is_to_be_had_from_the_package() -> None:
    from kotta import errors

    names = {name for name in vars(errors) if name.endswith("Error") and name[0] != "_"}
    assert names <= set(kotta.__all__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kotta.nothing  # noqa: B018


def test_the_library_says_nothing_on_stderr_by_itself() -> None:
    code = (
        "import sys, logging, io, kotta.client\n"
        "sys.stderr = io.StringIO()\n"
        "logging.getLogger('kotta.connection').warning('said')\n"
        "print(repr(sys.stderr.getvalue()))"
    )
    assert run_python(code) == "''"
