"""Time exported folders in turns, one image at a time, from the file to the prediction.

    python experiments/batch_one.py line/parts
    python experiments/batch_one.py line/before@../before/src line/after --threads 1 2 --turns 40

A folder is timed in every engine and precision that it can be run in. After an @ stands the folder of the
sources that inspect with it, such as those of an earlier version; without it, they are those of this script.
Each combination has a process of its own, and the processes take turns, so that whatever else the machine
does slows all alike. The table holds medians in milliseconds: from the file to the prediction, of decoding
and of the graph alone, and of the processor time; and the seconds from the start of a process to its first
result. Ratios are medians over the turns: the time of the first folder in the same engine, divided by that of
this one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

_HERE = Path(__file__).resolve()
_AT_ONCE = 5  # inspections in a turn; the first is not counted, since others have just used the caches


class Kind(NamedTuple):
    """How a folder is run."""

    folder: Path
    sources: Path
    engine: str
    precision: str
    threads: int

    @property
    def name(self) -> str:
        """Engine, precision and threads, which are alike in rows that are compared."""
        return f"{self.engine} {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"


class Turn(NamedTuple):
    """Seconds of one turn: medians over its inspections."""

    whole: float
    decode: float
    graph: float
    processor: float


@dataclass
class Timed:
    """A process that inspects when it is told to."""

    kind: Kind
    process: subprocess.Popen[str]
    first_result: float
    score: float
    turns: list[Turn] = field(default_factory=list)

    def take_turn(self) -> None:
        """Time some inspections."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(_AT_ONCE, file=self.process.stdin, flush=True)
        self.turns.append(Turn(*json.loads(self.process.stdout.readline())))

    def stop(self) -> None:
        """End the process."""
        with self.process:
            self.process.kill()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", help="FOLDER or FOLDER@SOURCES")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--engines", nargs="+", choices=("onnx", "openvino"), default=["onnx", "openvino"])
    parser.add_argument("--picture", type=Path, help="image to inspect; a golden image of the first folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        kinds = [kind for given in arguments.folders for kind in _kinds(given, arguments)]
        picture = arguments.picture or _golden_picture(kinds[0].folder, Path(scratch))
        processes: list[Timed] = []
        try:
            for kind in kinds:
                # A graph with a branch, which leaves the recovery out, cannot be run in OpenVINO.
                if (started := _start(kind, picture)) is not None:
                    processes.append(started)
            for _ in range(arguments.turns):
                for timed in processes:
                    timed.take_turn()
        finally:
            for timed in processes:
                timed.stop()
    rows = [_row(timed, processes) for timed in processes]
    _print(rows)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2))
    return 0


def _kinds(given: str, arguments: argparse.Namespace) -> list[Kind]:
    """Return every way in which a folder can be run."""
    name, _, sources = given.partition("@")
    folder = Path(name).resolve()
    precision = json.loads((folder / "model.json").read_text())["precision"]
    kinds = []
    for threads in arguments.threads:
        for engine in arguments.engines:
            if engine == "onnx" and not (folder / "model.onnx").is_file():
                continue
            # A graph in float32 serves both; OpenVINO rounds it to bfloat16 as it compiles it.
            precisions = ["fp32", "bf16"] if precision != "int8" and engine == "openvino" else [precision]
            kinds += [
                Kind(folder, Path(sources or _HERE.parents[1] / "src").resolve(), engine, each, threads)
                for each in precisions
            ]
    return kinds


def _golden_picture(folder: Path, scratch: Path) -> Path:
    from PIL import Image

    from excision.runtime.golden_file import Golden

    image = (Golden.load(folder).images[0] >> 8).astype("uint8")
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(scratch / "image.png")
    return scratch / "image.png"


def _start(kind: Kind, picture: Path) -> Timed | None:
    count = {name: str(kind.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    words = [kind.folder, kind.engine, kind.precision, kind.threads, picture]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(_HERE), "inspect when told to", *map(str, words)],
        env={**os.environ, **count, "PYTHONPATH": str(kind.sources)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.communicate()
        print(f"{kind.folder}: left out: cannot be run in {kind.name}", file=sys.stderr)
        return None
    return Timed(kind, process, time.perf_counter() - start, json.loads(line))


def _row(timed: Timed, all_timed: Sequence[Timed]) -> dict[str, object]:
    first = next(other for other in all_timed if other.kind.name == timed.kind.name)
    ratios = (before.whole / after.whole for before, after in zip(first.turns, timed.turns, strict=True))
    processor = (
        before.processor / after.processor for before, after in zip(first.turns, timed.turns, strict=True)
    )
    columns = zip(*timed.turns, strict=True)
    milliseconds = dict(zip(Turn._fields, (1e3 * median(column) for column in columns), strict=True))
    return {
        "kind": timed.kind.name,
        "folder": str(timed.kind.folder),
        "sources": str(timed.kind.sources),
        "score": timed.score,
        **milliseconds,
        "ratio": median(ratios),
        "ratio of processor time": median(processor),
        "first_result": timed.first_result,
    }


def _print(rows: Sequence[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "", "folder", "whole", "decode", "graph", "processor", "ratio", "of processor", "first", "score"
    )
    for row in sorted(rows, key=lambda row: str(row["kind"])):
        numbers = [f"{row[name]:.2f}" for name in (*Turn._fields, "ratio", "ratio of processor time")]
        last = (f"{row['first_result']:.2f} s", f"{row['score']:.6g}")
        table.add_row(str(row["kind"]), Path(str(row["folder"])).name, *numbers, *last)
    Console(width=130).print(table)


def _inspect_when_told(folder: str, engine: str, precision: str, threads: str, picture: str) -> None:
    """Inspect once, tell the score, and then as often as a line says."""
    from excision.runtime.backends import open_backend
    from excision.runtime.inspector import Inspector

    inspector = Inspector(folder, threads=int(threads))
    told = inspector.description
    if (told.backend, told.precision) != (engine, precision):
        inspector._backend = open_backend(Path(folder), engine, precision, int(threads))  # type: ignore[arg-type]
    print(json.dumps(inspector.inspect(picture).score), flush=True)
    for line in sys.stdin:
        inspector.inspect(picture)
        print(json.dumps(_turn(inspector, picture, int(line))), flush=True)


def _turn(inspector: object, picture: str, count: int) -> list[float]:
    from excision.runtime.inspector import Inspector

    assert isinstance(inspector, Inspector)
    found: list[tuple[float, ...]] = []
    for _ in range(count):
        processor, start = time.process_time(), time.perf_counter()
        prediction = inspector.inspect(picture)
        whole, used = time.perf_counter() - start, time.process_time() - processor
        found.append((whole, 0.0, prediction.seconds, used))
    decode = []
    for _ in range(count):
        start = time.perf_counter()
        inspector.image_format.read(Path(picture))
        decode.append(time.perf_counter() - start)
    whole, _, graph, used = (median(column) for column in zip(*found, strict=True))
    return [whole, median(decode), graph, used]


if __name__ == "__main__":
    if sys.argv[1:2] == ["inspect when told to"]:
        _inspect_when_told(*sys.argv[2:])
    else:
        sys.exit(main())
