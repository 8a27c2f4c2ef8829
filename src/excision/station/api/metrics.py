"""What a station counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

from excision.station.api.alarm_metrics import AlarmMetrics
from excision.station.api.drift_metrics import DriftMetrics
from excision.station.api.hub_metrics import OutboxMetrics
from excision.station.station import Station
from excision.station.work.queue import Outcome
from excision.version import __version__

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one station, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        build = Info("excision_build", "Version of the program", registry=self._registry)
        build.info({"version": __version__})
        self._images = Counter(
            "excision_images", "Images answered", ["model", "verdict"], registry=self._registry
        )
        self._seconds = Histogram(
            "excision_stage_seconds",
            "Seconds of a stage",
            ["stage"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._refused = Counter(
            "excision_requests_refused", "Requests refused", ["status"], registry=self._registry
        )
        self._crowded_out = Counter(
            "excision_connections_crowded_out",
            "Connections closed because others needed their place",
            registry=self._registry,
        )
        self._wrong_keys = Counter(
            "excision_wrong_keys", "Requests and log-ins with a wrong key", ["where"], registry=self._registry
        )

    def watch(self, station: Station) -> None:
        """Show how full the queue of a station is."""
        unanswered = Gauge(
            "excision_unanswered_images", "Accepted, not yet answered", registry=self._registry
        )
        unanswered.set_function(lambda: station.queue.unanswered)
        bound = Gauge("excision_queue_bound", "How many those may be", registry=self._registry)
        bound.set(station.queue.bound)
        fault = Gauge("excision_fault", "1 while nothing can be stored", registry=self._registry)
        fault.set_function(lambda: station.guard.fault is not None)
        aside = Gauge("excision_quarantined_images", "Images without a result", registry=self._registry)
        aside.set_function(lambda: station.quarantined.images)
        removed = Gauge("excision_removed_images", "Images that clean-ups removed", registry=self._registry)
        removed.set_function(lambda: (station.upkeep.state() or {"images": 0})["images"])
        self._registry.register(DriftMetrics(station))
        self._registry.register(AlarmMetrics(station))
        if station.outbox is not None:
            self._registry.register(OutboxMetrics(station.outbox.state))

    def register(self, collector: Collector) -> None:
        """Show what a collector gives."""
        self._registry.register(collector)

    def answered(self, outcomes: Sequence[Outcome], storing: float) -> None:
        """Count results that are on disk."""
        for outcome in outcomes:
            result = outcome.result
            self._images.labels(result.model, result.verdict or "failed").inc()
            for stage, seconds in result.seconds.items():
                if stage != "store":  # which is of all together
                    self._seconds.labels(stage).observe(seconds)
        self._seconds.labels("store").observe(storing)

    def refused(self, status: int) -> None:
        """Count a request that was refused."""
        self._refused.labels(str(status)).inc()

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show how many connections are open."""
        connections = Gauge("excision_connections", "Open connections", registry=self._registry)
        connections.set_function(count)

    def crowded_out(self) -> None:
        """Count a connection that was closed because another needed its place."""
        self._crowded_out.inc()

    def wrong_key(self, where: str) -> None:
        """Count a wrong key, in a request to the "interface" or at the "login"."""
        self._wrong_keys.labels(where).inc()

    def text(self) -> bytes:
        """Give all in Prometheus' text format."""
        return generate_latest(self._registry)
