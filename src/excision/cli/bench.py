"""`excision bench`: how fast an exported model is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.output import Bars, say, say_table

if TYPE_CHECKING:
    from excision.deploy.backends import BackendName
    from excision.deploy.speed import Speed

app = App(
    name="bench",
    help_epilogue="Times each stage apart, for one image and for batches, with each backend that is "
    "installed. The share of the limit is that of the machine: the floating-point operations of both "
    "networks a second, over those of a large matrix product in float32 on as many threads, in the same "
    "run.\n\n"
    "```\nexcision bench line/parts\nexcision bench line/parts --threads 1 2 --batches 1 8\n```",
)


@app.default
def bench(
    folder: Annotated[Path, Parameter(help="Folder that `excision export` wrote.")],
    /,
    *,
    threads: Annotated[
        list[int] | None,
        Parameter(help="Threads of one inspection; all cores where not given.", consume_multiple=True),
    ] = None,
    batches: Annotated[
        list[int] | None, Parameter(help="Images at once; 1 and 8 where not given.", consume_multiple=True)
    ] = None,
    repeats: Annotated[int, Parameter(help="Of each measurement; the best counts.")] = 30,
    json: Annotated[Path | None, Parameter(help="File to write the figures to.")] = None,
) -> int:
    """Measure how fast an exported model is on this machine, stage by stage."""
    import dataclasses
    import os

    from excision.deploy.folder import Description
    from excision.deploy.speed import measure
    from excision.errors import SettingsError
    from excision.files import write_json

    threads, batches = threads or [os.cpu_count() or 1], batches or [1, 8]
    if min(*threads, *batches, repeats) < 1:
        raise SettingsError("--threads, --batches and --repeats must be at least 1")
    runs = [(name, count) for name in _backends(Description.load(folder).backend) for count in threads]
    speeds: list[Speed] = []
    with Bars() as bars:
        progress = bars.part("measuring")
        for done, (name, count) in enumerate(runs, start=1):
            speeds += measure(folder, name, count, batches, repeats)
            progress(done, len(runs))
    say_table(str(folder), ("", *map(_heading, speeds)), _rows(speeds))
    if json is not None:
        write_json(json, [dataclasses.asdict(speed) for speed in speeds])
        say(f"Figures: {json}")
    return 0


def _backends(own: BackendName) -> list[BackendName]:
    """Give what can compute the folder here: its own backend, and OpenVINO for an ONNX graph as well."""
    from importlib.util import find_spec

    others: list[BackendName] = ["openvino"] if own == "onnx" and find_spec("openvino") else []
    return [own, *others]


def _heading(speed: Speed) -> str:
    return f"{speed.backend}, threads {speed.threads}, batch {speed.batch}"


def _rows(speeds: Sequence[Speed]) -> list[list[str]]:
    from excision.deploy.speed import STAGES

    rows = [
        [f"{stage}, ms an image", *(f"{speed.milliseconds[stage]:.2f}" for speed in speeds)]
        for stage in STAGES
    ]
    return [
        *rows,
        ["images a second", *(f"{speed.images_per_second:.1f}" for speed in speeds)],
        ["share of the limit", *(_percent(speed.limit_share) for speed in speeds)],
        ["the same, recovery alone", *(_percent(speed.recovery_share) for speed in speeds)],
        ["first result, s", *(f"{speed.first_result:.2f}" for speed in speeds)],
    ]


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"
