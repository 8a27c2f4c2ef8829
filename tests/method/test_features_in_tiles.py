"""The features of a network in tiles: one distribution for all positions, exported with the same verdicts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from excision import Detector
from excision.errors import ModelError
from excision.export.export import export
from excision.features.efficientnet import weights_file
from excision.features.record import FEATURES
from excision.features.registry import open_network
from excision.method.attention.model import Attention
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.method.run_folder import MODEL
from excision.method.scoring.own_level import above_own_level
from excision.method.scoring.pooled_distance import PooledDistance, PooledMoments
from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.position_moments import merged
from excision.method.scoring.surprisal import surprisal
from excision.ops.resampling import enlarge
from excision.runtime import Inspector
from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    ImageSettings,
    RecoverySettings,
    ScoreSettings,
    Settings,
    TrainingSettings,
)
from excision.settings.scoring import DistanceKind
from excision.synthetic.surfaces import woven_fabric
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat

TILE = (96, 96)
FORMAT = ImageFormat(TILE, 1, Tiling(TILE, 16, 12))


def settings(distance: DistanceKind = "gaussian") -> Settings:
    return Settings(
        image=ImageSettings(tile=TILE),
        recovery=RecoverySettings(width=4, depth=2),
        score=ScoreSettings(features="efficientnet-lite0", distance=distance),
        attention=AttentionSettings(tuning=2),
        training=TrainingSettings(steps=2),
        calibration=CalibrationSettings(unfit_rate=0.0),
    )


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))


def strips(count: int, first: int = 0) -> list[NDArray[np.uint8]]:
    drawn = (woven_fabric(np.random.default_rng(first + number), (96, 260)) for number in range(count))
    return [(each * 255).astype(np.uint8) for each in drawn]


def moments_of(distance: PooledDistance, images: Tensor) -> list[PooledMoments]:
    found: list[PooledMoments] = distance.moments(torch.split(images, 1), [0] * len(images), 1)
    return found


def test_in_tiles_the_mean_is_that_of_the_position_and_the_covariance_that_of_all() -> None:
    draw = torch.Generator().manual_seed(0)
    shifts = torch.randn(1, 3, 4, 5, generator=draw)
    images = shifts + torch.randn(40, 3, 4, 5, generator=draw)
    distance = PooledDistance(3, (4, 5), tiles=True)
    distance.fit(merged(moments_of(distance, images)))
    values = images.double().numpy()
    means, overall = values.mean(axis=0), values.mean(axis=(0, 2, 3))
    within = values.var(axis=0).mean(axis=(1, 2))
    between = ((means - overall[:, None, None]) ** 2).mean(axis=(1, 2)) - within / 40
    kept = between / (between + within / 40)
    wanted = overall[:, None, None] + kept[:, None, None] * (means - overall[:, None, None])
    assert kept.min() > 0.9
    np.testing.assert_allclose(distance.mean[0].numpy(), wanted, atol=1e-5)
    residuals = (values - wanted).transpose(1, 0, 2, 3).reshape(3, -1)
    covariance = residuals @ residuals.T / residuals.shape[1]
    covariance += np.diag(0.01 * covariance.diagonal() + 1e-6)
    whitening = distance.whitening[..., 0, 0].double().numpy()
    np.testing.assert_allclose(whitening.T @ whitening, np.linalg.inv(covariance), rtol=1e-3, atol=1e-4)
    squares = ((whitening @ residuals) ** 2).mean(axis=0).reshape(40, 4, 5)
    assert distance.usual is not None
    # In a grid this small each position is a zone of its own.
    np.testing.assert_allclose(distance.usual[0, 0].numpy(), squares.mean(axis=0), rtol=1e-4)


@pytest.mark.parametrize("grid", [(4, 5), (7, 9), (3, 1)])
def test_the_usual_distance_is_that_of_positions_as_far_from_the_borders(grid: tuple[int, int]) -> None:
    """Compared with a slow and obvious version."""
    images = torch.randn(25, 4, *grid, generator=torch.Generator().manual_seed(2))
    images[:, :, 0] *= 3
    distance = PooledDistance(4, grid, tiles=True)
    distance.fit(merged(moments_of(distance, images)))
    assert distance.usual is not None

    def zone(place: int, length: int) -> tuple[bool, int]:
        before, after = place, length - 1 - place
        nearest = min(before, after, 2)
        return (nearest < 2 and after < before, nearest)

    found: dict[object, list[float]] = {}
    whitened = torch.einsum("ij,njhw->nihw", distance.whitening[..., 0, 0], images - distance.mean)
    squares = whitened.square().mean(dim=1)
    zones = {
        (row, column): (zone(row, grid[0]), zone(column, grid[1]))
        for row in range(grid[0])
        for column in range(grid[1])
    }
    for (row, column), name in zones.items():
        found.setdefault(name, []).extend(squares[:, row, column].tolist())
    for (row, column), name in zones.items():
        assert float(distance.usual[0, 0, row, column]) == pytest.approx(np.mean(found[name]), rel=1e-4)


def test_where_position_says_nothing_all_have_one_mean() -> None:
    images = torch.randn(30, 2, 6, 7, generator=torch.Generator().manual_seed(1))
    tiled, whole = PooledDistance(2, (6, 7), tiles=True), PooledDistance(2, (6, 7))
    for distance in (tiled, whole):
        distance.fit(merged(moments_of(distance, images)))
    apart = (tiled.mean - whole.mean).abs().max()
    assert apart < 0.5 * (images.mean(dim=0) - whole.mean).abs().max()
    assert whole.mean.shape == (1, 2, 1, 1) and whole.truncation == 1


def made(distance: DistanceKind) -> Pipeline:
    chosen = settings(distance)
    choice = chosen.feature_choice(FORMAT)
    assert choice is not None
    torch.manual_seed(0)
    return Pipeline(chosen, FORMAT, Attention("surface"), open_network(choice)).eval()


def of_grid(pipeline: Pipeline, name: str) -> PositionDistance:
    found = pipeline.scorer.network_distances[name]
    assert isinstance(found, PositionDistance)
    return found


def learn(pipeline: Pipeline, images: Tensor) -> list[Pipeline]:
    return learn_normal(pipeline, NormalImages(len(images), lambda index: images[index][None]))


@pytest.mark.parametrize("distance", ["gaussian", "memory"])
def test_what_few_normal_tiles_reach_is_added_with_a_quarter(distance: DistanceKind) -> None:
    images = torch.rand(10, 1, *TILE, generator=torch.Generator().manual_seed(0))
    pipeline = made(distance)
    copies = learn(pipeline, images)
    scorer = pipeline.scorer
    assert scorer.feature_distance is None and scorer.alignment is None
    assert scorer.network is not None and set(scorer.network_distances) == {"fine", "coarse"}
    image = images[:1].clone()
    image[..., 40:64, 30:54] = 0.9
    evidence, joined = pipeline.evidence(image)[0], pipeline(image).anomaly_map
    assert not torch.equal(of_grid(copies[0], "fine").tail, of_grid(pipeline, "fine").tail)
    kept, scorer.network_distances = scorer.network_distances, nn.ModuleDict()
    wanted = pipeline(image).anomaly_map
    scorer.network_distances = kept
    for place, (name, cell) in enumerate((("fine", 8), ("coarse", 32))):
        own, given = of_grid(pipeline, name), evidence.network_distances[place]
        assert float(own.weight) == 0.25
        features = scorer.network(image)[place]
        torch.testing.assert_close(given, above_own_level(own(features)))
        median, excess = own.tail.tolist()
        told = surprisal(given, median, excess, 0.2)
        wanted = wanted + 0.25 * enlarge(told, cell, TILE)
    torch.testing.assert_close(joined, wanted)


def test_padding_makes_no_border_stand_out() -> None:
    images = torch.rand(20, 1, *TILE, generator=torch.Generator().manual_seed(3))
    pipeline = made("gaussian")
    learn(pipeline, images[:12])
    network = pipeline.scorer.network
    assert network is not None
    features = [network(image)[0] for image in torch.split(images, 1)]
    plain = PooledDistance(100, (12, 12))
    plain.fit(merged(moments_of(plain, torch.cat(features[:12]))))

    def border(distance: nn.Module) -> float:
        found = torch.cat([distance(each) for each in features[12:]]).mean(dim=(0, 1))
        return float(torch.cat((found[0], found[-1], found[1:-1, 0], found[1:-1, -1])).mean() / found.mean())

    assert abs(border(of_grid(pipeline, "fine")) - 1) < abs(border(plain) - 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    (folder / "strips" / "good").mkdir(parents=True)
    for number, strip in enumerate(strips(8)):
        Image.fromarray(strip).save(folder / "strips" / "good" / f"{number:02}.png")
    Detector(settings(), device="cpu").fit(folder / "strips", run=folder / "run")
    return folder / "run"


def test_a_run_folder_and_an_exported_graph_give_the_same_verdicts(run: Path, tmp_path: Path) -> None:
    detector = Detector.load(run, device="cpu")
    assert detector.image_format.tile == TILE and (run / FEATURES).is_file()
    assert len(detector.pipeline.scorer.distances) == 2
    images = strips(3, first=100)
    images[0][30:60, 100:140] = 250
    found = list(detector.predict(images))
    assert [each.score for each in detector.predict(images)] == [each.score for each in found]
    assert export(run, run.parent / "strips", tmp_path / "out").score_drift < 1e-3
    assert (tmp_path / "out" / FEATURES).is_file()
    inspector = Inspector(tmp_path / "out").with_thresholds(detector.threshold)
    for ours, theirs in zip(found, inspector.predict(images), strict=True):
        assert theirs.score == pytest.approx(ours.score, rel=1e-3)
        assert theirs.verdict == ours.verdict


def test_a_run_in_tiles_from_before_they_counted_loads_without_them(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / FEATURES).unlink()
    with pytest.raises(ModelError, match=r"features\.json"):
        Detector.load(folder, device="cpu")
    tensors = load_file(folder / MODEL)
    names = [name for name in tensors if not name.startswith("scorer.network")]
    with safe_open(folder / MODEL, framework="pt") as stored:
        save_file({name: tensors[name] for name in names}, folder / MODEL, stored.metadata())
    older = Detector.load(folder, device="cpu")
    assert older.pipeline.scorer.network is None and next(older.predict(strips(1))).score >= 0
