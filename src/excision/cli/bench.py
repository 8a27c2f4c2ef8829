"""`excision bench`: the speed of an exported model on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.options import ExportedArgument, JsonOption
from excision.cli.output import many, say, say_table
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.runtime.backend import BackendName
    from excision.runtime.speed import Speed

app = App(
    name="bench",
    help_epilogue="Times each stage separately, for single images and for batches, with each installed "
    'backend. The column "of limit" relates the model to the machine: the floating-point operations of '
    "both networks per second, divided by those of a large float32 matrix product on the same number of "
    "threads. The next column is the same for the recovery network alone. The last column is the time from "
    "the start of a process to its first result.\n\n"
    "```\nexcision bench line/parts\nexcision bench line/parts --threads 1 2 --batches 1 8\n```",
)


@app.default
def bench(
    folder: ExportedArgument,
    /,
    *,
    threads: Annotated[
        list[int] | None,
        Parameter(
            help="Threads per inspection, one or more numbers. By default all cores.",
            consume_multiple=True,
            negative="",
        ),
    ] = None,
    batches: Annotated[
        list[int] | None,
        Parameter(
            help="Images per batch, one or more numbers. By default 1 and 8.",
            consume_multiple=True,
            negative="",
        ),
    ] = None,
    repeats: Annotated[int, Parameter(help="Repetitions of each measurement; the fastest counts.")] = 30,
    json: JsonOption = None,
) -> int:
    """Measure the speed of an exported model on this machine, stage by stage."""
    import dataclasses
    import os

    from excision.errors import SettingsError
    from excision.runtime.speed import STAGES
    from excision.system.files import write_json

    threads, batches = threads or [os.cpu_count() or 1], batches or [1, 8]
    if min(*threads, *batches, repeats) < 1:
        raise SettingsError("--threads, --batches and --repeats must be at least 1")
    speeds = _measure(folder, threads, batches, repeats)
    say_table("Milliseconds per image", ("", *STAGES), [_stages(speed) for speed in speeds])
    heads = ("", "images/s", "of limit", "recovery", "first, s")
    say_table("Speed", heads, [_speed(speed) for speed in speeds])
    if json is not None:
        write_json(json, [dataclasses.asdict(speed) for speed in speeds])
        say(f"Figures: {json}")
    return 0


def _measure(folder: Path, threads: list[int], batches: list[int], repeats: int) -> list[Speed]:
    from excision.runtime.model_folder import Description
    from excision.runtime.speed import measure

    runs = [(name, count) for name in _backends(Description.load(folder).backend) for count in threads]
    speeds: list[Speed] = []
    with Bars() as bars:
        progress = bars.part("measuring")
        for done, (name, count) in enumerate(runs, start=1):
            speeds += measure(folder, name, count, batches, repeats)
            progress(done, len(runs))
    return speeds


def _backends(own: BackendName) -> list[BackendName]:
    """Give the backends that can run the folder: its own, and OpenVINO for an ONNX graph if installed."""
    from importlib.util import find_spec

    others: list[BackendName] = ["openvino"] if own == "onnx" and find_spec("openvino") else []
    return [own, *others]


def _name(speed: Speed) -> str:
    return f"{speed.backend}, {many(speed.threads, 'thread')}, batch {speed.batch}"


def _stages(speed: Speed) -> list[str]:
    return [_name(speed), *(f"{milliseconds:.2f}" for milliseconds in speed.milliseconds.values())]


def _speed(speed: Speed) -> list[str]:
    rates = (_percent(speed.limit_share), _percent(speed.recovery_share))
    return [_name(speed), f"{speed.images_per_second:.1f}", *rates, f"{speed.first_result:.2f}"]


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"
