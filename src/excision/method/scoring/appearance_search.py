"""Search for appearances: clusters of normal images, each of which fits a mean image of its own.

Clusters are divided in two again and again (bisecting k-means; Steinbach, Karypis, Kumar, "A comparison of
document clustering techniques", KDD Workshop on Text Mining 2000). The distance of an image from a cluster is
the mean squared difference from its mean image after alignment, so that rotation and shift do not count.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from excision.errors import RareAppearanceWarning
from excision.method.scoring.alignment import Alignment, every_turn
from excision.method.scoring.position_moments import LEAST_IMAGES
from excision.ops.resampling import Size

MOST_APPEARANCES = 8
LEAST_IN_APPEARANCE = 10
"""Images from which an appearance is learnt; fewer do not give statistics of their own."""

_LEAST_TOLD = 3  # images that look alike and unlike the others, from which on it is no accident
_ROUNDS = 8
_SEEDS = (0.5, 0.75, 0.9, 0.97)  # quantiles of the distance from one image, at which the other seed is taken
_LEAST_FOLDS = 3  # folds that show an appearance: fewer may be a lot or a session
_LEAST_APART = 0.1  # median margin, in squared standard deviations: the mean images have a correlation of .95
_UNSURE = 0.5  # share of its cluster's median margin below which it is unsure where an image belongs
_MOST_UNSURE = 0.02  # share of the images
_LEFT = 0.8  # largest share of the mean squared difference that dividing a cluster may leave

Members = list[int]


class Clusters(NamedTuple):
    """What the search found.

    Attributes:
        members: the images of each appearance, by their number; one appearance if no division is clear.
        left: the number of images in each cluster that is too small to be an appearance.
    """

    members: list[Members]
    left: list[int]


class _Division(NamedTuple):
    """Two clusters, and the mean squared difference that they leave, of images of left-out folds."""

    clusters: tuple[Members, Members]
    misfit: float


@torch.no_grad()
def find_clusters(looks: Tensor, size: Size, folds: Sequence[int]) -> Clusters:
    """Divide normal images into appearances, as long as a division is clear.

    A division is judged by images of folds that took no part in the mean images. It is clear if nearly all
    of them fit one of the two clusters by far better than the other one, if the mean images of the two differ
    by more than another light, and if they leave at most four fifths of the mean squared difference from one
    mean image. A continuous variation, such as that of the light, has images in between, and is not divided.
    With one fold, no image can be left out, and there is one appearance.

    Args:
        looks: (N, 1, h, w), `Alignment.look` of each image.
        size: (H, W) of the images in pixels.
        folds: fold of each image.
    """
    if len(set(folds)) < 2:
        return Clusters([list(range(len(looks)))], [])
    waiting: list[Members] = [list(range(len(looks)))]
    done: list[Members] = []
    left: list[int] = []
    while waiting:
        waiting.sort(key=len)
        members = waiting.pop()
        division = None
        if len(waiting) + len(done) + 1 < MOST_APPEARANCES:
            division = _divide(looks[members], size, [folds[each] for each in members])
        if division is not None:
            clusters = [[members[place] for place in part] for part in division.clusters]
            if all(enough(part, folds) for part in clusters):
                waiting += clusters
                continue
            left += [len(part) for part in clusters if not enough(part, folds)]
        done.append(members)
    return Clusters(sorted(done), left)


def warn_of_few(images: int) -> None:
    """Warn that some images are too few to be learnt as an appearance."""
    warnings.warn(
        f"{images} good images resemble one another and no other one, as another part or variant would. "
        f"To learn it apart takes at least {LEAST_IN_APPEARANCE} images from several groups: these are "
        "learnt as variations of the others. Add good images like them, or remove them if they do not belong "
        "here",
        RareAppearanceWarning,
        stacklevel=2,
    )


def enough(members: Sequence[int], folds: Sequence[int]) -> bool:
    """Return whether statistics can be learnt of these images, and without any one of the folds as well."""
    of_members = [folds[each] for each in members]
    counts = [of_members.count(fold) for fold in set(of_members)]
    without = len(members) - max(counts, default=0)
    in_all = len(members) >= LEAST_IN_APPEARANCE and len(counts) >= _LEAST_FOLDS
    return in_all and without >= LEAST_IMAGES


def _divide(looks: Tensor, size: Size, folds: Sequence[int]) -> _Division | None:
    """Return the best clear division of images; None if there is none."""
    if len(looks) < LEAST_IN_APPEARANCE + _LEAST_TOLD:
        return None
    whole = Alignment(size)
    whole.learn_from(_singly(looks))
    labels = torch.zeros(len(looks), dtype=torch.int64)
    poses = whole.settle(looks)
    before = _held_out(looks, size, folds, labels, poses[None])
    if before is None:
        return None
    found: list[_Division] = []
    for labels, poses in _divisions(looks, size, whole.misfit(looks, whole.settle(looks))):
        division = _judged(looks, size, folds, labels, poses, float(before.mean()))
        if division is not None:
            found.append(division)
    sizes = [tuple(enough(part, folds) for part in each.clusters) for each in found]
    ranked = sorted(zip(sizes, found, strict=True), key=lambda pair: (not all(pair[0]), pair[1].misfit))
    return ranked[0][1] if ranked else None


def _divisions(looks: Tensor, size: Size, misfit: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield different divisions in two, as the cluster (N,) of each image and its pose (2, N, 3) in both.

    Args:
        looks: (N, 1, h, w).
        size: (H, W) of the images in pixels.
        misfit: (N,), mean squared difference of each image from the mean of all.
    """
    first = int(misfit.argmin())
    away = _template(looks[first : first + 1], torch.zeros(1, 3), size)
    order = away.misfit(looks, away.settle(looks)).argsort()
    seen: list[Tensor] = []
    for quantile in _SEEDS:
        second = int(order[round(quantile * (len(looks) - 1))])
        templates = [_template(looks[[seed]], torch.zeros(1, 3), size) for seed in (first, second)]
        labels = torch.full((len(looks),), -1)
        for _ in range(_ROUNDS):
            poses = torch.stack([each.settle(looks) for each in templates])
            fits = [each.misfit(looks, pose) for each, pose in zip(templates, poses, strict=True)]
            before, labels = labels, torch.stack(fits).argmin(dim=0)
            if labels.equal(before) or labels.min() == labels.max():
                break
            for cluster, template in enumerate(templates):
                own = labels == cluster
                template.load_mean(_singly(looks[own]), poses[cluster, own])
        if labels.min() < labels.max() and not any(labels.equal(each) for each in seen):
            seen += (labels, 1 - labels)
            yield labels, poses


def _judged(
    looks: Tensor, size: Size, folds: Sequence[int], labels: Tensor, poses: Tensor, before: float
) -> _Division | None:
    """Return a division if it is clear, and None otherwise; `before` is the mean difference without it."""
    parts = tuple((labels == cluster).nonzero().flatten().tolist() for cluster in range(2))
    if min(map(len, parts)) < _LEAST_TOLD:
        return None
    fits = _held_out(looks, size, folds, labels, poses)
    if fits is None:
        return None
    own = fits.gather(0, labels[None])[0]
    margin = fits.gather(0, 1 - labels[None])[0] - own
    typical = torch.stack([margin[part].median() for part in parts])
    unsure = int((margin < _UNSURE * typical[labels]).sum())
    misfit = float(own.mean())
    apart = float(typical.min()) >= _LEAST_APART
    if not apart or unsure > max(1, _MOST_UNSURE * len(looks)) or misfit > _LEFT * before:
        return None
    return _Division((parts[0], parts[1]), misfit)


def _held_out(
    looks: Tensor, size: Size, folds: Sequence[int], labels: Tensor, poses: Tensor
) -> Tensor | None:
    """Return how far images are from the mean of each cluster without their fold.

    Args:
        looks: (N, 1, h, w).
        size: (H, W) of the images in pixels.
        folds: fold of each image.
        labels: (N,), cluster of each image.
        poses: (clusters, N, 3), pose of each image relative to each cluster.

    Returns:
        (clusters, N); None if all images of a cluster are of one fold.
    """
    fold = torch.tensor(folds)
    found = torch.zeros(len(poses), len(looks))
    for number in set(folds):
        out = fold == number
        for cluster, pose in enumerate(poses):
            kept = (labels == cluster) & ~out
            if not kept.any():
                return None
            template = _template(looks[kept], pose[kept], size)
            found[cluster, out] = template.misfit(looks[out], template.settle(looks[out]))
    return found


def _template(looks: Tensor, poses: Tensor, size: Size) -> Alignment:
    """Return an alignment with the mean of images (N, 1, h, w) in their poses (N, 3), in any rotation."""
    template = Alignment(size)
    template.starts = every_turn()
    template.load_mean(_singly(looks), poses)
    return template


def _singly(looks: Tensor) -> list[Tensor]:
    return [looks[number : number + 1] for number in range(len(looks))]
