"""The whole study: choose good parts, draw, inspect, analyse, and write the results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from excision.capability.analysis import CONFIDENCE, RATE
from excision.capability.good_parts import GoodParts, Model, choose_parts
from excision.capability.kinds import Kind
from excision.capability.part import Mask
from excision.capability.pictures import Pictures
from excision.capability.place_effect import map_places
from excision.capability.plan import Design, choose_grid, choose_sizes
from excision.capability.real import compare, measure_real
from excision.capability.requirement import Requirement, parse_requirement
from excision.capability.result import Capability
from excision.capability.settings import StudySettings
from excision.capability.stored import model_identity
from excision.capability.study import Budget, begin, run_study
from excision.capability.summary import (
    box_shares,
    example_picture,
    make_answers,
    make_curves,
    make_notes,
    rate_limits,
)
from excision.data import Dataset
from excision.data.groups import GroupRule
from excision.inspection.good_images import find_good_images
from excision.inspection.loading import load
from excision.method.folder_kinds import CAPABILITY
from excision.progress import StageProgress, of_stage
from excision.runtime.inspector import Inspector


def measure_capability(
    model: str | Path,
    good_images: Sequence[str | Path],
    out: str | Path,
    settings: StudySettings | None = None,
    *,
    real: Dataset | None = None,
    real_kinds: Mapping[str, Kind] | None = None,
    groups: str | None = None,
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
        groups: which images show the same part, as `--groups` takes it; None finds them.
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
        images,
        None if groups is None else GroupRule.parse(groups),
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
    curves = make_curves(records, predictor.threshold, settings.seed)
    interval = rate_limits(len(parts.flagged), len(parts.all))
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
        maps=map_places([one for one in records if not one.requirement], curves, _box(parts, pictures), RATE),
        requirements=make_answers(design, records),
        real=comparison,
        notes=(*notes, *make_notes(parts, design, records, budget)),
        example=example_picture(*pictures.get(parts.quiet[0].path)),
        box=box_shares(pictures.get(parts.quiet[0].path)[1]),
    )
    result.save(out / CAPABILITY)
    return result


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
