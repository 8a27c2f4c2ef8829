"""Training batches: a function of seed and step, with holes that are whole cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from excision.method.recovery.batches import BatchSource, random_blobs
from excision.settings import MaskSettings, TrainingSettings

TRAINING = TrainingSettings(batch=4, crop=32)
MASK = MaskSettings(patch=8)
STEP = 20_000  # from one image's brightness to the next one's


class Images:
    """Images whose every pixel tells where it is: image number, row and column."""

    def __init__(self, count: int, size: tuple[int, int], patch: int = 8, channels: int = 1) -> None:
        self.size, self.patch, self.attended = size, patch, [0] * count
        rows, columns = np.mgrid[: size[0], : size[1]]
        base = (rows * 128 + columns).astype(np.uint16)
        self.images = [np.stack([base + STEP * n] * channels, axis=2) for n in range(count)]

    def read(self, index: int) -> NDArray[np.uint16]:
        return self.images[index]

    def cells(self, index: int) -> NDArray[np.bool_]:
        shape = [-(-side // self.patch) for side in self.size]
        return np.random.default_rng(index).random(shape) < 0.3

    def attend(self, image: NDArray[np.uint16]) -> NDArray[np.bool_]:
        index = int(image[0, 0, 0]) // STEP
        self.attended[index] += 1
        return self.cells(index)

    def source(self, mask: MaskSettings = MASK, training: TrainingSettings = TRAINING) -> BatchSource:
        return BatchSource(len(self.images), self.read, self.attend, mask, training)


def assert_equal(first: Any, second: Any) -> None:
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.mask, second.mask)


@given(steps=st.permutations(range(6)))
def test_a_batch_depends_on_seed_and_step_alone(steps: list[int]) -> None:
    images = Images(3, (64, 72))
    fresh = {step: images.source().batch(step) for step in steps}
    used = images.source()
    for step in steps:
        assert_equal(used.batch(step), fresh[step])


def test_other_steps_and_seeds_give_other_batches() -> None:
    images = Images(3, (64, 72))
    source, other = images.source(), images.source(training=replace(TRAINING, seed=1))
    assert not torch.equal(source.batch(0).images, source.batch(1).images)
    assert not torch.equal(source.batch(0).images, other.batch(0).images)


def test_each_image_is_attended_once() -> None:
    images = Images(3, (64, 64))
    source = images.source()
    for step in range(30):
        source.batch(step)
    assert images.attended == [1, 1, 1]


@pytest.mark.parametrize("size", [(64, 72), (32, 40), (33, 47), (100, 36), (20, 90)])
@pytest.mark.parametrize(("crop", "patch"), [(32, 8), (40, 16), (33, 8), (32, 5), (32, 64), (128, 8)])
def test_crops_are_true_parts_and_holes_are_whole_cells(size: tuple[int, int], crop: int, patch: int) -> None:
    images = Images(2, size, patch)
    source = images.source(replace(MASK, patch=patch), replace(TRAINING, crop=crop))
    for step in range(6):
        batch = source.batch(step)
        assert batch.mask.dtype == torch.bool and batch.mask.shape == batch.images.shape
        for image, mask in zip(batch.images[:, 0].numpy(), batch.mask[:, 0].numpy(), strict=True):
            assert image.min() >= 0 and image.max() <= 1
            places = np.rint(image * 65535).astype(int) % STEP
            rows, columns = places // 128, places % 128
            assert (np.diff(rows, axis=0) == 1).all() and (np.diff(rows, axis=1) == 0).all()
            assert len(np.unique(np.diff(columns, axis=1))) == 1  # 1, or -1 where mirrored
            assert (np.diff(columns, axis=0) == 0).all()
            # Every cell of the image's own grid is wholly in the hole or wholly outside it.
            cells = (rows // patch) * 1000 + columns // patch
            for cell in np.unique(cells):
                assert len(set(mask[cells == cell].tolist())) == 1


def test_crops_reach_every_place() -> None:
    images = Images(1, (64, 64))
    source, seen = images.source(), np.zeros((64, 64), bool)
    for step in range(40):
        places = np.rint(source.batch(step).images.numpy() * 65535).astype(int) % STEP
        seen[places // 128, places % 128] = True
    assert seen.all()


def test_own_mask_lies_where_the_attention_found_it_mirrored_or_not() -> None:
    images = Images(1, (32, 40))
    source, own = images.source(training=replace(TRAINING, batch=1, crop=128)), images.cells(0)
    matches, mirrored = 0, 0
    for step in range(100):
        batch = source.batch(step)
        places = np.rint(batch.images[0, 0].numpy() * 65535).astype(int)
        expected = own[places // 128 // 8, places % 128 // 8]
        if (batch.mask[0, 0].numpy() == expected).all():
            matches += 1
            mirrored += places[0, 0] > places[0, 1]
    # With a single image that is used whole, its own mask and another's are the same: 70 of 100.
    assert 55 < matches < 85
    assert 0.3 * matches < mirrored < 0.7 * matches


def test_without_mask_there_are_no_holes_and_no_attention() -> None:
    images = Images(2, (64, 64))
    source = images.source(replace(MASK, enabled=False))
    assert not any(source.batch(step).mask.any() for step in range(10))
    assert images.attended == [0, 0]


def test_colour() -> None:
    batch = Images(2, (64, 64), channels=3).source().batch(0)
    assert batch.images.shape == (4, 3, 32, 32) and batch.mask.shape == (4, 1, 32, 32)


@given(seed=st.integers(0, 2**31), shape=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_blobs_cover_3_to_28_percent(seed: int, shape: tuple[int, int]) -> None:
    blobs = random_blobs(np.random.default_rng(seed), shape)
    assert blobs.shape == shape and blobs.dtype == np.bool_
    cells = blobs.size
    assert blobs.sum() <= np.ceil(0.28 * cells)
    if cells > 40:
        assert blobs.sum() >= np.floor(0.03 * cells)
