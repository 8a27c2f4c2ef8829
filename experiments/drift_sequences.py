"""After how many parts the drift monitor warns on recorded sequences, and how often it warns without drift.

    python experiments/drift_sequences.py NAME=RUN:DATA [NAME=RUN:DATA ...] [--ball-screw RUN:DATA]
                                          [--seeds 5] [--parts 100000] [--out results.md]
    python experiments/drift_sequences.py --short

RUN is a run folder of `excision train`, DATA its data set. Every good and defective image that took no part
in training is inspected once. A model without fitness gets one, learnt from its good training images. A
stream without drift is drawn from the good images by whole groups (strip, part or item), with 0 and 5 %
true defects among them, or in lots: of each lot of 500 or 2,000 parts the groups are a random third. The
groups that the monitor knows are drawn from the same ones, as many as the model knows: so nothing but chance
tells them from the line. A warning is accepted, as an operator would accept a new lot, and the stream goes
on.

In each sequence 1,000 parts without drift come first. Then real images are changed more and more, and
inspected by the model as they are then:

- light: 1 % brighter every 100 parts
- focus: a blur of 0.1 pixels (standard deviation) more every 100 parts
- fixture: shifted by 1 pixel more every 100 parts, at the working size
- new lot: from one part to the next 3 % darker, with 10 % more contrast

Told are the parts from the beginning of the change to the warning, what was named, and where the change was
estimated to have begun. Streams in lots are told for the default monitor and for one that expects lots
(`DriftSettings.lots`). Before the tables stands what the monitor says of the test images as they are, with
the groups that the model knows. The set ball_screw is a real sequence: good parts soil over time. It is
inspected in order of time, after the calibration images. `--short` does the same with drawn numbers instead
of images.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from drift_material import Part, Recorded, Surface, changed_numbers, drawn_surface

from excision.inspection.drift import SCORE, DriftMonitor, DriftSettings, DriftWarning
from excision.inspection.drift.wording import measure_of

BEFORE, MOST = 1000, 2000
CHANGES = ("light", "focus", "fixture", "new lot")
MONITORS = {"default": DriftSettings(), "lots": DriftSettings(lots=True)}
STREAMS = (
    (0, 0.0, "default"),
    (0, 0.05, "default"),
    (500, 0.0, "default"),
    (500, 0.0, "lots"),
    (2000, 0.0, "default"),
    (2000, 0.0, "lots"),
)
"""Parts in a lot, 0 for none, the share of true defects, and the monitor."""

_TOLD = (SCORE, "brightness")


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
    tell(f"With the groups that the model knows: {first_words(surface)}\n")
    tell("| change | parts until the warning | named | change found at part |")
    tell("| --- | --- | --- | --- |")
    for kind in CHANGES:
        told = [until_warning(surface, recorded, kind, seed) for seed in range(seeds)]
        tell(f"| {kind} | " + " | ".join(map("; ".join, zip(*told, strict=True))) + " |")
    tell(f"\n| lots of | true defects | monitor | false warnings in {parts:,} parts | last block |")
    tell("| --- | --- | --- | --- | --- |")
    for lot, share, name in STREAMS if surface.defects else [each for each in STREAMS if not each[1]]:
        settings = MONITORS[name]
        found = [false_warnings(surface, settings, parts, lot, share, seed) for seed in range(seeds)]
        numbers = ", ".join(str(number) for number, _ in found)
        blocks = ", ".join(str(block) for _, block in found)
        tell(f"| {lot or 'none'} | {share:.0%} | {name} | {numbers} | {blocks} |")


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


def first_words(surface: Surface) -> str:
    """Give the first warning about 5,000 parts like the test images, with the groups that the model knows."""
    random, monitor = np.random.default_rng(0), DriftMonitor(None, surface.reference)
    for part in islice(stream(surface, random), 5000):
        warning = monitor.update(*part, flagged=part.score > surface.threshold)
        if warning is not None:
            return f"after {warning.part} parts, {warning.words}"
    return "no warning in 5,000 parts"


def drawn_reference(surface: Surface, random: np.random.Generator) -> dict[str, list[float]]:
    """Draw groups that the monitor knows from those of the stream, as many as the model knows.

    The groups of a data set's training and test images may differ; those of one population do not.
    """

    def values(group: Sequence[Part], name: str) -> list[float]:
        if name == SCORE:
            return [part.score for part in group if part.score <= surface.threshold]
        return [part.statistics[name] for part in group]

    most = max(map(len, surface.reference.values()))
    drawn = [surface.groups[int(k)] for k in random.integers(len(surface.groups), size=most)]
    return {
        name: [float(np.median(found)) for group in drawn[: len(known)] if (found := values(group, name))]
        for name, known in surface.reference.items()
    }


def false_warnings(
    surface: Surface, settings: DriftSettings, parts: int, lot: int, share: float, seed: int
) -> tuple[int, int]:
    """Count the warnings in a stream without drift; give the length of the block at the end as well."""
    random = np.random.default_rng([seed, lot, round(100 * share)])
    monitor, count = DriftMonitor(settings, drawn_reference(surface, random)), 0
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


def until_warning(surface: Surface, recorded: Recorded | None, kind: str, seed: int) -> tuple[str, str, str]:
    """Feed a sequence and give the number of parts until the warning, its words, and its change point."""
    random = np.random.default_rng(seed)
    monitor, good = DriftMonitor(None, drawn_reference(surface, random)), stream(surface, random)
    for after in range(-BEFORE, MOST):
        part = next(good)
        if after >= 0:
            part = recorded.changed(part, kind, after) if recorded else changed_numbers(part, kind, after)
        warning = monitor.update(*part, flagged=part.score > surface.threshold)
        if warning is not None and after < 0:
            monitor.accept()
        elif warning is not None:
            return str(after + 1), named(warning), str(warning.since - BEFORE)
    return f"none in {MOST}", "-", "-"


def named(warning: DriftWarning) -> str:
    return f"{measure_of(warning.statistic).words} {warning.direction}"


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
    parts = [recorded.inspected(sample.image) for sample in good]
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
