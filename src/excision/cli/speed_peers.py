"""`excision benchmark --speed-peers`: the time of other methods at the sizes that people use."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from excision.cli.output import say, say_table, say_text
from excision.errors import SettingsError

PICTURE, TABLE = "roofline.png", "speed_peers.md"

_FAILED = 2


@Parameter(name="*")
@dataclass
class PeerOptions:
    """Timing alone, beside other methods at the sizes that people use; needs no data."""

    speed_peers: Annotated[
        bool,
        Parameter(
            help="Only time EAR beside other methods, with random weights, on images of 256 x 256 pixels.",
            negative="",
        ),
    ] = False
    peers: Annotated[
        str | None,
        Parameter(
            help="Methods to time, separated by commas: efficientad-s, efficientad-m, patchcore-wrn50, "
            "patchcore-wrn50-small, patchcore-resnet18, padim-wrn50 (5 GB of memory), padim-resnet18, "
            "fastflow, stfpm, anomalydino-s. By default all."
        ),
    ] = None
    engines: Annotated[
        str | None,
        Parameter(
            help="Engines to time, separated by commas: torch, onnx, openvino, or one precision of them, "
            "such as torch-fp32, onnx-int8, openvino-bf16. By default all."
        ),
    ] = None
    inference_threads: Annotated[
        str | None,
        Parameter(help='Numbers of threads, separated by commas, such as "1,2". By default 1 and all cores.'),
    ] = None
    rounds: Annotated[int, Parameter(help="Number of times that each method is timed, in turn with EAR.")] = 7
    ear: Annotated[
        Path | None,
        Parameter(
            help="Run folder of EAR to time, for images of 256 x 256 pixels. By default one is trained for "
            "two steps on drawn surfaces."
        ),
    ] = None

    def check_unused(self) -> None:
        """Refuse options that only count with --speed-peers.

        Raises:
            SettingsError: one of them is given.
        """
        for name in ("peers", "engines", "inference_threads", "ear"):
            if getattr(self, name) is not None:
                raise SettingsError(f"--{name.replace('_', '-')} is an option of --speed-peers: add that")

    def threads(self) -> tuple[int, ...]:
        """Give the numbers of threads.

        Raises:
            SettingsError: one is not a number of at least 1.
        """
        cores = os.cpu_count() or 1
        given = self.inference_threads or f"1,{cores}"
        numbers = [part.strip() for part in given.split(",")]
        if not all(number.isdecimal() and int(number) >= 1 for number in numbers):
            raise SettingsError(f'--inference-threads is "{given}": give numbers such as 1,2')
        return tuple(dict.fromkeys(map(int, numbers)))


def time_peers(options: PeerOptions, out: Path, json: Path | None) -> int:
    """Time the methods, show and write the tables; returns the exit status.

    Args:
        options: what is timed.
        out: folder of the results; what is finished there is not timed again.
        json: file that gets all figures as well.

    Raises:
        SettingsError: an option is not valid.
        ModelError: EAR cannot be timed.
    """
    from excision.benchmark.peers.engines import engines_of
    from excision.benchmark.peers.own import train_own
    from excision.benchmark.peers.roofline import roofline
    from excision.benchmark.peers.study import PeerStudy
    from excision.benchmark.peers.subjects import SIZE, names_of
    from excision.benchmark.peers.tables import SHORT, failures, markdown, notes_of, short_cells
    from excision.system.files import write_bytes, write_json

    names, engines, threads = names_of(options.peers), engines_of(options.engines), options.threads()
    if options.rounds < 1:
        raise SettingsError(f"--rounds is {options.rounds}: it must be at least 1")
    ear = options.ear or out / "ear"
    if options.ear is None:
        train_own(ear, SIZE)
    study = PeerStudy(out, ear, names, engines, threads, options.rounds, _tell)
    content = study.run()
    write_bytes(out / TABLE, markdown(content).encode())
    picture = roofline(content, threads[0])
    if picture is not None:
        write_bytes(out / PICTURE, picture)
    if json is not None:
        write_json(json, content)
    say_table("Speed peers", SHORT, short_cells(content))
    for note in notes_of(content):
        say_text(note)
    failed = failures(content)
    for what, why in failed.items():
        say(f"Failed: {what}: {why}")
    say(f"Results: {out / TABLE}")
    return _FAILED if failed else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
