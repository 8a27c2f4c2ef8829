"""Tiles cover every pixel, begin on the grid, and have a say that sums to one and stays off their borders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.method.recovery.unet import UNet
from excision.settings import (
    AttentionSettings,
    ImageSettings,
    MaskSettings,
    RecoverySettings,
    ScoreSettings,
    Settings,
    TrainingSettings,
)
from excision.tiling.cutting import MOST_TILES, choose_tiles
from excision.tiling.geometry import RAMP, Tiling, reach
from excision.tiling.spans import spans


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, Tiling]:
    """Length of an image along an axis, side of a tile along it, and a tiling that allows it."""
    grid, halo = draw(st.sampled_from([4, 8, 16, 24, 48, 64])), draw(st.integers(0, 70))
    side = grid + 2 * halo + RAMP + draw(st.integers(0, 600))
    return side + draw(st.integers(0, 5000)), side, Tiling((side, side), grid, halo)


@given(axes())
def test_weights_sum_to_one_at_every_pixel(axis: tuple[int, int, Tiling]) -> None:
    length, side, tiling = axis
    total, known = np.zeros(length, dtype=np.float64), np.zeros(length, dtype=int)
    for span in spans(length, side, tiling):
        assert span.weights.dtype == np.float32
        assert span.weights.min() >= 0 and span.weights.max() <= 1
        total[span.start : span.stop] += span.weights
        known[span.origin : span.origin + side] += 1
    np.testing.assert_array_equal(total, 1)
    assert known.min() >= 1


@given(axes())
def test_tiles_begin_on_the_grid_and_keep_off_their_inner_borders(axis: tuple[int, int, Tiling]) -> None:
    length, side, tiling = axis
    found = spans(length, side, tiling)
    assert all(span.origin % tiling.grid == 0 for span in found)
    assert found[0].origin == 0
    assert 0 <= found[-1].origin + side - length < tiling.grid
    for span in found:
        if span is not found[0]:
            assert span.start - span.origin >= tiling.halo
        if span is not found[-1]:
            assert span.origin + side - span.stop >= tiling.halo
        assert span.inside == slice(span.start - span.origin, span.stop - span.origin)


@given(axes())
def test_one_tile_less_would_not_cover_the_image(axis: tuple[int, int, Tiling]) -> None:
    length, side, tiling = axis
    found = spans(length, side, tiling)
    step = (side - 2 * tiling.halo - RAMP) // tiling.grid * tiling.grid
    assert side + (len(found) - 1) * step + tiling.grid > length
    assert len(found) == 1 or side + (len(found) - 2) * step < length


def test_an_image_of_one_tile_has_one_tile_with_all_the_say() -> None:
    (span,) = spans(256, 256, Tiling((256, 256), 16, 32))
    assert (span.origin, span.start, span.stop) == (0, 0, 256)
    assert (span.weights == 1).all()


def tiled(side: int, **changes: object) -> Settings:
    return replace(Settings(), image=ImageSettings(tile=(side, side)), **changes)  # type: ignore[arg-type]


def test_the_grid_holds_cells_and_places_of_both_networks() -> None:
    deep = RecoverySettings(stem=2, depth=5)
    found = tiled(256, mask=MaskSettings(patch=12), recovery=deep).tiling
    assert found is not None
    assert [found.grid % side for side in (12, 32, 8)] == [0, 0, 0]
    assert Settings().tiling is None


@pytest.mark.parametrize(("stem", "depth"), [(1, 3), (2, 2), (4, 3)])
def test_the_recovery_sees_no_farther_than_its_reach(stem: int, depth: int) -> None:
    torch.manual_seed(0)
    network = UNet(1, 4, depth, "batch", stem).eval()
    torch.nn.init.normal_(network.head.weight)
    far, stride = reach(stem, depth), stem * 2 ** (depth - 1)
    side = 2 * (far // stride + 3) * stride
    image = torch.rand(1, 1, side, side)
    middle = side // 2 + stride // 2 - 1
    other = image.clone()
    other[..., middle, middle] += 5
    skips, hole = (True,) * (depth - 1), torch.zeros(1, 1, side, side)
    with torch.no_grad():
        apart = (network(image, hole, skips).mean - network(other, hole, skips).mean).abs()[0, 0]
    changed = torch.nonzero(apart > 0)
    assert (changed - middle).abs().max() <= far
    # A bound that is never nearly reached would make the halo wider than it has to be.
    assert (changed - middle).abs().max() > far / 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": ImageSettings(tile=(40, 256))}, r"image.tile is \(40, 256\).*at least 42 pixels"),
        ({"recovery": RecoverySettings(depth=6)}, r"each side must be at least"),
        ({"score": ScoreSettings(top=0.01)}, r"score.top is 0.01: with image.tile it must be 0"),
    ],
)
def test_what_does_not_go_with_tiles_is_refused(changes: dict[str, object], message: str) -> None:
    sections: dict[str, object] = {"image": ImageSettings(tile=(128, 128)), **changes}
    with pytest.raises(SettingsError, match=message):
        Settings(**sections, training=TrainingSettings(crop=512))  # type: ignore[arg-type]


def test_size_and_tile_are_one() -> None:
    with pytest.raises(SettingsError, match="give one of the two"):
        ImageSettings(size=(64, 64), tile=(128, 128))
    assert ImageSettings(size=(64, 64), tile=(64, 64)).tile == (64, 64)


def test_the_halo_is_bounded_by_reach_tile_and_cost() -> None:
    near = RecoverySettings(stem=1, depth=2)
    halos = {
        (256, 3): tiled(256).tiling,
        (1024, 3): tiled(1024).tiling,
        (1024, 2): tiled(1024, recovery=near, attention=AttentionSettings(variant="plain")).tiling,
    }
    found = {key: tiling.halo for key, tiling in halos.items() if tiling is not None}
    assert found[1024, 2] == reach(1, 2) < found[1024, 3]
    assert found[256, 3] <= 256 // 8


@given(
    st.dictionaries(
        st.text(max_size=5), st.tuples(st.integers(64, 3000), st.integers(96, 3000)), min_size=1, max_size=5
    ),
    st.integers(0, 9),
)
def test_training_tiles_lie_inside_their_images_and_are_bounded(
    sizes: dict[str, tuple[int, int]], seed: int
) -> None:
    tile = (64, 96)
    chosen = choose_tiles(sizes, tile, seed)
    assert chosen == choose_tiles(sizes, tile, seed)
    assert len({each.name for each in chosen}) == len(chosen) <= MOST_TILES
    for name, (height, width) in sizes.items():
        own = [each.origin for each in chosen if each.source == name]
        covering = -(-height // tile[0]) * -(-width // tile[1])
        assert 1 <= len(own) <= min(covering, MOST_TILES // len(sizes))
        assert all(0 <= top <= height - tile[0] and 0 <= left <= width - tile[1] for top, left in own)


def test_training_tiles_are_spread_and_differ_by_seed_and_name() -> None:
    sizes = {"a": (1000, 1500), "b": (1000, 1500)}
    chosen = choose_tiles(sizes, (100, 100), 0)
    own = {name: [each.origin for each in chosen if each.source == name] for name in sizes}
    assert own["a"] != own["b"]
    assert choose_tiles(sizes, (100, 100), 1) != chosen
    rows, columns = np.array(own["a"]).T
    # Each quarter of the image gives about a quarter of its tiles, borders among them.
    shares = [((rows < 450) == low).mean() for low in (True, False)]
    assert min(shares) > 0.4 and rows.min() == columns.min() == 0 and rows.max() == 900
