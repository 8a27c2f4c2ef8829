"""The training loop: its schedule, its log, and that it learns."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.errors import ImageError, ModelError
from excision.method.recovery.batches import BatchSource
from excision.method.recovery.training import compute_dtype, learning_rate, train, training_switches
from excision.method.recovery.unet import UNet
from excision.method.run_folder import CHECKPOINT, LOG
from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    LossSettings,
    RecoverySettings,
    Settings,
    TrainingSettings,
)
from tests.conftest import draw_surface

CPU = torch.device("cpu")
TINY = Settings(
    attention=AttentionSettings(tuning=1),
    calibration=CalibrationSettings(cross_fit=False),
    recovery=RecoverySettings(width=4, depth=3),
    training=TrainingSettings(steps=12, batch=2, crop=32, precision="float32", checkpoint_every=1000),
)


def with_training(**changes: Any) -> Settings:
    return replace(TINY, training=replace(TINY.training, **changes))


def read(index: int) -> NDArray[np.uint16]:
    return draw_surface(index)[..., None].astype(np.uint16) * 257


def attend(image: NDArray[np.uint16]) -> NDArray[np.bool_]:
    return image[::8, ::8, 0] > np.quantile(image, 0.8)


def source(settings: Settings, reader: Callable[[int], NDArray[np.uint16]] = read) -> BatchSource:
    return BatchSource(4, reader, attend, settings.mask, settings.training)


def network(settings: Settings = TINY) -> UNet:
    torch.manual_seed(settings.training.seed)
    recovery = settings.recovery
    return UNet(1, recovery.width, recovery.depth, recovery.normalisation)


def steps_of(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / LOG).read_text().splitlines()]


@pytest.mark.parametrize("kind", ["nll", "l2", "ssim", "msgms"])
def test_loss_falls(kind: str) -> None:
    weights = {**dict.fromkeys(("nll", "l2", "ssim", "msgms"), 0.0), kind: 1.0}
    settings = replace(with_training(steps=30, learning_rate=1e-2), loss=LossSettings(**weights))
    losses: list[float] = []
    train(network(), source(settings), settings, CPU, progress=lambda *told: losses.append(told[2]["loss"]))
    assert len(losses) == 30
    begin, end = np.mean(losses[:4]), np.mean(losses[-8:])
    assert end < begin - 0.1 * abs(begin)


def test_progress_is_told_each_step_in_the_calling_thread() -> None:
    told: list[tuple[int, int]] = []

    def progress(step: int, total: int, figures: dict[str, float]) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert figures.keys() == {"loss", "learning_rate", "images_per_second"}
        told.append((step, total))

    train(network(), source(TINY), TINY, CPU, progress=progress)
    assert told == [(step, 12) for step in range(1, 13)]


def test_network_is_left_ready_for_inference_and_laid_out_channels_last() -> None:
    unet = network()
    train(unet, source(TINY), TINY, CPU)
    assert not any(module.training for module in unet.modules())
    weight = unet.get_parameter("encoders.1.first.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_nothing_is_drawn_beyond_the_last_step() -> None:
    class Counting(BatchSource):
        drawn: list[int] = []  # noqa: RUF012  one source, one test

        def batch(self, step: int) -> Any:
            self.drawn.append(step)
            return super().batch(step)

    counting = Counting(4, read, attend, TINY.mask, TINY.training)
    train(network(), counting, TINY, CPU)
    assert counting.drawn == list(range(12))


def test_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    settings = with_training(steps=200, learning_rate=0.5)
    rates = np.array([learning_rate(step, settings) for step in range(200)])
    np.testing.assert_allclose(rates[:20], 0.5 * np.arange(1, 21) / 20)
    np.testing.assert_allclose(rates[20:], 0.25 * (1 + np.cos(np.linspace(0, np.pi, 181)[:-1])))
    assert rates.argmax() in (19, 20) and rates[-1] < 0.001
    assert (rates > 0).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
def test_learning_rate_of_short_trainings(steps: int) -> None:
    settings = with_training(steps=steps)
    rates = [learning_rate(step, settings) for step in range(steps)]
    assert max(rates) == settings.training.learning_rate and min(rates) > 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_rehearsal_is_spread_evenly(share: float) -> None:
    recovery = RecoverySettings(depth=4, inference_skips="3", training_skips="all", replay=share)
    settings = replace(TINY, recovery=recovery)
    switches = [training_switches(step, settings) for step in range(200)]
    assert set(switches) <= {(True, True, True), (False, False, True)}
    rehearsed = np.array([not all(each) for each in switches])
    assert rehearsed.sum() == pytest.approx(200 * share, abs=1)
    for start in range(0, 200, 20):
        assert rehearsed[start : start + 20].sum() == pytest.approx(20 * share, abs=1)


def test_precision_is_checked_not_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    for capable, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda capable=capable: {"amx_bf16": capable})
        assert compute_dtype("auto", CPU) == expected
        assert compute_dtype("float32", CPU) == torch.float32
        assert compute_dtype("bfloat16", CPU) == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert compute_dtype("auto", CPU) == torch.float32


def test_bfloat16_keeps_weights_and_loss_in_float32() -> None:
    unet, settings = network(), with_training(precision="bfloat16", steps=3)
    losses: list[float] = []
    train(unet, source(settings), settings, CPU, progress=lambda *told: losses.append(told[2]["loss"]))
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float32}
    assert np.isfinite(losses).all()


def test_log_holds_every_tenth_step(tmp_path: Path) -> None:
    settings = with_training(steps=25)
    train(network(), source(settings), settings, CPU, tmp_path)
    assert steps_of(tmp_path) == [10, 20]
    first = json.loads((tmp_path / LOG).read_text().splitlines()[0])
    assert first["loss"] > -10 and first["learning_rate"] == learning_rate(9, settings)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(network(), source(TINY), with_training(checkpoint_every=1), CPU)
    assert not list(tmp_path.iterdir())


def test_an_image_that_breaks_meanwhile_is_named() -> None:
    def breaking(index: int) -> NDArray[np.uint16]:
        if index == 2:
            raise ImageError("two.png: cannot be decoded")
        return read(index)

    with pytest.raises(ImageError, match=r"two\.png"):
        train(network(), source(TINY, breaking), TINY, CPU)


def test_a_loss_that_is_no_number_stops_before_it_spoils_the_checkpoint(tmp_path: Path) -> None:
    settings = with_training(checkpoint_every=1, steps=4)
    unet = network()

    def spoil(step: int, *_: object) -> None:
        if step == 2:
            with torch.no_grad():
                unet.get_parameter("head.bias").fill_(float("nan"))

    # Spoilt after the checkpoint of step 1 and before that of step 2.
    told = r"step 3 diverged: its loss is nan\. Train again with a lower training\.learning_rate"
    with pytest.raises(ModelError, match=told):
        train(unet, source(settings), settings, CPU, tmp_path, spoil)
    assert (tmp_path / CHECKPOINT).is_file()
