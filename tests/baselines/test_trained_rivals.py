"""What the baselines with gradients share: they train, detect, come back from disk, and judge alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.baselines import BASELINES, baseline
from excision.baselines.base import Baseline, TrainingJob
from excision.baselines.training_loop import draw_crops, train_network
from excision.errors import ModelError, SettingsError
from excision.settings import ImageSettings, RecoverySettings, Settings, TrainingSettings
from excision.synthetic.surfaces import cast_grain
from excision.training.preparing import prepare
from tests.baselines import common

TRAINED = ("ae", "unet", "unet-no-skips", "riad", "draem")
SIZE = (56, 48)
TINY = Settings(
    image=ImageSettings(SIZE),
    recovery=RecoverySettings(width=4, depth=3),
    training=TrainingSettings(steps=30, batch=4, crop=48, learning_rate=5e-3),
)


def good(number: int) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), SIZE) * 255).astype(np.uint8)


GOOD = [good(number) for number in range(10)]


@cache
def trained(name: str) -> Baseline:
    """Give a baseline that was fitted to good images; not to be changed."""
    return baseline(name)(TINY, device="cpu").fit(GOOD)


@pytest.fixture(scope="module", params=TRAINED)
def fitted(request: pytest.FixtureRequest) -> tuple[str, Baseline]:
    return request.param, trained(request.param)


def test_scores_come_back_from_disk(fitted: tuple[str, Baseline], tmp_path: Path) -> None:
    name, method = fitted
    assert type(method) is baseline(name)
    common.same_from_disk(method, tmp_path, GOOD)


def test_maps_have_the_size_of_the_image(fitted: tuple[str, Baseline]) -> None:
    found = next(fitted[1].predict(good(99)))
    assert found.anomaly_map.shape == SIZE == found.image.shape[:2]
    assert (found.anomaly_map >= 0).all() and np.isfinite(found.score)


def test_an_image_is_judged_by_itself(fitted: tuple[str, Baseline]) -> None:
    images = torch.rand(3, 1, *SIZE)
    with torch.no_grad():
        together = fitted[1].network(images)
        alone = fitted[1].network(images[1:2])
    assert torch.equal(together.maps[1:2], alone.maps)
    assert torch.equal(together.scores[1:2], alone.scores)


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_scores(name: str) -> None:
    brief = replace(TINY, training=replace(TINY.training, steps=4))
    scores = [
        [found.score for found in baseline(name)(brief, device="cpu").fit(GOOD[:5]).predict(GOOD[5:7])]
        for _ in range(2)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_unknown_hyperparameters_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        baseline(name)(TINY, nonsense=1)


def test_unknown_rival() -> None:
    with pytest.raises(SettingsError, match="patchcore"):
        baseline("patchcoer")


@pytest.mark.parametrize("name", ["ae", "riad"])
def test_a_defect_stands_out(name: str) -> None:
    marked = good(50)
    marked[20:32, 20:30] = 255
    clean, defective = trained(name).predict([good(50), marked])
    assert defective.score > clean.score
    # The filter over the map is nearly half as wide as the image, so only the difference can tell where.
    rise = defective.anomaly_map - clean.anomaly_map
    assert rise[16:36, 16:34].mean() > 2 * max(rise[:8].mean(), rise[-8:].mean(), 0)


def training_job(seconds: float | None) -> TrainingJob:
    return TrainingJob(prepare(GOOD, TINY), TINY, torch.device("cpu"), seconds)


def test_steps_follow_the_time() -> None:
    def steps(seconds: float | None) -> int:
        network = torch.nn.Conv2d(1, 1, 3)
        return train_network(
            network, training_job(seconds), lambda images, _: network(images).square().mean()
        )

    assert steps(None) == TINY.training.steps
    assert steps(0.0) == 20
    assert steps(1.0) > 20


def test_crops_are_parts_of_the_images() -> None:
    crops = draw_crops(training_job(None), np.random.default_rng(3))
    assert crops.shape == (4, 1, 48, 48) and ((crops >= 0) & (crops <= 1)).all()
    images = [np.pad(image / 255, 0) for image in GOOD]
    for crop in crops[:, 0].numpy():
        found = any(
            np.abs(image[top : top + 48] - part).max() < 1e-4
            for image in images
            for top in range(SIZE[0] - 47)
            for part in (crop, crop[:, ::-1])
        )
        assert found


def test_a_loss_that_goes_astray_is_named() -> None:
    network = torch.nn.Conv2d(1, 1, 3)
    with pytest.raises(ModelError, match="diverged"):
        train_network(network, training_job(None), lambda images, _: network(images).mean() * float("inf"))
