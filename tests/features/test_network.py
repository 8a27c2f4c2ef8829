"""Features on the grid of cells against a slow version in numpy and scipy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from excision.errors import ModelError, SettingsError
from excision.features.choice import FeatureChoice, check_choice
from excision.features.network import FeatureNetwork, Projection
from excision.features.record import FeatureRecord
from excision.features.registry import build_network, open_network

Array = NDArray[np.float64]

RECORD = FeatureRecord(
    "efficientnet-lite0",
    "a package 1.0",
    "Apache-2.0",
    "0" * 64,
    (0.5,),
    (0.5,),
    (40, 48),
    (8, 16),
    (5, 7),
    6,
)


class Pooled(nn.Module):
    """Maps of these strides and channels: mixtures of the brightness of each square."""

    def __init__(self, strides: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.strides, self.channels = strides, channels
        generator = torch.Generator().manual_seed(0)
        self.mixing = [torch.rand(count, 1, 1, 1, generator=generator) for count in channels]

    def forward(self, images: Tensor) -> list[Tensor]:
        pooled = [functional.avg_pool2d(images, stride, ceil_mode=True) for stride in self.strides]
        return [
            torch.sin(3 * functional.conv2d(each, mixing))
            for each, mixing in zip(pooled, self.mixing, strict=True)
        ]


class Scaled(nn.Module):
    """A network whose maps are so many times as large."""

    def __init__(self, network: nn.Module, times: float) -> None:
        super().__init__()
        self.network, self.times = network, times

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.times * each for each in self.network(images)]


def network(strides: tuple[int, ...] = (8, 16), channels: tuple[int, ...] = (5, 7)) -> FeatureNetwork:
    record = dataclasses.replace(RECORD, strides=strides, channels=channels)
    return FeatureNetwork(record, Pooled(strides, channels)).draw_directions().eval()


def on_grid(planes: Array, stride: int, cell: int, size: tuple[int, int]) -> Array:
    """Interpolate planes (B, C, h, w) of a stride between the centres of their squares, at those of cells."""
    at = [
        ((np.arange(-(-side // cell)) + 0.5) * cell / stride - 0.5).clip(0, have - 1)
        for side, have in zip(size, planes.shape[2:], strict=True)
    ]
    where = np.meshgrid(*at, indexing="ij")
    return np.array([[ndimage.map_coordinates(p, where, order=1) for p in image] for image in planes])


def unit_channels(maps: list[Array], strides: list[int], cell: int, size: tuple[int, int]) -> Array:
    """Divide the channels of each position by their length."""
    joined = np.concatenate([on_grid(m, s, cell, size) for m, s in zip(maps, strides, strict=True)], axis=1)
    squares = [
        on_grid((m**2).sum(axis=1, keepdims=True), s, cell, size) for m, s in zip(maps, strides, strict=True)
    ]
    return np.asarray(joined / np.sqrt(sum(squares)))


def slow(found: FeatureNetwork, images: Tensor, training: Tensor, place: int) -> Array:
    """Bring channels of length 1 to the grid, scale each, then project."""
    grid, projection = found.record.grids[place], found.projections[place]
    assert isinstance(projection, Projection)

    def units(given: Tensor) -> Array:
        maps: list[Tensor] = found.backbone(given)
        chosen = [maps[each].double().numpy() for each in grid.maps]
        return unit_channels(chosen, list(grid.strides), grid.cell, (given.shape[2], given.shape[3]))

    known = units(training)
    scaled = units(images) - known.mean(axis=(0, 2, 3), keepdims=True)
    scaled /= known.std(axis=(0, 2, 3), keepdims=True)
    features: Array = np.einsum("df,bfhw->bdhw", projection.directions.double().numpy(), scaled)
    return features


@pytest.mark.parametrize("size", [(40, 48), (37, 61), (96, 64)])
def test_features_are_those_of_the_slow_version(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 1, *size, generator=generator)
    # Of a size that every square fits into, so that scipy and the network see the same squares.
    training = torch.rand(6, 1, 64, 96, generator=generator)
    found = network((8, 16, 32), (5, 7, 9))
    found.learn_scale(map(found.units, torch.split(training, 1)))
    for place, features in enumerate(found(images)):
        np.testing.assert_allclose(features.numpy(), slow(found, images, training, place), atol=1e-3)


@pytest.mark.parametrize("strides", [(4, 8), (8,), (14,), (8, 16, 32), (32,)])
def test_maps_of_any_strides_come_onto_their_grid(strides: tuple[int, ...]) -> None:
    found = network(strides, (9,) * len(strides))
    shapes = {"fine": (2, 6, 5, 8), "coarse": (2, 6, 2, 2)}
    names = [*(["fine"] if min(strides) < 32 else []), *(["coarse"] if max(strides) >= 32 else [])]
    wanted = [shapes[name] for name in names]
    assert [tuple(each.shape) for each in found(torch.rand(2, 1, 37, 61))] == wanted


def test_a_feature_does_not_depend_on_the_contrast_of_the_maps() -> None:
    found, images = network((8, 16), (5, 7)), torch.rand(2, 1, 40, 48)
    before = found(images)
    backbone = found.backbone
    found.backbone = Scaled(backbone, 7.0)
    for one, other in zip(before, found(images), strict=True):
        torch.testing.assert_close(one, other)


def test_directions_are_orthonormal_and_always_the_same() -> None:
    first = network()
    torch.manual_seed(99)
    one, other = first.projections[0], network().projections[0]
    assert isinstance(one, Projection) and isinstance(other, Projection)
    directions = one.directions
    assert torch.equal(directions, other.directions)
    torch.testing.assert_close(directions @ directions.T, torch.eye(6))


def test_a_channel_that_never_varies_is_not_blown_up() -> None:
    found = network()
    found.learn_scale([found.units(torch.full((1, 1, 40, 48), 0.5))] * 3)
    assert found(torch.full((1, 1, 40, 48), 0.5))[0].abs().max() < 1e-5
    assert found(torch.full((1, 1, 40, 48), 0.6))[0].abs().max() < 10


def test_maps_of_zeros_give_finite_features() -> None:
    found = network()
    found.backbone = Scaled(found.backbone, 0.0)
    assert all(torch.isfinite(each).all() for each in found(torch.rand(1, 1, 40, 48)))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_packaged_network_is_read_recorded_and_built_again(
    name: str, channels: int, tmp_path: Path
) -> None:
    choice = FeatureChoice(name, (40, 48))
    try:
        found = open_network(choice)
    except ModelError as error:
        pytest.skip(str(error))
    found.record.save(tmp_path / "features.json")
    record = FeatureRecord.load(tmp_path / "features.json")
    assert record == found.record and record.licence == "Apache-2.0" and name in record.explain()
    twin = build_network(record)
    twin.load_state_dict(found.state_dict())
    images = torch.rand(2, channels, 40, 48)
    assert [tuple(each.shape) for each in found(images)] == [(2, 100, 5, 6), (2, 100, 2, 2)]
    assert all(map(torch.equal, twin(images), found(images)))


@pytest.mark.parametrize(
    ("features", "architecture", "told"),
    [
        ("edgy", None, "it must be edges, efficientnet-lite0"),
        ("weights.pth", None, "or the path of an .onnx or .safetensors file"),
        ("weights.safetensors", None, "say with score.architecture"),
        ("graph.onnx", "resnet18", "an ONNX graph states its own"),
        ("edges", "resnet18", "belongs to a .safetensors file"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(features: str, architecture: str | None, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        check_choice(features, architecture)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", 3), ("sha256", "abc"), ("size", [1]), ("size", [2**40, 1]), ("strides", [16, 8]),
        ("strides", [8]), ("channels", [True, 2]), ("features", 0), ("features", 13), ("features", 2**40),
        ("std", [0.0]), ("mean", [1.0, 2.0]), ("graph", {"steps": []}), ("licence", "x" * 10_000),
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "features.json"
    RECORD.save(path)
    assert FeatureRecord.load(path) == RECORD
    dataclasses.replace(RECORD, **{name: value}).save(path)
    with pytest.raises(ModelError, match=r"features\.json: this is not the record"):
        FeatureRecord.load(path)


def test_a_record_of_what_is_not_known_is_refused() -> None:
    for change in ({"kind": "abacus"}, {"channels": (4, 4)}):
        with pytest.raises(ModelError):
            build_network(dataclasses.replace(RECORD, **change))
