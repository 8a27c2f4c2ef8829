"""The bound: networks that see only a neighbourhood say the same in tiles as of the whole image at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.method.attention.model import Attention
from excision.method.pipeline import Pipeline
from excision.ops.memory_format import image_tensor
from excision.ops.unit_range import to_unit
from excision.predictions import Prediction
from excision.settings import AttentionSettings, MaskSettings, RecoverySettings, Settings
from excision.tiling.assembly import inspect_working
from excision.tiling.geometry import Tiling, reach
from excision.tiling.image_format import ImageFormat
from tests.tiling.conftest import draw_strip

CPU = torch.device("cpu")

LOCAL = Settings(
    attention=AttentionSettings(variant="plain"),
    # A cap of cells is one of the whole image or of a tile: here it never binds.
    mask=MaskSettings(budget=0.1, cap=0.9),
    recovery=RecoverySettings(stem=1, depth=2, width=4),
)
BLIND = Settings(mask=MaskSettings(enabled=False), recovery=RecoverySettings(width=4))


@dataclass(frozen=True)
class Networks:
    """The same networks for images of any size, with the same normal statistics everywhere."""

    settings: Settings
    mask_threshold: float = 0.0

    def __call__(self, working: NDArray[np.uint16]) -> Prediction:
        size = (working.shape[0], working.shape[1])
        torch.manual_seed(0)
        variant = self.settings.attention.variant
        assert variant != "dino"
        attention = Attention.pretrained(variant)
        pipeline = Pipeline(self.settings, ImageFormat(size, 1), attention).eval()
        for layer in pipeline.recovery.modules():
            if isinstance(layer, torch.nn.Conv2d):
                # What lies far off fades from layer to layer with torch's own start.
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        pipeline.masking.threshold.fill_(self.mask_threshold)
        pipeline.scorer.tails.copy_(torch.tensor([[0.2, 0.1], [0.2, 0.1], [1.0, 0.5]]))
        stages = pipeline(image_tensor(working, CPU))
        planes = [part[0].permute(1, 2, 0).numpy() for part in stages[:5]]
        attention, mask, masked_image, recovery, anomaly_map = planes
        return Prediction(
            score=float(stages.score[0]),
            threshold=math.inf,
            anomaly_map=anomaly_map[..., 0],
            image=to_unit(working),
            seconds=0.0,
            attention=attention[..., 0],
            mask=mask[..., 0],
            masked_image=masked_image,
            recovery=recovery,
        )


def plate(size: tuple[int, int]) -> NDArray[np.uint16]:
    pixels = draw_strip(7, size)
    pixels[size[0] // 2 - 5 : size[0] // 2 + 5, size[1] // 3 :: 61] = 230
    return pixels[..., None].astype(np.uint16) * 257


def compare(networks: Networks, size: tuple[int, int], tiling: Tiling) -> tuple[Prediction, Prediction, int]:
    image, tiles = plate(size), []

    def inspect(tile: NDArray[np.uint16]) -> Prediction:
        tiles.append(tile)
        return networks(tile)

    return networks(image), inspect_working(image, tiling, inspect), len(tiles)


def test_local_attention_and_recovery_agree_but_for_rounding() -> None:
    size, tiling = (384, 480), Tiling((288, 288), 48, 64)
    cells = networks_cells(plate(size))
    networks = Networks(LOCAL, float(np.quantile(cells, 0.9)))
    whole, tiled, tiles = compare(networks, size, tiling)
    assert tiles == 2 * 3
    assert 0.05 < whole.mask.mean() < 0.2
    np.testing.assert_array_equal(tiled.mask, whole.mask)
    for name in ("anomaly_map", "attention", "masked_image", "recovery"):
        expected = getattr(whole, name)
        assert np.ptp(expected) > 0.5
        np.testing.assert_allclose(getattr(tiled, name), expected, atol=1e-4 * np.ptp(expected))
    assert float(tiled.anomaly_map.max()) == pytest.approx(float(whole.anomaly_map.max()), rel=1e-4)


def networks_cells(image: NDArray[np.uint16]) -> NDArray[np.float32]:
    cells: NDArray[np.float32] = Attention.pretrained("plain").cells(image_tensor(image, CPU), 8).numpy()
    return cells


def test_the_recovery_agrees_within_its_reach_and_not_without_halo() -> None:
    size, far = (320, 352), reach(4, 3)
    with_halo = Tiling((288, 288), 16, far)
    whole, tiled, tiles = compare(Networks(BLIND), size, with_halo)
    assert tiles == 2 * 3
    unit = float(whole.anomaly_map.max())
    assert unit > 0
    np.testing.assert_allclose(tiled.anomaly_map, whole.anomaly_map, atol=1e-5 * unit)
    # The comparison can fail: tiles that are asked up to their border differ.
    bare = inspect_working(plate(size), Tiling((64, 64), 16, 0), Networks(BLIND))
    assert np.abs(bare.anomaly_map - whole.anomaly_map).max() > 1e-2 * unit
