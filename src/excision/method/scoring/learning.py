"""Learning which features are normal: where positions refer to, and which distances count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from excision.features.record import FINE_CELL
from excision.method.scoring.appearance_search import find_clusters, warn_of_few
from excision.method.scoring.edge_features import edge_features
from excision.method.scoring.feature_distance import FeatureDistance, Moments
from excision.method.scoring.network_learning import NetworkMoments
from excision.method.scoring.observing import Normal, observer
from excision.method.scoring.poses import Posing
from excision.method.scoring.position_distance import Observed, moments_of
from excision.method.scoring.position_moments import (
    MomentsOfAppearances,
    PositionMoments,
    held_out_variance,
    merged,
)

if TYPE_CHECKING:
    from excision.method.scoring.scorer import Scorer

EdgeMoments = Moments | MomentsOfAppearances[Moments]
_Positions = PositionMoments | MomentsOfAppearances[PositionMoments]

_LEFT_BY_ALIGNMENT = 0.6  # largest share of the unexplained variance that alignment of many images may leave
_LEFT_BY_FEW = 0.8  # by how much less it is for one image: few fit their own mean by chance
_LEFT_BY_APPEARANCES = 0.8  # largest share of it, in images of left-out folds, that appearances may leave
_VARIES = 1e-12  # variance of a feature above rounding errors


class FeatureMoments(NamedTuple):
    """The moments of the features of each fold; empty for a distance that does not count.

    Attributes:
        edges: of the edges.
        network: of the features of networks, for each grid that counts.
    """

    edges: Sequence[EdgeMoments]
    network: Mapping[str, Sequence[NetworkMoments]]

    def without(self, fold: int) -> FeatureMoments:
        """Return the moments of all other folds."""
        after = fold + 1
        edges = [*self.edges[:fold], *self.edges[after:]]
        network = {name: [*parts[:fold], *parts[after:]] for name, parts in self.network.items()}
        return FeatureMoments(edges, network)


class _Candidate(NamedTuple):
    """A way to compare edges.

    Attributes:
        distance: untrained but for the variance that it explains.
        alignment: of the images; None if positions are those of the image.
        positions: moments of each fold that tell what position explains.
    """

    distance: FeatureDistance
    alignment: Posing | None
    positions: Sequence[_Positions]


def learn_edges(scorer: Scorer, normal: Normal) -> Sequence[EdgeMoments]:
    """Learn which edges are normal at each position, and whether positions refer to the aligned part.

    Args:
        scorer: gets a feature distance, and an alignment, if they count.
        normal: images of which edges are learnt; read up to five times.

    Returns:
        The moments of each fold; empty if the distance does not count.
    """
    best = _candidate(scorer.new_feature_distance(), None, normal)
    if not merged(best.positions).enough:
        return []
    if scorer.settings.score.align:
        alignment = scorer.new_alignment()
        looks = [*normal.each(alignment.look)]
        alignment.learn_from(looks)
        aligned = _candidate(scorer.new_feature_distance(aligned=True), alignment, normal)
        most = left_by_alignment(len(normal.folds))
        if 1 - aligned.distance.explained_variance < most * (1 - best.distance.explained_variance):
            best = aligned
        several = _learn_appearances(scorer, looks, normal)
        if several is not None and _explains_more(several.positions, best.positions):
            best = several
    if not best.distance.counts:
        return []
    # What a distance needs takes much memory: it is summed up for the best alone.
    empty = partial(best.distance.empty_moments, len(normal.folds))
    (moments,) = moments_of([empty], normal.each(_observer(best.alignment)), normal.folds)
    best.distance.fit(merged(moments))
    scorer.feature_distance, scorer.alignment = best.distance, best.alignment
    return moments


def _candidate(distance: FeatureDistance, alignment: Posing | None, normal: Normal) -> _Candidate:
    """Find out how much of the variance of edges position explains, aligned if there is an alignment."""
    (positions,) = moments_of([distance.position_moments], normal.each(_observer(alignment)), normal.folds)
    distance.explained_variance.fill_(merged(positions).explained_variance())
    return _Candidate(distance, alignment, positions)


def _observer(alignment: Posing | None) -> Callable[[Tensor], list[Observed]]:
    return observer(lambda image: [edge_features(image)], alignment, [FINE_CELL])


def left_by_alignment(images: int) -> float:
    """Return the largest share of the unexplained variance that alignment of so many images may leave.

    For eight images, the fewest of which a distance is learnt, it is one half.
    """
    return _LEFT_BY_ALIGNMENT - _LEFT_BY_FEW / images


def _learn_appearances(scorer: Scorer, looks: Sequence[Tensor], normal: Normal) -> _Candidate | None:
    """Learn which edges are normal for each of several appearances; None if there is only one.

    Warns:
        RareAppearanceWarning: some images look unlike all others, and are too few to be learnt apart.
    """
    together = torch.cat(list(looks))
    # The search takes small steps on small images, and divides the same way wherever the model is trained.
    clusters = find_clusters(together.cpu(), scorer.image_format.size, normal.folds)
    for images_left in clusters.left:
        warn_of_few(images_left)
    if len(clusters.members) < 2:
        return None
    appearances = scorer.new_appearances([1] * len(clusters.members))
    if not appearances.learn_from(together, clusters, normal.folds):
        return None
    distance = scorer.new_feature_distance(aligned=True, appearances=len(clusters.members))
    return _candidate(distance, appearances, normal)


def _explains_more(several: Sequence[_Positions], one: Sequence[_Positions]) -> bool:
    """Return whether several appearances tell enough more of images of left-out folds than one does."""
    before, after = held_out_variance(one), held_out_variance(several)
    # A feature that never varies, such as the colour of grey images, speaks for neither.
    varies = before > _VARIES
    return float((after[varies] / before[varies]).mean()) < _LEFT_BY_APPEARANCES
