"""Draw the timing diagram of a PLC's signals from measured events: trigger, busy, verdict, ready, heartbeat.

    python experiments/signal_diagram.py MODEL IMAGES --out docs/images/signals.svg [--parts 30]

A PLC with a cycle of 10 ms triggers a real station by Modbus TCP. Another client reads the signals as fast as
it can: what is drawn is what it read, and when. On the left is a part whose handshake took about the median
time of all. On the right a camera gives no picture in time, and the report leaves at the deadline.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from excision.cameras.camera import Camera, CameraState, Frame
from excision.cameras.folder import FolderSettings
from excision.signals.modbus.adapter import ModbusSignal
from excision.signals.modbus.addresses import STATUS
from excision.signals.modbus.settings import ModbusSettings
from excision.station.line.line import Line
from excision.station.line.settings import LineSettings
from excision.station.station import Station, StationSettings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pymodbus.client import ModbusTcpClient

DEADLINE = 0.25  # seconds
PAUSE = 0.05  # seconds between two parts
CYCLE = 0.01  # seconds of a cycle of the PLC
LATE_PARTS = 4
LATE = 0.6  # seconds that the camera takes on the right
SHOWN = ("trigger", "ready", "busy", "result_valid", "acknowledge", "heartbeat")
OF_THE_PLC = ("trigger", "acknowledge")
PLC, STATION, FAULT = "#0b5cad", "#006747", "#b3261e"
INK, QUIET, PAPER = "#16191d", "#5b6570", "#ffffff"

Levels = dict[str, bool]


@dataclass(frozen=True)
class Part:
    """What was measured of one part.

    Attributes:
        start: when the trigger was raised.
        end: when the station was ready again.
        verdict: that the PLC read.
    """

    start: float
    end: float
    verdict: str


class Recorder(threading.Thread):
    """Reads the signals again and again, and notes each change with its time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._client, self._ended = connected(port), threading.Event()
        self.changes: list[tuple[float, Levels]] = []

    def run(self) -> None:
        """Read until the end."""
        before: Levels = {}
        while not self._ended.is_set():
            words = self._client.read_input_registers(0, count=13).registers
            coils = self._client.read_coils(0, count=2).bits
            now = {name: bool(words[0] >> bit & 1) for bit, name in enumerate(STATUS)}
            now |= {"heartbeat": bool(words[11] & 1), "trigger": coils[0], "acknowledge": coils[1]}
            if now != before:
                self.changes.append((time.perf_counter(), now))
                before = now
        self._client.close()  # type: ignore[no-untyped-call]  # pymodbus

    def end(self) -> None:
        """End."""
        self._ended.set()
        self.join()

    def levels(self, name: str, since: float, until: float) -> tuple[list[float], list[bool]]:
        """Give the times, in milliseconds from a moment, at which a signal had these levels."""
        before = [levels[name] for when, levels in self.changes if when < since]
        times, values = [0.0], [bool(before and before[-1])]
        for when, levels in self.changes:
            if since <= when <= until and levels[name] != values[-1]:
                times.append(1000 * (when - since))
                values.append(levels[name])
        return [*times, 1000 * (until - since)], [*values, values[-1]]


class Lazy(Camera):
    """A camera that can be told to be late."""

    def __init__(self, pictures: Path) -> None:
        self.name, self.delay = "front", 0.0
        self._camera = FolderSettings(path=pictures, loop=True).open("front")

    def start(self) -> None:
        """Begin."""
        self._camera.start()

    def grab(self, timeout: float, since: float | None = None) -> Frame:
        """Give a picture, perhaps late."""
        time.sleep(self.delay)
        return self._camera.grab(timeout, None if self.delay else since)

    def state(self) -> CameraState:
        """Say how it is."""
        return self._camera.state()

    def close(self) -> None:
        """End."""
        self._camera.close()


def connected(port: int) -> ModbusTcpClient:
    """Give a client of Modbus."""
    from pymodbus.client import ModbusTcpClient

    client = ModbusTcpClient("127.0.0.1", port=port)
    client.connect()  # type: ignore[no-untyped-call]  # pymodbus
    return client


def inspect(client: ModbusTcpClient) -> Part:
    """Run the handshake once, as the program of a PLC."""

    def on() -> set[str]:
        bits = client.read_discrete_inputs(0, count=8).bits
        return {name for name, bit in zip(STATUS, bits, strict=True) if bit}

    def until(name: str, wanted: bool) -> set[str]:
        while (name in (now := on())) is not wanted:
            time.sleep(CYCLE)
        time.sleep(CYCLE)  # what is read in one cycle is written in the next
        return now

    until("ready", True)
    time.sleep(PAUSE)
    start = time.perf_counter()
    client.write_coil(0, True)
    verdict = until("result_valid", True) & {"good", "review", "defect", "no_verdict"}
    client.write_coil(1, True)
    until("result_valid", False)
    client.write_coils(0, [False, False])
    until("ready", True)
    return Part(start, time.perf_counter(), ", ".join(sorted(verdict)))


def measure(model: Path, images: Path, count: int) -> tuple[Recorder, Part, Part]:
    """Inspect parts; give the recorder, a part that took the median time, and one whose picture is late."""
    camera, signal = Lazy(images), ModbusSignal("modbus", ModbusSettings(port=0))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        station = Station(StationSettings(data=Path(folder), models={"model": model}))
        stack.callback(station.close)
        line = Line(station, LineSettings(deadline=DEADLINE, heartbeat=0.1), [camera], [signal])
        line.start()
        stack.callback(line.close)
        while not all(courier.state.started for courier in line.couriers):
            time.sleep(0.01)
        recorder, client = Recorder(signal.port), connected(signal.port)
        recorder.start()
        parts = [inspect(client) for _ in range(count)]
        time.sleep(PAUSE)
        camera.delay = LATE
        late = [inspect(client) for _ in range(LATE_PARTS)]
        time.sleep(LATE)
        recorder.end()
        client.close()  # type: ignore[no-untyped-call]  # pymodbus
    in_time = sorted((part for part in parts if part.verdict != "no_verdict"), key=lambda p: p.end - p.start)
    if not in_time:
        raise SystemExit(f"no part had a verdict within {DEADLINE * 1000:.0f} ms: the machine is too busy")
    middle, tenth = len(in_time) // 2, len(in_time) // 10
    usual = [in_time[middle], *in_time[middle - tenth : middle + tenth + 1]]
    return recorder, _beating(recorder, usual), _beating(recorder, late)


def _beating(recorder: Recorder, parts: list[Part]) -> Part:
    """Give the first part during which the heartbeat changed, or else the first."""
    return next((p for p in parts if len(recorder.levels("heartbeat", p.start, p.end)[0]) > 2), parts[0])


def draw(recorder: Recorder, usual: Part, late: Part, out: Path) -> None:
    """Draw both parts side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    mpl.rcParams |= {"svg.hashsalt": "excision", "font.size": 10, "text.color": INK, "axes.labelcolor": INK}
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 5.2), sharey=True, facecolor=PAPER, layout="constrained"
    )
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(w_pad=0.12, h_pad=0.12)
    measured = panel(left, recorder, usual, f"A verdict in time: {usual.verdict}")
    limits(left, measured)
    panel(right, recorder, late, "No picture: a report at the deadline")
    right.axvline(1000 * DEADLINE, color=FAULT, linestyle="--", linewidth=1.2)
    right.text(1000 * DEADLINE, len(SHOWN), f" deadline, {1000 * DEADLINE:.0f} ms", color=FAULT, va="top")
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None, dpi=150)


def panel(axis: Axes, recorder: Recorder, part: Part, title: str) -> dict[str, tuple[float, float]]:
    """Draw the signals of one part, the first at the top; give when each was on, in ms after the trigger."""
    margin = 0.1 * (part.end - part.start)
    since, until = part.start - margin, part.end + margin
    found = {}
    for row, name in enumerate(reversed(SHOWN)):
        times, values = recorder.levels(name, since, until)
        bad = name == "result_valid" and part.verdict == "no_verdict"
        colour = PLC if name in OF_THE_PLC else FAULT if bad else STATION
        heights = [row + 0.62 * value for value in values]
        moments = [moment - 1000 * margin for moment in times]
        axis.step(moments, heights, where="post", color=colour, linewidth=2)
        axis.fill_between(moments, row, heights, step="post", color=colour, alpha=0.14, linewidth=0)
        rise = next((place for place, value in enumerate(values) if value and moments[place] > 0), None)
        if rise is not None:
            found[name] = (moments[rise], moments[min(rise + 1, len(moments) - 1)])
        if name == "result_valid" and rise is not None:
            words = f"{part.verdict}, {moments[rise]:.0f} ms after the trigger"
            side, words = ("right", f"{words}  ") if moments[rise] > moments[-1] / 2 else ("left", words)
            axis.text(moments[rise], row + 0.67, words, color=colour, ha=side)
    axis.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    axis.set_yticks([row + 0.3 for row in range(len(SHOWN))], list(reversed(SHOWN)))
    axis.set_xlabel("milliseconds after the trigger", color=QUIET)
    axis.set_ylim(-0.95, len(SHOWN))
    axis.set_facecolor(PAPER)
    axis.grid(axis="x", color="#d6dbe1", linewidth=0.7)
    axis.tick_params(length=0, colors=INK)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    return found


def limits(axis: Axes, measured: dict[str, tuple[float, float]]) -> None:
    """Say below the signals which time-out watches over which time."""
    trigger, valid, acknowledge = (measured[name] for name in ("trigger", "result_valid", "acknowledge"))
    watched = (
        ("result_timeout", trigger[0], valid[0]),
        ("acknowledge_timeout", valid[0], acknowledge[0]),
        ("release_timeout", acknowledge[0], trigger[1]),
    )
    for row, (name, since, until) in enumerate(watched, start=1):
        height, arrow = -0.27 * row, {"arrowstyle": "<->", "color": QUIET}
        axis.annotate("", (since, height), (until, height), arrowprops=arrow)
        if row == 1:
            paper = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}
            axis.text((since + until) / 2, height, name, color=QUIET, ha="center", va="center", bbox=paper)
        else:
            axis.text(since, height, f"{name}  ", color=QUIET, ha="right", va="center")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="exported model")
    parser.add_argument("images", type=Path, help="folder of images that the camera gives")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", type=int, default=30)
    chosen = parser.parse_args()
    recorder, usual, late = measure(chosen.model, chosen.images, chosen.parts)
    draw(recorder, usual, late, chosen.out)
    print(f"{usual.verdict} after {1000 * (usual.end - usual.start):.0f} ms, {late.verdict} at the deadline")


if __name__ == "__main__":
    main()
