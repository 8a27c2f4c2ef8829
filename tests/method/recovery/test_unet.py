"""The U-Net and its skip switches."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.method.recovery.unet import Recovery, UNet
from excision.settings import Normalisation


def network(
    channels: int = 1,
    width: int = 4,
    depth: int = 4,
    normalisation: Normalisation = "batch",
    seed: int = 0,
    stem: int = 1,
) -> UNet:
    """A network with random weights everywhere, the head included, and lived-in running statistics."""
    torch.manual_seed(seed)
    unet = UNet(channels, width, depth, normalisation, stem).double()
    nn.init.normal_(unet.head.weight, std=0.1)
    unet.train()
    for _ in range(2):
        unet(*inputs(channels, (32, 32)), [True] * (depth - 1))
    return unet.eval()


def inputs(channels: int, size: tuple[int, int], batch: int = 2) -> tuple[Tensor, Tensor]:
    masked_image = torch.rand(batch, channels, *size, dtype=torch.float64)
    return masked_image, (torch.rand(batch, 1, *size) < 0.2).double()


def by_concatenation(unet: UNet, masked_image: Tensor, mask: Tensor, skips: tuple[bool, ...]) -> Recovery:
    """The textbook U-Net: one convolution over the concatenation, fed zeros where a skip is off."""
    features, kept = torch.cat((masked_image, mask), dim=1), []
    for level, encoder in enumerate(unet.encoders):
        features = functional.max_pool2d(features, 2) if level else features
        for name in ("first", "second"):
            normalise = encoder.get_submodule(f"{name}_norm")
            features = functional.relu(normalise(encoder.get_submodule(name)(features)))
        kept.append(features)
    for level in reversed(range(len(skips))):
        block = unet.decoders[level]
        below = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        enlarged = functional.conv2d(below, block.get_parameter("reduce.weight"))
        skip = kept[level] if skips[level] else torch.zeros_like(kept[level])
        from_below = block.get_submodule("from_below")
        assert isinstance(from_below, nn.Conv2d)
        weight = torch.cat((from_below.weight, block.get_parameter("from_skip.weight")), dim=1)
        joined = torch.cat((enlarged, skip), dim=1)
        features = functional.conv2d(joined, weight, from_below.bias, padding=1)
        features = functional.relu(block.get_submodule("first_norm")(features))
        features = block.get_submodule("second_norm")(block.get_submodule("second")(features))
        features = functional.relu(features)
    mean, log_variance = unet.head(features).chunk(2, dim=1)
    return Recovery(mean, log_variance.clamp(-15, 0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stem", [2, 4])
def test_a_stem_takes_and_gives_squares_of_pixels(stem: int, channels: int) -> None:
    """The same network without a stem, fed one channel for each place in the square, answers alike."""
    unet = network(channels, width=4, depth=3, stem=stem)
    masked_image, mask = inputs(channels, (8 * stem, 12 * stem), batch=1)
    places = [
        plane[:, :, y::stem, x::stem]
        for plane in (*masked_image.chunk(channels, dim=1), mask)
        for y in range(stem)
        for x in range(stem)
    ]
    inner = UNet(len(places) - 1, 4, 3, "batch").double().eval()
    inner.head = unet.head
    weights = {name: value for name, value in unet.state_dict().items() if not name.startswith("head")}
    inner.load_state_dict(weights, strict=False)
    squares = torch.cat(places, dim=1)
    raw: list[Tensor] = []
    handle = inner.head.register_forward_hook(lambda *told: raw.append(told[2]))
    inner(squares[:, :-1], squares[:, -1:], (False, True))
    handle.remove()
    expected = torch.empty(1, 2 * channels, *masked_image.shape[2:], dtype=torch.float64)
    for channel in range(2 * channels):
        for y in range(stem):
            for x in range(stem):
                expected[:, channel, y::stem, x::stem] = raw[0][:, channel * stem**2 + y * stem + x]
    recovery = unet(masked_image, mask, (False, True))
    torch.testing.assert_close(recovery.mean, expected[:, :channels])
    torch.testing.assert_close(recovery.log_variance, expected[:, channels:].clamp(-15, 0))


@pytest.mark.parametrize("size", [(7, 9), (33, 50)])
def test_a_stem_takes_any_size(size: tuple[int, int]) -> None:
    recovery = network(stem=2)(*inputs(1, size), (True,) * 3)
    assert recovery.mean.shape == (2, 1, *size)


@pytest.mark.parametrize("skips", list(product((False, True), repeat=3)))
@pytest.mark.parametrize("normalisation", get_args(Normalisation))
def test_a_skip_that_is_off_contributes_zeros(normalisation: Normalisation, skips: tuple[bool, ...]) -> None:
    unet = network(normalisation=normalisation)
    masked_image, mask = inputs(1, (24, 40))
    recovery, expected = unet(masked_image, mask, skips), by_concatenation(unet, masked_image, mask, skips)
    torch.testing.assert_close(recovery.mean, expected.mean)
    torch.testing.assert_close(recovery.log_variance, expected.log_variance)
    assert expected.log_variance.std() > 0


def test_every_skip_matters() -> None:
    unet = network(depth=5)
    masked_image, mask = inputs(1, (32, 32))
    answers = [unet(masked_image, mask, skips).mean for skips in product((False, True), repeat=4)]
    for index, answer in enumerate(answers):
        for other in answers[:index]:
            assert (answer - other).abs().max() > 1e-10


def test_what_is_off_is_never_computed() -> None:
    """Weights that are no numbers would spoil whatever they touch, even times zero."""
    unet = network(depth=4)
    for block in unet.decoders:
        nn.init.constant_(block.get_parameter("from_skip.weight"), float("nan"))
    assert unet(*inputs(1, (16, 16)), (False, False, False)).mean.isfinite().all()
    for level in range(3):
        on = [place == level for place in range(3)]
        assert unet(*inputs(1, (16, 16)), on).mean.isnan().any()


def test_weights_that_are_off_get_no_gradient() -> None:
    unet = network(depth=3)
    unet(*inputs(1, (16, 16)), (False, True)).mean.sum().backward()
    assert unet.decoders[0].get_parameter("from_skip.weight").grad is None
    assert unet.decoders[1].get_parameter("from_skip.weight").grad is not None


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(48, 40), (33, 35), (40, 47)])
def test_any_size_depth_and_channels(channels: int, depth: int, size: tuple[int, int]) -> None:
    unet = network(channels, 2, depth, "none")
    recovery = unet(*inputs(channels, size), (True,) * (depth - 1))
    for part in recovery:
        assert part.shape == (2, channels, *size)
        assert torch.isfinite(part).all()


def test_padding_to_the_stride_is_no_more_than_repeating_the_border() -> None:
    unet = network(depth=3)
    masked_image, mask = inputs(1, (18, 21))
    padded = [functional.pad(part, (0, 3, 0, 2), mode="replicate") for part in (masked_image, mask)]
    expected = unet(*padded, (True, True)).mean[:, :, :18, :21]
    torch.testing.assert_close(unet(masked_image, mask, (True, True)).mean, expected)


def test_images_of_a_batch_do_not_see_each_other_at_inference() -> None:
    unet = network(depth=3)
    masked_image, mask = inputs(1, (16, 16), batch=3)
    together = unet(masked_image, mask, (True, True)).mean
    alone = unet(masked_image[1:2], mask[1:2], (True, True)).mean
    torch.testing.assert_close(together[1:2], alone)


def test_channels_double_with_each_level() -> None:
    unet = UNet(3, 6, 4, "batch")
    assert [len(encoder.get_parameter("second.weight")) for encoder in unet.encoders] == [6, 12, 24, 48]
    assert unet.encoders[0].get_parameter("first.weight").shape[1] == 4  # three colours and the mask
    assert len(unet.decoders) == 3


def test_starts_at_mid_grey_with_an_ordinary_spread() -> None:
    recovery = UNet(1, 4, 3, "batch")(torch.rand(1, 1, 16, 16), torch.zeros(1, 1, 16, 16), (True, True))
    torch.testing.assert_close(recovery.mean, torch.full_like(recovery.mean, 0.5))
    assert recovery.log_variance.unique().tolist() == [-4.0]


def test_predicted_spread_is_bounded() -> None:
    unet = network(depth=2)
    with torch.no_grad():
        for bias, expected in ((100.0, 0.0), (-100.0, -15.0)):
            unet.get_parameter("head.bias").fill_(bias)
            assert unet(*inputs(1, (8, 8)), (True,)).log_variance.unique().tolist() == [expected]


@pytest.mark.parametrize(
    ("masked_image", "mask", "skips", "message"),
    [
        ((1, 3, 16, 16), (1, 1, 16, 16), 2, r"masked_image is \(1, 3, 16, 16\): expected \(B, 1, H, W\)"),
        ((1, 16, 16), (1, 1, 16, 16), 2, r"expected \(B, 1, H, W\)"),
        ((2, 1, 16, 16), (1, 1, 16, 16), 2, r"mask is \(1, 1, 16, 16\): expected \(2, 1, 16, 16\)"),
        ((1, 1, 16, 16), (1, 1, 16, 8), 2, "mask is"),
        ((1, 1, 16, 16), (1, 1, 16, 16), 3, "3 skip switches for 2 skip connections"),
    ],
)
def test_wrong_shapes_are_named(
    masked_image: tuple[int, ...], mask: tuple[int, ...], skips: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        UNet(1, 2, 3, "none")(torch.zeros(masked_image), torch.zeros(mask), (True,) * skips)
