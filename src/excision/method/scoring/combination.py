"""The combination of all evidence into one anomaly map, in nats of surprisal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from excision.features.record import FINE_CELL
from excision.method.scoring.evidence import Evidence
from excision.method.scoring.poses import Posing
from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.surprisal import scales, surprisal
from excision.ops.resampling import enlarge

if TYPE_CHECKING:
    from excision.method.scoring.scorer import Scorer


class _Compared(NamedTuple):
    """A feature distance that counts.

    Attributes:
        found: (B, 1, h, w) >= 0, the surprisal of each position of its grid.
        own: the distance itself.
        cell: side of a position in pixels.
        of_edges: whether the edges are compared, rather than features of a network.
    """

    found: Tensor
    own: PositionDistance
    cell: int
    of_edges: bool


def combined(scorer: Scorer, evidence: Evidence) -> Tensor:
    """Combine the evidence into the anomaly map (B, 1, H, W) >= 0, the weighted surprisal in nats.

    The residuals measure the same difference, so only the largest of their surprisals counts. It is
    truncated, so that an unremarkable residual does not dilute the attention, and added to the surprisal of
    the attention as in I. J. Good, "On the weighted combination of significance tests", Journal of the Royal
    Statistical Society B 17, 1955; with equal weights this is Fisher's statistic. If only the residual
    counts, the map is the residual itself.

    The feature distance of the edges has the weight u and the rest 1 - u: the better position explains the
    features of normal images, the more a difference from them counts. Those of networks are added with their
    weights: they tell what no other evidence does.
    """
    return joined(scorer, evidence, of_residuals(scorer, evidence))


def of_residuals(scorer: Scorer, evidence: Evidence) -> Tensor:
    """Return what the residuals add to the anomaly map (B, 1, H, W) >= 0, before the weight of the edges.

    Without a hole it is exactly 0: a residual of 0 has no surprisal.
    """
    if not evidence.residuals:
        cells = evidence.attention
        return cells.new_zeros(len(cells), 1, *scorer.image_format.size)
    if not scorer.counts_attention:
        return evidence.residuals[0]
    score = scorer.settings.score
    found = [
        surprisal(residual, median, excess, score.residual_truncation)
        for residual, (median, excess) in zip(
            evidence.residuals, scales(scorer.tails, evidence.appearance)[:-1], strict=True
        )
    ]
    return reduce(torch.maximum, found).mul_(score.residual_weight)


def joined(scorer: Scorer, evidence: Evidence, residual: Tensor) -> Tensor:
    """Return the anomaly map as `combined` does, with `of_residuals` given; it may be changed in place."""
    if not scorer.counts_attention:
        return residual
    attention = surprisal(evidence.attention, *scales(scorer.tails, evidence.appearance)[-1])
    if evidence.pose is None or scorer.alignment is None:
        return _on_image(scorer, evidence, residual, attention)
    return _on_part(scorer, scorer.alignment, evidence, residual, attention)


def _on_image(scorer: Scorer, evidence: Evidence, residual: Tensor, attention: Tensor) -> Tensor:
    """Add what is said of positions in the image.

    Enlarging is linear: what has the same grid is added up there, and enlarged once.
    """
    edges = scorer.feature_distance
    if edges is not None:
        residual, attention = residual.mul_(1 - edges.weight), attention.mul_(1 - edges.weight)
    sums = {scorer.settings.mask.patch: attention}
    for found, own, cell, _ in _compared(scorer, evidence):
        told = found.mul_(own.weight)
        sums[cell] = sums[cell].add_(told) if cell in sums else told
    for cell, total in sums.items():
        residual = residual.add_(enlarge(total, cell, scorer.image_format.size))
    return residual


def _on_part(
    scorer: Scorer, alignment: Posing, evidence: Evidence, residual: Tensor, attention: Tensor
) -> Tensor:
    """Add what is said of positions on the aligned part, put back to where the part lies in the image."""
    assert evidence.pose is not None
    maps = residual.add_(enlarge(attention, scorer.settings.mask.patch, scorer.image_format.size))
    for found, own, cell, of_edges in _compared(scorer, evidence):
        judged = own.judged(evidence.seen[cell], evidence.appearance)
        told, shown = alignment.put_back(found, evidence.pose, cell, judged)
        # Not `own is scorer.feature_distance`: while a graph is exported, each access gives another object.
        if of_edges:
            # What was not compared, such as corners cut off by the rotation, has the other evidence in full.
            maps = maps.mul_(1 - own.weight * shown)
        maps = maps.add_(told.mul_(own.weight))
    return maps


def _compared(scorer: Scorer, evidence: Evidence) -> Iterator[_Compared]:
    """Yield the distances that count: that of the edges, then those of networks, finer grids first."""
    distances = [] if evidence.distance is None else [(FINE_CELL, evidence.distance)]
    cells = [grid.cell for grid, _ in scorer.compared()]
    distances += zip(cells, evidence.network_distances, strict=True)
    for place, (own, (cell, distance)) in enumerate(zip(scorer.distances, distances, strict=True)):
        median, excess = scales(own.tail[..., None, :], evidence.appearance)[0]
        of_edges = evidence.distance is not None and place == 0
        yield _Compared(surprisal(distance, median, excess, own.truncation), own, cell, of_edges)
