"""What the result of a study holds beside the drawings: curves, maps, answers, an example, and notes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from excision.capability.analysis import CONFIDENCE, RATE, analyse_curve
from excision.capability.curve import Curve
from excision.capability.good_parts import GoodParts
from excision.capability.judge import answer
from excision.capability.kinds import KINDS, Kind
from excision.capability.limits import lower_limit, parts_needed, upper_limit
from excision.capability.part import Part
from excision.capability.plan import Design
from excision.capability.records import Record
from excision.capability.requirement_result import RequirementResult
from excision.capability.study import Budget

_EXAMPLE = 512
"""Pixels of the longer side of the picture of an example, at most."""


def make_curves(records: Sequence[Record], threshold: float, seed: int) -> list[Curve]:
    by_stratum: dict[tuple[Kind, float], list[Record]] = {}
    for one in records:
        if not one.requirement:
            by_stratum.setdefault((one.kind, one.contrast), []).append(one)
    ordered = sorted(by_stratum.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1]))
    return [analyse_curve(members, threshold, seed) for _, members in ordered]


def make_answers(design: Design, records: Sequence[Record]) -> tuple[RequirementResult, ...]:
    middle = design.contrasts[len(design.contrasts) // 2]
    return tuple(
        answer(
            wanted,
            [one for one in records if one.requirement == number],
            middle if wanted.contrast is None else wanted.contrast,
        )
        for number, wanted in enumerate(design.requirements, start=1)
    )


def example_picture(image: NDArray[np.uint16], part: Part) -> str:
    """Give a good part (H, W, C) as WebP in base64, opaque where the part is."""
    from PIL import Image

    step = -(-max(image.shape[:2]) // _EXAMPLE)
    grey = (image[::step, ::step] // 257).astype(np.uint8)
    colour = np.repeat(grey, 3, axis=2) if grey.shape[2] == 1 else grey
    alpha = part.mask[::step, ::step].astype(np.uint8)[..., None] * 255
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([colour, alpha], axis=2), "RGBA").save(
        stream, format="WEBP", quality=80, exact=True
    )
    return base64.b64encode(stream.getvalue()).decode("ascii")


def box_shares(part: Part) -> tuple[float, ...]:
    top, left, bottom, right = part.box
    height, width = part.mask.shape
    return (top / height, left / width, bottom / height, right / width)


def rate_limits(hits: int, trials: int) -> tuple[float, float]:
    return lower_limit(hits, trials, CONFIDENCE), upper_limit(hits, trials, CONFIDENCE)


def make_notes(parts: GoodParts, design: Design, records: Sequence[Record], budget: Budget) -> list[str]:
    notes = []
    groups = len(set(design.groups))
    if groups < parts_needed(RATE, CONFIDENCE):
        needed = parts_needed(RATE, CONFIDENCE)
        notes.append(
            f"Defects were drawn on {groups} independent parts. It takes {needed} to show a detection of "
            "90 % with 95 % confidence in one region."
        )
    if parts.trained_on is None:
        notes.append(
            "The model's folder does not say which images it was trained on. Make sure that none of them is "
            "among these images."
        )
    if parts.calibrated:
        notes.append(
            f"{parts.calibrated} of the good images set the threshold, so few of them can be false calls: "
            "judge the rate of false calls by the promise of the threshold."
        )
    if parts.basis:
        notes.append(f"Independent parts: {parts.basis}.")
    if parts.unfit:
        notes.append(f"{parts.unfit} good images are unfit for the model and were left out.")
    if parts.repeated:
        notes.append(f"{parts.repeated} images are the same as another one and were left out.")
    if parts.unreadable:
        notes.append(f"{len(parts.unreadable)} images cannot be read; the first: {parts.unreadable[0]}")
    if len(records) < design.required + budget.drawings:
        notes.append(
            f"The time limit ended the study after {len(records):,} of "
            f"{design.required + budget.drawings:,} drawings."
        )
    return notes
