"""Champion against challenger on labelled parts that neither was trained on, with every changed verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.errors import ExcisionError, ImageError
from excision.evaluation.metrics import average_precision, image_auroc
from excision.evaluation.paired import RateChange, holm, paired_auroc, ranking_change, rate_change
from excision.method.calibration import Calibration
from excision.predictions import Prediction
from excision.progress import Shown
from excision.runtime.model_folder import Description
from excision.station.improve.collection import Collection, Member
from excision.station.improve.grey_zone import rate_of, zone_of
from excision.station.improve.job import COMPARISON, EXPORT, PICTURES, Job
from excision.station.models.version import Version, load_version
from excision.station.work.renderings import draw
from excision.system.files import atomic_path, write_bytes, write_json
from excision.system.strict_json import read_json
from excision.visualization.pictures import show_image

MOST_PICTURES = 200
"""Changed verdicts of which pictures are drawn; all are listed."""

LEVEL = 0.05

_MOST = 256 * 2**20  # bytes

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled part, as both models judge it at their decision thresholds.

    Attributes:
        result: number of its result.
        name: of the image.
        defective: what the label says.
        group: that it belongs to.
        old: score by the champion.
        new: score by the challenger.
        old_verdict: "good", "defect" or "unfit"; there is no grey zone here.
        new_verdict: likewise.
        picture: number of its pictures; None where there are none.
    """

    result: int | None
    name: str
    defective: bool
    group: str
    old: float
    new: float
    old_verdict: str
    new_verdict: str
    picture: int | None = None

    @property
    def changed(self) -> bool:
        """Tell whether the verdicts differ."""
        return self.old_verdict != self.new_verdict


def compare(job: Job, collection: Collection, out: Path, shown: Shown) -> dict[str, Any]:
    """Compare the model in use with the challenger, and write the comparison with its pictures.

    Raises:
        ModelError: one of them cannot be loaded.
    """
    assert job.run is not None  # of an improvement
    champion, challenger = load_version(job.deployed or job.run), load_version(out / EXPORT)
    zones = zone_of(job), Description.load(out / EXPORT).review
    champion = champion.with_thresholds(job.threshold or champion.threshold, None)
    challenger = challenger.with_thresholds(challenger.threshold, None)
    members = collection.of("compare")
    judged: list[Judged] = []
    skipped: dict[str, str] = {}
    for done, member in enumerate(members, start=1):
        drawn = sum(each.picture is not None for each in judged)
        try:
            judged.append(_judge(member, champion, challenger, out / PICTURES, drawn))
        except ImageError as error:
            skipped[member.name] = str(error)
        shown.stage("comparing", done, len(members))
    content = {
        "champion": _describe(champion, zones[0], [each.old for each in judged]),
        "challenger": _describe(challenger, zones[1], [each.new for each in judged]),
        **figures(judged),
        "counts": _counts(collection),
        "doubts": [doubt.to_json() for doubt in collection.doubts],
        "missing": list(collection.missing),
        "skipped": skipped,
        "images": [asdict(each) for each in judged],
    }
    write_json(out / COMPARISON, content)
    return content


def read_comparison(out: Path) -> dict[str, Any] | None:
    """Read a comparison; None if there is none, or it is damaged."""
    try:
        content: dict[str, Any] = read_json(out / COMPARISON, _MOST)
        content["images"] = [Judged(**each) for each in content["images"]]
        return content
    except (ExcisionError, OSError, ValueError, KeyError, TypeError):
        return None


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Compare two models: "rows" with intervals and p-values, adjusted together (Holm), and the "answer"."""
    defective = np.array([each.defective for each in judged], dtype=np.bool_)
    names = {name: number for number, name in enumerate(sorted({each.group for each in judged}))}
    groups = np.array([names[each.group] for each in judged], dtype=np.int64)
    rows: list[dict[str, Any]] = []
    stopped = [np.array([v != "good" for v in verdicts], dtype=np.bool_) for verdicts in _verdicts(judged)]
    for name, kind, sign in (("defects found", defective, 1), ("false alarms", ~defective, -1)):
        if kind.any():
            found = rate_change(stopped[0][kind], stopped[1][kind], groups[kind])
            rows.append({"name": name, "images": int(kind.sum()), "sign": sign, **asdict(found)})
    if defective.any() and not defective.all():
        rows += _rankings(judged, defective, groups)
    tested = [row for row in rows if row["p_value"] is not None]
    for row, adjusted in zip(tested, holm([row["p_value"] for row in tested]), strict=True):
        row["adjusted"] = adjusted
    return {"rows": rows, "answer": _answer(rows)}


def _rankings(judged: Sequence[Judged], defective: Flags, groups: NDArray[np.int64]) -> list[dict[str, Any]]:
    old, new = (
        np.array(each, dtype=np.float64) for each in zip(*((j.old, j.new) for j in judged), strict=True)
    )
    area = paired_auroc(old, new, defective, groups)
    sides = [p for p in (area.worse, area.better) if p is not None]
    rows = []
    for name, metric in (("image AUROC", image_auroc), ("average precision", average_precision)):
        _, low, high = ranking_change(metric, old, new, defective, groups)
        row = {
            "name": name,
            "images": len(judged),
            "sign": 1,
            "old": metric(defective, old),
            "new": metric(defective, new),
            # Where no resample differs, the images say nothing of the width.
            "low": None if low == high else low,
            "high": None if low == high else high,
            "groups": len(set(groups.tolist())),
        }
        rows.append(row)
    # DeLong's test is one of the area; the average precision has its interval alone.
    rows[0]["p_value"] = min(1.0, 2 * min(sides)) if sides else 1.0
    rows[1]["p_value"] = rows[1]["adjusted"] = None
    return rows


def _answer(rows: Sequence[dict[str, Any]]) -> Literal["better", "worse", "mixed", "no difference shown"]:
    shown = {
        "better" if row["sign"] * (row["new"] - row["old"]) > 0 else "worse"
        for row in rows
        if row["adjusted"] is not None and row["adjusted"] < LEVEL
    }
    if len(shown) > 1:
        return "mixed"
    if not shown:
        return "no difference shown"
    return "better" if "better" in shown else "worse"


def _verdicts(judged: Sequence[Judged]) -> tuple[list[str], list[str]]:
    return [each.old_verdict for each in judged], [each.new_verdict for each in judged]


def _judge(member: Member, champion: Version, challenger: Version, folder: Path, drawn: int) -> Judged:
    before, after = champion.inspect(member.path), challenger.inspect(member.path)
    picture = None
    if before.verdict != after.verdict and drawn < MOST_PICTURES:
        picture = drawn + 1
        _draw(folder, picture, before, after)
    return Judged(
        result=member.result,
        name=member.name,
        defective=member.defective,
        group=member.group,
        old=before.score,
        new=after.score,
        old_verdict=before.verdict,
        new_verdict=after.verdict,
        picture=picture,
    )


def _draw(folder: Path, number: int, before: Prediction, after: Prediction) -> None:
    with atomic_path(folder / f"{number:04d}_image.png") as path:
        Image.fromarray(show_image(before.overview().image)).save(path)
    write_bytes(folder / f"{number:04d}_champion.png", draw(before, "overlay"))
    write_bytes(folder / f"{number:04d}_challenger.png", draw(after, "overlay"))


def _describe(version: Version, zone: Calibration | None, scores: Sequence[float]) -> dict[str, Any]:
    calibration: Any = getattr(version.predictor, "calibration", None)
    return {
        "folder": str(version.folder),
        "version": version.version,
        "threshold": version.threshold,
        "promise": "" if calibration is None else calibration.explain(),
        "zone": None
        if zone is None
        else {
            "threshold": zone.threshold,
            "rate": rate_of(zone),
            "parts": sum(zone.threshold < score <= version.threshold for score in scores),
        },
    }


def _counts(collection: Collection) -> dict[str, int]:
    roles = [(member.role, member.defective) for member in collection.members]
    return {
        "original": sum(role == "original" for role, _ in roles),
        "train": sum(role == "train" for role, _ in roles),
        "known": sum(role == "known" for role, _ in roles),
        "compare_good": sum(role == "compare" and not bad for role, bad in roles),
        "compare_defects": sum(role == "compare" and bad for role, bad in roles),
        "missing": len(collection.missing),
        "doubts": len(collection.doubts),
    }


__all__ = ["Judged", "RateChange", "compare", "figures", "read_comparison"]
