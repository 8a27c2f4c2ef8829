"""Cross-fitting by groups, against statistics that are learnt anew without a fold."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from excision.data.splits import make_folds
from excision.method.attention.model import Attention
from excision.method.normal_images import FOLDS, NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.method.scoring.attention_distance import attention_features
from excision.method.scoring.edge_features import edge_features
from excision.method.scoring.surprisal import tail
from excision.settings import RecoverySettings, ScoreSettings, Settings
from excision.tiling.image_format import ImageFormat
from tests.method.test_pipeline import parts

SETTINGS = Settings(recovery=RecoverySettings(width=2, depth=2))
IMAGES = parts(12)
GROUPS = [f"strip {place // 2}" for place in range(12)]
NORMAL = NormalImages(12, lambda index: IMAGES[index][None], GROUPS)


def trained(settings: Settings = SETTINGS) -> Pipeline:
    torch.manual_seed(0)
    return Pipeline(settings, ImageFormat((72, 64), 1), Attention("surface")).eval()


def learnt_without(pipeline: Pipeline, fold: int | None) -> Pipeline:
    """Learn every statistic from the images of the other folds alone, each by its own plain rule."""
    alone = copy.deepcopy(pipeline)
    kept = [image for image, its in zip(torch.split(IMAGES, 1), NORMAL.folds, strict=True) if its != fold]
    alone.attention.normal.learn(map(alone.absolute_cells, kept))
    alone.masking.learn(map(alone.cells, kept))
    if alone.scorer.feature_distance is not None:
        distance = alone.scorer.feature_distance
        distance.fit(distance.moments(map(edge_features, kept), [0] * len(kept), 1)[0])
    if alone.scorer.compares_attention:
        own = alone.scorer.distances[1]
        seen = [alone.look(image).features for image in kept]
        own.fit(
            own.moments((attention_features(each) for each in seen if each is not None), [0] * len(kept), 1)[
                0
            ]
        )
    sums = alone.scorer.residual_sums()
    for image in kept:
        sums.add(*alone.scorer.residual_of(alone.scorer_input(image)))
    alone.scorer.fit_residual(sums)
    return alone


def assert_same(found: Pipeline, wanted: Pipeline, ignored: tuple[str, ...]) -> None:
    expected = wanted.state_dict()
    for name, tensor in found.state_dict().items():
        if not name.endswith(ignored):
            torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def learnt() -> tuple[Pipeline, list[Pipeline]]:
    """What one thread learnt, and the copies for the folds; not to be changed."""
    pipeline, before = trained(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return pipeline, learn_normal(pipeline, NORMAL)
    finally:
        torch.set_num_threads(before)


def test_no_statistic_depends_on_how_many_images_are_computed_at_once(
    learnt: tuple[Pipeline, list[Pipeline]],
) -> None:
    pipeline, before = trained(), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        copies = learn_normal(pipeline, NORMAL)
    finally:
        torch.set_num_threads(before)
    of_one_thread = (learnt[0], *learnt[1])
    for ours, theirs in zip(of_one_thread, (pipeline, *copies), strict=True):
        one, several = ours.state_dict(), theirs.state_dict()
        assert one["scorer.normal_residual"].std() > 0
        assert {"scorer.feature_distance.means", "scorer.network_distances.attention.means"} < one.keys()
        for name, tensor in one.items():
            assert torch.equal(tensor, several[name]), name


def test_each_copy_is_learnt_without_its_fold_and_the_tails_are_those_of_images_left_out(
    learnt: tuple[Pipeline, list[Pipeline]],
) -> None:
    pipeline, copies = learnt
    assert pipeline.scorer.feature_distance is not None and len(copies) == FOLDS
    assert_same(pipeline, learnt_without(pipeline, None), ("tail", "tails"))
    largest = []
    for fold, found in enumerate(copies):
        assert_same(found, learnt_without(pipeline, fold), ("tail", "tails"))
        assert found.recovery is pipeline.recovery and found.attention.network is pipeline.attention.network
    for image, fold in zip(torch.split(IMAGES, 1), NORMAL.folds, strict=True):
        evidence, _ = copies[fold].evidence(image)
        assert evidence.distance is not None
        kinds = (*evidence.residuals, evidence.attention, evidence.distance, *evidence.network_distances)
        largest.append(torch.stack([each.max() for each in kinds]))
    table = torch.stack(largest)
    for own_fold, learner in ((None, pipeline), *enumerate(copies)):
        counted = table[[fold != own_fold for fold in NORMAL.folds]]
        wanted = torch.tensor([tail(column) for column in counted.T])
        assert len(learner.scorer.distances) == 2  # of the edges and of the attention's features
        tails = [*learner.scorer.tails, *(distance.tail for distance in learner.scorer.distances)]
        torch.testing.assert_close(torch.stack(tails), wanted)


def test_learning_again_gives_the_same_bits(learnt: tuple[Pipeline, list[Pipeline]]) -> None:
    pipeline, expected = copy.deepcopy(learnt[0]), learnt[0].state_dict()
    learn_normal(pipeline, NORMAL)
    assert all(torch.equal(each, expected[name]) for name, each in pipeline.state_dict().items())


def test_a_single_group_is_divided_by_images_and_a_single_image_judges_itself() -> None:
    one = NormalImages(7, lambda index: IMAGES[index][None], ["strip"] * 7)
    assert one.folds == (0, 1, 2, 3, 4, 0, 1)
    assert not learn_normal(trained(), NormalImages(1, lambda index: IMAGES[index][None]))


def test_tiles_of_one_strip_do_not_vouch_for_one_another() -> None:
    """Strips differ, tiles of a strip hardly do: by images, every tail would be far too short."""
    strips = torch.from_numpy(np.random.default_rng(0).uniform(-0.15, 0.15, (8, 1, 1, 1, 1)))
    images = parts(24).view(8, 3, 1, 72, 64)
    images[..., 30:40, 20:40] += strips.float()
    images = images.flatten(0, 1)
    excesses = {}
    for kind, groups in {"images": None, "strips": [str(place // 3) for place in range(24)]}.items():
        pipeline = trained(dataclasses.replace(SETTINGS, score=ScoreSettings(align=False)))
        learn_normal(pipeline, NormalImages(24, lambda index: images[index][None], groups))
        assert pipeline.scorer.feature_distance is not None
        excesses[kind] = pipeline.scorer.feature_distance.tail
    assert (excesses["strips"] > 1.3 * excesses["images"]).all()


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    count=st.integers(2, 8),
    seed=st.integers(0, 3),
)
def test_folds_are_of_whole_groups_and_about_as_large(sizes: list[int], count: int, seed: int) -> None:
    groups = [f"part {number}" for number, size in enumerate(sizes) for _ in range(size)]
    folds = make_folds(groups, count, seed)
    filled = Counter(folds[group] for group in groups)
    assert set(folds.values()) == set(range(min(count, len(sizes))))
    assert max(filled.values()) - min(filled.values()) <= max(sizes)
    assert make_folds(reversed(groups), count, seed) == folds
