"""Learning which features are normal: where positions refer to, and which distances count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from excision.features.record import FINE_CELL, Grid
from excision.method.scoring.appearance_search import find_clusters, warn_of_few
from excision.method.scoring.appearances import Appearances
from excision.method.scoring.attention_distance import AttentionDistance, attention_features, attention_grid
from excision.method.scoring.edge_features import edge_features
from excision.method.scoring.feature_distance import FeatureDistance, Moments
from excision.method.scoring.network_distances import new_distances
from excision.method.scoring.poses import Posing
from excision.method.scoring.position_distance import (
    MomentsOfAppearances,
    Observed,
    PositionDistance,
    PositionMoments,
    held_out_variance,
    merged,
)

if TYPE_CHECKING:
    from excision.method.scoring.scorer import Scorer

EdgeMoments = Moments | MomentsOfAppearances[Moments]
NetworkMoments = PositionMoments | MomentsOfAppearances[PositionMoments]

Images = Callable[[], Iterable[Tensor]]
"""Returns an iterator over normal images (1, C, H, W) in [0, 1]."""

Describe = Callable[[Tensor], Tensor | None]
"""Returns the features (1, C, h, w) of the attention network in an image; None if it has none."""

_LEFT_BY_ALIGNMENT = 0.6  # largest share of the unexplained variance that alignment of many images may leave
_LEFT_BY_FEW = 0.8  # by how much less it is for one image: few fit their own mean by chance
_LEFT_BY_APPEARANCES = 0.8  # largest share of it, in images of left-out folds, that appearances may leave
_VARIES = 1e-12  # variance of a feature above rounding errors
_FOR_SCALE = 64  # images from which the scale of a network's features is learnt


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


def learn_edges(scorer: Scorer, images: Images, folds: Sequence[int]) -> Sequence[EdgeMoments]:
    """Learn which edges are normal at each position, and whether positions refer to the aligned part.

    Args:
        scorer: gets a feature distance, and an alignment, if they count.
        images: of which edges are learnt; read up to four times.
        folds: fold of each image, counted from 0.

    Returns:
        The moments of each fold; empty if the distance does not count.
    """
    distance, count = scorer.new_feature_distance(), max(folds) + 1
    moments = distance.moments(map(edge_features, images()), folds, count)
    whole = merged(moments)
    if not whole.enough:
        return []
    distance.fit(whole)
    alignment: Posing | None = None
    if scorer.settings.score.align:
        candidate, aligned = scorer.new_alignment(), scorer.new_feature_distance(aligned=True)
        looks = [candidate.look(image) for image in images()]
        candidate.learn_from(looks)
        of_parts = aligned.moments(_observed(edge_features, images(), candidate, FINE_CELL), folds, count)
        aligned.fit(merged(of_parts))
        most = left_by_alignment(whole.count)
        if 1 - aligned.explained_variance < most * (1 - distance.explained_variance):
            alignment, distance, moments = candidate, aligned, of_parts
        several = _learn_appearances(scorer, looks, images, folds)
        if several is not None and _explains_more(several.moments, moments):
            alignment, distance, moments = several
    if not distance.counts:
        return []
    scorer.feature_distance, scorer.alignment = distance, alignment
    return moments


def left_by_alignment(images: int) -> float:
    """Return the largest share of the unexplained variance that alignment of so many images may leave.

    For eight images, the fewest of which a distance is learnt, it is one half.
    """
    return _LEFT_BY_ALIGNMENT - _LEFT_BY_FEW / images


class _Several(NamedTuple):
    """Appearances, with the distance of each and the moments of each fold."""

    alignment: Appearances
    distance: FeatureDistance
    moments: list[EdgeMoments]


def _learn_appearances(
    scorer: Scorer, looks: Sequence[Tensor], images: Images, folds: Sequence[int]
) -> _Several | None:
    """Learn which edges are normal for each of several appearances; None if there is only one.

    Warns:
        RareAppearanceWarning: some images look unlike all others, and are too few to be learnt apart.
    """
    together = torch.cat(list(looks))
    # The search takes small steps on small images, and divides the same way wherever the model is trained.
    clusters = find_clusters(together.cpu(), scorer.image_format.size, folds)
    for images_left in clusters.left:
        warn_of_few(images_left)
    if len(clusters.members) < 2:
        return None
    appearances = scorer.new_appearances([1] * len(clusters.members))
    if not appearances.learn_from(together, clusters, folds):
        return None
    distance = scorer.new_feature_distance(aligned=True, appearances=len(clusters.members))
    observed = _observed(edge_features, images(), appearances, FINE_CELL)
    moments = distance.moments(observed, folds, max(folds) + 1)
    distance.fit(merged(moments))
    return _Several(appearances, distance, moments)


def _explains_more(several: Sequence[EdgeMoments], one: Sequence[EdgeMoments]) -> bool:
    """Return whether several appearances tell enough more of images of left-out folds than one does."""
    before, after = held_out_variance(one), held_out_variance(several)
    # A feature that never varies, such as the colour of grey images, speaks for neither.
    varies = before > _VARIES
    return float((after[varies] / before[varies]).mean()) < _LEFT_BY_APPEARANCES


def learn_network(
    scorer: Scorer, images: Images, folds: Sequence[int]
) -> dict[str, Sequence[NetworkMoments]]:
    """Learn which features of a network are normal, on the aligned part if the edges are aligned.

    Args:
        scorer: gets a distance of the network's features for each grid on which it counts.
        images: of which features are learnt; read up to six times.
        folds: fold of each image, counted from 0.

    Returns:
        The moments of each fold, for each grid that counts; empty without a network.
    """
    network, alignment = scorer.network, scorer.alignment
    found: dict[str, Sequence[NetworkMoments]] = {}
    if network is None:
        return found

    def as_compared() -> Iterator[Tensor]:
        for image in images():
            yield image if alignment is None else alignment.align(image, alignment.place(image)[0])

    network.learn_scale(islice(as_compared(), _FOR_SCALE))
    tiles = not scorer.compares_positions
    if tiles:
        # In a tile, what position explains is padding alone.
        paddings = [torch.tensor(torch.inf)] * len(network.record.grids)
    else:
        paddings = _variances_by_padding(map(network, _rolled(as_compared())))
    for place, (grid, by_padding) in enumerate(zip(network.record.grids, paddings, strict=True)):

        def observed(place: int = place, grid: Grid = grid) -> Iterator[Observed]:
            return _observed(lambda image: network(image)[place], images(), alignment, grid.cell)

        # Where position explains nothing, all positions have one distribution.
        kind, size = scorer.settings.score.distance, scorer.image_format.size
        aligned, appearances = alignment is not None, scorer.appearances
        candidates = new_distances(kind, grid, size, aligned, tiles=tiles, appearances=appearances)
        found |= _learn_grid(scorer, grid, candidates, observed, by_padding, folds)
    return found


def learn_attention_features(
    scorer: Scorer, images: Images, folds: Sequence[int], describe: Describe
) -> dict[str, Sequence[NetworkMoments]]:
    """Learn which features of the attention network are normal, if edges and they have normal positions.

    On an aligned part they do not count: they would have to be computed again, on the turned image.

    Args:
        scorer: gets the distance if it counts.
        images: of which features are learnt; read up to three times.
        folds: fold of each image, counted from 0.
        describe: returns the features of an image, or None.

    Returns:
        The moments of each fold, by the name of the grid; empty if the distance does not count.
    """
    if scorer.feature_distance is None or scorer.alignment is not None or not scorer.wants_attention:
        return {}
    first = describe(next(iter(images())))
    if first is None:
        return {}

    def features(image: Tensor) -> Tensor:
        found = describe(image)
        assert found is not None
        return attention_features(found)

    by_padding = _variances_by_padding([features(image)] for image in _rolled(images()))[0]
    distance = AttentionDistance(first.shape[1], (first.shape[2], first.shape[3]))
    grid = attention_grid(first.shape[1])
    return _learn_grid(scorer, grid, [distance], lambda: map(features, images()), by_padding, folds)


def _learn_grid(
    scorer: Scorer,
    grid: Grid,
    candidates: Iterable[PositionDistance],
    observed: Callable[[], Iterator[Observed]],
    by_padding: Tensor,
    folds: Sequence[int],
) -> dict[str, Sequence[NetworkMoments]]:
    """Give the scorer the first distance that counts; return its moments by the name of the grid."""
    for distance in candidates:
        distance.to(scorer.tails.device).by_padding = by_padding
        moments = distance.moments(observed(), folds, max(folds) + 1)
        whole = merged(moments)
        if not whole.enough:
            break
        distance.fit(whole)
        if distance.counts:
            scorer.network_distances[grid.name] = distance
            return {grid.name: moments}
    return {}


def _observed(
    features: Callable[[Tensor], Tensor], images: Iterable[Tensor], alignment: Posing | None, cell: int
) -> Iterator[Observed]:
    """Compute the features of images (1, C, H, W), aligned if there is an alignment, on a grid of cells."""
    for image in images:
        if alignment is None:
            yield features(image)
        else:
            pose, appearance = alignment.place(image)
            yield features(alignment.align(image, pose)), alignment.seen(pose, cell), appearance


def _variances_by_padding(features: Iterable[Sequence[Tensor]]) -> list[Tensor]:
    """Return the variance (C,) between positions of the features (1, C, h, w) of rolled images, on each grid.

    A network pads with zeros, so that its features depend on the distance from the border even on a surface
    that is the same everywhere. In rolled images nothing else depends on the position.
    """
    moments: list[PositionMoments] = []
    for grids in features:
        moments = moments or [PositionMoments(each.shape, each.device) for each in grids]
        for own, each in zip(moments, grids, strict=True):
            own.add(each)
    return [own.variances()[0] for own in moments]


def _rolled(images: Iterable[Tensor]) -> Iterator[Tensor]:
    """Shift each image (1, C, H, W) by a random number of pixels; what leaves it enters on the other side."""
    draw = torch.Generator().manual_seed(0)
    for image in images:
        shifts = tuple(int(torch.randint(side, (1,), generator=draw)) for side in image.shape[2:])
        yield image.roll(shifts, dims=(2, 3))
