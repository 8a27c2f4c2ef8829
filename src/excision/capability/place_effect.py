"""How detection varies over the part: the smallest detectable defect at each place.

The log odds of a drawing are those of its curve plus an effect of its place. The effect is estimated at each
place from the drawings around it, pulled towards none by a normal prior; how wide the prior is, is chosen by
how well parts that are left out are predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.capability.curve import Curve, PlaceMap
from excision.capability.kinds import Kind
from excision.capability.limits import logit
from excision.capability.records import Record

Floats = NDArray[np.float64]

_WIDTHS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
_FOLDS = 5
_LONGER = 24
"""Nodes of the map along the longer side of the part."""

_MOST = 4000
"""Drawings that a map is made of at most."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The drawings of one kind on the curves that can be used.

    Attributes:
        shown: curve at whose contrast the map is shown.
        place: (N, 2) in units of the kernel.
        eta: (N,) log odds by the curves.
        hit: (N,) 1 or 0.
        group: (N,) groups of the parts.
    """

    shown: Curve
    place: Floats
    eta: Floats
    hit: Floats
    group: tuple[str, ...]


def map_places(
    records: Sequence[Record], curves: Sequence[Curve], shape: tuple[int, int], rate: float
) -> tuple[PlaceMap, ...]:
    """Give the map of each kind of which at least one curve can be used.

    A map is shown at the weakest contrast at which `rate` is reached, or else at the strongest.

    Args:
        records: drawings of all kinds and contrasts.
        curves: of these; those that do not fit, or were always or never found, are left out.
        shape: height and width of the box around the part.
        rate: wanted probability of detection.
    """
    usable: dict[Kind, dict[float, Curve]] = {}
    for curve in curves:
        if curve.fits and curve.slope > 0 and 0 < curve.hits < curve.drawings:
            usable.setdefault(curve.kind, {})[curve.contrast] = curve
    scale = _reach(shape)
    drawn = [_collect(records, known, scale) for known in usable.values()]
    prior = _choose_prior(drawn)
    return tuple(_map(one, shape, scale, prior, rate) for one in drawn)


def _collect(records: Sequence[Record], known: dict[float, Curve], scale: Floats) -> _Drawn:
    ordered = [known[contrast] for contrast in sorted(known)]
    shown = next((curve for curve in ordered if curve.a90.relation == "="), ordered[-1])
    used = [one for one in records if one.kind == shown.kind and one.contrast in known][:_MOST]
    return _Drawn(
        shown,
        np.array([(one.down, one.across) for one in used]) / scale,
        np.array(
            [known[one.contrast].intercept + known[one.contrast].slope * math.log(one.size) for one in used]
        ),
        np.array([float(one.hit) for one in used]),
        tuple(one.group for one in used),
    )


def _map(drawn: _Drawn, shape: tuple[int, int], scale: Floats, prior: float, rate: float) -> PlaceMap:
    rows, columns = _nodes(shape)
    down, across = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
    nodes = np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1).reshape(-1, 2) / scale
    effect = _effects(nodes, drawn.place, drawn.eta, drawn.hit, prior)
    shown = drawn.shown
    sizes = np.exp(np.clip((logit(rate) - shown.intercept - effect) / shown.slope, -50, 50))
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


def _nodes(shape: tuple[int, int]) -> tuple[int, int]:
    longer = max(shape)
    rows, columns = (max(4, round(_LONGER * side / longer)) for side in shape)
    return rows, columns


def _reach(shape: tuple[int, int]) -> Floats:
    """Give the deviation of the kernel down and across, as a share of the box: a ninth of its mean side."""
    side = math.sqrt(shape[0] * shape[1]) / 9
    return np.array([side / shape[0], side / shape[1]])


def _choose_prior(drawn: Sequence[_Drawn]) -> float:
    """Choose the deviation of the effect by cross-validation over whole groups of parts, all kinds together.

    The narrowest prior is taken whose prediction is within one standard error of the best one's (Breiman et
    al., "Classification and regression trees", 1984): a map that chance could have drawn stays even.
    """
    if not drawn:
        return 0.0
    gains = np.stack([np.concatenate([_left_out(one, width) for one in drawn]) for width in _WIDTHS])
    best = int(np.argmax(gains.sum(axis=1)))
    for place, width in enumerate(_WIDTHS[:best]):
        lost = gains[best] - gains[place]
        if float(lost.sum()) <= float(lost.std()) * math.sqrt(len(lost)):
            return width
    return _WIDTHS[best]


def _left_out(drawn: _Drawn, width: float) -> Floats:
    """Give the log-likelihood of each drawing, predicted from the other groups of parts."""
    number = {name: place for place, name in enumerate(sorted(set(drawn.group)))}
    fold = np.array([number[name] % _FOLDS for name in drawn.group])
    effect = np.zeros(len(fold))
    for one in range(_FOLDS):
        out, rest = fold == one, fold != one
        effect[out] = _effects(drawn.place[out], drawn.place[rest], drawn.eta[rest], drawn.hit[rest], width)
    signed = np.where(drawn.hit > 0, drawn.eta + effect, -drawn.eta - effect)
    return np.asarray(-np.logaddexp(0.0, -signed))


def _effects(nodes: Floats, place: Floats, eta: Floats, hit: Floats, prior: float) -> Floats:
    """Give the effect (M,) at nodes (M, 2) by Newton's method, from drawings at places (N, 2)."""
    effect = np.zeros(len(nodes))
    if prior <= 0 or not len(place) or not len(nodes):
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
