"""Anomaly map and anomaly score against numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from excision.method.recovery.unet import Recovery
from excision.method.scoring.residuals import anomaly_map, anomaly_score, broad_residual, mean_residual
from excision.method.scoring.surprisal import surprisal, tail
from excision.ops.similarity import gms_map, msgms_map, ssim_map
from excision.settings import AnomalyMapKind, ScoreSettings

KINDS = get_args(AnomalyMapKind)


def scene(channels: int = 1, size: tuple[int, int] = (40, 36)) -> tuple[torch.Tensor, Recovery, torch.Tensor]:
    """An image, a recovery that differs from it, and a mask with a block in the middle."""
    generator = torch.Generator().manual_seed(0)
    image, mean, log_variance = torch.rand(3, 1, channels, *size, generator=generator, dtype=torch.float64)
    mask = torch.zeros(1, 1, *size, dtype=torch.bool)
    mask[..., 8:32, 8:24] = True
    return image, Recovery(mean, -4 * log_variance), mask


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [0.0, 1.5])
@pytest.mark.parametrize("kind", ["squared", "likelihood"])
def test_signed_residual_is_smoothed_then_squared(kind: AnomalyMapKind, sigma: float, channels: int) -> None:
    image, recovery, _ = scene(channels)
    maps = anomaly_map(image, recovery, None, ScoreSettings(map=kind, smoothing=sigma))
    residual = (image - recovery.mean)[0].numpy()
    if kind == "likelihood":
        residual = residual / np.sqrt(np.exp(recovery.log_variance[0].numpy()))
    radius = max(1, round(3 * sigma))
    smooth = [
        ndimage.gaussian_filter(plane, sigma, radius=radius, mode="mirror") if sigma else plane
        for plane in residual
    ]
    expected = np.mean(np.square(smooth), axis=0)
    np.testing.assert_allclose(maps[0, 0].numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_smoothing_inside_a_mask_is_a_weighted_mean_of_its_pixels(sigma: float) -> None:
    image, recovery, mask = scene()
    maps = anomaly_map(image, recovery, mask, ScoreSettings(map="squared", smoothing=sigma))[0, 0].numpy()
    inside = mask[0, 0].numpy()
    residual = (image - recovery.mean)[0, 0].numpy()
    reach = max(1, round(3 * sigma))
    for y, x in [(8, 8), (20, 16), (31, 23), (8, 20)]:
        rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        weights = np.exp(-(rows**2 + columns**2) / (2 * sigma**2))
        weights = weights * inside[y + rows, x + columns]
        expected = (weights * residual[y + rows, x + columns]).sum() / weights.sum()
        assert maps[y, x] == pytest.approx(expected**2, rel=1e-6)


def block_means(plane: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    rows, columns = range(0, plane.shape[0], side), range(0, plane.shape[1], side)
    return np.array([[plane[y : y + side, x : x + side].mean() for x in columns] for y in rows])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(40, 36), (41, 35)])
@pytest.mark.parametrize(("sigma", "block"), [(0.8, 1), (1.5, 1), (2.0, 2), (3.7, 3)])
def test_broad_residual_is_a_smooth_weighted_mean_over_blocks(
    sigma: float, block: int, size: tuple[int, int], channels: int
) -> None:
    image, recovery, mask = scene(channels, size)
    found = broad_residual(image, recovery, mask, sigma)[0, 0].numpy()
    inside = mask[0, 0].numpy()

    def smooth(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        radius = max(1, round(3 * sigma / block))
        result: NDArray[np.float64] = ndimage.gaussian_filter(
            block_means(plane, block), sigma / block, radius=radius, mode="mirror"
        )
        return result

    deviation = np.sqrt(np.exp(recovery.log_variance[0].numpy()))
    residual = (image - recovery.mean)[0].numpy() / deviation
    means = [smooth(plane * inside) / smooth(inside.astype(float)).clip(1e-3) for plane in residual]
    blown_up = np.kron(np.mean(np.square(means), axis=0), np.ones((block, block)))[: size[0], : size[1]]
    np.testing.assert_allclose(found, blown_up * inside, rtol=1e-6, atol=1e-12)


def test_broad_residual_without_a_mask_counts_every_pixel() -> None:
    image, recovery, mask = scene()
    everywhere = broad_residual(image, recovery, torch.ones_like(mask), 2.0)
    assert (everywhere > 0).all()
    assert torch.equal(broad_residual(image, recovery, None, 2.0), everywhere)


def test_broad_residual_is_blind_to_what_lies_outside_the_mask() -> None:
    image, recovery, mask = scene(3)
    elsewhere = Recovery(torch.where(mask, recovery.mean, 0.9), torch.where(mask, recovery.log_variance, 0.0))
    torch.testing.assert_close(
        broad_residual(image, elsewhere, mask, 2.0), broad_residual(image, recovery, mask, 2.0)
    )


@pytest.mark.parametrize(("kind", "similarity"), [("ssim", ssim_map), ("msgms", msgms_map)])
def test_dissimilarity_of_image_and_composed_recovery(
    kind: AnomalyMapKind, similarity: Callable[[Tensor, Tensor], Tensor]
) -> None:
    image, recovery, mask = scene()
    maps = anomaly_map(image, recovery, mask, ScoreSettings(map=kind, smoothing=0.0))
    composed = torch.where(mask, recovery.mean, image)
    torch.testing.assert_close(maps, (1 - similarity(image, composed)) * mask)


def test_no_scale_of_gradients_is_left_out() -> None:
    image, recovery, mask = scene()
    maps = anomaly_map(image, recovery, mask, ScoreSettings(map="msgms", smoothing=0.0))
    composed = torch.where(mask, recovery.mean, image)
    # Any scale alone cannot exceed four times the mean of four.
    assert ((1 - gms_map(image, composed)) * mask <= 4 * maps + 1e-9).all()


@pytest.mark.parametrize("sigma", [0.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_map_is_zero_outside_the_mask_and_blind_to_what_lies_there(
    kind: AnomalyMapKind, sigma: float
) -> None:
    image, recovery, mask = scene(3)
    settings = ScoreSettings(map=kind, smoothing=sigma)
    maps = anomaly_map(image, recovery, mask, settings)
    assert maps.shape == (1, 1, 40, 36)
    assert (maps >= 0).all() and (maps[mask] > 0).all()
    assert (maps[~mask] == 0).all()
    elsewhere = Recovery(torch.where(mask, recovery.mean, 0.9), torch.where(mask, recovery.log_variance, 0.0))
    torch.testing.assert_close(anomaly_map(image, elsewhere, mask, settings), maps)


@pytest.mark.parametrize("kind", KINDS)
def test_perfect_recovery_is_no_anomaly(kind: AnomalyMapKind) -> None:
    image, recovery, mask = scene(3)
    perfect = Recovery(image, recovery.log_variance)
    for region in (mask, None, torch.zeros_like(mask)):
        maps = anomaly_map(image, perfect, region, ScoreSettings(map=kind, smoothing=2.0))
        assert maps.abs().max() < 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("brightness", [0.0, 1.0])
def test_constant_images_give_finite_maps(kind: AnomalyMapKind, brightness: float) -> None:
    flat = torch.full((1, 1, 32, 32), brightness)
    recovery = Recovery(flat.clone(), torch.full_like(flat, -15.0))
    for region in (None, torch.ones_like(flat, dtype=torch.bool), torch.zeros_like(flat, dtype=torch.bool)):
        maps = anomaly_map(flat, recovery, region, ScoreSettings(map=kind, smoothing=3.0))
        assert torch.isfinite(maps).all()
        assert anomaly_score(maps, 0.01).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["squared", "likelihood"])
def test_noise_cancels_and_a_consistent_deviation_stays(kind: AnomalyMapKind) -> None:
    generator = torch.Generator().manual_seed(1)
    recovery = Recovery(torch.full((1, 1, 64, 64), 0.5), torch.zeros(1, 1, 64, 64))
    noisy = recovery.mean + 0.1 * torch.randn(1, 1, 64, 64, generator=generator)
    shifted = recovery.mean + 0.1
    settings = ScoreSettings(map=kind, smoothing=3.0)
    noise, shift = (anomaly_map(image, recovery, None, settings).mean() for image in (noisy, shifted))
    assert noise < 0.05 * shift
    assert shift == pytest.approx(0.01, rel=1e-3)


@given(
    maps=arrays(np.float64, (2, 1, 5, 7), elements=st.floats(0, 100)),
    top=st.floats(0, 1),
)
def test_score_is_the_mean_of_the_largest_pixels(maps: NDArray[np.float64], top: float) -> None:
    scores = anomaly_score(torch.from_numpy(maps), top)
    count = max(1, round(top * 35))
    for score, plane in zip(scores, maps, strict=True):
        assert score.item() == pytest.approx(np.sort(plane.ravel())[::-1][:count].mean(), rel=1e-9, abs=1e-12)


def test_score_of_top_zero_is_the_maximum_and_of_one_the_mean() -> None:
    maps = torch.rand(3, 1, 9, 8)
    assert torch.equal(anomaly_score(maps, 0.0), maps.amax(dim=(1, 2, 3)))
    torch.testing.assert_close(anomaly_score(maps, 1.0), maps.mean(dim=(1, 2, 3)))


@pytest.mark.parametrize("radius", [2.0, 5.0])
def test_usual_level_is_a_smoothed_mean_drawn_towards_that_of_all_places(radius: float) -> None:
    rng = np.random.default_rng(4)
    seen = rng.integers(0, 6, (60, 50)).astype(float)
    total = seen * rng.gamma(2.0, 0.1, (60, 50))
    level = mean_residual(torch.from_numpy(total)[None, None], torch.from_numpy(seen)[None, None], radius)
    overall = total.sum() / seen.sum()
    smooth = [
        ndimage.gaussian_filter(plane, radius, radius=round(3 * radius), mode="mirror")
        for plane in (total, seen)
    ]
    np.testing.assert_allclose(level[0, 0], (smooth[0] + overall) / (smooth[1] + 1), rtol=1e-9)


def test_a_place_that_was_never_excised_takes_the_mean_of_all() -> None:
    total, seen = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    total[..., :8, :8], seen[..., :8, :8] = 6.0, 3.0
    level = mean_residual(total, seen, 1.0)
    assert level[0, 0, 40, 40].item() == pytest.approx(2.0)


def test_nothing_usual_leaves_maps_as_they_are() -> None:
    nothing = torch.zeros(1, 1, 16, 16)
    assert (mean_residual(nothing, nothing, 4.0) == 1).all()
    assert (mean_residual(nothing, nothing + 5, 4.0) == 1).all()


def test_surprise_is_the_logarithm_of_the_share_that_goes_as_far() -> None:
    """Against draws from a distribution with the tail that is assumed."""
    largest = torch.from_numpy(3 + np.random.default_rng(0).exponential(2, 20_000))
    median, excess = tail(largest)
    assert median == pytest.approx(3 + 2 * np.log(2), rel=0.02) and excess == pytest.approx(2, rel=0.05)
    for value in (5.0, 8.0, 12.0):
        share = (largest >= value).double().mean().item()
        assert surprisal(torch.tensor(value), median, excess).item() == pytest.approx(
            -np.log(share), rel=0.08
        )
        beyond = surprisal(torch.tensor(value), median, excess, truncation=0.1).item()
        assert beyond == pytest.approx(max(0.0, np.log(0.1 / share)), rel=0.08, abs=0.08)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.lists(st.floats(0, 1000), min_size=2, max_size=20))
def test_surprise_starts_at_zero_never_falls_and_halves_at_the_median(
    median: float, excess: float, values: list[float]
) -> None:
    surprises = surprisal(torch.tensor(sorted(values), dtype=torch.float64), median, excess)
    assert (surprises >= 0).all() and (surprises.diff() >= -1e-9).all()
    assert surprisal(torch.zeros(1), median, excess).item() == 0
    assert surprisal(torch.tensor([median]), median, excess).item() == pytest.approx(np.log(2), rel=1e-4)


def test_tail_of_images_that_are_all_alike_is_no_division_by_zero() -> None:
    for largest in (torch.zeros(5), torch.ones(1), torch.full((4,), 2.0)):
        median, excess = tail(largest)
        assert median > 0 and excess > 0
        assert torch.isfinite(surprisal(torch.tensor([0.0, 3.0]), median, excess)).all()
