"""What the drift monitors of a station say, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from excision.station.station import Station


class DriftMetrics(Collector):
    """Reads the monitors of the models in use whenever metrics are asked for."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def describe(self) -> list[Metric]:
        """Give no names: a registry need not ask the station for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give the standing of each model."""
        station = self._station
        warning = GaugeMetricFamily(
            "excision_drift_warning", "1 while a drift warning is not acknowledged", labels=["model"]
        )
        parts = GaugeMetricFamily("excision_drift_parts", "Parts that the monitor counted", labels=["model"])
        evidence = GaugeMetricFamily(
            "excision_drift_evidence_parts",
            "Parts without drift until one false warning as strong as the present evidence",
            labels=["model"],
        )
        each = GaugeMetricFamily(
            "excision_drift_statistic_evidence_parts",
            "What a statistic adds to the evidence",
            labels=["model", "statistic"],
        )
        now = GaugeMetricFamily(
            "excision_drift_statistic", "Median of the newest blocks", labels=["model", "statistic", "unit"]
        )
        for name in station.models.names:
            # Whoever asks for metrics must not wait for a disk.
            found = station.drift.glance(name, station.models.current(name).weights_id)
            if found is None:
                continue
            warning.add_metric([name], float(found["warning"] is not None))
            parts.add_metric([name], found["parts"])
            evidence.add_metric([name], found["evidence"])
            for statistic in found["statistics"]:
                each.add_metric([name, statistic["words"]], statistic["evidence"])
                if statistic["now"] is not None:
                    now.add_metric([name, statistic["words"], statistic["unit"]], statistic["now"])
        warnings = CounterMetricFamily(
            "excision_drift_warnings", "Drift warnings since the start", value=station.drift.warnings
        )
        yield from (warning, parts, evidence, each, now, warnings)
