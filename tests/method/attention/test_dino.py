"""The attention of a DINOv2 network of random weights, which is also compared as features."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch.nn import functional

from excision import Detector
from excision.errors import SettingsError
from excision.method.attention.dino import DinoAttention
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.run_folder import MODEL
from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    ImageSettings,
    MaskSettings,
    RecoverySettings,
    ScoreSettings,
    Settings,
    TrainingSettings,
)
from excision.synthetic.parts import machined_part
from tests.features.test_architectures import saved


def pictures(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    return [(machined_part(rng, (64, 80)) * 255).astype(np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("dino") / "dinov2.safetensors"
    saved(path, "dinov2_vits14")
    return Settings(
        attention=AttentionSettings(variant="dino"),
        mask=MaskSettings(fill="mosaic"),
        recovery=RecoverySettings(width=4, depth=2),
        score=ScoreSettings(features=str(path), architecture="dinov2_vits14"),
        training=TrainingSettings(steps=2),
        calibration=CalibrationSettings(unfit_rate=0.0),
    )


@pytest.fixture(scope="module")
def run(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dino") / "run"
    Detector(settings, device="cpu").fit(pictures(7), run=folder)
    return folder


def test_the_mask_is_built_from_what_the_network_looks_at(run: Path) -> None:
    pipeline = Detector.load(run, device="cpu").pipeline
    attention, network = pipeline.attention, pipeline.scorer.network
    assert isinstance(attention, DinoAttention) and network is not None
    image = torch.from_numpy(pictures(1, seed=1)[0] / np.float32(255))[None, None]
    backbone = network.backbone
    looked = functional.interpolate(backbone.attend(image), (8, 10), mode="bilinear")  # type: ignore[operator]
    torch.testing.assert_close(pipeline.absolute_cells(image), looked)
    stages = pipeline(image)
    cells = pipeline.cells(image)
    assert torch.equal(stages.mask[0, 0, ::8, ::8], pipeline.masking.select(cells)[0, 0])
    pipeline.masking.threshold.fill_(float(cells.median()))
    stages = pipeline(image)
    assert 0 < stages.mask.float().mean() <= 0.3
    hole = stages.masked_image[0, 0][stages.mask[0, 0]]
    assert (hole > 0).all()  # the mosaic, and not nothing


def test_the_weights_are_stored_once_and_the_model_needs_no_file(run: Path, settings: Settings) -> None:
    with safe_open(run / MODEL, framework="pt") as stored:
        names = list(stored.keys())
    assert not [name for name in names if name.startswith("attention.network")]
    assert "scorer.network.backbone.blocks.11.attn.qkv.weight" in names
    images, path = pictures(2, seed=1), Path(settings.score.features)
    before = [found.score for found in Detector.load(run, device="cpu").predict(images)]
    path.rename(path.with_suffix(".away"))
    try:
        again = [found.score for found in Detector.load(run, device="cpu").predict(images)]
    finally:
        path.with_suffix(".away").rename(path)
    assert again == before


def test_copies_for_the_folds_share_the_network(run: Path) -> None:
    pipeline = Detector.load(run, device="cpu").pipeline
    images = [torch.from_numpy(each / np.float32(255))[None, None] for each in pictures(6)]
    copies = learn_normal(pipeline, NormalImages(6, lambda index: images[index]))
    assert copies and all(each.attention.network is pipeline.attention.network for each in copies)


def test_without_dinov2_there_is_no_such_attention(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="give DINOv2's weights"):
        Settings(attention=AttentionSettings(variant="dino"))
    score = dataclasses.replace(settings.score, feature_distance=False)
    with pytest.raises(SettingsError, match=r"no features are compared.*needs them"):
        Detector(dataclasses.replace(settings, score=score), device="cpu").fit(pictures(10))


def test_it_inspects_in_tiles(settings: Settings) -> None:
    tiled = dataclasses.replace(settings, image=ImageSettings(tile=(64, 64)))
    images = [np.hstack((one, one)) for one in pictures(4)]
    detector = Detector(tiled, device="cpu").fit(images)
    assert isinstance(detector.pipeline.attention, DinoAttention)
    assert detector.pipeline.scorer.network_distances
    first, again = (next(detector.predict(images[:1])) for _ in range(2))
    assert first.anomaly_map.shape == (64, 160) and first.score == again.score
