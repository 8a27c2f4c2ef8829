"""Networks in the form that is exported compute what they compute in torch."""

from __future__ import annotations

import pytest
import torch

from excision.export import attention_graph, edge_graph, recovery_graph
from excision.method.attention.model import Attention
from excision.method.recovery.unet import UNet
from excision.method.scoring.edge_features import edge_features
from excision.ops.resampling import repeat
from excision.settings import MaskSettings, Normalisation, RecoverySettings, Settings

_ROUNDING = 3e-5


@pytest.mark.parametrize("size", [(96, 80), (91, 101), (40, 52), (31, 50)])
def test_attention_is_the_same_at_any_size(size: tuple[int, int]) -> None:
    attention = Attention.pretrained()
    images = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    images[:, :, 10:14] += 0.2
    graph = attention_graph.for_graph(attention, size)
    assert graph is not attention
    for expected, found in zip(attention.look(images, 8), graph.look(images, 8), strict=True):
        assert expected is not None and found is not None
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, rtol=1e-5, atol=_ROUNDING)


@pytest.mark.parametrize("shape", [(2, 1, 64, 48), (1, 3, 45, 70)])
def test_edges_are_the_same(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape, generator=torch.Generator().manual_seed(2)) * 0.1 + 0.4
    images[:, :, 20:30, 15:] += 0.3
    found, expected = edge_graph.edge_features(images), edge_features(images)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-6)


def test_other_attention_and_large_images_stay_as_they_are() -> None:
    plain = Attention("plain")
    assert attention_graph.for_graph(plain, (64, 64)) is plain
    surface = Attention()
    assert attention_graph.for_graph(surface, (64, 2048)) is surface


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stem", [2, 4])
@pytest.mark.parametrize("normalisation", ["batch", "instance", "none"])
def test_recovery_is_the_same(channels: int, stem: int, normalisation: Normalisation) -> None:
    settings = Settings(
        mask=MaskSettings(patch=8), recovery=RecoverySettings(stem=stem, normalisation=normalisation)
    )
    unet = settings.recovery
    network = UNet(channels, unet.width, unet.depth, unet.normalisation, unet.stem).eval()
    draw = torch.Generator().manual_seed(1)
    for name, values in [*network.named_parameters(), *network.named_buffers()]:
        if values.is_floating_point():
            values.data = torch.rand(values.shape, generator=draw) * (1.0 if "var" in name else 0.2)
    mask = repeat((torch.rand(2, 1, 6, 9, generator=draw) > 0.5).float(), 8, (45, 70))
    images = torch.rand(2, channels, 45, 70, generator=draw) * (1 - mask)
    graph = recovery_graph.for_graph(network, settings)
    assert graph is not network
    with torch.no_grad():
        for skips in ((True, True), (False, True), (False, False)):
            for expected, found in zip(network(images, mask, skips), graph(images, mask, skips), strict=True):
                assert torch.allclose(found, expected, rtol=1e-4, atol=_ROUNDING)


def test_recovery_stays_as_it_is_where_a_position_has_pixels_of_two_cells() -> None:
    settings = Settings(mask=MaskSettings(patch=6))
    network = UNet(1, 16, 3, "batch", 4)
    assert recovery_graph.for_graph(network, settings) is network
