"""What `/metrics` tells, in Prometheus' text form.

A request costs two additions; what is known already (jobs, queues, connections) is looked up when
somebody asks. Made for a shared service only: a user's own has nobody who would ask.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from kotta._version import __version__
from kotta_service.store import jobs as store
from kotta_service.store import queues
from kotta_service.store.queues import Load

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from kotta_service.parts import Parts

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class Metrics:
    """Figures of a running service."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for each, which nobody asks for
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "kotta_request_seconds",
            "Time from a request to the end of its answer; what waits for a change is included.",
            ("method", "route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=self._registry,
        )
        self._commits = Histogram(
            "kotta_commit_seconds",
            "Time of a transaction, with the sync of the disk.",
            buckets=_COMMIT_SECONDS,
            registry=self._registry,
        )
        self._writes = Counter(
            "kotta_writes", "Changes that were committed, many in one.", registry=self._registry
        )
        self._bytes = Counter(
            "kotta_body_bytes",
            "Bytes of requests' bodies (in) and answers' (out): uploads, outputs and the rest.",
            ("direction", "route"),
            registry=self._registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Histogram, Counter, Counter]] = {}
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def watch(self, parts: Parts) -> None:
        """Tells of these parts from now on."""
        self._registry.register(_Parts(parts))
        parts.database.on_commit = self._committed

    def requested(
        self, method: str, route: str, status: int, seconds: float, bytes_in: int, bytes_out: int
    ) -> None:
        """Counts a request; `route` is the path as it was declared."""
        key = (method, route, status)
        if (found := self._known.get(key)) is None:
            # what is no route has one name, and methods are few: nobody can fill the memory
            found = self._known[key] = (
                self._requests.labels(method, route, str(status)),
                self._bytes.labels("in", route),
                self._bytes.labels("out", route),
            )
        lasting, received, sent = found
        lasting.observe(seconds)
        received.inc(bytes_in)
        sent.inc(bytes_out)

    def text(self) -> bytes:
        """All of it; asks the database."""
        return generate_latest(self._registry)

    def _committed(self, writes: int, seconds: float) -> None:
        self._commits.observe(seconds)
        self._writes.inc(writes)


class _Parts(Collector):
    """What is looked up when somebody asks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        parts = self._parts
        info = GaugeMetricFamily("kotta_info", "Which version this is.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield GaugeMetricFamily(
            "kotta_dispatcher_round_age_seconds",
            "Time since the dispatcher last looked at what runs; it does so each second.",
            value=time.monotonic() - parts.dispatcher.came_round_at,
        )
        yield GaugeMetricFamily(
            "kotta_requests_underway", "Requests under way.", value=parts.activity.in_flight
        )
        yield GaugeMetricFamily(
            "kotta_feed_readers", "Requests that wait for a change.", value=parts.feed.waiting
        )
        with parts.database.read() as connection:
            loads = queues.loads(connection, with_pending=True)
            states = queues.counts(connection)
            accepted = store.last_number(connection)
        yield CounterMetricFamily("kotta_jobs_submitted", "Jobs ever accepted.", value=accepted)
        jobs = GaugeMetricFamily("kotta_jobs", "Jobs.", labels=["queue", "state"])
        for (queue, state), count in sorted(states.items()):
            jobs.add_metric([queue, state], count)
        yield jobs
        yield from self._queues(loads)

    def _queues(self, loads: dict[str, Load]) -> Iterator[Metric]:
        gauges = {
            name: GaugeMetricFamily(f"kotta_queue_{name}", words, labels=["queue"])
            for name, words in (
                ("cpus", "Cores that its jobs share."),
                ("cpus_used", "Cores counted for jobs that run."),
                ("memory_bytes", "Memory that its jobs share."),
                ("memory_used_bytes", "Memory counted for jobs that run."),
            )
        }
        for name, size in self._parts.settings.queues.items():
            load = loads.get(name, Load())
            figures = (size.cpus, load.cpus, size.memory_mib << 20, load.memory_mib << 20)
            for gauge, figure in zip(gauges.values(), figures, strict=True):
                gauge.add_metric([name], figure)
        yield from gauges.values()
