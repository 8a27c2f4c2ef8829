"""The whole study: choose good parts, draw, inspect, analyse, and write the results."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.capability.analysis import CONFIDENCE, RATE, analyse_curve
from excision.capability.good_parts import GoodParts, Model, Pictures, choose_parts
from excision.capability.judge import answer
from excision.capability.kinds import KINDS, Kind
from excision.capability.limits import lower_limit, parts_needed, upper_limit
from excision.capability.part import Mask, Part
from excision.capability.place_effect import map_places
from excision.capability.plan import Design, choose_grid, choose_sizes
from excision.capability.real import compare, measure_real
from excision.capability.records import Record
from excision.capability.requirement import Requirement, parse_requirement
from excision.capability.result import CAPABILITY, Capability, Curve
from excision.capability.study import Budget, begin, run_study
from excision.data import Dataset
from excision.errors import SettingsError
from excision.inspection.good_images import find_good_images
from excision.inspection.loading import load
from excision.method import run_folder
from excision.progress import StageProgress, of_stage
from excision.runtime.backend import GRAPH_FILES
from excision.runtime.inspector import Inspector
from excision.system.files import sha256

CONTRASTS = (0.1, 0.2, 0.4)
MOST_PARTS = 300
_EXAMPLE = 512
"""Pixels of the longer side of the picture of an example, at most."""


@dataclass(frozen=True, slots=True)
class StudySettings:
    """Settings of a capability study.

    Attributes:
        drawings: drawings for the curves; those of requirements come in addition.
        minutes: time after which the study stops, with whatever was drawn; None for no limit.
        kinds: kinds to draw.
        contrasts: contrasts to draw each kind at, shares of the range from black to white.
        sizes: smallest and largest size in pixels of the image as given; None for the usual ones.
        requirements: defects that must be found, in words.
        per_region: drawings of each requirement in each of the nine regions of the part.
        mm_per_pixel: millimetres for a pixel of the image as given.
        parts: good parts to draw on, at most.
        whole_image: draw everywhere, even where a background is found.
        seed: of everything random.

    Raises:
        SettingsError: a value is out of range.
    """

    drawings: int = 2000
    minutes: float | None = None
    kinds: tuple[Kind, ...] = KINDS
    contrasts: tuple[float, ...] = CONTRASTS
    sizes: tuple[float, float] | None = None
    requirements: tuple[str, ...] = ()
    per_region: int = 64
    mm_per_pixel: float | None = None
    parts: int = MOST_PARTS
    whole_image: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.drawings < 0 or self.per_region < 1 or self.parts < 1 or self.seed < 0:
            raise SettingsError("drawings, parts and seed are whole numbers of at least 0, 1 and 0")
        if self.drawings == 0 and not self.requirements:
            raise SettingsError("there is nothing to draw: give a number of drawings, or a requirement")
        if not self.kinds or not self.contrasts or not all(0 < one <= 1 for one in self.contrasts):
            raise SettingsError("contrasts are shares of the range from black to white, such as 0.2 or 20%")
        if self.sizes is not None and not 0 < self.sizes[0] < self.sizes[1]:
            raise SettingsError("sizes are the smallest and the largest one in pixels, both above 0")
        if self.mm_per_pixel is not None and not 0 < self.mm_per_pixel < 1e6:
            raise SettingsError(f"--mm-per-pixel is {self.mm_per_pixel}: it must be above 0")
        if self.minutes is not None and not self.minutes > 0:
            raise SettingsError("the time limit must be above 0 minutes")


def measure_capability(
    model: str | Path,
    good_images: Sequence[str | Path],
    out: str | Path,
    settings: StudySettings | None = None,
    *,
    real: Dataset | None = None,
    real_kinds: Mapping[str, Kind] | None = None,
    resume: bool = False,
    stage: StageProgress | None = None,
) -> Capability:
    """Measure which defects a model is sure to find, with defects that are drawn on good parts.

    Writes `drawings.csv`, `study.json` and `capability.json` into a folder; memory stays flat.

    Args:
        model: run folder, which needs torch, or exported folder, which does not.
        good_images: good images that the model was not trained on, folders, or labelled data sets, of which
            the good images are used. Images that it was trained on are recognised and left out.
        out: folder for the results.
        settings: what to draw and how much; None for the defaults.
        real: labelled data set with masks, whose defects are compared with the curves.
        real_kinds: kind of each label of `real` whose name does not say it.
        resume: go on with an interrupted study in `out`.
        stage: called with (stage, done, total).

    Returns:
        The result.

    Raises:
        DatasetError: no good image is left, the model calls each of them defective, or no real defect has a
            mask.
        ModelError: the model cannot be opened or cannot compute.
        ResultsError: a file of an interrupted study is damaged.
        SettingsError: `out` holds another study, or a requirement is not understood.
    """
    settings, folder, out = settings or StudySettings(), Path(model), Path(out)
    wanted = tuple(parse_requirement(text, settings.mm_per_pixel) for text in settings.requirements)
    predictor: Model = load(folder)
    images = find_good_images([Path(path) for path in good_images])
    parts = choose_parts(
        predictor,
        folder,
        group_images(images.images),
        settings.parts,
        settings.seed,
        of_stage(stage, "good parts"),
        settings.whole_image,
    )
    pictures = Pictures(predictor.image_format.channels, _region(predictor), parts.background)
    design = _design(settings, wanted, predictor, parts, pictures)
    begin(out, _facts(folder, predictor, parts, design, settings), resume=resume)
    budget = Budget(settings.drawings, None if settings.minutes is None else 60 * settings.minutes)
    records = run_study(predictor, parts, pictures, design, budget, out, of_stage(stage, "drawing"))
    notes = list(images.notes)
    comparison = None
    if real is not None:
        defects = measure_real(predictor, real, of_stage(stage, "real defects"), notes)
        comparison = compare(real.root.name, defects, records, real_kinds or {})
    curves = _curves(records, predictor.threshold, settings.seed)
    drawn = [one for one in records if not one.requirement]
    shape = _box(parts, pictures)
    maps = [
        map_places(
            [one for one in drawn if one.kind == kind],
            [one for one in curves if one.kind == kind],
            shape,
            RATE,
        )
        for kind in settings.kinds
    ]
    interval = _rate_limits(len(parts.flagged), len(parts.all))
    result = Capability(
        model=folder.resolve().name,
        model_id=model_identity(folder),
        threshold=predictor.threshold,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seed=settings.seed,
        rate=RATE,
        confidence=CONFIDENCE,
        parts=len(parts.quiet),
        groups=len({part.group for part in parts.quiet}),
        false_calls=len(parts.flagged),
        false_call_lower=interval[0],
        false_call_upper=interval[1],
        trained_on=parts.trained_on,
        height=parts.size[0],
        width=parts.size[1],
        reduction=_reduction(predictor, parts),
        background=parts.background,
        mm_per_pixel=settings.mm_per_pixel,
        drawings=len(records),
        cut=float(np.mean([one.cut > 0.1 for one in records])) if records else 0.0,
        curves=tuple(curves),
        maps=tuple(one for one in maps if one is not None),
        requirements=_answers(design, records),
        real=comparison,
        notes=(*notes, *_notes(parts, design, records, budget)),
        example=example_picture(*pictures.get(parts.quiet[0].path)),
        box=_shares(pictures.get(parts.quiet[0].path)[1]),
    )
    result.save(out / CAPABILITY)
    return result


def group_images(images: Sequence[Path]) -> dict[Path, str]:
    """Give each image its group: images of one group show one part, and are not independent."""
    return {path: str(path) for path in images}


def model_identity(folder: Path) -> str:
    """Hash the weights or the graph of a model folder: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in (*GRAPH_FILES, run_folder.MODEL):
        if (folder / name).is_file():
            digest.update(f"{name} {sha256(folder / name)}\n".encode())
    return digest.hexdigest()[:12]


def _design(
    settings: StudySettings,
    wanted: tuple[Requirement, ...],
    model: Model,
    parts: GoodParts,
    pictures: Pictures,
) -> Design:
    height, width = _box(parts, pictures)
    return Design(
        seed=settings.seed,
        kinds=tuple(dict.fromkeys(settings.kinds)),
        contrasts=tuple(sorted(set(settings.contrasts))),
        sizes=choose_sizes(settings.kinds, (height, width), _reduction(model, parts), settings.sizes),
        requirements=wanted,
        per_region=settings.per_region,
        grid=choose_grid(height, width),
        groups=tuple(part.group for part in parts.quiet),
    )


def _box(parts: GoodParts, pictures: Pictures) -> tuple[int, int]:
    top, left, bottom, right = pictures.get(parts.quiet[0].path)[1].box
    return bottom - top, right - left


def _reduction(model: Model, parts: GoodParts) -> float:
    """Give how many pixels of an image become one pixel of the working image, on each side."""
    if model.image_format.tiling is not None:
        return 1.0
    height, width = model.image_format.size
    return float((parts.size[0] / height * parts.size[1] / width) ** 0.5)


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


def _shares(part: Part) -> tuple[float, ...]:
    top, left, bottom, right = part.box
    height, width = part.mask.shape
    return (top / height, left / width, bottom / height, right / width)


def _region(model: Model) -> Mask | None:
    return model.criteria.region if isinstance(model, Inspector) else None


def _facts(
    folder: Path, model: Model, parts: GoodParts, design: Design, settings: StudySettings
) -> dict[str, Any]:
    """Give what makes a study this one; the number of drawings and the time may grow."""
    names = hashlib.sha256("\n".join(f"{part.path} {part.group}" for part in parts.all).encode())
    return {
        "model": model_identity(folder),
        "threshold": model.threshold,
        "good images": names.hexdigest()[:16],
        "seed": design.seed,
        "kinds": list(design.kinds),
        "contrasts": list(design.contrasts),
        "sizes": {kind: list(pair) for kind, pair in design.sizes.items()},
        "requirements": [asdict(one) for one in design.requirements],
        "drawings per region": design.per_region,
        "background": settings.whole_image,
    }


def _curves(records: Sequence[Record], threshold: float, seed: int) -> list[Curve]:
    by_stratum: dict[tuple[Kind, float], list[Record]] = {}
    for one in records:
        if not one.requirement:
            by_stratum.setdefault((one.kind, one.contrast), []).append(one)
    ordered = sorted(by_stratum.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1]))
    return [analyse_curve(members, threshold, seed) for _, members in ordered]


def _answers(design: Design, records: Sequence[Record]) -> tuple[Any, ...]:
    middle = design.contrasts[len(design.contrasts) // 2]
    return tuple(
        answer(
            wanted,
            [one for one in records if one.requirement == number],
            middle if wanted.contrast is None else wanted.contrast,
        )
        for number, wanted in enumerate(design.requirements, start=1)
    )


def _rate_limits(hits: int, trials: int) -> tuple[float, float]:
    return lower_limit(hits, trials, CONFIDENCE), upper_limit(hits, trials, CONFIDENCE)


def _notes(parts: GoodParts, design: Design, records: Sequence[Record], budget: Budget) -> list[str]:
    notes = []
    groups = len(set(design.groups))
    if groups < parts_needed(RATE, CONFIDENCE):
        needed = parts_needed(RATE, CONFIDENCE)
        notes.append(
            f"Defects were drawn on {groups} independent parts. It takes {needed} to show a detection of 90 % "
            "with 95 % confidence in one region."
        )
    if parts.trained_on is None:
        notes.append(
            "The model's folder does not say which images it was trained on. Make sure that none of them is "
            "among these images."
        )
    if parts.repeated:
        notes.append(f"{parts.repeated} images are the same as another one and were left out.")
    if parts.unreadable:
        notes.append(f"{len(parts.unreadable)} images cannot be read; the first: {parts.unreadable[0]}")
    if len(records) < design.required + budget.drawings:
        notes.append(
            f"The time limit ended the study after {len(records):,} of {design.required + budget.drawings:,} drawings."
        )
    return notes
