"""Profile the graph of exported folders in ONNX Runtime, and print where an image's time goes.

    python experiments/graph_profile.py line/parts [line/others ...] [--threads 1] [--images 60]

The image is the last golden one, with a drawn defect, so that the recovery is computed. The time of each node
is its median over the images, and the times are added up by stage and by kind of node. "Attention" are the
nodes that the attention cells need, "recovery" is the branch that images without a hole do not take, and
"map" is all that follows: mask, alignment, features, distances, anomaly map and score. Copies between memory
layouts count to the stage that needs them. To be profiled costs time: the sum is more than an inspection
takes, and the shares matter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.export.examples import graph_input
from excision.runtime.backend import INPUT, MODEL_FILES
from excision.runtime.golden_file import Golden

_WARM = 5  # images at the start that do not count
_KERNEL = "_kernel_time"
_MOST_KINDS = 12


def main(words: Sequence[str] | None = None) -> None:
    """Print a table of the stages, and one of the kinds of nodes, for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=60, help="how often the image is inspected")
    chosen = parser.parse_args(words)
    for folder in chosen.folders:
        image = graph_input(Golden.load(folder).images[-1])
        with tempfile.TemporaryDirectory() as scratch:
            times, graph = profiled(folder, image, chosen.threads, chosen.images, Path(scratch))
        stages, kinds = added_up(times, graph)
        print(f"\n{folder}: {' x '.join(map(str, image.shape[1:]))}, {chosen.threads} thread(s)\n")
        _print("stage", stages)
        _print("kind of node", dict(sorted(kinds.items(), key=lambda each: -sum(each[1]))[:_MOST_KINDS]))


def profiled(
    folder: Path, image: NDArray[np.float32], threads: int, images: int, scratch: Path
) -> tuple[dict[str, float], Any]:
    """Return the milliseconds of each node by its name, and the graph as ONNX Runtime runs it."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    options.profile_file_prefix = str(scratch / "profile")
    options.optimized_model_filepath = str(scratch / "optimised.onnx")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        folder / MODEL_FILES["onnx"], options, providers=["CPUExecutionProvider"]
    )
    for _ in range(_WARM + images):
        session.run(None, {INPUT: image})
    taken: dict[str, list[float]] = defaultdict(list)
    for event in json.loads(Path(session.end_profiling()).read_text("utf-8")):
        if event["cat"] == "Node" and event["name"].endswith(_KERNEL):
            taken[event["name"].removesuffix(_KERNEL)].append(event["dur"] / 1000)
    times = {name: median(each[_WARM:]) for name, each in taken.items()}
    return times, onnx.load(scratch / "optimised.onnx").graph


def added_up(times: Mapping[str, float], graph: Any) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the milliseconds of the nodes by stage and by kind; those in a branch count as the branch."""
    attention = _needed(graph, "attention")
    stages: dict[str, list[float]] = {"attention": [], "recovery": [], "map": []}
    kinds: dict[str, list[float]] = defaultdict(list)
    for node in graph.node:
        stage = "recovery" if node.op_type == "If" else "attention" if node.name in attention else "map"
        stages[stage].append(times[node.name])
        kinds[node.op_type].append(times[node.name])
    return stages, kinds


def _needed(graph: Any, output: str) -> set[str]:
    """Return the names of the nodes that an output is computed by."""
    wanted, found = {output}, set()
    for node in reversed(graph.node):
        if not wanted.isdisjoint(node.output):
            wanted.update(node.input)
            found.add(node.name)
    return found


def _print(what: str, rows: Mapping[str, Sequence[float]]) -> None:
    whole = sum(map(sum, rows.values()))
    print(f"| {what} | nodes | ms | share |\n| --- | ---: | ---: | ---: |")
    for name, each in rows.items():
        print(f"| {name} | {len(each)} | {sum(each):.2f} | {sum(each) / whole:.0%} |")


if __name__ == "__main__":
    main()
