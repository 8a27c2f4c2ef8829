"""A result of a study without a study: records of a known curve that is worse at one place."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from excision.capability.analysis import analyse_curve
from excision.capability.judge import answer
from excision.capability.kinds import Kind
from excision.capability.part import Part
from excision.capability.place_effect import map_places
from excision.capability.records import Record
from excision.capability.requirement import parse_requirement
from excision.capability.result import Capability
from excision.capability.stored import model_identity
from excision.capability.summary import box_shares, example_picture

BOX = (120, 90)


def drawn(kind: Kind, contrast: float, seed: int, count: int = 300) -> list[Record]:
    """Draw records with a90 at 20 px, and at more in the lower right corner."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        size = float(np.exp(rng.uniform(0, math.log(80))))
        down, across = rng.random(2).tolist()
        effect = -4.0 if down > 0.6 and across > 0.6 else 0.0
        eta = math.log(9) + 3 * math.log(size / 20) + effect + 4 * math.log(contrast / 0.2)
        hit = bool(rng.random() < 1 / (1 + math.exp(-eta)))
        found.append(
            Record(
                number, "a.png", str(number % 60), kind, size, size, contrast, 0, 0, 0, down, across, 9,
                contrast, 0, 0.5, 1.5 if hit else 0.6, int(hit), 0,
            )
        )  # fmt: skip
    return found


def sample(folder: Path, threshold: float = 1.0) -> Capability:
    """Give a result that belongs to the model in a folder."""
    records = [
        one
        for place, kind in enumerate(("scratch", "pit"))
        for level, contrast in enumerate((0.1, 0.2))
        for one in drawn(kind, contrast, 10 * place + level)  # type: ignore[arg-type]
    ]
    strata = sorted({(one.kind, one.contrast) for one in records}, reverse=True)
    curves = tuple(
        analyse_curve([one for one in records if (one.kind, one.contrast) == stratum], 1.0, 0)
        for stratum in strata
    )
    wanted = parse_requirement("pit 60 px")
    required = [
        Record(
            number, "a.png", str(number // 9), "pit", 60, 60, 0.2, 0, 0, 0, 0, 0, 9, 0.2, 0, 0.5, 2,
            int(number % 9 != 8), 1,
        )
        for number in range(9 * 40)
    ]  # fmt: skip
    part = Part.of(np.ones(BOX, np.bool_))
    image = np.random.default_rng(0).integers(20000, 45000, (*BOX, 1)).astype(np.uint16)
    return Capability(
        folder.name, model_identity(folder), threshold, "2026-01-31", 0, 0.9, 0.95, 58, 58, 2, 0.006, 0.1, 0,
        *BOX, 1.0, False, 0.05, len(records), 0.0, curves, map_places(records, curves, BOX, 0.9),
        (answer(wanted, required, 0.2),), None, ("A note.",), example_picture(image, part), box_shares(part),
    )  # fmt: skip
