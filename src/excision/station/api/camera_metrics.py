"""What the cameras of a line give and lose, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from excision.cameras.camera import CameraState

_COUNTERS = {
    "frames": "Pictures that arrived",
    "dropped": "Pictures lost on the way or not taken in time",
    "damaged": "Pictures that arrived damaged; they are dropped, too",
    "reconnects": "Times that the connection was lost and made again",
}


class CameraMetrics(Collector):
    """Reads how each camera is whenever metrics are asked for."""

    def __init__(self, states: Callable[[], Sequence[CameraState]]) -> None:
        self._states = states

    def describe(self) -> list[Metric]:
        """Give no names: a registry need not ask the cameras for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give the figures of each camera."""
        states = self._states()
        rate = GaugeMetricFamily("excision_camera_rate", "Pictures per second", labels=["camera"])
        connected = GaugeMetricFamily(
            "excision_camera_connected", "1 while pictures can come", labels=["camera"]
        )
        for state in states:
            rate.add_metric([state.name], state.rate)
            connected.add_metric([state.name], state.connection == "connected")
        yield from (rate, connected)
        for name, about in _COUNTERS.items():
            counter = CounterMetricFamily(f"excision_camera_{name}", about, labels=["camera"])
            for state in states:
                counter.add_metric([state.name], getattr(state, name))
            yield counter
