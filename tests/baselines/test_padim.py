"""PaDiM: Gaussians and distances against numpy and scipy, and the baseline as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import distance

from excision.baselines import baseline
from excision.baselines.padim import Moments, PaDiM, PaDiMNetwork, mahalanobis
from excision.errors import ModelError
from excision.features.efficientnet import weights_file
from excision.synthetic.surfaces import cast_grain
from tests.baselines import common

SIZE = (64, 48)


def _good(number: int) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), SIZE) * 255).astype(np.uint8)


def _defective(number: int) -> NDArray[np.uint8]:
    pixels = _good(number)
    pixels[20:44, 20:26] = 250
    return pixels


GOOD = [_good(number) for number in range(24)]


@pytest.fixture(scope="module")
def fitted() -> PaDiM:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))
    return PaDiM(device="cpu", dimensions=20).fit(GOOD)


def _scores(padim: PaDiM, images: list[NDArray[Any]]) -> list[float]:
    return [found.score for found in padim.predict(images)]


def _samples(seed: int, count: int, positions: int = 5, dimensions: int = 4) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(positions, dimensions, dimensions))
    mixed = np.einsum("pkd,pde->pke", rng.normal(size=(positions, count, dimensions)), mixing)
    samples: NDArray[np.float32] = (20 + mixed).astype(np.float32)
    return samples


@given(seed=st.integers(0, 10_000), batches=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_streamed_moments_are_those_of_all_at_once(seed: int, batches: list[int]) -> None:
    samples = _samples(seed, sum(batches))
    moments = Moments()
    for part in np.split(samples, np.cumsum(batches)[:-1], axis=1):
        moments.add(torch.from_numpy(np.ascontiguousarray(part)))
    np.testing.assert_allclose(moments.mean, samples.mean(axis=1, dtype=np.float64), rtol=1e-5)
    if sum(batches) == 1:
        assert not moments.covariance().any()
        return
    expected = [np.cov(position.astype(np.float64), rowvar=False) for position in samples]
    np.testing.assert_allclose(moments.covariance(), expected, rtol=1e-3, atol=1e-4)


def test_the_distance_is_that_of_scipy() -> None:
    samples = _samples(0, 30)
    points = _samples(1, 1)[:, 0]
    moments = Moments()
    moments.add(torch.from_numpy(samples))
    got = mahalanobis(torch.from_numpy(points), moments.mean, moments.whitening(0.01))
    for number, point in enumerate(points.astype(np.float64)):
        covariance = np.cov(samples[number].astype(np.float64), rowvar=False) + 0.01 * np.eye(4)
        mean = samples[number].mean(axis=0, dtype=np.float64)
        expected = distance.mahalanobis(point, mean, np.linalg.inv(covariance))
        assert float(got[number]) == pytest.approx(expected, rel=1e-3)


def test_many_positions_are_inverted_in_parts() -> None:
    samples = torch.from_numpy(_samples(0, 6, positions=1100, dimensions=3))
    moments = Moments()
    moments.add(samples)
    expected = (moments.covariance().double() + 0.5 * torch.eye(3)).inverse()
    whitening = moments.whitening(0.5).double()
    torch.testing.assert_close(whitening @ whitening.transpose(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_with_fewer_images_than_dimensions_the_ridge_keeps_it_finite() -> None:
    moments = Moments()
    moments.add(torch.from_numpy(_samples(0, 2, dimensions=50)))
    far = mahalanobis(moments.mean + 1, moments.mean, moments.whitening(0.01))
    assert far.isfinite().all()
    # In 49 of 50 directions the ridge alone is the variance: no distance is above that of the ridge.
    assert (far <= (50 / 0.01) ** 0.5 * 1.001).all()
    assert (far > 0.5 * (50 / 0.01) ** 0.5).all()


def test_embeddings_lie_where_their_features_do() -> None:
    network = PaDiMNetwork(176, 4)
    image = torch.rand(1, 3, *SIZE)
    fine, middle, coarse = network.features(image)
    embeddings = network.embeddings(image)
    assert embeddings.shape == (1, 176, 16, 12)
    for row, column in ((0, 0), (7, 5), (15, 11)):
        expected = torch.cat(
            (
                fine[0, :, row, column],
                middle[0, :, row // 2, column // 2],
                coarse[0, :, row // 4, column // 4],
            )
        )
        assert torch.equal(embeddings[0, :, row, column], expected)


def test_a_coarser_grid_takes_the_mean_of_finer_features() -> None:
    network = PaDiMNetwork(176, 8)
    image = torch.rand(1, 3, *SIZE)
    fine = network.features(image)[0]
    embeddings = network.embeddings(image)
    assert embeddings.shape == (1, 176, 8, 6)
    torch.testing.assert_close(embeddings[0, :24, 2, 3], fine[0, :, 4:6, 6:8].mean(dim=(1, 2)))


def test_the_choice_of_dimensions_is_fixed() -> None:
    torch.manual_seed(0)
    first = PaDiMNetwork(100, 4).chosen
    torch.manual_seed(1)
    assert torch.equal(PaDiMNetwork(100, 4).chosen, first)
    assert len(set(first.tolist())) == 100
    assert int(first.min()) >= 0
    assert int(first.max()) < 176


def test_what_is_learnt_is_the_gaussian_of_each_position(fitted: PaDiM) -> None:
    network = fitted.network
    assert isinstance(network, PaDiMNetwork)
    grids = [(16, 12, 20), (192, 20, 20)]
    assert [tuple(buffer.shape) for buffer in (network.mean, network.whitening)] == grids
    few = PaDiM(device="cpu", dimensions=5, grid=16).fit(GOOD[:5])
    learnt = few.network
    assert isinstance(learnt, PaDiMNetwork)
    # Of five images the hold-out for calibration takes one; the mean tells which.
    embeddings = [learnt.embeddings(torch.from_numpy(i[None, None] / np.float32(255)))[0] for i in GOOD[:5]]
    means = [torch.stack(embeddings[:n] + embeddings[n + 1 :]).mean(dim=0) for n in range(5)]
    assert any(torch.allclose(mean.permute(1, 2, 0), learnt.mean, atol=1e-3) for mean in means)


def test_defects_score_above_every_good_image(fitted: PaDiM) -> None:
    good = _scores(fitted, [_good(number) for number in range(100, 106)])
    assert min(_scores(fitted, [_defective(number) for number in range(100, 106)])) > max(good)


def test_the_map_points_at_the_defect_and_gives_the_score(fitted: PaDiM) -> None:
    (found,) = fitted.predict(_defective(100))
    assert found.anomaly_map.shape == SIZE
    assert found.anomaly_map.min() >= 0
    assert found.score == found.anomaly_map.max()
    row, column = np.unravel_index(found.anomaly_map.argmax(), SIZE)
    assert 16 <= row < 48
    assert 14 <= column < 32


def test_saved_and_loaded_it_gives_the_same(fitted: PaDiM, tmp_path: Path) -> None:
    common.same_from_disk(fitted, tmp_path, [_good(100), _defective(100)])


def test_an_image_is_judged_the_same_in_any_batch(fitted: PaDiM) -> None:
    common.same_in_any_batch(fitted, SIZE)


def test_learning_twice_gives_the_same(fitted: PaDiM) -> None:
    again = PaDiM(device="cpu", dimensions=20).fit(GOOD)
    assert torch.equal(again.network.get_buffer("whitening"), fitted.network.get_buffer("whitening"))


def test_an_image_of_another_size_is_refused(fitted: PaDiM) -> None:
    with pytest.raises(ValueError, match="another size"):
        fitted.network(torch.rand(1, 1, *reversed(SIZE)))


def test_colour_and_odd_sizes_work(fitted: PaDiM) -> None:
    assert fitted is not None
    common.colour_and_odd_sizes_work(PaDiM, dimensions=8)


@pytest.mark.parametrize(
    "hyperparameters", [{"dimensions": 0}, {"dimensions": 177}, {"grid": 2}, {"ridge": 0.0}]
)
def test_hyperparameters_out_of_range_are_refused(hyperparameters: dict[str, Any]) -> None:
    common.out_of_range_is_refused(PaDiM, hyperparameters)


def test_an_unknown_knob_is_refused() -> None:
    with pytest.raises(TypeError, match="dims"):
        PaDiM(dims=3)


def test_it_is_found_by_name() -> None:
    assert baseline("padim") is PaDiM
