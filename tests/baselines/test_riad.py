"""RIAD: its masks, where each pixel of the recovery comes from, and the baseline as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch import Tensor

from excision.baselines import baseline
from excision.baselines.riad import Riad, RiadNetwork, assemble, disjoint_masks, inference_masks, mean_filter
from excision.errors import SettingsError
from excision.method.recovery.unet import Recovery, UNet
from excision.ops.similarity import msgms_map
from excision.settings import ImageSettings, RecoverySettings, Settings, TrainingSettings
from excision.synthetic.surfaces import cast_grain
from excision.tiling.image_format import ImageFormat
from tests.baselines import common

SIZE = (48, 64)
TINY = Settings(
    recovery=RecoverySettings(width=8, depth=3),
    training=TrainingSettings(steps=8, batch=2, crop=32, precision="float32"),
)


def _good(number: int) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), SIZE) * 255).astype(np.uint8)


GOOD = [_good(number) for number in range(8)]

side = st.integers(1, 40)


@pytest.fixture(scope="module")
def fitted() -> Riad:
    return Riad(TINY, device="cpu").fit(GOOD)


@pytest.fixture
def network() -> RiadNetwork:
    built = Riad(Settings(recovery=TINY.recovery), device="cpu").build(ImageFormat(SIZE, 1))
    assert isinstance(built, RiadNetwork)
    return built.eval()


class _Fake(torch.nn.Module):
    """A U-Net that gives back its input, and keeps what it was called with."""

    def __init__(self, like: UNet) -> None:
        super().__init__()
        self.decoders = like.decoders
        self.calls: list[tuple[Tensor, Tensor, tuple[bool, ...]]] = []

    @classmethod
    def put_in(cls, network: RiadNetwork) -> Self:
        """Take the place of a network's U-Net."""
        fake = cls(network.unet)
        network.add_module("unet", fake)
        return fake

    def forward(self, masked_image: Tensor, mask: Tensor, skips: tuple[bool, ...]) -> Recovery:
        self.calls.append((masked_image, mask, skips))
        return Recovery(masked_image, torch.zeros_like(masked_image))


@given(seed=st.integers(0, 1000), height=side, width=side, k=st.integers(1, 20), n=st.integers(1, 5))
def test_masks_are_disjoint_and_cover_everything(seed: int, height: int, width: int, k: int, n: int) -> None:
    masks = disjoint_masks(np.random.default_rng(seed), (height, width), k, n)
    assert masks.shape == (n, height, width)
    assert (masks.sum(axis=0) == 1).all()


@given(seed=st.integers(0, 1000), height=side, width=side, k=st.integers(1, 20), n=st.integers(1, 5))
def test_cells_are_hidden_whole_and_shared_out_evenly(
    seed: int, height: int, width: int, k: int, n: int
) -> None:
    masks = disjoint_masks(np.random.default_rng(seed), (height, width), k, n)
    counts = np.zeros(n, dtype=int)
    for top in range(0, height, k):
        for left in range(0, width, k):
            cell = masks[:, top : top + k, left : left + k].reshape(n, -1)
            assert (cell.all(axis=1) == cell.any(axis=1)).all()
            counts += cell[:, 0]
    assert counts.max() - counts.min() <= 1


def test_masks_follow_the_generator_and_look_random() -> None:
    first, again, other = (disjoint_masks(np.random.default_rng(seed), (64, 64), 4, 3) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    # Two independent choices of a third agree on 5 of 9 cells.
    assert abs((first == other).mean() - 5 / 9) < 0.1


def test_masks_at_inference_are_fixed_and_differ_by_size_and_region() -> None:
    assert torch.equal(inference_masks((48, 64), 4), inference_masks((48, 64), 4))
    assert inference_masks((48, 64), 4).shape == (3, 48, 64)
    assert not torch.equal(inference_masks((48, 64), 4), inference_masks((48, 64), 8))
    wide, high = inference_masks((48, 64), 4), inference_masks((64, 48), 4)
    assert not torch.equal(wide[:, :48, :48], high[:, :48, :48])


@given(seed=st.integers(0, 1000), height=side, width=side, k=st.integers(1, 20), n=st.integers(1, 4))
def test_what_copies_its_input_recovers_nothing(seed: int, height: int, width: int, k: int, n: int) -> None:
    masks = torch.from_numpy(disjoint_masks(np.random.default_rng(seed), (height, width), k, n))
    images = 0.5 + torch.rand(2, 3, height, width)
    assert torch.equal(assemble(lambda hidden: hidden, images, masks), torch.zeros_like(images))


@given(seed=st.integers(0, 1000), height=side, width=side, k=st.integers(1, 20), n=st.integers(1, 4))
def test_each_pixel_comes_from_the_pass_that_hid_it(
    seed: int, height: int, width: int, k: int, n: int
) -> None:
    masks = torch.from_numpy(disjoint_masks(np.random.default_rng(seed), (height, width), k, n))
    images = 0.5 + torch.rand(2, 1, height, width)

    def numbered(hidden: Tensor) -> Tensor:
        """Say 10 times the pass and the image, each told from the pixels that are shown."""
        assert hidden.shape == (2 * n, 1, height, width)
        said = torch.empty_like(hidden)
        for place, shown in enumerate(hidden):
            number, image = divmod(place, 2)
            assert torch.equal(shown[0] == 0, masks[number])
            assert torch.equal(shown[0][~masks[number]], images[image, 0][~masks[number]])
            said[place] = 10 * number + image
        return said

    recovery = assemble(numbered, images, masks)
    for image in range(2):
        expected = 10 * masks.int().argmax(dim=0) + image
        assert torch.equal(recovery[image, 0], expected.float())


def test_one_set_spoils_no_other() -> None:
    masks = torch.from_numpy(disjoint_masks(np.random.default_rng(0), (8, 8), 2, 3))
    shown = assemble(lambda hidden: torch.where(hidden == 0, 0.5, torch.inf), torch.ones(1, 1, 8, 8), masks)
    assert torch.equal(shown, torch.full((1, 1, 8, 8), 0.5))


def test_twelve_passes_are_paid(network: RiadNetwork) -> None:
    fake = _Fake.put_in(network)
    network(torch.rand(1, 1, *SIZE))
    assert sum(len(masked_image) for masked_image, _, _ in fake.calls) == network.passes == 12
    fake.calls.clear()
    network(torch.rand(2, 1, *SIZE))
    assert sum(len(masked_image) for masked_image, _, _ in fake.calls) == 24


def test_fewer_regions_cost_fewer_passes() -> None:
    settings = Settings(recovery=TINY.recovery)
    built = Riad(settings, device="cpu", regions=[4]).build(ImageFormat(SIZE, 1))
    fake = _Fake.put_in(built)
    built(torch.rand(1, 1, *SIZE))
    assert sum(len(masked_image) for masked_image, _, _ in fake.calls) == built.passes == 3


def test_the_network_is_not_told_where_the_hole_is(network: RiadNetwork) -> None:
    fake = _Fake.put_in(network)
    network(torch.rand(1, 1, *SIZE))
    network.loss(torch.rand(2, 1, 32, 32), np.random.default_rng(0))
    for _, mask, skips in fake.calls:
        assert not mask.any()
        assert skips == (True, True)


def test_the_map_is_the_mean_similarity_filtered(network: RiadNetwork) -> None:
    image = torch.rand(1, 1, *SIZE)
    _Fake.put_in(network)  # every recovery is black
    dissimilar = 1 - msgms_map(image, torch.zeros_like(image))[0, 0].numpy()
    expected = uniform_filter(dissimilar, 21, mode="mirror")
    found = network(image)
    np.testing.assert_allclose(found.maps[0, 0], expected, rtol=1e-4)
    assert float(found.scores[0]) == float(found.maps.max())


def test_a_perfect_recovery_is_no_anomaly(network: RiadNetwork) -> None:
    image = torch.rand(1, 1, *SIZE)

    class Knows(_Fake):
        def forward(self, masked_image: Tensor, mask: Tensor, skips: tuple[bool, ...]) -> Recovery:
            assert not mask.any()
            assert skips
            return Recovery(image.expand_as(masked_image), torch.zeros_like(masked_image))

    Knows.put_in(network)
    assert 0 <= float(network(image).scores[0]) < 1e-5
    assert float(network.loss(image, np.random.default_rng(0))) == pytest.approx(0, abs=1e-5)


def test_training_meets_every_region(network: RiadNetwork) -> None:
    fake = _Fake.put_in(network)
    images = torch.ones(2, 1, 32, 32)
    smallest = set()
    for step in range(40):
        network.loss(images, np.random.default_rng(step))
        masked_image = fake.calls[-1][0]
        assert torch.equal(masked_image[0::2], masked_image[1::2])  # the masks are those of the batch
        assert torch.equal((masked_image[0::2] == 0).sum(dim=0), torch.ones(1, 32, 32))
        smallest.add(max(k for k in (2, 4, 8, 16) if _whole(masked_image[0, 0] == 0, k)))
    assert smallest == {2, 4, 8, 16}


def _whole(mask: Tensor, k: int) -> bool:
    cells = mask.unfold(0, k, k).unfold(1, k, k).flatten(2)
    return bool((cells.all(dim=2) == cells.any(dim=2)).all())


@pytest.mark.parametrize("window", [1, 5, 21])
def test_the_mean_filter_is_that_of_scipy(window: int) -> None:
    images = torch.rand(2, 1, 24, 37)
    expected = uniform_filter(images.double().numpy(), (0, 0, window, window), mode="mirror")
    np.testing.assert_allclose(mean_filter(images, window), expected, rtol=1e-4)


def test_the_mean_filter_takes_images_smaller_than_its_window() -> None:
    image = torch.full((1, 1, 4, 30), 0.25)
    torch.testing.assert_close(mean_filter(image, 21), image)


def test_training_lowers_the_loss() -> None:
    losses: list[float] = []
    longer = Settings(
        recovery=TINY.recovery,
        training=TrainingSettings(steps=40, batch=4, crop=48, precision="float32"),
    )
    Riad(longer, device="cpu").fit(GOOD, progress=lambda _, __, figures: losses.append(figures["loss"]))
    assert len(losses) == 40
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:3])


def test_saved_and_loaded_it_gives_the_same(fitted: Riad, tmp_path: Path) -> None:
    common.same_from_disk(fitted, tmp_path, GOOD)


def test_an_image_is_judged_the_same_in_any_batch(fitted: Riad) -> None:
    common.same_in_any_batch(fitted, SIZE)


def test_learning_twice_gives_the_same(fitted: Riad) -> None:
    common.same_when_learnt_again(fitted, Riad(TINY, device="cpu").fit(GOOD))


def test_colour_and_odd_sizes_work() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (51, 75, 3), dtype=np.uint8) for _ in range(3)]
    sized = Settings(ImageSettings(size=(51, 75)), recovery=TINY.recovery, training=TINY.training)
    (found,) = Riad(sized, device="cpu").fit(images).predict(images[0])
    assert found.anomaly_map.shape == (51, 75)
    assert found.anomaly_map.min() >= 0
    assert found.score == found.anomaly_map.max()


def test_bfloat16_trains() -> None:
    coarse = TrainingSettings(steps=3, batch=2, crop=32, precision="bfloat16")
    (found,) = (
        Riad(Settings(recovery=TINY.recovery, training=coarse), device="cpu").fit(GOOD).predict(GOOD[0])
    )
    assert np.isfinite(found.score)


@pytest.mark.parametrize("regions", [(), (0,), (2, -1)])
def test_regions_out_of_range_are_refused(regions: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="regions"):
        Riad(regions=regions)


def test_an_unknown_knob_is_refused() -> None:
    with pytest.raises(TypeError, match="region"):
        Riad(region=3)


def test_it_is_found_by_name() -> None:
    found: Any = baseline("riad")
    assert found is Riad
