"""How a part lies: found against drawings whose pose is known, and the way there and back against scipy."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from excision.method.scoring.alignment import Alignment
from excision.method.scoring.learning import left_by_alignment

Array = NDArray[np.float64]
Pose = tuple[float, float, float]

SIZES = [(96, 96), (72, 104), (131, 90)]


def coordinates(size: tuple[int, int]) -> tuple[Array, Array]:
    """Give x and y (H, W) of the pixels' middles, from the middle of the image."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return x - size[1] / 2, y - size[0] / 2


def moved(x: Array, y: Array, pose: Pose) -> tuple[Array, Array]:
    """Turn points by the angle, then shift them."""
    angle, right, down = pose
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * x - sin * y + right, sin * x + cos * y + down


def part(size: tuple[int, int], pose: Pose = (0, 0, 0), noise: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Draw a part that lies like this: a bright plate with two dark holes, one of them off the middle."""
    angle, right, down = pose
    x, y = coordinates(size)
    x, y = moved(x - right, y - down, (-angle, 0, 0))
    side = min(size)
    plate = 1 / (1 + np.exp(np.hypot(x / 1.2, y) - 0.4 * side))
    holes = np.exp(-((x - 0.2 * side) ** 2 + y**2) / (0.01 * side**2))
    holes += np.exp(-(x**2 + (y + 0.25 * side) ** 2) / (0.003 * side**2))
    image = 0.2 + 0.5 * plate - 0.2 * holes
    image += noise * np.random.default_rng(seed).normal(size=size)
    return torch.from_numpy(image.clip(0, 1).astype(np.float32))[None, None]


def poses(count: int, seed: int = 0) -> list[Pose]:
    drawn = np.random.default_rng(seed).normal(size=(count, 3)) * (0.04, 2.5, 2.5)
    return [tuple(each) for each in (drawn - drawn.mean(axis=0)).tolist()]


def learnt(size: tuple[int, int], lying: list[Pose] | None = None) -> Alignment:
    alignment = Alignment(size)
    given_poses = poses(12) if lying is None else lying
    alignment.learn(part(size, pose, 0.01, seed) for seed, pose in enumerate(given_poses))
    return alignment


@cache
def learnt_once(size: tuple[int, int]) -> Alignment:
    return learnt(size)


@pytest.mark.parametrize("size", SIZES)
@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-0.15, 0.15), right=st.floats(-8, 8), down=st.floats(-8, 8), light=st.floats(0.5, 1.2))
def test_the_pose_is_found_to_a_fraction_of_a_pixel_in_any_light(
    size: tuple[int, int], angle: float, right: float, down: float, light: float
) -> None:
    found = learnt_once(size)(light * part(size, (angle, right, down), 0.01, seed=99))[0].numpy()
    assert found[0] == pytest.approx(angle, abs=0.01)
    assert found[1:] == pytest.approx((right, down), abs=0.4)


@pytest.mark.parametrize("size", SIZES)
def test_images_are_aligned_as_scipy_resamples_them(size: tuple[int, int]) -> None:
    image, pose = np.random.default_rng(0).random(size), (0.1, 5.5, -3.25)
    x, y = moved(*coordinates(size), pose)
    at = np.array([y + size[0] / 2 - 0.5, x + size[1] / 2 - 0.5])
    at = at.clip(0, np.array(size)[:, None, None] - 1)
    wanted = ndimage.map_coordinates(image, at, order=1)
    given_image = torch.from_numpy(image)[None, None].float()
    found = Alignment(size).align(given_image, torch.tensor([pose]))[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("size", [(96, 96), (72, 104), (75, 90)])
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (0.2, 7.0, -4.0), (-0.1, -9.5, 3.0)])
def test_what_is_found_on_the_aligned_part_is_put_back_where_it_lies(
    size: tuple[int, int], pose: Pose
) -> None:
    places = torch.zeros(1, 1, *(-(-side // 8) for side in size))
    places[0, 0, 5, 6] = 1
    found = Alignment(size).put_back(places, torch.tensor([pose]), 8)[0][0, 0].numpy()
    assert found.shape == size
    x, y = coordinates(size)
    middle = np.array([(found * x).sum(), (found * y).sum()]) / found.sum()
    place = np.array(6.5 * 8 - size[1] / 2), np.array(5.5 * 8 - size[0] / 2)
    assert middle == pytest.approx(np.array(moved(*place, pose)), abs=0.6)
    assert 0.75 < found.max() <= 1


def test_where_the_aligned_image_shows_nothing_nothing_is_found() -> None:
    ones, turned = torch.ones(1, 1, 12, 12), torch.tensor([[np.pi / 4, 0, 0]])
    found, shown = Alignment((96, 96)).put_back(ones, turned, 8)
    torch.testing.assert_close(found, shown)
    x, y = coordinates((96, 96))
    corner = (np.abs(x) + np.abs(y)) / (np.sqrt(2) * 48)
    np.testing.assert_allclose(shown[0, 0].numpy()[corner > 1.06], 0, atol=1e-6)
    np.testing.assert_allclose(shown[0, 0].numpy()[corner < 0.94], 1, atol=1e-6)


@pytest.mark.parametrize("size", [(96, 96), (72, 104), (75, 90)])
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (0.0, 6.0, -11.0), (0.7, 9.5, 3.0)])
def test_a_cell_counts_as_seen_by_how_far_it_lies_inside(size: tuple[int, int], pose: Pose) -> None:
    found = Alignment(size).seen(torch.tensor([pose]), 8)[0, 0].numpy()
    rows, columns = ((np.arange(-(-side // 8)) + 0.5) * 8 - side / 2 for side in size)
    down, right = np.meshgrid(rows, columns, indexing="ij")
    x, y = moved(right, down, pose)
    inside = np.minimum(size[1] / 2 - np.abs(x), size[0] / 2 - np.abs(y))
    np.testing.assert_allclose(found, ((inside - 4) / 8).clip(0, 1), atol=1e-5)


def test_what_was_not_judged_is_not_shown() -> None:
    judged = torch.ones(1, 1, 12, 12)
    judged[..., :6] = 0
    nothing = torch.zeros_like(judged)
    shown = Alignment((96, 96)).put_back(nothing, torch.zeros(1, 3), 8, judged)[1][0, 0].numpy()
    np.testing.assert_allclose(shown[:, :43], 0, atol=1e-6)
    np.testing.assert_allclose(shown[:, 53:], 1, atol=1e-6)


def test_an_aligned_part_looks_as_it_usually_lies() -> None:
    size = SIZES[0]
    alignment, lying = learnt_once(size), part(size, (0.1, 6, -5))
    straight = alignment.align(lying, alignment(lying))
    inner = (..., slice(12, -12), slice(12, -12))
    off, left = (float((each - part(size))[inner].abs().mean()) for each in (lying, straight))
    assert left < 0.1 * off


def test_the_mean_is_sharp_though_the_parts_lie_apart() -> None:
    size, lying = SIZES[0], poses(12)
    alignment = learnt(size, lying)
    blurred = torch.cat([part(size, pose) for pose in lying]).mean(dim=0)
    sharp = alignment.fine.mean[0, 0].numpy()
    wanted = part(size)[0, 0].numpy()
    likeness = [np.corrcoef(each.ravel(), wanted.ravel())[0, 1] for each in (sharp, blurred[0].numpy())]
    assert 1 - likeness[0] < 0.2 * (1 - likeness[1])


def test_an_image_is_judged_alone_as_in_a_batch() -> None:
    size = SIZES[1]
    alignment = learnt_once(size)
    batch = torch.cat([part(size, pose, 0.02, seed) for seed, pose in enumerate(poses(4, seed=3))])
    together = alignment(batch)
    aligned = alignment.align(batch, together)
    for place in range(4):
        alone = alignment(batch[place : place + 1])
        torch.testing.assert_close(together[place], alone[0], rtol=1e-4, atol=1e-4)
        one = alignment.align(batch[place : place + 1], alone)
        torch.testing.assert_close(aligned[place], one[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("image", [torch.full((1, 1, 96, 96), 0.5), torch.zeros(1, 1, 96, 96)])
def test_images_with_nothing_on_them_have_some_pose(image: torch.Tensor) -> None:
    empty = Alignment((96, 96))
    empty.learn([image] * 8)
    for alignment in (empty, learnt_once((96, 96))):
        for each in (image, part((96, 96)), torch.rand(1, 1, 96, 96)):
            angle, right, down = alignment(each)[0].tolist()
            assert np.isfinite(angle) and abs(right) <= 24 and abs(down) <= 24


def test_a_disc_has_a_place_and_any_rotation() -> None:
    def disc(right: float) -> torch.Tensor:
        x, y = coordinates((96, 96))
        drawn = 1 / (1 + np.exp(np.hypot(x - right, y) - 30))
        return torch.from_numpy(drawn.astype(np.float32))[None, None]

    alignment = Alignment((96, 96))
    alignment.learn(disc(right) for right in (-2.0, -1.0, 1.0, 2.0))
    one, other = (alignment.align(each, alignment(each)) for each in (disc(5.0), disc(0.0)))
    assert (one - other).abs().max() < 0.1
    assert (disc(5.0) - disc(0.0)).abs().max() > 0.8


def test_parts_in_any_rotation_are_found_and_others_not_upside_down() -> None:
    size, angles = SIZES[0], np.random.default_rng(0).uniform(-np.pi, np.pi, 24)
    anyhow = Alignment(size)
    anyhow.learn(part(size, (angle, 0, 0), 0.01, seed) for seed, angle in enumerate(angles))
    upright = learnt_once(size)
    straight = part(size)
    for alignment, finds in ((anyhow, True), (upright, False)):
        turned = part(size, (3, 2, -1), 0.01)
        aligned = alignment.align(turned, alignment(turned))
        wanted = alignment.align(straight, alignment(straight))
        inner = (..., slice(16, -16), slice(16, -16))
        off = (aligned - wanted)[inner].abs().mean() / (turned - straight)[inner].abs().mean()
        assert (off < 0.2) == finds


def flange(turned: float, marked: bool, seed: int) -> torch.Tensor:
    """Draw a flange with four equal holes; a small mark alone tells its four rotations apart."""
    rng = np.random.default_rng(seed)
    x, y = coordinates((128, 128))
    x, y = moved(x, y, (turned, *rng.normal(0, 1.5, 2)))
    edge = 1 / (1 + np.exp(np.hypot(x, y) - 46))
    for angle in np.arange(4) * np.pi / 2:
        edge -= 0.7 / (1 + np.exp(np.hypot(x - 30 * np.cos(angle), y - 30 * np.sin(angle)) - 6.0))
    if marked:
        edge -= 0.5 * (np.abs(x - 20) < 3.5) * (np.abs(y - 20) < 3)
    image = 0.2 + 0.5 * edge + 0.01 * rng.normal(size=x.shape)
    return torch.from_numpy(image.clip(0, 1).astype(np.float32))[None, None]


def seen_at_the_mark(alignment: Alignment, images: list[torch.Tensor]) -> torch.Tensor:
    """Give the brightness (N, 4) at a place of the mark, and at those a quarter turn or more from it."""
    aligned = [alignment.align(each, alignment(each)) for each in images]
    return torch.stack(
        [
            torch.rot90(each, turn, dims=(2, 3))[0, 0, 81:87, 81:87].mean()
            for each in aligned
            for turn in range(4)
        ]
    ).view(-1, 4)


def test_a_small_mark_tells_the_rotation_of_a_symmetrical_part() -> None:
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 24)
    images = [flange(angle, True, seed) for seed, angle in enumerate(angles)]
    alignment = Alignment((128, 128))
    alignment.learn(images)
    assert alignment.alike is not None and len(alignment.alike) == 4
    new = [flange(angle, True, 100 + seed) for seed, angle in enumerate(angles)]
    places = seen_at_the_mark(alignment, new).argmin(dim=1)
    assert (places == places[0]).all()


def test_a_symmetrical_part_that_always_lies_alike_is_not_turned() -> None:
    angles = np.random.default_rng(0).normal(0, 0.03, 24)
    alignment = Alignment((128, 128))
    alignment.learn(flange(angle, False, seed) for seed, angle in enumerate(angles))
    assert alignment.alike is None and len(alignment.starts) == 1
    found = [alignment(flange(angle, False, 100 + seed))[0, 0] for seed, angle in enumerate(angles)]
    assert max(map(abs, map(float, found))) < 0.2


def test_other_parts_are_not_compared_in_several_poses() -> None:
    assert all(learnt_once(size).alike is None for size in SIZES)


def test_alignment_of_few_images_must_help_more() -> None:
    limits = [left_by_alignment(images) for images in (8, 20, 64, 256)]
    assert limits == sorted(limits) and limits[0] == pytest.approx(0.5) and limits[-1] < 0.6
