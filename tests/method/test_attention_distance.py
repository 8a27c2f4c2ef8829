"""The distance of the attention network's own features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from excision.method.attention.model import Attention, Look
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.method.scoring.attention_distance import AttentionDistance, attention_features
from excision.method.scoring.position_moments import merged
from excision.method.scoring.surprisal import surprisal, tail
from excision.ops.resampling import enlarge
from tests.method.test_pipeline import ASIDE, FORMAT, PARTS, parts, parts_aside

Learnt = tuple[Pipeline, list[Pipeline], NormalImages, Tensor]


def learn(count: int = 15) -> Learnt:
    torch.manual_seed(0)
    pipeline = Pipeline(PARTS, FORMAT, Attention.pretrained("surface")).eval()
    images = parts(count)
    normal = NormalImages(count, lambda index: images[index][None])
    return pipeline, learn_normal(pipeline, normal), normal, images


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    """What was learnt; not to be changed."""
    return learn()


def own(pipeline: Pipeline) -> AttentionDistance:
    found = pipeline.scorer.network_distances["attention"]
    assert isinstance(found, AttentionDistance)
    return found


def features(pipeline: Pipeline, image: Tensor) -> Tensor:
    found = pipeline.look(image).features
    assert found is not None and found.shape == (len(image), 48, 9, 8)
    return found


def test_the_features_are_those_from_which_the_attention_follows_at_full_size() -> None:
    attention, image = Attention.pretrained("surface"), parts(2)
    attention.network.scales = (1,)  # type: ignore[misc]  # of this instance alone
    look = attention.look(image, 8)
    bias = attention.network.attention.bias
    assert look.features is not None and bias is not None
    flat = look.features.permute(0, 2, 3, 1).numpy() @ attention.network.attention.weight[0, :, 0, 0].numpy()
    np.testing.assert_allclose(look.cells[:, 0].numpy(), flat + float(bias), rtol=1e-4, atol=1e-4)
    assert Attention("plain").look(image, 8).features is None


def test_each_copy_learns_without_its_fold_and_the_tail_is_that_of_images_left_out(
    learnt: Learnt,
) -> None:
    pipeline, copies, normal, images = learnt
    largest = []
    for image, fold in zip(torch.split(images, 1), normal.folds, strict=True):
        found = own(copies[fold])(attention_features(features(pipeline, image)))
        assert torch.equal(found, copies[fold].evidence(image)[0].network_distances[0])
        largest.append(found.max())
    torch.testing.assert_close(own(pipeline).tail, torch.tensor(tail(torch.stack(largest))))
    kept = [
        attention_features(features(pipeline, image))
        for image, fold in zip(torch.split(images, 1), normal.folds, strict=True)
        if fold != 0
    ]
    alone = AttentionDistance(48, (9, 8))
    alone.by_padding = own(pipeline).by_padding
    alone.fit(merged(alone.moments(kept, [0] * len(kept), 1)))
    torch.testing.assert_close(own(copies[0])(kept[0]), alone(kept[0]))
    assert float(own(copies[0]).weight) == pytest.approx(float(alone.explained_variance) ** 0.5 / 2)


def test_its_surprisal_is_added_with_its_weight_and_it_travels_with_the_state(learnt: Learnt) -> None:
    pipeline, *_ = learnt
    image = parts(1, seed=1)
    image[..., 40:64, 30:54] = image[..., 16:40, 10:34]
    joined, distance = pipeline(image).anomaly_map, own(pipeline)
    state = pipeline.state_dict()
    twin = Pipeline(PARTS, FORMAT, Attention("surface")).eval()
    twin.load_learned(state)
    assert torch.equal(twin(image).anomaly_map, joined)
    told = surprisal(distance(attention_features(features(pipeline, image))), *distance.tail.tolist())
    older = {name: each for name, each in state.items() if ".network_distances." not in name}
    twin.load_learned(older)
    assert not twin.scorer.compares_attention
    torch.testing.assert_close(joined, twin(image).anomaly_map + distance.weight * enlarge(told, 8, (72, 64)))
    assert (told.max() > surprisal(distance.tail[0], *distance.tail.tolist())).all()


def test_it_does_not_count_on_a_texture_or_on_an_aligned_part() -> None:
    def look(image: Tensor) -> Tensor | None:
        return pipeline.look(image).features

    pipeline = Pipeline(PARTS, FORMAT, Attention.pretrained("surface")).eval()
    noise = torch.rand(20, 1, 72, 64, generator=torch.Generator().manual_seed(0))
    pipeline.scorer.learn_features(lambda: torch.split(noise, 1), [0] * 20, look)
    assert not pipeline.scorer.network_distances
    pipeline = Pipeline(PARTS, ASIDE, Attention.pretrained("surface")).eval()
    aside = parts_aside(16)
    pipeline.scorer.learn_features(lambda: torch.split(aside, 1), [0] * 16, look)
    assert pipeline.scorer.alignment is not None and not pipeline.scorer.network_distances


def test_learning_looks_at_an_image_no_more_often_than_it_has_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention, padding, features and tails take one look each; residuals take none, whatever the folds."""
    looks, look = [], Attention.look

    def counted(attention: Attention, images: Tensor, patch: int) -> Look:
        looks.append(patch)
        return look(attention, images, patch)

    monkeypatch.setattr(Attention, "look", counted)
    pipeline, *_ = learn(12)
    assert pipeline.scorer.compares_attention
    assert len(looks) <= 4 * 12 + 1
