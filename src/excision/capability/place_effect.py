"""How detection varies over the part: the smallest detectable defect at each place.

The log odds of a drawing are those of its curve plus an effect of its place. The effect is estimated at each
place from the drawings around it, pulled towards none by a normal prior; how wide the prior is, is chosen by
how well parts that are left out are predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from excision.capability.limits import logit
from excision.capability.records import Record
from excision.capability.result import Curve, PlaceMap

Floats = NDArray[np.float64]

_WIDTHS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
_FOLDS = 5
_LONGER = 24
"""Nodes of the map along the longer side of the part."""

_MOST = 4000
"""Drawings that a map is made of at most."""


def map_places(
    records: Sequence[Record], curves: Sequence[Curve], shape: tuple[float, float], rate: float
) -> PlaceMap | None:
    """Give the map of one kind at the contrast in the middle of those whose curves can be used.

    Args:
        records: drawings of that kind at all contrasts.
        curves: of that kind; those that do not fit are left out.
        shape: height and width of the box around the part.
        rate: wanted probability of detection.

    Returns:
        The map; None if no curve can be used: each kind is either always found or never.
    """
    usable = {
        curve.contrast: curve
        for curve in curves
        if curve.fits and curve.slope > 0 and 0 < curve.hits < curve.drawings
    }
    if not usable:
        return None
    shown = usable[sorted(usable)[len(usable) // 2]]
    used = [one for one in records if one.contrast in usable][:_MOST]
    place = np.array([(one.down, one.across) for one in used])
    hit = np.array([float(one.hit) for one in used])
    eta = np.array(
        [usable[one.contrast].intercept + usable[one.contrast].slope * math.log(one.size) for one in used]
    )
    rows, columns = _nodes(shape)
    scale = _reach(shape)
    prior = _choose_prior(place / scale, eta, hit, [one.group for one in used])
    nodes = np.stack(
        np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij"),
        axis=-1,
    ).reshape(-1, 2)
    effect = _effects(nodes / scale, place / scale, eta, hit, prior)
    log_size = (logit(rate) - shown.intercept - effect) / shown.slope
    sizes = np.exp(np.clip(log_size, -50, 50))
    return PlaceMap(
        shown.kind,
        shown.contrast,
        shown.smallest,
        shown.largest,
        prior,
        rows,
        columns,
        tuple(
            None if size > shown.largest else float(f"{max(size, shown.smallest):.4g}")
            for size in sizes.tolist()
        ),
    )


def _nodes(shape: tuple[float, float]) -> tuple[int, int]:
    longer = max(shape)
    rows, columns = (max(4, round(_LONGER * side / longer)) for side in shape)
    return rows, columns


def _reach(shape: tuple[float, float]) -> Floats:
    """Give the deviation of the kernel down and across, as a share of the box: a ninth of its mean side."""
    side = math.sqrt(shape[0] * shape[1]) / 9
    return np.array([side / shape[0], side / shape[1]])


def _choose_prior(place: Floats, eta: Floats, hit: Floats, groups: Sequence[str]) -> float:
    """Choose the deviation of the effect by cross-validation over whole groups of parts."""
    names = sorted(set(groups))
    fold = {name: number % _FOLDS for number, name in enumerate(names)}
    of = np.array([fold[name] for name in groups])
    gains = []
    for width in _WIDTHS:
        gain = 0.0
        for number in range(_FOLDS):
            out, rest = of == number, of != number
            if not out.any() or not rest.any():
                continue
            effect = _effects(place[out], place[rest], eta[rest], hit[rest], width)
            signed = np.where(hit[out] > 0, eta[out] + effect, -eta[out] - effect)
            gain -= float(np.logaddexp(0.0, -signed).sum())
        gains.append(gain)
    return _WIDTHS[int(np.argmax(gains))]


def _effects(nodes: Floats, place: Floats, eta: Floats, hit: Floats, prior: float) -> Floats:
    """Give the effect (M,) at nodes (M, 2) by Newton's method, from drawings at places (N, 2)."""
    effect = np.zeros(len(nodes))
    if prior <= 0 or not len(place):
        return effect
    distance = ((nodes[:, None] - place[None]) ** 2).sum(axis=2)
    kernel = np.exp(-0.5 * distance)
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(eta + effect[:, None], -40, 40)))
        gradient = (kernel * (hit - p)).sum(axis=1) - effect / prior**2
        curvature = (kernel * p * (1 - p)).sum(axis=1) + 1 / prior**2
        step = np.clip(gradient / curvature, -1, 1)
        effect += step
        if float(np.abs(step).max()) < 1e-6:
            break
    return effect
