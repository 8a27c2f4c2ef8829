"""The attention as the rest of the package sees it, and the weights it ships with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from excision.errors import ModelError
from excision.method.attention.digits import draw_lesson
from excision.method.attention.mnist import load_mnist
from excision.method.attention.model import Attention
from excision.method.attention.networks import PlainAttention, SurfaceAttention
from excision.method.attention.weights import SHIPPED, load_weights, save_weights
from excision.method.masking import patch_attention, select_cells
from excision.settings import ATTENTION_STRIDES, AttentionVariant
from tests.method.attention.conftest import real_mnist

VARIANTS = get_args(AttentionVariant)
Digits = NDArray[np.uint8]


def shipped(variant: AttentionVariant) -> Attention:
    return Attention.pretrained(variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_shipped_weights_load_and_their_record_is_plausible(variant: AttentionVariant) -> None:
    attention = shipped(variant)
    assert all(torch.isfinite(parameter).all() for parameter in attention.parameters())
    record = json.loads((SHIPPED / f"{variant}.json").read_text())
    assert record["variant"] == variant
    assert isinstance(record["steps"], int) and record["steps"] >= 1000
    assert isinstance(record["seed"], int) and isinstance(record["version"], str)
    if variant == "plain":
        assert 0.98 <= record["test_accuracy"] <= 1 and record["iou"] is None
    else:
        assert 0.4 <= record["iou"] <= 1 and record["test_accuracy"] is None


def test_shipped_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.glob("*.safetensors")) < 5_000_000


@pytest.mark.parametrize("variant", VARIANTS)
def test_attention_is_frozen(variant: AttentionVariant) -> None:
    attention = Attention(variant)
    assert not any(parameter.requires_grad for parameter in attention.parameters())
    assert not attention(torch.rand(1, 1, 32, 32)).requires_grad


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(64, 64), (33, 47), (32, 33), (50, 36), (7, 90), (5, 3), (1, 1)])
def test_any_size(variant: AttentionVariant, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    attention = Attention(variant)(torch.rand(2, 1, *size))
    assert attention.shape == (2, 1, *size) and attention.dtype == torch.float32
    assert torch.isfinite(attention).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(64, 96), (128, 40)])
def test_the_stride_that_tiles_are_cut_by_is_that_of_the_network(
    variant: AttentionVariant, size: tuple[int, int]
) -> None:
    assert set(ATTENTION_STRIDES) == {*VARIANTS, "dino"}  # which is cut into no tiles
    with torch.no_grad():
        located = Attention(variant).network.locate(torch.rand(1, 1, *size))
    stride = ATTENTION_STRIDES[variant]
    assert located.shape == (1, 1, size[0] // stride, size[1] // stride)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(144, 160), (145, 163), (154, 151)])
def test_attention_lies_where_the_image_has_it(
    variant: AttentionVariant, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that answers with the brightness of each grid cell: a slope must come back as it was."""
    attention = Attention(variant)
    stride = attention.network.stride
    computes = "describe" if variant == "surface" else "locate"
    monkeypatch.setattr(attention.network, computes, lambda images: functional.avg_pool2d(images, stride))
    monkeypatch.setattr(attention.network, "judge", lambda features: features, raising=False)
    rows, columns = np.mgrid[: size[0], : size[1]]
    slope = torch.from_numpy((3 * rows + columns) / 500).float()[None, None]
    inner = (..., slice(48, -48), slice(48, -48))  # one and a half cells of the coarsest grid
    torch.testing.assert_close(attention(slope)[inner], slope[inner], atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_image_alone_and_in_a_batch(variant: AttentionVariant) -> None:
    attention = shipped(variant)
    images = torch.rand(3, 1, 50, 41, generator=torch.Generator().manual_seed(0))
    together, alone = attention(images), torch.cat([attention(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    masks = [select_cells(patch_attention(maps, 8), 0.0, 0.3) for maps in (together, alone)]
    assert torch.equal(*masks)


@pytest.mark.parametrize("variant", VARIANTS)
def test_colour_is_seen_as_its_grey(variant: AttentionVariant) -> None:
    attention = shipped(variant)
    grey = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(attention(grey.expand(1, 3, 40, 40)), attention(grey), atol=1e-3, rtol=1e-3)


def test_plain_attention_answers_alike_for_either_polarity() -> None:
    attention = shipped("plain")
    image = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(attention(1 - image), attention(image), atol=1e-3, rtol=1e-3)


def test_classifier_attends_over_all_positions() -> None:
    """The digit logits against a direct computation of softmax, weighting and pooling."""
    torch.manual_seed(0)
    network = PlainAttention().double()
    images = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    logits, digits = network(images)
    assert logits.shape == (2, 1, 7, 7) and digits.shape == (2, 10)
    features = network.features(images)
    share = logits.exp() / logits.exp().sum(dim=(2, 3), keepdim=True)
    head = network.head(features * share).clamp_min(0).mean(dim=(2, 3))
    torch.testing.assert_close(digits, network.digit(network.hidden(head).clamp_min(0)))
    torch.testing.assert_close(network.attend(images), logits)


def separations(attention: Attention, digits: Digits, lessons: int) -> list[float]:
    """For each drawn digit, the area under the ROC curve of attention against the digit's pixels."""
    areas = []
    for seed in range(lessons):
        lesson = draw_lesson(digits, 8, 96, np.random.default_rng((77, seed)), empty_share=0.0)
        maps = attention(lesson.images)
        for seen, stroke in zip(maps, lesson.strokes > 0.5, strict=True):
            if 0 < stroke.sum() < stroke.numel():
                areas.append(float(roc_auc_score(stroke.ravel(), seen.ravel())))
    return areas


def test_surface_attention_finds_held_out_digits_on_new_surfaces() -> None:
    digits, _ = load_mnist(real_mnist(), "test")
    # Many of these digits are fainter than the surface's own grain; chance would be 0.5.
    areas = separations(shipped("surface"), digits, 5)
    assert len(areas) > 30
    assert np.mean(areas) > 0.65 and np.median(areas) > 0.8


def test_surface_attention_finds_shapes_that_are_no_digits(strokes: Digits) -> None:
    areas = separations(shipped("surface"), strokes, 3)
    untrained = separations(Attention("surface"), strokes, 3)
    assert np.mean(areas) > 0.65
    assert np.mean(areas) > np.mean(untrained) + 0.1


def test_plain_attention_finds_a_digit_on_a_flat_surface(strokes: Digits) -> None:
    image = torch.full((1, 1, 64, 64), 0.5)
    stroke = torch.zeros(64, 64, dtype=torch.bool)
    stroke[18:46, 18:46] = torch.from_numpy(strokes[0] > 128)
    image[0, 0][stroke] = 0.3  # dark on bright
    seen = shipped("plain")(image)[0, 0]
    assert roc_auc_score(stroke.ravel(), seen.ravel()) > 0.9


@pytest.mark.parametrize(("variant", "network"), [("plain", PlainAttention), ("surface", SurfaceAttention)])
def test_weights_are_written_and_read(
    variant: str, network: type[PlainAttention | SurfaceAttention], tmp_path: Path
) -> None:
    torch.manual_seed(3)
    first, second = network(), network()
    save_weights(first, tmp_path, variant, {"seed": 3})
    load_weights(second, variant, tmp_path)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert json.loads((tmp_path / f"{variant}.json").read_text()) == {"seed": 3}
    assert {path.name for path in tmp_path.iterdir()} == {f"{variant}.safetensors", f"{variant}.json"}


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"surface\.safetensors"):
        Attention.pretrained("surface", tmp_path)
    save_weights(PlainAttention(), tmp_path, "surface", {})
    with pytest.raises(ModelError, match="not weights of the surface attention"):
        Attention.pretrained("surface", tmp_path)
    (tmp_path / "surface.safetensors").write_bytes(b"half a fi")
    with pytest.raises(ModelError, match=r"surface\.safetensors"):
        Attention.pretrained("surface", tmp_path)
