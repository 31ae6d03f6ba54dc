"""A PostgreSQL that is killed, away, or cuts the line in the worst moment."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from postgres_server import PostgresServer, postgres_server
from running_service import RunningService
from sqlalchemy import Connection, event, text
from waiting import wait_until

from kotta import Kotta
from kotta.errors import ConfigError
from kotta_service.deployment import problems
from kotta_service.settings import Settings
from kotta_service.store.backends import backend_of
from kotta_service.store.database import Database, Transaction, last_change
from kotta_service.store.migration import prepare


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server for tests that kill it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def service(own_postgres: PostgresServer) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = RunningService(
            Path(home),
            KOTTA_SERVICE_GRACE_SECONDS="1",
            KOTTA_SERVICE_DATABASE=own_postgres.new_database(),
        )
        service.start()
        yield service
        service.close()


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    prepare(database.backend)
    database.start()
    yield database
    database.close()


@pytest.mark.slow
def test_a_database_that_is_killed_in_mid_run_loses_and_repeats_nothing(
    own_postgres: PostgresServer, service: RunningService
) -> None:
    """Clients submit through two kills and restarts; each job runs exactly once."""
    log = service.home / "ran.log"
    count, clients = 15, 4
    begun = threading.Barrier(clients + 1)

    def submit(client: int) -> list[str]:
        ids = []
        with Kotta(server=f"unix:{service.socket}") as kotta:
            begun.wait()
            for number in range(count):
                command = f"sleep 0.2; echo {client}-{number} >> {log}"
                ids.append(kotta.submit({"executable": command}).id)
        return ids

    with ThreadPoolExecutor(clients) as pool:
        submitted = [pool.submit(submit, client) for client in range(clients)]
        begun.wait()
        for _ in range(2):
            before = last_number(service)
            wait_until(lambda before=before: last_number(service) > before + 5, timeout=20)
            own_postgres.kill()
            time.sleep(1)  # away for longer than it takes to notice
            own_postgres.start()
        ids = [each for future in submitted for each in future.result(60)]
    jobs = service.wait(*({"id": each} for each in ids), seconds=60)
    assert {job["status"] for job in jobs} == {"completed"}
    wanted = [f"{client}-{number}" for client in range(clients) for number in range(count)]
    assert Counter(log.read_text().split()) == Counter(wanted)
    assert len(service.http.get("/jobs", params={"limit": 1000}).json()["jobs"]) == len(wanted)


def last_number(service: RunningService) -> int:
    answer = service.http.get("/changes")
    return int(answer.json()["last"]) if answer.status_code == 200 else 0


def test_while_the_database_is_away_everybody_is_told_when_to_ask_again(
    own_postgres: PostgresServer, service: RunningService
) -> None:
    job = service.submit({"executable": "sleep 0.5; echo on"})[0]
    service.until_status(job, "processing")
    own_postgres.kill()
    try:
        for answer in (
            service.http.get("/jobs"),
            service.http.get(f"/jobs/{job['id']}", params={"wait": 5}),
            service.http.post("/jobs", json={"jobs": [{"executable": "true"}]}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["detail"] == "the service's database is away"
        ready = service.http.get("http://kotta/readyz")
        assert (ready.status_code, ready.json()["lacks"]) == (503, ["database"])
    finally:
        own_postgres.start()
    # what the job did meanwhile is taken in
    ended = wait_until(
        lambda: (
            (now := service.http.get(f"/jobs/{job['id']}")).status_code == 200
            and now.json()["status"] == "completed"
        ),
        timeout=20,
        what=service.log,
    )
    assert ended
    assert "Traceback" not in service.log()


def test_a_commit_whose_answer_is_lost_is_done_once(database: Database) -> None:
    """The line is cut after the server has committed, and before it has said so."""
    cuts = []

    def cut(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if not cuts:
            cuts.append(1)
            driver.commit()
            driver.close()

    event.listen(database.engine, "commit", cut)
    after = []

    def action(transaction: Transaction) -> int:
        transaction.after_commit(lambda: after.append(1))
        return transaction.take_numbers("change", 1)

    assert database.write(action).result(10) == 1
    assert (cuts, after, number(database)) == ([1], [1], 1)


def test_a_commit_that_never_reached_the_server_is_done_again(database: Database) -> None:
    cuts = []

    def cut(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if not cuts:
            cuts.append(1)
            driver.close()

    event.listen(database.engine, "commit", cut)
    runs = []

    def action(transaction: Transaction) -> int:
        runs.append(1)
        return transaction.take_numbers("change", 1)

    assert database.write(action).result(10) == 1
    assert (len(runs), number(database)) == (2, 1)


def number(database: Database) -> int:
    with database.read() as connection:
        return last_change(connection)


@pytest.mark.slow
def test_who_stops_in_the_middle_of_a_transaction_does_not_stop_others(
    url: str, database: Database
) -> None:
    """Its session is ended by the server, which a machine that vanished cannot do itself."""
    other = Database(url)
    entered, leave = threading.Event(), threading.Event()
    runs = []

    def stop(transaction: Transaction) -> int:
        runs.append(1)
        if len(runs) == 1:
            entered.set()
            leave.wait(30)
        return transaction.take_numbers("change", 1)

    other.start()
    stopped = other.write(stop)
    entered.wait(10)
    began = time.monotonic()
    taken = database.write(lambda tx: tx.take_numbers("change", 1)).result(20)
    assert time.monotonic() - began < 8
    leave.set()
    assert (taken, stopped.result(20)) == (1, 2)
    other.close()


def test_a_word_is_heard_by_other_processes_and_not_by_its_own(
    url: str, database: Database
) -> None:
    other = Database(url)
    heard: list[str] = []
    own: list[str] = []
    other.on_word, database.on_word = heard.append, own.append
    changes: list[int] = []
    other.on_change = lambda number, _: changes.append(number)
    other.start()
    wait_until(lambda: changes)

    def action(transaction: Transaction) -> None:
        transaction.take_numbers("change", 3)
        transaction.tell_others("look a b")

    database.write(action).result(10)
    wait_until(lambda: heard)
    wait_until(lambda: changes[-1] == 3)
    assert (heard, own) == (["look a b"], [])
    other.close()


def test_what_may_lose_commits_is_not_served(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    settings = Settings(database=url)
    assert not [each for each in problems(settings) if "database" in each]
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    (found,) = [each for each in problems(settings) if "database" in each]
    assert "synchronous_commit" in found


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ada:hunter2@127.0.0.1:1/kotta", "ada:***@127.0.0.1:1/kotta"),
        ("ada:hunt?er2@127.0.0.1:1/kotta", "ada:***@127.0.0.1:1/kotta"),
        (
            "/kotta?host=/none&password=hunter2&sslpassword=hunter2&sslmode=disable",
            "/kotta?host=/none&password=***&sslpassword=***&sslmode=disable",
        ),
        ("127.0.0.1:1/kotta?user=ada&pass%77ord=hunter2", "/kotta?user=ada&pass%77ord=***"),
    ],
)
def test_a_database_that_is_not_there_is_named_without_its_password(url: str, shown: str) -> None:
    settings = Settings(database=f"postgresql://{url}")
    (found,) = [each for each in problems(settings) if "database" in each]
    assert f"{shown} cannot be reached" in found
    assert "er2" not in found + repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "ada:hun@er2@localhost/kotta",
        "ada:hun/er2@localhost/kotta",
        "ada:1/er2@localhost/kotta",
        "ada:hun%er2@localhost/kotta",
    ],
)
def test_a_password_that_is_no_part_of_a_url_is_not_shown(url: str) -> None:
    (found,) = [
        each for each in problems(Settings(database=f"postgresql://{url}")) if "database" in each
    ]
    assert "@ is written %40" in found
    assert "er2" not in found


def test_the_first_of_several_hosts_with_ports_may_be_away(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.new_database()) as connection:
        name, folder = connection.info.dbname, connection.info.host
    hosts = f"127.0.0.1:1,{quote(folder, safe='')}:5432"
    url = f"postgresql://kotta@{hosts}/{name}"
    assert not [each for each in problems(Settings(database=url)) if "database" in each]
    backend = backend_of(url)
    with backend.engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == name
    backend.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://localhost:abc/", "a port is no number"),
        ("postgresql://h:1,h:70000/kotta", "a port is no number"),
        ("postgresql://[::1/kotta", "is no URL that PostgreSQL knows"),
        ("postgresql:///kotta?sllmode=require", "knows no parameter `sllmode`"),
    ],
)
def test_a_url_that_postgresql_does_not_understand_is_refused(url: str, words: str) -> None:
    (found,) = [each for each in problems(Settings(database=url)) if "database" in each]
    assert words in found
    with pytest.raises(ConfigError, match=words):
        backend_of(url)
