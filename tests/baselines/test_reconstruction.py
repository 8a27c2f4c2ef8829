"""The autoencoder and the plain U-Nets: what they are shown, what they say, and the baselines as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from excision.baselines import baseline
from excision.baselines.base import Baseline
from excision.baselines.reconstruction import (
    Autoencoder,
    AutoencoderNetwork,
    PlainUNet,
    ReconstructionNetwork,
    SkiplessUNet,
    UNetNetwork,
)
from excision.errors import ModelError, SettingsError
from excision.method.folder_kinds import BASELINE
from excision.ops.similarity import ssim_map
from excision.settings import ImageSettings, RecoverySettings, Settings, TrainingSettings
from excision.synthetic.surfaces import cast_grain, woven_fabric
from excision.system.files import write_json
from excision.tiling.image_format import ImageFormat
from tests.baselines import common

SIZE = (48, 64)
TINY = Settings(
    recovery=RecoverySettings(width=8, depth=3),
    training=TrainingSettings(steps=8, batch=2, crop=32, precision="float32"),
)
KINDS: list[type[Baseline]] = [Autoencoder, PlainUNet, SkiplessUNet]


def _good(number: int) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), SIZE) * 255).astype(np.uint8)


GOOD = [_good(number) for number in range(8)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def fitted(request: pytest.FixtureRequest) -> Baseline:
    found: Baseline = request.param(TINY, device="cpu").fit(GOOD)
    return found


UNET, GREY = TINY.recovery, ImageFormat(SIZE, 1)


class _Halving(ReconstructionNetwork):
    """Rebuilds everything half as bright; the difference is squared."""

    def reconstruct(self, images: Tensor) -> Tensor:
        return images / 2

    def differ(self, images: Tensor, rebuilt: Tensor) -> Tensor:
        return (images - rebuilt).square()


def test_the_map_is_the_difference_averaged_and_smoothed() -> None:
    images = torch.rand(2, 3, 40, 33)
    found = _Halving(2.0)(images)
    for image, got, score in zip(images.numpy(), found.maps[:, 0].numpy(), found.scores, strict=True):
        expected = gaussian_filter(((image / 2) ** 2).mean(axis=0), 2.0, mode="mirror", truncate=3.0)
        np.testing.assert_allclose(got, expected, rtol=1e-4)
        assert float(score) == got.max()


def test_without_smoothing_the_map_is_the_difference_itself() -> None:
    image = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(_Halving(0.0)(image).maps, (image / 2).square())


def test_the_loss_is_the_mean_difference() -> None:
    images = torch.rand(2, 3, 32, 32)
    loss = _Halving(2.0).loss(images, np.random.default_rng(0))
    assert float(loss) == pytest.approx(float((images.double() / 2).square().mean()), rel=1e-5)


def test_the_autoencoder_differs_by_its_structural_similarity() -> None:
    one, other = torch.rand(1, 2, 32, 32), torch.rand(1, 2, 32, 32)
    network = AutoencoderNetwork(2, 4, 0.0)
    assert torch.equal(network.differ(one, other), 1 - ssim_map(one, other))
    assert float(network.differ(one, one).abs().max()) < 1e-5


@settings(max_examples=10)
@given(height=st.integers(32, 80), width=st.integers(32, 80), channels=st.sampled_from([1, 3]))
def test_any_size_is_rebuilt(height: int, width: int, channels: int) -> None:
    images = torch.rand(1, channels, height, width)
    for network in (AutoencoderNetwork(channels, 4, 2.0), UNetNetwork(UNET, channels, True, 2.0)):
        network.eval()
        assert network.reconstruct(images).shape == images.shape
        assert network(images).maps.shape == (1, 1, height, width)


def test_the_bottleneck_has_the_channels_asked_for_at_a_sixteenth() -> None:
    network = AutoencoderNetwork(1, 7, 2.0)
    assert network.encoder(torch.rand(1, 1, 64, 48)).shape == (1, 7, 4, 3)
    assert Autoencoder().build(GREY).encoder(torch.rand(1, 1, 32, 32)).shape == (1, 100, 2, 2)


def test_nothing_passes_the_bottleneck_by() -> None:
    network = AutoencoderNetwork(1, 4, 2.0)
    with torch.no_grad():
        network.decoder[-1].get_parameter("weight").normal_()
        for parameter in network.encoder[-1].parameters():
            parameter.zero_()
        network.decoder[0].get_parameter("bias").normal_()
        one, other = network.reconstruct(torch.rand(2, 1, 32, 32))
    assert torch.equal(one, other)
    assert float(one.std()) > 0


@pytest.mark.parametrize(("kind", "skips"), [(PlainUNet, (True, True)), (SkiplessUNet, (False, False))])
@pytest.mark.parametrize("training", [True, False])
def test_the_unet_sees_the_whole_image_and_no_hole(
    kind: type[PlainUNet], skips: tuple[bool, ...], training: bool
) -> None:
    network = kind(Settings(recovery=UNET)).build(GREY).train(training)
    seen: list[tuple[Any, ...]] = []
    network.unet.register_forward_pre_hook(lambda _, given: seen.append(given))
    image = torch.rand(1, 1, 32, 32)
    if training:
        network.loss(image, np.random.default_rng(0))
    else:
        network(image)
    ((shown, mask, switches),) = seen
    assert torch.equal(shown, image)
    assert not mask.any()
    assert switches == skips


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss(kind: type[Baseline]) -> None:
    losses: list[float] = []
    longer = Settings(
        recovery=TINY.recovery,
        training=TrainingSettings(steps=60, batch=4, crop=48, precision="float32"),
    )
    # Threads come regularly, so that even a bottleneck has something to learn within seconds.
    woven = [(woven_fabric(np.random.default_rng(n), SIZE) * 255).astype(np.uint8) for n in range(8)]
    kind(longer, device="cpu").fit(woven, progress=lambda _, __, figures: losses.append(figures["loss"]))
    assert len(losses) == 60
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:3])


def test_saved_and_loaded_it_gives_the_same(fitted: Baseline, tmp_path: Path) -> None:
    common.same_from_disk(fitted, tmp_path, GOOD)


def test_an_image_is_judged_the_same_in_any_batch(fitted: Baseline) -> None:
    common.same_in_any_batch(fitted, SIZE)


def test_learning_twice_gives_the_same(fitted: Baseline) -> None:
    common.same_when_learnt_again(fitted, type(fitted)(TINY, device="cpu").fit(GOOD))


def test_one_pass_is_paid(fitted: Baseline) -> None:
    assert fitted.network.passes == 1


def test_a_folder_knows_its_hyperparameters_and_its_method(tmp_path: Path) -> None:
    Autoencoder(TINY, device="cpu", latent=5).fit(GOOD).save(tmp_path)
    loaded = Autoencoder.load(tmp_path, device="cpu")
    assert loaded.hyperparameters == {"latent": 5} and loaded.threshold > 0
    with pytest.raises(ModelError, match="a model of ae, not of unet"):
        PlainUNet.load(tmp_path, device="cpu")
    write_json(tmp_path / BASELINE, {"method": "ae", "hyperparameters": {}})
    with pytest.raises(ModelError, match="no weights of ae"):
        Autoencoder.load(tmp_path, device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_colour_and_odd_sizes_work(kind: type[Baseline]) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (51, 75, 3), dtype=np.uint8) for _ in range(3)]
    sized = Settings(ImageSettings(size=(51, 75)), recovery=TINY.recovery, training=TINY.training)
    (found,) = kind(sized, device="cpu").fit(images).predict(images[0])
    assert found.anomaly_map.shape == (51, 75)
    assert found.anomaly_map.min() >= 0
    assert found.score == found.anomaly_map.max()


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_trains(kind: type[Baseline]) -> None:
    coarse = TrainingSettings(steps=3, batch=2, crop=32, precision="bfloat16")
    (found,) = (
        kind(Settings(recovery=TINY.recovery, training=coarse), device="cpu").fit(GOOD).predict(GOOD[0])
    )
    assert np.isfinite(found.score)


@pytest.mark.parametrize(
    ("kind", "hyperparameters"),
    [
        (Autoencoder, {"latent": 0}),
        *[(kind, {"smoothing": value}) for kind in KINDS for value in (-1.0, np.nan)],
    ],
)
def test_hyperparameters_out_of_range_are_refused(
    kind: type[Baseline], hyperparameters: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match=next(iter(hyperparameters))):
        kind(**hyperparameters)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_knob_is_refused(kind: type[Baseline]) -> None:
    with pytest.raises(TypeError, match="blur"):
        kind(blur=3)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_by_name(kind: type[Baseline]) -> None:
    assert baseline(kind.name) is kind
