"""Several parts in one set of images: they are found, and each is judged by its own statistics."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.errors import RareAppearanceWarning
from excision.method.attention.model import Attention
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.method.scoring.alignment import Alignment
from excision.method.scoring.appearance_search import Clusters, find_clusters
from excision.method.scoring.appearances import Appearances
from excision.method.scoring.feature_distance import FeatureDistance
from excision.method.scoring.learning import _explains_more
from excision.method.scoring.memory_distance import MemoryDistance
from excision.method.scoring.pooled_distance import PooledDistance
from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.position_moments import held_out_variance, merged
from excision.method.scoring.stored import made_to_fit
from excision.method.scoring.surprisal import tail
from excision.settings import MaskSettings, RecoverySettings, Settings
from excision.tiling.image_format import ImageFormat

SIZE = (64, 64)
Draw = Callable[[np.random.Generator], NDArray[np.float64]]


def lying(rng: np.random.Generator, turned: float = 0.05) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the coordinates on a part that lies a little aside."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] - 31.5
    angle, (right, down) = rng.normal(0, turned), rng.normal(0, 1.5, 2)
    return (
        np.cos(angle) * (x - right) + np.sin(angle) * (y - down),
        np.cos(angle) * (y - down) - np.sin(angle) * (x - right),
    )


def soft(inside: NDArray[np.float64]) -> NDArray[np.float64]:
    step: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(inside, -40, 40)))
    return step


def plate(rng: np.random.Generator) -> NDArray[np.float64]:
    x, y = lying(rng)
    hole = np.maximum(0, 6 - np.hypot(x - 9, y + 5))
    return 0.2 + 0.5 * soft(22 - np.maximum(np.abs(x), 1.4 * np.abs(y))) - 0.3 * soft(hole - 1)


def star(rng: np.random.Generator) -> NDArray[np.float64]:
    x, y = lying(rng)
    return 0.2 + 0.5 * soft(16 + 6 * np.cos(3 * np.arctan2(y, x)) - np.hypot(x, y))


def lit(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the plate in light from any side."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / 64 - 0.5
    light: NDArray[np.float64] = rng.normal() * x + rng.normal() * y
    return plate(rng) + 0.25 * light


def grain(rng: np.random.Generator) -> NDArray[np.float64]:
    return 0.5 + 0.1 * rng.normal(size=SIZE)


def drawn(draws: list[Draw], seed: int = 0) -> list[torch.Tensor]:
    images = []
    for number, draw in enumerate(draws):
        rng = np.random.default_rng([seed, number])
        image = draw(rng) + 0.01 * rng.normal(size=SIZE)
        images.append(torch.from_numpy(image.clip(0, 1).astype(np.float32))[None, None])
    return images


def looks(images: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([Alignment(SIZE).look(image) for image in images])


def folds(count: int) -> list[int]:
    return [number % 5 for number in range(count)]


def test_two_parts_are_told_apart_whatever_their_order() -> None:
    draws: list[Draw] = [star if number % 3 == 0 else plate for number in range(30)]
    found = find_clusters(looks(drawn(draws)), SIZE, folds(30))
    stars = list(range(0, 30, 3))
    assert found == Clusters([stars, [each for each in range(30) if each not in stars]], [])


@pytest.mark.parametrize("draw", [plate, lit, grain])
def test_one_part_stays_one_whatever_the_light(draw: Draw) -> None:
    found = find_clusters(looks(drawn([draw] * 20)), SIZE, folds(20))
    assert found == Clusters([list(range(20))], [])


def test_a_part_that_one_lot_alone_shows_is_not_learnt_apart() -> None:
    """A lot is left out whole: what it alone shows cannot be confirmed by the others."""
    draws: list[Draw] = [star if number % 3 == 0 else plate for number in range(36)]
    lots = [0 if draw is star else 1 + number % 4 for number, draw in enumerate(draws)]
    assert len(find_clusters(looks(drawn(draws)), SIZE, lots).members) == 1


FORMAT = ImageFormat(SIZE, 1)
SETTINGS = Settings(recovery=RecoverySettings(width=4, depth=2))


def learnt(images: list[torch.Tensor]) -> Pipeline:
    torch.manual_seed(0)
    pipeline = Pipeline(SETTINGS, FORMAT, Attention.pretrained("surface")).eval()
    learn_normal(pipeline, NormalImages(len(images), lambda index: images[index]))
    return pipeline


DRAWS: list[Draw] = [plate if number % 2 else star for number in range(24)]


@pytest.fixture(scope="module")
def mixed() -> Pipeline:
    return learnt(drawn(DRAWS))


@pytest.fixture(scope="module")
def single() -> Pipeline:
    """Images of one part, which raise no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return learnt(drawn([plate] * 16))


def test_each_part_is_judged_by_its_own_statistics(mixed: Pipeline) -> None:
    assert isinstance(mixed.scorer.alignment, Appearances)
    assert mixed.scorer.alignment.images.tolist() == [12, 12]
    good = drawn(DRAWS[:12], seed=1)
    damaged = []
    for image in good:
        copy = image.clone()
        copy[..., 30:36, 22:28] += 0.15
        damaged.append(copy)
    scores = [[float(mixed(image).score) for image in images] for images in (good, damaged)]
    assert max(scores[0]) < min(scores[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("excision.method.scoring.appearance_search.MOST_APPEARANCES", 1)
        one = learnt(drawn(DRAWS))
    assert one.scorer.appearances == 1
    before = [[float(one(image).score) for image in images] for images in (good, damaged)]
    assert not max(before[0]) < min(before[1])


def test_a_batch_of_both_parts_has_the_maps_of_its_images(mixed: Pipeline) -> None:
    images = torch.cat(drawn(DRAWS[:3], seed=2))
    torch.testing.assert_close(mixed.inspect(images).anomaly_map, mixed(images).anomaly_map)


def test_a_model_of_several_parts_loads_again_and_one_of_one_part_as_before(
    mixed: Pipeline, single: Pipeline
) -> None:
    images = torch.cat(drawn(DRAWS[:2], seed=3))
    for pipeline in (mixed, single):
        other = Pipeline(SETTINGS, FORMAT, Attention.pretrained("surface")).eval()
        other.load_learned(dict(pipeline.state_dict()))
        assert other.scorer.appearances == pipeline.scorer.appearances
        assert torch.equal(other(images).score, pipeline(images).score)


def test_settings_that_compare_no_positions_take_the_weights_of_a_model_of_several_parts(
    mixed: Pipeline,
) -> None:
    unmasked = dataclasses.replace(SETTINGS, mask=MaskSettings(enabled=False))
    other = Pipeline(unmasked, FORMAT, Attention.pretrained("surface")).eval()
    other.load_learned(dict(mixed.state_dict()))
    assert other.scorer.appearances == 1 and other.scorer.tails.shape == (3, 2)
    assert other(drawn(DRAWS[:1], seed=3)[0]).score.isfinite().all()


def test_the_poses_in_which_a_part_looks_alike_are_loaded_again(mixed: Pipeline) -> None:
    images = torch.cat(drawn(DRAWS[:2], seed=3))
    scorer = copy.deepcopy(mixed).scorer
    assert isinstance(scorer.alignment, Appearances)
    scorer.alignment.each[1].alike = torch.tensor([[0.0, 0.0, 0.0], [1.5, 1.0, -1.0]])
    other = Pipeline(SETTINGS, FORMAT, Attention.pretrained("surface")).eval().scorer
    other.load_state_dict(made_to_fit(other, dict(scorer.state_dict()), ""))
    assert other.alignment is not None
    for found, wanted in zip(other.alignment.place(images), scorer.alignment.place(images), strict=True):
        assert found is not None and wanted is not None and torch.equal(found, wanted)


def test_the_tails_are_those_of_each_part(mixed: Pipeline) -> None:
    assert mixed.scorer.tails.shape == (2, 3, 2)
    assert mixed.scorer.feature_distance is not None
    assert mixed.scorer.feature_distance.tail.shape == (2, 2)
    inputs = [mixed.scorer_input(image) for image in drawn(DRAWS, seed=4)]
    largest = [mixed.scorer.largest(each) for each in inputs]
    own = Pipeline(SETTINGS, FORMAT, Attention.pretrained("surface")).eval()
    own.load_learned(dict(mixed.state_dict()))
    own.scorer.fit_tails(largest)
    for appearance in range(2):
        values = [each.values for each in largest if each.appearance == appearance]
        assert len(values) == 12
        wanted = torch.tensor([tail(each) for each in torch.stack(values, dim=1)])
        torch.testing.assert_close(own.scorer.tails[appearance], wanted[:-1])


def test_too_few_images_of_a_part_are_named() -> None:
    draws: list[Draw] = [star if number in (2, 5, 9, 12, 16, 19) else plate for number in range(22)]
    with pytest.warns(RareAppearanceWarning, match="^6 good images resemble one another"):
        pipeline = learnt(drawn(draws))
    assert pipeline.scorer.appearances == 1


def test_one_part_raises_no_warning(single: Pipeline) -> None:
    assert single.scorer.appearances == 1


def observed(count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Give features of two appearances in turns, which have other means."""
    generator = torch.Generator().manual_seed(0)
    for number in range(count):
        features = torch.randn(1, 5, 6, 7, generator=generator) / (1 + number % 2) + 3 * (number % 2)
        yield features, torch.rand(1, 1, 6, 7, generator=generator), torch.tensor([number % 2])


def test_a_distance_of_two_appearances_is_two_distances() -> None:
    both = FeatureDistance(5, (6, 7), aligned=True, appearances=2)
    both.fit(merged(both.moments(observed(40), folds(40), 5)))
    for appearance in range(2):
        one = FeatureDistance(5, (6, 7), aligned=True)
        own = [each[:2] for each in observed(40) if int(each[2]) == appearance]
        one.fit(
            merged(
                one.moments(own, [fold for place, fold in enumerate(folds(40)) if place % 2 == appearance], 5)
            )
        )
        features, seen = own[0]
        torch.testing.assert_close(
            both(features, seen, torch.tensor([appearance])), one(features, seen), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("kind", [PooledDistance, MemoryDistance])
def test_one_distribution_of_all_appearances_has_the_explained_variance_of_each(
    kind: type[PooledDistance] | type[MemoryDistance],
) -> None:
    both: PositionDistance = kind(5, (6, 7), appearances=2)
    both.fit(merged(both.moments(observed(40), folds(40), 5)))
    alone: PositionDistance = kind(5, (6, 7))
    alone.fit(merged(alone.moments((each[:2] for each in observed(40)), folds(40), 5)))
    # The means differ between the appearances and not between positions.
    assert float(both.explained_variance) < 0.2
    features, seen, appearance = next(observed(1))
    assert both(features, seen, appearance).shape == (1, 1, 6, 7)
    if kind is PooledDistance:
        torch.testing.assert_close(both(features), alone(features))


def test_the_variance_of_left_out_folds_is_that_of_a_slow_sum() -> None:
    distance = FeatureDistance(5, (6, 7), aligned=True, appearances=2)
    given = list(observed(30))
    found = held_out_variance(distance.moments(given, folds(30), 5))
    errors, shown = torch.zeros(5, dtype=torch.float64), 0.0
    for place, (features, seen, appearance) in enumerate(given):
        others = [
            each
            for other, each in enumerate(given)
            if other % 5 != place % 5 and int(each[2]) == int(appearance)
        ]
        weights = sum(each[1].double() for each in others)
        mean = sum(each[1].double() * each[0].double() for each in others) / weights
        errors += (seen * (features - mean).square()).sum(dim=(0, 2, 3))
        shown += float(seen.sum())
    torch.testing.assert_close(found, errors / shown)


@pytest.mark.parametrize("constant", [0.0, 0.3])
def test_features_that_never_vary_do_not_speak_for_several_appearances(constant: float) -> None:
    distance = FeatureDistance(4, (2, 2))
    one = [distance.new_moments(0) for _ in range(5)]
    generator = torch.Generator().manual_seed(0)
    for number in range(40):
        features = torch.full((1, 4, 2, 2), constant)
        features[:, 0] = torch.randn(2, 2, generator=generator)
        one[number % 5].add(features)
    assert not _explains_more(one, one)


def test_with_one_fold_the_search_gives_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("excision.method.scoring.appearance_search.Alignment", None)
    assert find_clusters(torch.zeros(20, 1, 64, 64), SIZE, [0] * 20) == Clusters([list(range(20))], [])
