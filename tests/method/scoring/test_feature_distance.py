"""What is usual at a place, and the distance from it, against a slow version in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from excision.method.scoring.feature_distance import FeatureDistance, Moments
from excision.method.scoring.position_moments import merged

Array = NDArray[np.float64]

GRIDS = [(6, 8), (7, 5), (3, 3)]


def parts(count: int, grid: tuple[int, int], channels: int = 3, noise: float = 0.3, seed: int = 0) -> Array:
    """Features (N, C, h, w) of parts that lie alike: a pattern of the place, and noise growing downwards."""
    rng = np.random.default_rng(seed)
    pattern = np.random.default_rng(99).normal(size=(1, channels, *grid))
    growing = np.linspace(0.5, 1.5, grid[0])[:, None]
    mixing = np.random.default_rng(98).normal(size=(channels, channels))
    drawn = np.einsum("cd,ndhw->nchw", mixing, rng.normal(size=(count, channels, *grid)))
    values: Array = pattern + noise * growing * drawn
    return values


def learnt(features: Array, shrinks: bool = False) -> FeatureDistance:
    familiar = FeatureDistance(features.shape[1], (features.shape[2], features.shape[3]), shrinks).double()
    familiar.fit(moments_of(familiar, features)[0])
    assert familiar.counts
    return familiar


def moments_of(familiar: FeatureDistance, features: Array, folds: int = 1) -> list[Moments]:
    images = [torch.from_numpy(each)[None] for each in features]
    return familiar.moments(images, [index % folds for index in range(len(images))], folds)


def distances(familiar: FeatureDistance, features: Array) -> Array:
    found: Array = familiar(torch.from_numpy(features))[:, 0].numpy()
    return found


def smooth(planes: Array, sigma: float) -> Array:
    """Gaussian over the last two axes, cut off where `gaussian_blur` cuts it off."""
    radius = max(1, round(3 * sigma))
    # Where a picture is too small to be reflected, its border is repeated.
    mode = "mirror" if radius < min(planes.shape[-2:]) else "nearest"
    filtered: Array = ndimage.gaussian_filter(planes, sigma, axes=(-2, -1), radius=radius, mode=mode)
    return filtered


def slow_distances(training: Array, features: Array, of_all_weight: float = 0.02) -> Array:
    """One place after the other, with blocks of 2 x 2 places, then averaged over neighbours."""
    channels, height, width = training.shape[1:]
    mean = training.mean(axis=0)
    rows, columns = range(0, height, 2), range(0, width, 2)
    own = np.empty((channels, channels, len(rows), len(columns)))
    total, places = np.zeros((channels, channels)), 0
    for y, x in np.ndindex(own.shape[2:]):
        centred = (training - mean)[:, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        samples = centred.transpose(0, 2, 3, 1).reshape(-1, channels)
        own[:, :, y, x] = samples.T @ samples / len(samples)
        total, places = total + samples.T @ samples, places + len(samples)
    of_all = total / places
    floor = np.diag(0.01 * np.diag(of_all) + 1e-6)
    own = smooth(own, 0.5)
    found = np.empty((len(features), height, width))
    for image, y, x in np.ndindex(found.shape):
        inverse = np.linalg.inv(
            (1 - of_all_weight) * own[:, :, y // 2, x // 2] + of_all_weight * of_all + floor
        )
        off = features[image, :, y, x] - mean[:, y, x]
        found[image, y, x] = off @ inverse @ off / channels
    return smooth(found, 1.0)


@pytest.mark.parametrize("grid", GRIDS)
def test_distances_agree_with_the_slow_version(grid: tuple[int, int]) -> None:
    training, others = parts(20, grid), parts(4, grid, noise=0.8, seed=1)
    np.testing.assert_allclose(
        distances(learnt(training), others), slow_distances(training, others), rtol=1e-6
    )


@pytest.mark.parametrize("count", [10, 60])
def test_the_fewer_images_the_more_the_mean_covariance_counts(count: int) -> None:
    training, others = parts(count, (6, 8)), parts(4, (6, 8), noise=0.8, seed=1)
    wanted = slow_distances(training, others, max(0.02, 3 / (3 + 4 * count)))
    np.testing.assert_allclose(distances(learnt(training, shrinks=True), others), wanted, rtol=1e-6)


def test_the_moments_of_folds_add_up_to_those_of_the_others() -> None:
    training, others = parts(21, (6, 8)), parts(4, (6, 8), noise=0.8, seed=1)
    familiar = FeatureDistance(3, (6, 8)).double()
    folds = moments_of(familiar, training, 3)
    assert [each.count for each in folds] == [7, 7, 7]
    for left_out in range(3):
        familiar.fit(merged([each for fold, each in enumerate(folds) if fold != left_out]))
        kept = np.arange(21) % 3 != left_out
        np.testing.assert_allclose(
            distances(familiar, others), slow_distances(training[kept], others), rtol=1e-6
        )


@pytest.mark.parametrize("noise", [0.2, 0.5, 0.9])
def test_what_the_place_explains_is_its_share_of_the_variance(noise: float) -> None:
    rng = np.random.default_rng(0)
    pattern, noises = rng.normal(size=(1, 4, 20, 20)), noise * rng.normal(size=(60, 4, 20, 20))
    familiar = learnt(pattern + noises)
    assert float(familiar.explained_variance) == pytest.approx(1 / (1 + noise**2), abs=0.03)


def test_it_does_not_count_where_the_place_tells_little() -> None:
    chance = np.random.default_rng(0).normal(size=(60, 4, 20, 20))
    for features, worth in ((chance, False), (parts(8, (6, 8)), True)):
        familiar = FeatureDistance(features.shape[1], (features.shape[2], features.shape[3])).double()
        familiar.fit(moments_of(familiar, features)[0])
        assert familiar.counts == worth


def test_few_images_are_not_enough() -> None:
    familiar = FeatureDistance(3, (6, 8)).double()
    enough = [moments_of(familiar, parts(count, (6, 8)))[0].enough for count in (7, 8)]
    assert enough == [False, True]


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_the_weight_is_the_correlation_ratio_and_at_least_a_half(noise: float) -> None:
    rng = np.random.default_rng(0)
    pattern, noises = rng.normal(size=(1, 1, 20, 20)), noise * rng.normal(size=(60, 1, 20, 20))
    features = pattern + noises
    between = ((features.mean(axis=0) - features.mean()) ** 2).sum() * len(features)
    ratio = np.sqrt(between / ((features - features.mean()) ** 2).sum())
    assert float(learnt(features).weight) == pytest.approx(max(ratio, 0.5), abs=0.02)


def test_the_same_features_are_usual_at_one_place_and_far_off_at_another() -> None:
    rng = np.random.default_rng(0)
    pattern = np.repeat(np.array([2.0, -2.0]), 5)[None, None, None, :]  # left and right of a picture
    familiar = learnt(pattern + 0.1 * rng.normal(size=(40, 2, 8, 10)))
    image = np.broadcast_to(pattern, (1, 2, 8, 10)).copy()
    usual = distances(familiar, image).max()
    image[0, :, 4, 7] = 2.0  # as on the left
    found = distances(familiar, image)[0]
    assert found[4, 7] > 50 * max(usual, 1) and found[4, 7] == found.max()


def test_an_image_is_judged_alone_as_in_a_batch() -> None:
    familiar = learnt(parts(20, (7, 5))).float()
    batch = torch.from_numpy(parts(4, (7, 5), seed=2)).float()
    together = familiar(batch)
    assert together.shape == (4, 1, 7, 5) and (together >= 0).all()
    for place in range(4):
        torch.testing.assert_close(together[place], familiar(batch[place : place + 1])[0])


@pytest.mark.parametrize("grid", [(2, 2), (40, 32), (64, 64), (65, 64), (300, 100)])
def test_large_grids_share_covariances_among_more_places(grid: tuple[int, int]) -> None:
    familiar = FeatureDistance(2, grid)
    assert len(familiar.whitening) <= 1024
    assert familiar.side == 2 or len(familiar.whitening) > 1024 / 4.5
    assert familiar(torch.rand(1, 2, *grid)).shape == (1, 1, *grid)


def test_a_feature_that_never_varied_is_not_judged_by_its_last_bits() -> None:
    training = parts(12, (6, 8))
    training[:, 1] = training[0, 1]
    familiar = learnt(training)
    image = training[:1].copy()
    usual = distances(familiar, image)
    image[:, 1] += 1e-4
    np.testing.assert_allclose(distances(familiar, image), usual, atol=0.01)


def test_features_without_any_variance_have_finite_distances() -> None:
    familiar = learnt(np.broadcast_to(parts(1, (6, 8)), (12, 3, 6, 8)).copy())
    assert np.isfinite(distances(familiar, parts(2, (6, 8)))).all()


def shares(count: int, grid: tuple[int, int], seed: int = 0) -> Array:
    """Draw which share (N, 1, h, w) of each position an image shows: all of them, or not the left columns."""
    rng = np.random.default_rng(seed)
    cut, columns = rng.integers(0, 3, (count, 1, 1, 1)), np.arange(grid[1])
    share: Array = np.where(columns >= cut, 1.0, rng.choice([0.0, 0.4], (count, 1, 1, 1)))
    return np.broadcast_to(share, (count, 1, *grid))


def partly_learnt(features: Array, seen: Array, folds: int = 5) -> FeatureDistance:
    familiar = FeatureDistance(
        features.shape[1], (features.shape[2], features.shape[3]), aligned=True
    ).double()
    pairs = [
        (torch.from_numpy(each)[None], torch.from_numpy(share.copy())[None])
        for each, share in zip(features, seen, strict=True)
    ]
    familiar.fit(merged(familiar.moments(pairs, [place % folds for place in range(len(pairs))], folds)))
    return familiar


def test_what_all_images_show_is_judged_as_if_nothing_had_been_aligned() -> None:
    training, others = parts(20, (6, 8)), parts(4, (6, 8), noise=0.8, seed=1)
    everything = np.ones((20, 1, 6, 8))
    aligned = partly_learnt(training, everything)
    found = aligned(torch.from_numpy(others), torch.from_numpy(everything[:4]))[:, 0].numpy()
    np.testing.assert_allclose(found, distances(learnt(training), others), rtol=1e-6)
    assert float(aligned.explained_variance) == pytest.approx(float(learnt(training).explained_variance))


def test_means_are_those_of_the_images_that_show_the_position() -> None:
    training, seen = parts(30, (6, 8)), shares(30, (6, 8))
    beyond = training + 100 * (seen == 0)
    found = partly_learnt(beyond, seen)
    wanted = np.average(training, axis=0, weights=np.broadcast_to(seen, training.shape))
    np.testing.assert_allclose(found.means[0].numpy(), wanted, rtol=1e-9)
    same = partly_learnt(training, seen)
    torch.testing.assert_close(found.whitening, same.whitening)
    torch.testing.assert_close(found.explained_variance, same.explained_variance)
    images, part_of = torch.from_numpy(beyond[:4]), torch.from_numpy(seen[:4].copy())
    judged = part_of > 0
    torch.testing.assert_close(
        found(images, part_of) * judged, same(torch.from_numpy(training[:4]), part_of) * judged
    )


def test_a_position_says_less_the_fewer_images_show_it_and_nothing_if_one_fold_does() -> None:
    training, seen = parts(40, (6, 8)), np.ones((40, 1, 6, 8))
    for column, shown in enumerate(([], [0, 5, 10], [0, 1], range(0, 40, 2))):
        seen[:, :, :, column] = 0
        seen[list(shown), :, :, column] = 1
    familiar = partly_learnt(training, seen)
    assert familiar.certainty is not None
    wanted = [0, 0, (1 + 1 / 40) / (1 + 1 / 2), (1 + 1 / 40) / (1 + 1 / 20), 1, 1, 1, 1]
    np.testing.assert_allclose(familiar.certainty[0, 0].numpy(), np.tile(wanted, (6, 1)))
    strange = torch.full((1, 3, 6, 8), 50.0, dtype=torch.float64)
    found = familiar(strange, torch.ones(1, 1, 6, 8, dtype=torch.float64))[0, 0]
    assert (found[:, :2] == 0).all() and (found[:, 2:] > 100).all()


@pytest.mark.parametrize("shown", [2, 3, 5, 10])
def test_new_images_are_as_far_off_where_few_images_taught_as_elsewhere(shown: int) -> None:
    grid = (12, 12)
    training, new = parts(60, grid, channels=8), parts(200, grid, channels=8, seed=1)
    seen = np.ones((60, 1, *grid))
    seen[shown:, :, :, :4] = 0
    found = partly_learnt(training, seen)(
        torch.from_numpy(new), torch.ones(200, 1, *grid, dtype=torch.float64)
    )
    means = found.mean(dim=(0, 1, 2)).numpy()

    assert means[:3].mean() == pytest.approx(means[6:].mean(), rel=0.15)
