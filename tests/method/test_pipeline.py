"""The method from tensor to tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from excision.method.attention.model import Attention
from excision.method.pipeline import Pipeline
from excision.method.scoring.edge_features import edge_features
from excision.method.scoring.position_moments import merged
from excision.method.scoring.surprisal import tail
from excision.settings import MaskSettings, RecoverySettings, ScoreSettings, Settings
from excision.synthetic.parts import machined_part
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat


def test_an_image_has_the_same_stages_alone_and_in_any_batch() -> None:
    torch.manual_seed(0)
    settings = Settings(recovery=RecoverySettings(width=16, depth=4))
    pipeline = Pipeline(settings, ImageFormat((96, 128), 1), Attention.pretrained("surface")).eval()
    pipeline.masking.threshold.fill_(0.0)
    images = torch.rand(5, 1, 96, 128)
    alone = [pipeline(image[None]) for image in images]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0], [3, 3]):
        together = pipeline(images[order])
        for place, number in enumerate(order):
            for name, stage in alone[number]._asdict().items():
                assert torch.equal(getattr(together, name)[place], stage[0]), name


@pytest.mark.parametrize(("weight", "truncation"), [(0.0, 0.1), (0.5, 1.0), (1.0, 0.1), (2.0, 0.7)])
def test_the_surprise_of_the_residual_counts_by_its_weight_beyond_its_truncation(
    weight: float, truncation: float
) -> None:
    settings = Settings(recovery=RecoverySettings(width=4, depth=3))
    pipeline = Pipeline(settings, ImageFormat((64, 64), 1), Attention.pretrained("surface")).eval()
    pipeline.masking.threshold.fill_(float("-inf"))
    pipeline.scorer.tails.copy_(torch.tensor([[0.05, 0.02], [0.04, 0.03], [1.0, 0.5]]))
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    residuals = np.concatenate(pipeline.evidence(image)[0].residuals, axis=1)
    median, excess = pipeline.scorer.tails[:2].T.reshape(2, 1, 2, 1, 1).numpy()
    each = np.log(2) * np.minimum(residuals / median, 1) + np.maximum(residuals - median, 0) / excess
    assert (each[:, 0] > each[:, 1]).any() and (each[:, 0] < each[:, 1]).any()
    surprisal = each.max(axis=1, keepdims=True)
    counted = np.maximum(surprisal + np.log(truncation), 0)
    maps = []
    for counts in (0.0, weight):
        score = replace(settings.score, residual_weight=counts, residual_truncation=truncation)
        pipeline.scorer.settings = replace(settings, score=score)
        maps.append(pipeline(image).anomaly_map.numpy())
    assert counted.max() > 1
    np.testing.assert_allclose(maps[1] - maps[0], weight * counted, rtol=1e-4, atol=1e-5)


def parts(count: int, seed: int = 0) -> torch.Tensor:
    """Parts that lie alike: the same disc and ramp, in noise of their own; (N, 1, 72, 64)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:72, :64]
    part = 0.3 + 0.3 * ((y - 30) ** 2 + (x - 24) ** 2 < 200) + 0.002 * x
    noisy = part + 0.01 * rng.normal(size=(count, 1, 72, 64))
    return torch.from_numpy(noisy.clip(0, 1).astype(np.float32))


def learn_features(pipeline: Pipeline, images: torch.Tensor) -> None:
    """Learn features and their tail, which is that of images left out in turn."""
    folds, scorer = [place % 2 for place in range(len(images))], pipeline.scorer
    moments = scorer.learn_features(lambda: torch.split(images, 1), folds).edges
    distance, largest = scorer.feature_distance, []
    if distance is None:
        return
    for fold in (0, 1):
        distance.fit(moments[1 - fold])
        for image in torch.split(images, 1)[fold::2]:
            largest.append(pipeline.evidence(image)[0].distance)
    distance.fit(merged(moments))
    distance.tail.copy_(torch.tensor(tail(torch.stack([each.max() for each in largest if each is not None]))))


def fitted_to_parts() -> Pipeline:
    torch.manual_seed(0)
    pipeline = Pipeline(PARTS, FORMAT, Attention.pretrained("surface")).eval()
    images = parts(12)
    learn_features(pipeline, images)
    return pipeline


PARTS = Settings(recovery=RecoverySettings(width=4, depth=2))
FORMAT, ASIDE = ImageFormat((72, 64), 1), ImageFormat((128, 128), 1)


def test_the_distance_of_the_features_counts_by_its_weight() -> None:
    pipeline, image = fitted_to_parts(), parts(1, seed=1)
    distance_of = pipeline.scorer.feature_distance
    assert distance_of is not None
    joined = pipeline(image).anomaly_map[0, 0].numpy()
    pipeline.scorer.feature_distance = None
    rest = pipeline(image).anomaly_map[0, 0].numpy()
    weight, distance = float(distance_of.weight), distance_of(edge_features(image))[0, 0].numpy()
    assert 0.5 < weight < 1
    median, excess = distance_of.tail.tolist()
    surprisal = np.log(2) * np.minimum(distance / median, 1) + np.maximum(distance - median, 0) / excess
    places = [(np.arange(side) + 0.5) / 8 - 0.5 for side in (72, 64)]
    grid = np.meshgrid(*(at.clip(0, n - 1) for at, n in zip(places, (9, 8), strict=True)), indexing="ij")
    enlarged = ndimage.map_coordinates(surprisal, grid, order=1)
    np.testing.assert_allclose(joined, (1 - weight) * rest + weight * enlarged, rtol=1e-3, atol=1e-4)


def test_what_stands_in_a_wrong_place_is_found_by_the_distance() -> None:
    pipeline = fitted_to_parts()
    good, image = parts(1, seed=1), parts(1, seed=1)
    image[..., 40:64, 30:54] = image[..., 16:40, 10:34]  # a second disc like the first
    assert pipeline.scorer.feature_distance is not None
    usual, moved = (pipeline.scorer.feature_distance(edge_features(each)) for each in (good, image))
    assert moved[..., 5:8, 4:7].max() > 3 * usual.max()


def test_another_colour_of_the_same_brightness_is_found_by_the_distance() -> None:
    torch.manual_seed(0)
    pipeline = Pipeline(PARTS, ImageFormat((72, 64), 3), Attention.pretrained("surface"))
    images = parts(13).repeat(1, 3, 1, 1)
    learn_features(pipeline.eval(), images[:12])
    good, tinted = images[12:], images[12:].clone()
    tinted[:, 0, 24:40, 16:32] += 0.1 * 0.587
    tinted[:, 1, 24:40, 16:32] -= 0.1 * 0.299
    assert pipeline.scorer.feature_distance is not None
    usual, other = (pipeline.scorer.feature_distance(edge_features(each)) for each in (good, tinted))
    assert other[..., 3:5, 2:4].max() > 3 * usual.max()


def parts_aside(count: int, seed: int = 0) -> torch.Tensor:
    """Machined parts (N, 1, 128, 128) that lie up to eight pixels and six degrees aside."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        turned = ndimage.rotate(
            machined_part(rng, (128, 128)), rng.uniform(-6, 6), reshape=False, mode="nearest"
        )
        drawn.append(ndimage.shift(turned, rng.uniform(-8, 8, 2), order=1, mode="nearest").clip(0, 1))
    return torch.from_numpy(np.array(drawn, dtype=np.float32))[:, None]


def test_parts_that_lie_aside_are_aligned_and_what_is_wrong_on_them_found_in_place() -> None:
    torch.manual_seed(0)
    pipeline = Pipeline(PARTS, ASIDE, Attention.pretrained("surface")).eval()
    images = parts_aside(12)
    learn_features(pipeline, images)
    assert pipeline.scorer.alignment is not None and pipeline.scorer.feature_distance is not None
    assert pipeline.scorer.feature_distance.explained_variance > 0.8
    good, marked = parts_aside(4, seed=1), parts_aside(4, seed=1)
    marked[:, :, 40:46, 60:66] += 0.15
    usual, other = pipeline(good), pipeline(marked)
    assert (other.score > 1.5 * usual.score).all()
    for found in other.anomaly_map[:, 0].numpy():
        row, column = np.unravel_index(found.argmax(), found.shape)
        assert abs(row - 43) <= 8 and abs(column - 63) <= 8
    twin = Pipeline(PARTS, ASIDE, Attention("surface")).eval()
    twin.load_learned(pipeline.state_dict())
    assert torch.equal(twin(marked).anomaly_map, other.anomaly_map)
    assert twin.scorer.judges_what_is_seen
    older = {name: each for name, each in pipeline.state_dict().items() if not name.endswith(".certainty")}
    twin.load_learned(older)
    assert not twin.scorer.judges_what_is_seen and twin(marked).anomaly_map.isfinite().all()
    unaligned = replace(PARTS, score=ScoreSettings(align=False))
    pipeline = Pipeline(unaligned, ASIDE, Attention("surface")).eval()
    learn_features(pipeline, images)
    assert pipeline.scorer.alignment is None


def test_a_texture_is_not_aligned() -> None:
    pipeline = Pipeline(PARTS, ASIDE, Attention("surface")).eval()
    rng = np.random.default_rng(0)
    blurred = ndimage.gaussian_filter(rng.random((12, 1, 128, 128)), (0, 0, 2, 2))
    shade = np.linspace(-0.2, 0.2, 128)[None, None, :, None]
    images = torch.from_numpy((blurred + shade).astype(np.float32))
    learn_features(pipeline, images)
    assert pipeline.scorer.alignment is None


@pytest.mark.parametrize(
    ("settings", "image_format"),
    [
        (replace(PARTS, score=ScoreSettings(feature_distance=False)), FORMAT),
        (replace(PARTS, score=ScoreSettings(evidence="residual")), FORMAT),
        (replace(PARTS, mask=MaskSettings(enabled=False)), FORMAT),
        (PARTS, ImageFormat((96, 96), 1, Tiling((96, 96), 16, 12))),
    ],
)
def test_no_distance_where_it_is_not_wanted_or_positions_mean_nothing(
    settings: Settings, image_format: ImageFormat
) -> None:
    pipeline = Pipeline(settings, image_format, Attention("surface")).eval()
    learnt = pipeline.scorer.learn_features(lambda: pytest.fail("an image was read"), [0, 1])
    assert not learnt.edges and not learnt.network
    assert pipeline.scorer.feature_distance is None
    assert pipeline.evidence(torch.rand(1, 1, *image_format.size))[0].distance is None


def test_what_was_learnt_is_taken_over_with_and_without_the_feature_distance() -> None:
    pipeline, image = fitted_to_parts(), parts(1, seed=1)
    whole = pipeline.state_dict()
    for counts in (True, False):
        if not counts:
            pipeline.scorer.feature_distance = None
        twin = Pipeline(PARTS, FORMAT, Attention("surface")).eval()
        twin.load_learned(pipeline.state_dict())
        assert (twin.scorer.feature_distance is not None) == counts
        assert torch.equal(twin(image).anomaly_map, pipeline(image).anomaly_map)
    for damaged in ("scorer.feature_distance.means", "scorer.tails", "masking.threshold"):
        with pytest.raises(RuntimeError, match=damaged):
            Pipeline(PARTS, FORMAT, Attention("surface")).load_learned(
                {k: v for k, v in whole.items() if k != damaged}
            )


def test_weights_that_knew_the_places_serve_without_a_mask() -> None:
    whole = fitted_to_parts().state_dict()
    without = Pipeline(replace(PARTS, mask=MaskSettings(enabled=False)), FORMAT, Attention("surface")).eval()
    without.load_learned(whole)
    assert without.scorer.feature_distance is None
    assert without(parts(1)).anomaly_map.isfinite().all()
