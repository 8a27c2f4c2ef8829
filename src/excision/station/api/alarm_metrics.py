"""The alarms of a station, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from excision.station.station import Station


class AlarmMetrics(Collector):
    """Reads the alarms that stand whenever metrics are asked for."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def describe(self) -> list[Metric]:
        """Give no names: a registry need not ask the station for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give 1 for each alarm that stands."""
        found = GaugeMetricFamily(
            "excision_alarm", "1 while an alarm is not acknowledged", labels=["kind", "model"]
        )
        for alarm in self._station.alarms.standing:
            found.add_metric([alarm.kind, alarm.model], 1.0)
        yield found
