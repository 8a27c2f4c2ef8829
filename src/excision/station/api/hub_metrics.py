"""What a hub knows about its stations, and a station about its hub, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from excision.errors import StoreError
from excision.station.hub.hub import Hub
from excision.station.outbox.settings import OutboxState


class HubMetrics(Collector):
    """Reads what the hub knows about each station whenever metrics are asked for."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def describe(self) -> list[Metric]:
        """Give no names: a registry need not ask the database for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give what is known of each station."""
        try:
            stations = self._hub.store.stations()
        except StoreError:
            yield GaugeMetricFamily("excision_hub_database", "1 while the database answers", value=0)
            return
        yield GaugeMetricFamily("excision_hub_database", "1 while the database answers", value=1)
        now = time.time()
        results = CounterMetricFamily(
            "excision_hub_results", "Results taken from the station", labels=["station"]
        )
        refused = GaugeMetricFamily(
            "excision_hub_refused_rows", "Rows of the station that could not be used", labels=["station"]
        )
        waiting = GaugeMetricFamily(
            "excision_hub_waiting_rows",
            "Rows that the station had not sent when last heard",
            labels=["station"],
        )
        silent = GaugeMetricFamily(
            "excision_hub_silent_seconds", "Seconds since the station was last heard", labels=["station"]
        )
        clock = GaugeMetricFamily(
            "excision_hub_clock_ahead_seconds", "Seconds by which its clock was ahead", labels=["station"]
        )
        for one in stations:
            results.add_metric([one.name], one.results)
            refused.add_metric([one.name], one.refused)
            waiting.add_metric([one.name], one.waiting)
            silent.add_metric([one.name], max(0.0, now - one.last_seen))
            clock.add_metric([one.name], one.clock)
        yield from (results, refused, waiting, silent, clock)


class OutboxMetrics(Collector):
    """Reads how the sending to a hub is going whenever metrics are asked for."""

    def __init__(self, state: Callable[[], OutboxState]) -> None:
        self._state = state

    def describe(self) -> list[Metric]:
        """Give no names, as above."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give the counts of rows."""
        state = self._state()
        yield CounterMetricFamily(
            "excision_outbox_pushed_rows",
            "Rows that the hub acknowledged since the start",
            value=state.pushed,
        )
        waiting = GaugeMetricFamily(
            "excision_outbox_waiting_rows", "Rows not acknowledged yet", labels=["stream"]
        )
        for stream, count in state.waiting.items():
            waiting.add_metric([stream], count)
        yield waiting
        yield GaugeMetricFamily(
            "excision_outbox_refused_rows", "Rows that the hub could not use", value=state.refused
        )
        yield GaugeMetricFamily(
            "excision_outbox_trouble", "1 while nothing can be sent", value=float(state.trouble is not None)
        )
