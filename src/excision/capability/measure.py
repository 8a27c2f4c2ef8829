"""The whole study: choose good parts, draw, inspect, analyse, and write the results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from excision.capability.analysis import CONFIDENCE, RATE
from excision.capability.good_parts import GoodParts, Model, choose_parts
from excision.capability.kinds import Kind
from excision.capability.pictures import Pictures
from excision.capability.place_effect import map_places
from excision.capability.plan import Design, choose_grid, choose_sizes
from excision.capability.real import compare, measure_real
from excision.capability.real_result import RealComparison
from excision.capability.records import Record
from excision.capability.requirement import Requirement, parse_requirement
from excision.capability.result import Capability
from excision.capability.seen_images import without_seen
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
from excision.system.dates import today


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
    study = _Study.of(folder, predictor, parts, settings, wanted)
    begin(out, study.facts(), resume=resume)
    budget = Budget(settings.drawings, None if settings.minutes is None else 60 * settings.minutes)
    records = run_study(
        predictor, parts, study.pictures, study.design, budget, out, of_stage(stage, "drawing")
    )
    notes = list(images.notes)
    comparison = None
    if real is not None:
        real, seen = without_seen(real, folder)
        # Of a folder that does not say, a note tells below.
        notes += [seen] if seen and parts.trained_on is not None else []
        defects = measure_real(predictor, real, of_stage(stage, "real defects"), notes)
        comparison = compare(real.root.name, defects, records, real_kinds or {})
    notes += make_notes(parts, study.design, records, budget)
    result = study.result(records, comparison, notes)
    result.save(out / CAPABILITY)
    return result


@dataclass(frozen=True)
class _Study:
    """What is drawn on which parts, to be inspected by which model.

    Attributes:
        folder: of the model.
        model: what inspects.
        parts: good parts.
        pictures: their images.
        settings: as given.
        design: what is drawn.
        box: height and width of the first part in pixels of its image.
        reduction: pixels of an image that become one pixel of the working image, on each side.
    """

    folder: Path
    model: Model
    parts: GoodParts
    pictures: Pictures
    settings: StudySettings
    design: Design
    box: tuple[int, int]
    reduction: float

    @classmethod
    def of(
        cls,
        folder: Path,
        model: Model,
        parts: GoodParts,
        settings: StudySettings,
        wanted: tuple[Requirement, ...],
    ) -> _Study:
        region = model.criteria.region if isinstance(model, Inspector) else None
        pictures = Pictures(model.image_format.channels, region, parts.background)
        top, left, bottom, right = pictures.get(parts.quiet[0].path)[1].box
        height, width, reduction = bottom - top, right - left, _reduction(model, parts)
        design = Design(
            seed=settings.seed,
            kinds=tuple(dict.fromkeys(settings.kinds)),
            contrasts=tuple(sorted(set(settings.contrasts))),
            sizes=choose_sizes(settings.kinds, (height, width), reduction, settings.sizes),
            requirements=wanted,
            per_region=settings.per_region,
            grid=choose_grid(height, width),
            groups=tuple(part.group for part in parts.quiet),
        )
        return cls(folder, model, parts, pictures, settings, design, (height, width), reduction)

    def facts(self) -> dict[str, Any]:
        """Give what makes a study this one; the number of drawings and the time may grow."""
        names = hashlib.sha256("\n".join(f"{part.path} {part.group}" for part in self.parts.all).encode())
        design = self.design
        return {
            "model": model_identity(self.folder),
            "threshold": self.model.threshold,
            "good images": names.hexdigest()[:16],
            "seed": design.seed,
            "kinds": list(design.kinds),
            "contrasts": list(design.contrasts),
            "sizes": {kind: list(pair) for kind, pair in design.sizes.items()},
            "requirements": [asdict(one) for one in design.requirements],
            "drawings per region": design.per_region,
            "background": self.settings.whole_image,
        }

    def result(
        self, records: Sequence[Record], real: RealComparison | None, notes: Sequence[str]
    ) -> Capability:
        parts, threshold, seed = self.parts, self.model.threshold, self.settings.seed
        curves = make_curves(records, threshold, seed)
        lower, upper = rate_limits(len(parts.flagged), len(parts.all))
        image, part = self.pictures.get(parts.quiet[0].path)
        return Capability(
            model=self.folder.resolve().name,
            model_id=model_identity(self.folder),
            threshold=threshold,
            date=today(),
            seed=seed,
            rate=RATE,
            confidence=CONFIDENCE,
            parts=len(parts.quiet),
            groups=len({part.group for part in parts.quiet}),
            false_calls=len(parts.flagged),
            false_call_lower=lower,
            false_call_upper=upper,
            trained_on=parts.trained_on,
            height=parts.size[0],
            width=parts.size[1],
            reduction=self.reduction,
            background=parts.background,
            mm_per_pixel=self.settings.mm_per_pixel,
            drawings=len(records),
            cut=float(np.mean([one.cut > 0.1 for one in records])) if records else 0.0,
            curves=tuple(curves),
            maps=map_places([one for one in records if not one.requirement], curves, self.box, RATE),
            requirements=make_answers(self.design, records),
            real=real,
            notes=tuple(notes),
            example=example_picture(image, part),
            box=box_shares(part),
        )


def _reduction(model: Model, parts: GoodParts) -> float:
    if model.image_format.tiling is not None:
        return 1.0
    height, width = model.image_format.size
    return float((parts.size[0] / height * parts.size[1] / width) ** 0.5)
