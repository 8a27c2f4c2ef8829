"""Learning which features of networks are normal, and which of their distances count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from excision.features.record import Grid
from excision.method.scoring.attention_distance import AttentionDistance, attention_features, attention_grid
from excision.method.scoring.network_distances import new_distances
from excision.method.scoring.observing import Normal, observer
from excision.method.scoring.position_distance import Observed, PositionDistance, moments_of
from excision.method.scoring.position_moments import MomentsOfAppearances, PositionMoments, merged

if TYPE_CHECKING:
    from excision.method.scoring.scorer import Scorer

NetworkMoments = PositionMoments | MomentsOfAppearances[PositionMoments]
MomentsOfGrids = Mapping[str, Sequence[NetworkMoments]]
"""The moments of each fold, by the name of each grid that counts."""

DescribeAttention = Callable[[Tensor], Tensor | None]
"""Returns the features (1, C, h, w) of the attention network in an image; None if it has none."""

_Shift = tuple[int, ...]  # pixels downwards and to the right

_FOR_SCALE = 64  # images from which the scale of a network's features is learnt


class _Wanted(NamedTuple):
    """A grid, and the untrained distances of which the first that counts is to be used."""

    grid: Grid
    candidates: Sequence[PositionDistance]


def learn_network(scorer: Scorer, normal: Normal) -> MomentsOfGrids:
    """Learn which features of a network are normal, on the aligned part if the edges are aligned.

    Args:
        scorer: gets a distance of the network's features for each grid on which it counts.
        normal: images of which features are learnt; read up to four times.

    Returns:
        The moments of each fold, for each grid that counts; empty without a network.
    """
    network, alignment, device = scorer.network, scorer.alignment, scorer.tails.device
    if network is None:
        return {}

    def compared(image: Tensor) -> Tensor:
        return image if alignment is None else alignment.align(image, alignment.place(image)[0])

    def rolled(item: tuple[Tensor, _Shift]) -> list[Tensor]:
        found: list[Tensor] = network(_rolled(compared(item[0]), item[1]))
        return found

    def observe(places: Sequence[int]) -> Callable[[Tensor], list[Observed]]:
        def describe(image: Tensor) -> list[Tensor]:
            found = network(image)
            return [found[place] for place in places]

        return observer(describe, alignment, [grids[place].cell for place in places])

    scaling = islice(normal.images(), _FOR_SCALE)
    network.learn_scale(normal.each_of(lambda image: network.units(compared(image)), scaling))
    grids, tiles = network.record.grids, not scorer.compares_positions
    if tiles:
        # In a tile, what position explains is padding alone.
        paddings = [torch.tensor(torch.inf)] * len(grids)
    else:
        paddings = _variances_by_padding(normal.each_of(rolled, _with_shifts(normal.images())))
    # Where position explains nothing, all positions have one distribution.
    kind, size, aligned = scorer.settings.score.distance, scorer.image_format.size, alignment is not None
    wanted = []
    for grid, by_padding in zip(grids, paddings, strict=True):
        found = new_distances(kind, grid, size, aligned, tiles=tiles, appearances=scorer.appearances)
        wanted.append(_Wanted(grid, _placed(found, by_padding, device)))
    return _learn_grids(scorer, wanted, observe, normal)


def learn_attention_features(scorer: Scorer, normal: Normal, describe: DescribeAttention) -> MomentsOfGrids:
    """Learn which features of the attention network are normal, if edges and they have normal positions.

    On an aligned part they do not count: they would have to be computed again, on the turned image.

    Args:
        scorer: gets the distance if it counts.
        normal: images of which features are learnt; read up to three times.
        describe: returns the features of an image, or None.

    Returns:
        The moments of each fold, by the name of the grid; empty if the distance does not count.
    """
    if scorer.feature_distance is None or scorer.alignment is not None or not scorer.wants_attention:
        return {}
    first = describe(next(iter(normal.images())))
    if first is None:
        return {}

    def features(image: Tensor) -> list[Tensor]:
        found = describe(image)
        assert found is not None
        return [attention_features(found)]

    def rolled(item: tuple[Tensor, _Shift]) -> list[Tensor]:
        return features(_rolled(*item))

    device = scorer.tails.device
    (by_padding,) = _variances_by_padding(normal.each_of(rolled, _with_shifts(normal.images())))
    distance = AttentionDistance(first.shape[1], (first.shape[2], first.shape[3]))
    wanted = _Wanted(attention_grid(first.shape[1]), _placed([distance], by_padding, device))
    return _learn_grids(scorer, [wanted], lambda _: observer(features, None, ()), normal)


def _placed(
    distances: Sequence[PositionDistance], by_padding: Tensor, device: torch.device
) -> Sequence[PositionDistance]:
    for distance in distances:
        distance.to(device).by_padding = by_padding
    return distances


def _learn_grids(
    scorer: Scorer,
    wanted: Sequence[_Wanted],
    observe: Callable[[Sequence[int]], Callable[[Tensor], list[Observed]]],
    normal: Normal,
) -> MomentsOfGrids:
    """Give the scorer the first distance of each grid that counts; return its moments by the grid's name.

    Args:
        scorer: gets the distances.
        wanted: the grids.
        observe: returns what computes the features of an image on the grids of these places.
        normal: images of which features are learnt; read once or twice.
    """

    def pass_over(chosen: Mapping[int, PositionDistance]) -> dict[int, list[Any]]:
        empty = [partial(each.empty_moments, len(normal.folds)) for each in chosen.values()]
        moments = moments_of(empty, normal.each(observe([*chosen])), normal.folds)
        return dict(zip(chosen, moments, strict=True))

    # Which one counts can be told by the moments of any. The last needs the least memory, and is often right.
    simplest = {place: own.candidates[-1] for place, own in enumerate(wanted)}
    found = pass_over(simplest)
    chosen = {place: _counting(own.candidates, found[place]) for place, own in enumerate(wanted)}
    others = {place: each for place, each in chosen.items() if each not in (None, simplest[place])}
    if others:
        found |= pass_over({place: each for place, each in others.items() if each is not None})
    learnt = {}
    for place, distance in chosen.items():
        if distance is not None:
            name = wanted[place].grid.name
            distance.fit(merged(found[place]))
            scorer.network_distances[name], learnt[name] = distance, found[place]
    return learnt


def _counting(candidates: Sequence[PositionDistance], moments: Sequence[Any]) -> PositionDistance | None:
    """Return the first distance that counts by the moments of each fold; None of too few images."""
    whole = merged(moments)
    for distance in candidates if whole.enough else ():
        distance.explained_variance.fill_(whole.explained_variance(distance.by_padding))
        if distance.counts:
            return distance
    return None


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


def _with_shifts(images: Iterable[Tensor]) -> Iterator[tuple[Tensor, _Shift]]:
    """Draw by how many pixels each image (1, C, H, W) is to be rolled."""
    draw = torch.Generator().manual_seed(0)
    for image in images:
        yield image, tuple(int(torch.randint(side, (1,), generator=draw)) for side in image.shape[2:])


def _rolled(image: Tensor, shift: _Shift) -> Tensor:
    """Shift an image (1, C, H, W) by pixels; what leaves it enters on the other side."""
    return image.roll(shift, dims=(2, 3))
