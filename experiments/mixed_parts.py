"""Measure what several appearances gain on a set that shows two parts in turns.

    python experiments/harder_sets.py mixed --out two_parts
    excision train two_parts --out run
    python experiments/mixed_parts.py two_parts run

The normal statistics of the run are learnt again from the good images, once with one appearance and once with
as many as are found. For both, image AUROC and AP on the test images, the false-alarm rate and the detection
rate at the threshold, the number of good images of each appearance, and the processor time of an inspection
in torch on one thread. Any run of the same size will do: its networks need not have seen these parts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import torch
from network_features import figures, milliseconds

from excision import Detector, load_dataset
from excision.method.scoring import appearance_search
from excision.method.scoring.appearances import Appearances


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    if len(arguments) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    dataset, run = load_dataset(Path(arguments[0])), Path(arguments[1])
    learnt: dict[str, Detector] = {}
    print("| appearances | image AUROC | AP | false alarms | found |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    for most in (1, appearance_search.MOST_APPEARANCES):
        detector = Detector.load(run, device="cpu")
        with mock.patch.object(appearance_search, "MOST_APPEARANCES", most):
            detector.recalibrate(dataset)
        alignment = detector.pipeline.scorer.alignment
        several = alignment.images.tolist() if isinstance(alignment, Appearances) else []
        name = f"{len(several)}, of {' and '.join(map(str, several))} images" if several else "one"
        learnt[f"at most {most}"] = detector
        found = figures(detector, dataset)
        print(
            f"| {name} | {found.auroc:.3f} | {found.precision:.3f} | {found.false_alarms:.1%} | "
            f"{found.detections:.1%} |",
            flush=True,
        )
    for choice, taken in milliseconds(learnt).items():
        print(f"{choice}: {taken:.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
