"""Write the graph of trained runs in two ways, in turns, and print how the processor times compare.

    python experiments/graph_times.py RUN [RUN ...] [--rounds 3] [--no-tracer]

One way records what the model computes for two batches; the other is torch's own exporter, which follows
the shapes through several rewritings of the program. Both graphs then judge the same image with ONNX
Runtime: the table shows how far their anomaly scores are apart, relative to the larger one. Without the
tracer, which takes half a minute a round, the recorded graph is compared with torch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from excision import Detector
from excision.export.early_exit import ADDED
from excision.export.graph import OPSET, Graph
from excision.export.recording.model import record_model
from excision.export.traced import save_traced
from excision.method.pipeline import Pipeline
from excision.runtime.backend import INPUT, OUTPUTS

_OUTPUTS = [*OUTPUTS, ADDED]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-tracer", action="store_true")
    chosen = parser.parse_args(words)
    print("| run | recorded, s | traced, s | ratio | nodes | difference of scores |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for run in chosen.runs:
        print((_recorded if chosen.no_tracer else _compare)(run, chosen.rounds), flush=True)


def _recorded(run: Path, rounds: int) -> str:
    pipeline = Detector.load(run, device="cpu").pipeline
    graph, example = Graph(pipeline).eval(), _examples(pipeline)
    with tempfile.TemporaryDirectory() as scratch:
        path, image = Path(scratch) / "recorded.onnx", example(1)
        seconds = median(_seconds(partial(_record, graph, example, path)) for _ in range(rounds))
        first, nodes = _scores(path, image.numpy())
    with torch.no_grad():
        second = float(pipeline(image).score)
    return f"| {run.name} | {seconds:.2f} | | | {nodes} | {_apart(first, second):.1e} |"


def _apart(first: float, second: float) -> float:
    return abs(first - second) / max(abs(first), abs(second), 1e-9)


def _compare(run: Path, rounds: int) -> str:
    pipeline = Detector.load(run, device="cpu").pipeline
    graph, example = Graph(pipeline).eval(), _examples(pipeline)
    with tempfile.TemporaryDirectory() as scratch:
        recorded, traced = (Path(scratch) / f"{way}.onnx" for way in ("recorded", "traced"))
        ways = partial(_record, graph, example, recorded), partial(_trace, graph, example, traced)
        times = [[_seconds(way) for way in ways] for _ in range(rounds)]
        images = example(1).numpy()
        (first, nodes), (second, others) = (_scores(path, images) for path in (recorded, traced))
    fast, slow = (median(way) for way in zip(*times, strict=True))
    ratio = median(each[1] / each[0] for each in times)
    apart = _apart(first, second)
    return f"| {run.name} | {fast:.2f} | {slow:.1f} | {ratio:.0f} | {nodes}, {others} | {apart:.1e} |"


def _record(graph: Graph, example: Callable[[int], Tensor], path: Path) -> None:
    path.write_bytes(record_model(graph, example, INPUT, _OUTPUTS, OPSET).SerializeToString())


def _trace(graph: Graph, example: Callable[[int], Tensor], path: Path) -> None:
    save_traced(graph, example, path, INPUT, _OUTPUTS, OPSET)


def _examples(pipeline: Pipeline) -> Callable[[int], Tensor]:
    image_format, generator = pipeline.image_format, torch.Generator().manual_seed(0)
    return lambda count: torch.rand(count, image_format.channels, *image_format.size, generator=generator)


def _seconds(way: Callable[[], None]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


def _scores(path: Path, images: NDArray[np.float32]) -> tuple[float, int]:
    import onnx
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (score,) = session.run(["score"], {INPUT: images})
    return float(score[0]), len(onnx.load(path).graph.node)


if __name__ == "__main__":
    main()
