"""Which parts to label next: those that would teach most, a few each day, each with its reason."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from excision.station.store.query import Query
from excision.station.store.records import StoredResult
from excision.station.store.store import Store

Reason = Literal["near", "unlike", "drifted", "random"]
"""Why a part is proposed: its score is near the threshold; it is unlike everything labelled; it came since
the line drifts; or it was drawn at random, so that rates measured on labelled parts stay honest."""

ORDER: tuple[Reason, ...] = ("near", "unlike", "drifted", "random")

_LOOKED_AT = 2000
"""Newest parts that are looked at."""

_NEAR = math.log(1.5)
"""How far a score may be from the threshold, as the logarithm of their ratio."""


FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A part to label.

    Attributes:
        result: of the part.
        reason: why.
    """

    result: StoredResult
    reason: Reason


def next_labels(
    store: Store, model: str, per_day: int, *, drifting_since: float | None = None, now: float | None = None
) -> tuple[list[Proposed], int]:
    """Choose unlabelled parts with a kept image; the reasons take turns, so that no single one fills the day.

    Args:
        store: of the station.
        model: name of the model.
        per_day: parts that are proposed in a day; those that were labelled since midnight count.
        drifting_since: when the line began to drift, seconds since 1970; None if it does not.
        now: likewise; None takes the clock.

    Returns:
        The parts, the most instructive first; and how many were labelled today.
    """
    now = time.time() if now is None else now
    done = labelled_since(store, model, midnight(now))
    free = [
        result
        for result in store.newest(Query(model=model, labelled=False), _LOOKED_AT)
        if result.image is not None and result.score is not None
    ]
    wanted = min(max(0, per_day - done), len(free))
    if not wanted:
        return [], done
    labelled = store.newest(Query(model=model, labelled=True), _LOOKED_AT)
    ranked = _ranked(free, [each for each in labelled if each.score is not None], drifting_since)
    return list(_in_turn(ranked, wanted)), done


def midnight(now: float) -> float:
    """Give when the day began, in the time zone of the station."""
    return datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def labelled_since(store: Store, model: str, since: float) -> int:
    """Count the parts of a model that were labelled since a time."""
    rows = store.rows(
        "SELECT count(DISTINCT labels.result) FROM labels JOIN results ON results.id = labels.result "
        "WHERE labels.time >= ? AND results.model = ?",
        (since, model),
    )
    return int(rows[0][0])


def _ranked(
    free: Sequence[StoredResult], labelled: Sequence[StoredResult], drifting_since: float | None
) -> dict[Reason, list[StoredResult]]:
    near = sorted(free, key=_distance)
    return {
        "near": [each for each in near if _distance(each) <= _NEAR],
        "unlike": _unlike(free, labelled),
        "drifted": []
        if drifting_since is None
        else sorted(
            (each for each in free if each.time >= drifting_since), key=lambda each: -(each.score or 0.0)
        ),
        "random": sorted(free, key=lambda each: hashlib.sha256(f"{each.model}:{each.id}".encode()).digest()),
    }


def _distance(result: StoredResult) -> float:
    """Give how far a score is from its threshold, as the absolute logarithm of their ratio."""
    if not result.score or result.score <= 0 or result.threshold <= 0:
        return math.inf
    return abs(math.log(result.score / result.threshold))


def _unlike(free: Sequence[StoredResult], labelled: Sequence[StoredResult]) -> list[StoredResult]:
    """Order parts so that each is as unlike as possible to what is labelled and to those before it.

    The greedy choice of the farthest point (Gonzalez, "Clustering to minimize the maximum intercluster
    distance", Theoretical Computer Science 38, 1985), over what the results say of an image: its score, where
    the strongest region lies and how large it is, and the statistics of the image, each in standard
    deviations.
    """
    both = _described([*free, *labelled])
    mine, known = both[: len(free)], both[len(free) :]
    middle = known if len(known) else mine.mean(axis=0, keepdims=True)
    nearest = np.full(len(mine), np.inf)
    for each in middle:
        nearest = np.minimum(nearest, np.linalg.norm(mine - each, axis=1))
    order = []
    for _ in range(min(len(free), 200)):
        place = int(nearest.argmax())
        if nearest[place] <= 0:
            break
        order.append(free[place])
        nearest = np.minimum(nearest, np.linalg.norm(mine - mine[place], axis=1))
    return order


def _described(results: Sequence[StoredResult]) -> FloatArray:
    names = sorted({name for result in results for name in result.image_statistics})
    rows = np.array([_features(result, names) for result in results], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        centre, spread = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    scaled = (rows - centre) / np.where(spread > 0, spread, 1.0)
    described: FloatArray = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0), -5, 5)
    return described


def _features(result: StoredResult, names: Sequence[str]) -> list[float]:
    ratio = max(result.score or 0.0, 1e-9) / max(result.threshold, 1e-9)
    width, height = result.width or 1, result.height or 1
    x, y, w, h = result.boxes[0] if result.boxes else (0, 0, 0, 0)
    place = ((x + w / 2) / width, (y + h / 2) / height) if result.boxes else (math.nan, math.nan)
    size = math.log1p(1000 * (result.defect_area_share or 0.0))
    statistics = (result.image_statistics.get(name, math.nan) for name in names)
    return [
        math.log(ratio),
        *place,
        size,
        *(value if math.isfinite(value) else math.nan for value in statistics),
    ]


def _in_turn(ranked: dict[Reason, list[StoredResult]], wanted: int) -> Iterable[Proposed]:
    taken: set[int] = set()
    places = dict.fromkeys(ORDER, 0)
    while len(taken) < wanted and any(places[reason] < len(ranked[reason]) for reason in ORDER):
        for reason in ORDER:
            while places[reason] < len(ranked[reason]):
                result = ranked[reason][places[reason]]
                places[reason] += 1
                if result.id not in taken:
                    taken.add(result.id)
                    yield Proposed(result, reason)
                    break
            if len(taken) >= wanted:
                return
