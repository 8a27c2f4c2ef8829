"""How many parts need no recovery, what that saves, and whether more of them could be told without it.

    python experiments/early_exit.py DATA RUN [--most N] [--no-times]

For up to N good and N defective test images of a finished run (all by default), or for their tiles:

- "nothing excised": no cell exceeds the mask threshold. The early exit is exact there: map and score are, bit
  for bit, what they are with the recovery.
- "bound": the largest score that any recovery within [0, 1] could give is below the decision threshold. The
  pixel's residual is at most max(x, 1 - x); the broad one is that in units of the predicted deviation, which
  is at least e^-7.5 by the network's limit ("bound"), or is taken to be at least the smallest that was
  predicted in this very image ("favourable": what no bound can know). Surprisal and map increase with the
  residual.
- "early_exit = q": nothing is excised from the share q of training images with the least attention
  (`mask.early_exit`). How AUROC and AP change, and how many verdicts, at the run's threshold. It is not set
  again: without it scores can only fall, so that the false-alarm rate is promised as before.

Then the processor time with the exit, relative to that without, in turns on one thread: in torch and, for the
exported graph, in ONNX Runtime and OpenVINO; for images that take it, and for images that do not.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from excision import Dataset, Detector, load_dataset
from excision.data import Sample
from excision.evaluation.metrics import average_precision, image_auroc
from excision.export.early_exit import branch_around_recovery, without_parts
from excision.export.graph import write_onnx
from excision.method.pipeline import Pipeline
from excision.method.recovery.unet import Recovery
from excision.method.scoring.combination import combined
from excision.method.scoring.evidence import Evidence, ScorerInput
from excision.ops.memory_format import image_tensor
from excision.ops.spread import evenly_spread
from excision.runtime.backend import INPUT
from excision.tiling.assembly import visit_tiles

SHARES = (0.25, 0.5)
_TRAINING = 60  # images from which the attention of training images is taken
_TURNS = 15
_LOWEST = -15.0  # smallest logarithm of a predicted variance


class Seen(NamedTuple):
    """What was found in a view: an image, or one of its tiles.

    Attributes:
        image: number of its image.
        defective: whether that image is.
        largest: largest attention of a cell, in standard deviations.
        empty: nothing is excised.
        full: score with the recovery.
        cheap: score of attention and features alone.
        bound: largest score that any recovery can give.
        favourable: the same, for deviations no smaller than were predicted in this view.
    """

    image: int
    defective: bool
    largest: float
    empty: bool
    full: float
    cheap: float
    bound: float
    favourable: float


def views(detector: Detector, path: Any) -> Iterator[Tensor]:
    """Yield the working image (1, C, H, W) of a file, or its tiles."""
    image_format = detector.image_format
    working = image_format.read(path)
    if image_format.tiling is None:
        yield image_tensor(working, detector.device)
        return
    for visit in visit_tiles(working, image_format.tiling):
        yield image_tensor(visit.tile, detector.device)


def bounded(pipeline: Pipeline, given: ScorerInput, evidence: Evidence, log_variance: float) -> Evidence:
    """Replace the residuals by their largest values for any recovery within [0, 1] and this variance."""
    farthest = torch.maximum(given.images, 1 - given.images)
    worst = Recovery(torch.zeros_like(farthest), torch.full_like(farthest, log_variance))
    residuals = pipeline.scorer._residuals(given._replace(images=farthest, recovery=worst))
    normal = pipeline.scorer.normal_residual
    relative = (found / normal[:, view : view + 1] for view, found in enumerate(residuals))
    return evidence._replace(residuals=tuple(relative))


def look(detector: Detector, dataset: Dataset, most: int | None) -> list[Seen]:
    """Inspect test images."""
    chosen = [sample for flaw in (False, True) for sample in _some(dataset.test, flaw, most)]
    with torch.no_grad():
        return [
            _seen(detector.pipeline, number, sample.defective, view)
            for number, sample in enumerate(chosen)
            for view in views(detector, sample.image)
        ]


def _seen(pipeline: Pipeline, number: int, defective: bool, view: Tensor) -> Seen:
    given = pipeline.scorer_input(view)
    assert given.recovery is not None
    evidence = pipeline.scorer.evidence(given)
    cases = [evidence, evidence._replace(residuals=())]
    inside = given.recovery.log_variance[given.mask.expand_as(given.images)]
    for least in (_LOWEST, float(inside.min()) if len(inside) else 0.0):
        cases.append(bounded(pipeline, given, evidence, least))
    scores = (float(pipeline.scorer.score(combined(pipeline.scorer, case))) for case in cases)
    return Seen(number, defective, float(given.cells.max()), not len(inside), *scores)


def _some(samples: Iterable[Sample], defective: bool, most: int | None) -> list[Sample]:
    chosen = [sample for sample in samples if sample.defective is defective]
    return [chosen[place] for place in evenly_spread(len(chosen), most or len(chosen))]


def levels(detector: Detector, dataset: Dataset) -> dict[float, float]:
    """Return, for each of `SHARES`, that quantile of the largest attention of training images."""
    largest = [
        float(detector.pipeline.cells(view).max())
        for sample in _some(dataset.train, False, _TRAINING)
        for view in views(detector, sample.image)
    ]
    return {share: float(np.quantile(largest, share)) for share in SHARES}


def table(seen: list[Seen], least: dict[float, float], threshold: float) -> Iterator[str]:
    """Yield the rows of the table."""
    defective = np.array([each.defective for each in seen])

    def shares(chosen: Iterable[bool]) -> str:
        marked = np.array(list(chosen))
        return " | ".join(f"{marked[defective == flaw].mean():.1%}" for flaw in (False, True))

    def figures(exits: list[bool]) -> tuple[float, float, int, int]:
        """Return AUROC, AP, and the defective and good images above the threshold."""
        found: dict[int, float] = {}
        for each, out in zip(seen, exits, strict=True):
            found[each.image] = max(found.get(each.image, 0.0), each.cheap if out else each.full)
        scores = np.array([found[number] for number in sorted(found)])
        flaws = np.array([next(s.defective for s in seen if s.image == n) for n in sorted(found)])
        alarms = scores > threshold
        return (
            image_auroc(flaws, scores),
            average_precision(flaws, scores),
            int(alarms[flaws].sum()),
            int(alarms[~flaws].sum()),
        )

    yield "| exit | good | defective | AUROC | AP | defects found | false alarms |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    before = figures([False] * len(seen))
    cases: dict[str, list[bool]] = {
        "nothing excised": [each.empty for each in seen],
        "bound": [each.bound <= threshold for each in seen],
        "bound, favourable": [each.favourable <= threshold for each in seen],
    }
    for share, level in least.items():
        cases[f"early_exit = {share:g}"] = [each.empty or each.largest < level for each in seen]
    for name, exits in cases.items():
        if name.startswith("bound"):
            yield f"| {name} | {shares(exits)} | | | | |"
            continue
        after = figures(exits)
        yield (
            f"| {name} | {shares(exits)} | {after[0] - before[0]:+.4f} | {after[1] - before[1]:+.4f} | "
            f"{after[2] - before[2]:+d} of {before[2]} | {after[3] - before[3]:+d} of {before[3]} |"
        )


def times(detector: Detector, images: dict[str, Tensor]) -> Iterator[str]:
    """Yield the processor time with the exit relative to that without, of each engine and image."""
    pipeline = detector.pipeline
    engines: dict[str, tuple[Callable[[Tensor], object], Callable[[Tensor], object]]] = {
        "torch": (pipeline.inspect, pipeline)
    }
    with tempfile.TemporaryDirectory() as folder:
        graphs = Path(folder) / "whole.onnx", Path(folder) / "branch.onnx"
        write_onnx(pipeline, graphs[0])
        shutil.copyfile(*graphs)
        without_parts(graphs[0])
        branch_around_recovery(graphs[1])
        whole, branch = map(_onnx, graphs)
        engines["ONNX Runtime"] = (whole, branch)
        whole, branch = map(_openvino, graphs)
        engines["OpenVINO"] = (whole, branch)
    for engine, pair in engines.items():
        for name, image in images.items():
            taken = [[_seconds(call, image) for call in pair] for _ in range(_TURNS)]
            ratio = median(after / before for before, after in taken)
            alone = 1e3 * median(before for before, _ in taken)
            yield f"{engine}, {name}: {alone:.1f} ms, with the exit {ratio:.2f} times"


def _seconds(call: Callable[[Tensor], object], image: Tensor) -> float:
    start = time.process_time()
    with torch.no_grad():
        call(image)
    return time.process_time() - start


def _onnx(path: Path) -> Callable[[Tensor], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {INPUT: image.numpy()})


def _openvino(path: Path) -> Callable[[Tensor], object]:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    shape = model.input().partial_shape
    shape[0] = 1
    model.reshape(shape)
    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    return lambda image: request.infer([image.numpy()], share_inputs=True)


def _timed(detector: Detector, dataset: Dataset) -> dict[str, Tensor]:
    """Return a good test image of which something is excised, and one of which nothing is, if any."""
    found: dict[str, Tensor] = {}
    for sample in _some(dataset.test, False, None):
        for view in views(detector, sample.image):
            excised = bool(detector.pipeline.masking.select(detector.pipeline.cells(view)).any())
            found.setdefault("something excised" if excised else "nothing excised", view)
        if len(found) == 2:
            break
    return found


def main() -> None:
    """Print the table and the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("run", type=Path)
    parser.add_argument("--most", type=int, default=None)
    parser.add_argument("--no-times", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset, detector = load_dataset(arguments.data), Detector.load(arguments.run, device="cpu")
    seen = look(detector, dataset, arguments.most)
    for row in table(seen, levels(detector, dataset), detector.threshold):
        print(row, flush=True)
    if not arguments.no_times:
        for row in times(detector, _timed(detector, dataset)):
            print(row, flush=True)


if __name__ == "__main__":
    main()
