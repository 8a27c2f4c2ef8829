"""After how many parts the drift monitor warns on recorded sequences, and how often it warns without drift.

    python experiments/drift_sequences.py NAME=RUN:DATA [NAME=RUN:DATA ...] [--ball-screw RUN:DATA]
                                          [--seeds 5] [--parts 100000] [--out results.md]
    python experiments/drift_sequences.py --short

RUN is a run folder of `excision train`, DATA its data set. Every good and defective image that took no part
in training is inspected once. A stream without drift is drawn from the good ones by whole groups (strip, part
or item), with 0, 1 and 5 % true defects among them, and with lots: of each lot of 500 or 2,000 parts the
groups are a random third. The monitor knows the calibration images; a warning is accepted, as an operator
would accept a new lot, and the stream goes on.

In each sequence 1,000 parts without drift come first. Then real images are changed more and more, and
inspected by the model as they are then:

- light: 1 % brighter every 100 parts
- focus: a blur of 0.1 pixels (standard deviation) more every 100 parts
- fixture: shifted by 1 pixel more every 100 parts, at the working size
- new lot: from one part to the next 3 % darker, with 10 % more contrast

Told are the parts from the beginning of the change to the warning, what was named, and where the change was
estimated to have begun. The set ball_screw is a real sequence: good parts soil over time. It is inspected in
order of time, after the calibration images. `--short` does the same with drawn numbers instead of images.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from excision.inspection.drift import SCORE, DriftMonitor, DriftSettings, DriftWarning
from excision.inspection.drift.wording import measure_of

if TYPE_CHECKING:
    from excision import Detector
    from excision.method.fitness import Fitness

Pixels = NDArray[Any]
"""An image (H, W, C), floating point in [0, 1]."""

BEFORE, MOST = 1000, 2000
CHANGES = ("light", "focus", "fixture", "new lot")
STREAMS = ((0, 0.0), (0, 0.01), (0, 0.05), (500, 0.0), (2000, 0.0))
"""Parts in a lot, 0 for none, and the share of true defects."""

_TOLD = (SCORE, "brightness")

MONITORS = {"default": DriftSettings(), "lots": DriftSettings(lots=True)}


class Part(NamedTuple):
    """What a monitor sees of one part."""

    score: float
    statistics: Mapping[str, float]


@dataclass(frozen=True)
class Surface:
    """The parts of one data set that took no part in training.

    Attributes:
        name: of the data set.
        threshold: a larger score is flagged.
        groups: good parts by group.
        defects: defective parts.
        reference: of the monitor.
    """

    name: str
    threshold: float
    groups: Sequence[Sequence[Part]]
    defects: Sequence[Part]
    reference: Mapping[str, Sequence[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="*", help="NAME=RUN:DATA")
    parser.add_argument("--ball-screw", help="RUN:DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    lines = []

    def tell(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    if arguments.short:
        study(tell, drawn_surface(), None, 2, 10_000)
    for words in arguments.sets:
        name, _, places = words.partition("=")
        recorded = Recorded(name, *map(Path, places.split(":")))
        study(tell, recorded.surface(), recorded, arguments.seeds, arguments.parts)
    if arguments.ball_screw:
        soiling(tell, Recorded("ball_screw", *map(Path, arguments.ball_screw.split(":"))))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", "utf-8")


def study(
    tell: Callable[[str], None], surface: Surface, recorded: Recorded | None, seeds: int, parts: int
) -> None:
    """Tell both tables for one surface."""
    count = sum(map(len, surface.groups))
    what = f"{count} good parts in {len(surface.groups)} groups, {len(surface.defects)} defective ones"
    known = ", ".join(f"{name} {len(values)}" for name, values in surface.reference.items() if name in _TOLD)
    tell(f"\n## {surface.name}: {what}; groups known to the monitor: {known}\n")
    tell(f"| lots of | true defects | monitor | false warnings in {parts:,} parts | last block |")
    tell("| --- | --- | --- | --- | --- |")
    for lot, share in STREAMS if surface.defects else [each for each in STREAMS if not each[1]]:
        for name, settings in MONITORS.items():
            found = [false_warnings(surface, settings, parts, lot, share, seed) for seed in range(seeds)]
            numbers = ", ".join(str(number) for number, _ in found)
            blocks = ", ".join(str(block) for _, block in found)
            tell(f"| {lot or 'none'} | {share:.0%} | {name} | {numbers} | {blocks} |")
    tell("\n| change | monitor | parts until the warning | named | change found at part |")
    tell("| --- | --- | --- | --- | --- |")
    for kind in CHANGES:
        # Of lots one sequence is told: until what is far beyond the calibration, many images are inspected.
        runs = [
            until_warning(surface, recorded, kind, seed, [*MONITORS][: 1 + (not seed)])
            for seed in range(seeds)
        ]
        for name in MONITORS:
            told = zip(*(run[name] for run in runs if name in run), strict=True)
            tell(f"| {kind} | {name} | " + " | ".join(map("; ".join, told)) + " |")


def stream(surface: Surface, random: np.random.Generator, lot: int = 0) -> Iterator[Part]:
    """Draw good parts without end, by whole groups; of each lot the groups are a random third."""
    groups = list(surface.groups)
    while True:
        third = max(2, len(groups) // 3)
        chosen = [groups[k] for k in random.choice(len(groups), third, replace=False)] if lot else groups
        left = lot or math.inf
        while left > 0:
            for part in random.permutation(len(group := chosen[int(random.integers(len(chosen)))])):
                yield group[int(part)]
                left -= 1


def false_warnings(
    surface: Surface, settings: DriftSettings, parts: int, lot: int, share: float, seed: int
) -> tuple[int, int]:
    """Count the warnings in a stream without drift; give the length of the block at the end as well."""
    random = np.random.default_rng([seed, lot, round(100 * share)])
    monitor, count = DriftMonitor(settings, surface.reference), 0
    good = stream(surface, random, lot)
    for _ in range(parts):
        part = (
            surface.defects[int(random.integers(len(surface.defects)))]
            if random.random() < share
            else next(good)
        )
        if monitor.update(*part, flagged=part.score > surface.threshold) is not None:
            count += 1
            monitor.accept()
    return count, monitor.block


def until_warning(
    surface: Surface, recorded: Recorded | None, kind: str, seed: int, names: Sequence[str]
) -> dict[str, tuple[str, str, str]]:
    """Feed a sequence, and give for each monitor the parts until the warning, its words and change point."""
    random = np.random.default_rng(seed)
    good = stream(surface, random)
    monitors = {name: DriftMonitor(MONITORS[name], surface.reference) for name in names}
    told: dict[str, tuple[str, str, str]] = {}
    for after in range(-BEFORE, MOST):
        part = next(good)
        if after >= 0:
            part = recorded.changed(part, kind, after) if recorded else changed_numbers(part, kind, after)
        for name, monitor in monitors.items():
            warning = monitor.update(*part, flagged=part.score > surface.threshold)
            if warning is not None and after < 0:
                monitor.accept()
            elif warning is not None and name not in told:
                told[name] = str(after + 1), named(warning), str(warning.since - BEFORE)
        if len(told) == len(monitors):
            break
    return {name: told.get(name, (f"none in {MOST}", "-", "-")) for name in monitors}


def named(warning: DriftWarning) -> str:
    return f"{measure_of(warning.statistic).words} {warning.direction}"


class Recorded:
    """Images of a data set with the model that inspects them.

    Args:
        name: of the data set.
        run: run folder.
        data: data set.
    """

    def __init__(self, name: str, run: Path, data: Path) -> None:
        from excision import Detector

        self.name = name
        self.detector: Detector = Detector.load(run, device="cpu")
        self.run, self.data = run, data
        if self.detector.fitness_ is None:
            self.detector.fitness_ = learnt_fitness(self.detector, data)
        self._images: dict[int, Pixels] = {}

    def surface(self) -> Surface:
        """Inspect every image that took no part in training."""
        from excision.data import load_dataset
        from excision.data.groups import find_groups
        from excision.inspection.drift.reference import reference_of

        dataset = load_dataset(self.data)
        good = {sample.name: sample.image for sample in dataset.test if not sample.defective}
        grouping = find_groups(good)
        groups: dict[str, list[Part]] = defaultdict(list)
        for name, path in good.items():
            groups[grouping.of[name]].append(self._inspected(path))
        defects = [self._inspected(sample.image) for sample in dataset.test if sample.defective]
        threshold = self.detector.threshold
        reference = reference_of(self.detector, threshold)
        return Surface(self.name, threshold, list(groups.values()), defects, reference)

    def changed(self, part: Part, kind: str, after: int) -> Part:
        """Inspect the image of a part as it is so many parts after the beginning of the change."""
        return self.inspect(changed_image(self._images[id(part)], kind, after))

    def inspect(self, image: Pixels) -> Part:
        """Inspect an image (H, W, C) in [0, 1]."""
        found = self.detector.inspect(np.clip(image, 0, 1))
        return Part(found.score, found.image_statistics or {})

    def _inspected(self, path: Path) -> Part:
        from excision.data.inputs import input_image

        image = self.detector.image_format.read(input_image(path).image).astype(np.float32) / 65535
        part = self.inspect(image)
        self._images[id(part)] = image
        return part


def learnt_fitness(detector: Detector, data: Path) -> Fitness:
    """Learn the fitness of a model that was trained before there was any, from its good training images."""
    from excision.data import load_dataset
    from excision.data.groups import find_groups
    from excision.method.fitness import Learner

    images = {sample.name: sample.image for sample in load_dataset(data).train}
    groups, learner = find_groups(images).of, Learner()
    for path in images.values():
        learner.add(detector.image_format.read(path))
    calibration = detector.settings.calibration
    return learner.learn(
        [groups[name] for name in images],
        list(images),
        unfit_rate=calibration.unfit_rate,
        confidence=calibration.confidence,
    )


def changed_image(image: Pixels, kind: str, after: int) -> Pixels:
    """Change an image (H, W, C) as it is so many parts after the beginning of a change."""
    step = after / 100
    changed: Pixels
    if kind == "light":
        changed = image * 1.01**step
    elif kind == "focus":
        changed = ndimage.gaussian_filter(image, (0.1 * step, 0.1 * step, 0))
    elif kind == "fixture":
        changed = ndimage.shift(image, (0, step, 0), order=1, mode="nearest")
    else:
        mean = image.mean(dtype=np.float64)
        changed = (image - mean) * 1.1 + 0.97 * mean
    return changed.astype(np.float32)


def drawn_surface() -> Surface:
    """Draw parts by numbers, in 40 groups of 6 that differ from each other."""
    random = np.random.default_rng(0)
    levels = random.normal(0, 0.3, (60, 1, 3))
    numbers = levels + random.normal(0, 1, (60, 6, 3))

    def part(row: NDArray[np.float64], more: float = 0.0) -> Part:
        statistics = {"brightness": 0.5 * 1.03 ** float(row[1]), "sharpness": 1.0 + 0.05 * float(row[2])}
        return Part(1.1 ** float(row[0]) + more, statistics)

    groups = [[part(row) for row in group] for group in numbers[:40]]
    calibration = [[part(row) for row in group] for group in numbers[40:]]
    reference = {SCORE: [float(np.median([each.score for each in group])) for group in calibration]}
    for name in groups[0][0].statistics:
        reference[name] = [
            float(np.median([each.statistics[name] for each in group])) for group in calibration
        ]
    defects = [part(row, more) for row, more in zip(numbers[:, 0], np.linspace(0.1, 3, 60), strict=True)]
    return Surface("drawn numbers", 1.3, groups, defects, reference)


def changed_numbers(part: Part, kind: str, after: int) -> Part:
    """Change drawn numbers roughly as images change."""
    step = after / 100
    light = {"light": 1.01**step, "new lot": 0.97}.get(kind, 1.0)
    focus = 0.98**step if kind == "focus" else 1.0
    score = part.score * (1 + 0.02 * step if kind == "fixture" else 1.0)
    changed = {
        "brightness": light * part.statistics["brightness"],
        "sharpness": focus * part.statistics["sharpness"],
    }
    return Part(score, changed)


def soiling(tell: Callable[[str], None], recorded: Recorded) -> None:
    """Inspect the good parts of ball_screw in order of time: all positions of one time are one group."""
    from excision.data import load_dataset
    from excision.inspection.drift.reference import reference_of

    dataset = load_dataset(recorded.data)
    good = [sample for sample in dataset.test if not sample.defective]
    good.sort(key=lambda sample: sample.image.name.split("_")[1])
    threshold = recorded.detector.threshold
    tell("\n## ball_screw in order of time: good parts soil\n")
    tell("| parts in a block | parts until the warning | named | change found at part | parts in all |")
    tell("| --- | --- | --- | --- | --- |")
    parts = [recorded._inspected(sample.image) for sample in good]
    for block in (5, 10, 20):
        reference = reference_of(recorded.detector, threshold)
        monitor = DriftMonitor(DriftSettings(block=block, learning=len(parts) // 4), reference)
        warning = None
        for part in parts:
            warning = warning or monitor.update(*part, flagged=part.score > threshold)
        row = ("none", "-", "-") if warning is None else (warning.part, named(warning), warning.since)
        tell(f"| {block} | {' | '.join(map(str, row))} | {len(parts)} |")


if __name__ == "__main__":
    main()
