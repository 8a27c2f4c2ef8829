"""Aligned baselines: images of a part are aligned; without a shape, they are the plain baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.baselines import baseline
from excision.baselines.aligned import AlignedNetwork, AlignedPaDiM, AlignedPatchCore
from excision.baselines.base import Baseline
from excision.baselines.padim import PaDiM
from excision.baselines.patchcore import PatchCore
from excision.errors import ModelError
from excision.features.efficientnet import weights_file
from excision.method.scoring.learning import FeatureMoments
from excision.method.scoring.observing import Images
from excision.method.scoring.scorer import Scorer
from excision.settings import ImageSettings, Settings
from excision.synthetic.surfaces import cast_grain

SIZE = (96, 96)
SETTINGS = Settings(image=ImageSettings(size=SIZE, channels=1))
KINDS = (
    (AlignedPatchCore, PatchCore, {"coreset": 0.1}),
    (AlignedPaDiM, PaDiM, {"dimensions": 20, "grid": 8}),
)


@pytest.fixture(autouse=True)
def _weights() -> None:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))


def surface(number: int) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), SIZE) * 255).astype(np.uint8)


def bracket(number: int, *, dent: bool = False) -> NDArray[np.uint8]:
    """An angle bracket in any rotation, a few pixels aside; the dent is at the end of its long arm."""
    rng = np.random.default_rng(number)
    angle, (right, down) = rng.uniform(-np.pi, np.pi), rng.uniform(-4, 4, size=2)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] - 47.5
    x = np.cos(angle) * (columns - right) + np.sin(angle) * (rows - down)
    y = -np.sin(angle) * (columns - right) + np.cos(angle) * (rows - down)
    level = np.full(SIZE, 60.0)
    level[(abs(x + 12) < 6) & (abs(y) < 30)] = 190
    level[(abs(y - 24) < 6) & (x > -12) & (x < 24)] = 150
    if dent:
        level[np.hypot(x + 12, y + 22) < 4] = 120
    return (level + rng.normal(0, 2, SIZE)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("kind", "plain", "options"), KINDS)
def test_a_surface_without_a_shape_gives_the_plain_baseline(
    kind: type[Baseline], plain: type[Baseline], options: dict[str, float]
) -> None:
    good = [surface(number) for number in range(12)]
    aligned = kind(SETTINGS, "cpu", **options).fit(good)
    network = aligned.network
    assert isinstance(network, AlignedNetwork) and not network.is_aligned
    same = plain(SETTINGS, "cpu", **options).fit(good)
    for image in (surface(100), bracket(0)):
        one, other = aligned.inspect(image), same.inspect(image)
        assert one.score == other.score
        assert np.array_equal(one.anomaly_map, other.anomaly_map)


@pytest.mark.parametrize(("kind", "plain", "options"), KINDS)
def test_a_part_in_any_rotation_is_found_and_seen_better(
    kind: type[Baseline], plain: type[Baseline], options: dict[str, float], tmp_path: Path
) -> None:
    good = [bracket(number) for number in range(26)]
    aligned = kind(SETTINGS, "cpu", **options).fit(good)
    network = aligned.network
    assert isinstance(network, AlignedNetwork) and network.is_aligned

    def gap(method: Baseline) -> float:
        """How far the typical defect is above typical good ones, in their deviations."""
        normal = [method.inspect(bracket(number)).score for number in range(100, 110)]
        defective = [method.inspect(bracket(number, dent=True)).score for number in range(200, 210)]
        return float((np.median(defective) - np.median(normal)) / np.std(normal))

    assert gap(aligned) > max(gap(plain(SETTINGS, "cpu", **options).fit(good)), 3)
    # The map lies on the image as it is, not on the aligned one: the dent is where it was drawn.
    marked = aligned.inspect(bracket(300, dent=True))
    difference = abs(bracket(300, dent=True).astype(float) - bracket(300))
    place = np.unravel_index(marked.anomaly_map.argmax(), SIZE)
    assert difference[max(place[0] - 6, 0) : place[0] + 7, max(place[1] - 6, 0) : place[1] + 7].max() > 40
    aligned.save(tmp_path / "run")
    loaded = kind.load(tmp_path / "run", "cpu")
    again = loaded.inspect(bracket(300, dent=True))
    assert again.score == marked.score and np.array_equal(again.anomaly_map, marked.anomaly_map)


def test_images_of_a_batch_do_not_depend_on_each_other() -> None:
    good = [bracket(number) for number in range(20)]
    network = AlignedPaDiM(SETTINGS, "cpu", dimensions=10, grid=8).fit(good).network
    images = torch.stack([torch.from_numpy(each / 255).float()[None] for each in good[:3]])
    together = network(images)
    for place in range(3):
        alone = network(images[place : place + 1])
        assert torch.equal(alone.scores[0], together.scores[place])
        assert torch.equal(alone.maps[0], together.maps[place])


def test_names() -> None:
    assert baseline("patchcore-aligned") is AlignedPatchCore
    assert baseline("padim-aligned") is AlignedPaDiM


def test_the_alignment_of_a_symmetrical_part_is_loaded_again(tmp_path: Path) -> None:
    good = [bracket(number) for number in range(12)]
    fitted = AlignedPaDiM(SETTINGS, "cpu", dimensions=10, grid=8).fit(good)
    network = fitted.network
    assert isinstance(network, AlignedNetwork) and network.is_aligned
    network.alignment.alike = torch.tensor([[0.0, 0.0, 0.0], [np.pi, 0.0, 0.0]])
    fitted.save(tmp_path / "run")
    again = AlignedPaDiM.load(tmp_path / "run", "cpu")
    assert again.inspect(bracket(300)).score == fitted.inspect(bracket(300)).score


def test_the_alignment_is_learnt_from_as_many_images_as_that_of_ear(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt, learn = [], Scorer.learn_features

    def counted(scorer: Scorer, images: Images, folds: list[int], count: int) -> FeatureMoments:
        learnt.append(len(list(images())))
        return learn(scorer, images, folds, count=count)

    monkeypatch.setattr(Scorer, "learn_features", counted)
    monkeypatch.setattr("excision.baselines.aligned.MOST_IMAGES", 9)
    AlignedPaDiM(SETTINGS, "cpu", dimensions=10, grid=8).fit([bracket(number) for number in range(16)])
    assert learnt == [9]
