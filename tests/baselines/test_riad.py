"""RIAD's masks and its assembling, as the paper defines them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from excision.baselines.riad import RiadNetwork, assemble, disjoint_masks, mean_filter
from excision.errors import SettingsError
from excision.settings import RecoverySettings

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))


def masks(size: tuple[int, int], region: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(disjoint_masks(np.random.default_rng(seed), size, region))


@given(size=SIZES, region=st.sampled_from((2, 4, 8, 16)), seed=st.integers(0, 9))
def test_masks_are_disjoint_and_cover_everything(size: tuple[int, int], region: int, seed: int) -> None:
    drawn = masks(size, region, seed)
    assert drawn.shape == (3, *size)
    assert (drawn.sum(dim=0) == 1).all()


def test_masks_are_whole_cells_in_equal_shares() -> None:
    drawn = masks((48, 64), 8)
    cells = drawn[:, ::8, ::8]
    assert (cells.repeat_interleave(8, 1).repeat_interleave(8, 2) == drawn).all()
    assert cells.sum(dim=(1, 2)).tolist() == [16, 16, 16]


@given(size=SIZES, region=st.sampled_from((2, 4, 8)))
def test_every_pixel_comes_from_a_pass_in_which_it_was_hidden(size: tuple[int, int], region: int) -> None:
    """A network that copies what it sees can only give the zeros of the hole."""
    images = torch.rand(1, 1, *size) + 0.1
    assert (assemble(images, masks(size, region), lambda holed: holed) == 0).all()


def test_each_pass_gives_its_own_part() -> None:
    drawn, calls = masks((32, 32), 4), iter(range(1, 4))
    whole = assemble(torch.rand(1, 1, 32, 32), drawn, lambda holed: torch.full_like(holed, next(calls)))
    expected = sum((number + 1) * mask for number, mask in enumerate(drawn.int()))
    assert (whole[0, 0] == expected).all()


def test_all_passes_are_paid() -> None:
    network = RiadNetwork(1, RecoverySettings(width=2, depth=2), (2, 4, 8, 16)).eval()
    calls = []
    network.unet.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        network(torch.rand(1, 1, 40, 40))
    assert len(calls) == network.passes == 12


def test_mean_filter_against_scipy() -> None:
    maps = torch.rand(1, 1, 50, 40, dtype=torch.float64)
    filtered = mean_filter(maps, 21)[0, 0, 10:-10, 10:-10]
    expected = ndimage.uniform_filter(maps[0, 0].numpy(), 21)[10:-10, 10:-10]
    np.testing.assert_allclose(filtered, expected, rtol=1e-9)


def test_regions_must_be_named() -> None:
    from excision.baselines.riad import RiadKnobs

    with pytest.raises(SettingsError, match="regions"):
        RiadKnobs(())
