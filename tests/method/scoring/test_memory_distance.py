"""Distance from the nearest feature in a memory, against scipy's tree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from excision.method.scoring.feature_distance import FeatureDistance
from excision.method.scoring.memory_distance import MOST_KEPT, MemoryDistance
from excision.method.scoring.position_moments import merged

GRID = (6, 8)


def images(count: int, seed: int = 0, grid: tuple[int, int] = GRID) -> list[torch.Tensor]:
    """Features (1, 5, h, w) of parts: a pattern of the place, and noise."""
    pattern = torch.randn(1, 5, *grid, generator=torch.Generator().manual_seed(99))
    draw = torch.Generator().manual_seed(seed)
    return [pattern + 0.3 * torch.randn(1, 5, *grid, generator=draw) for _ in range(count)]


def learnt(training: list[torch.Tensor], folds: list[int] | None = None) -> MemoryDistance:
    distance = MemoryDistance(5, (training[0].shape[2], training[0].shape[3]))
    numbers = folds or [0] * len(training)
    distance.fit(merged(distance.moments(training, numbers, max(numbers) + 1)))
    return distance


def test_the_distance_is_that_of_a_tree() -> None:
    distance, others = learnt(images(12)), torch.cat(images(3, seed=1))
    found = distance(others)
    queries = others.permute(0, 2, 3, 1).reshape(-1, 5).double().numpy()
    wanted, _ = KDTree(distance.bank.double().numpy()).query(queries)
    np.testing.assert_allclose(found.flatten().numpy(), wanted, rtol=1e-4, atol=1e-6)
    assert found.shape == (3, 1, *GRID)


def test_what_is_in_the_memory_has_no_distance() -> None:
    distance = learnt(images(12))
    kept = distance.bank[:48].T.reshape(1, 5, *GRID)
    assert float(distance(kept).max()) == 0.0


def test_the_memory_is_bounded_and_made_of_normal_features() -> None:
    training = images(30, grid=(40, 40))
    distance = learnt(training)
    assert len(distance.bank) == min(MOST_KEPT, round(0.1 * 30 * (20_000 // 30)))
    seen = {tuple(row) for row in torch.cat(training).permute(0, 2, 3, 1).reshape(-1, 5).tolist()}
    assert all(tuple(row) in seen for row in distance.bank.tolist())


def test_a_part_of_the_images_is_learnt_without_the_others() -> None:
    training = images(12)
    whole = MemoryDistance(5, GRID)
    parts = whole.moments(training, [place % 3 for place in range(12)], 3)
    alone = MemoryDistance(5, GRID)
    kept = [image for place, image in enumerate(training) if place % 3 != 1]
    alone.fit(merged(alone.moments(kept, [0] * 8, 1)))
    whole.fit(merged([parts[0], parts[2]]))
    assert {tuple(row) for row in whole.bank.tolist()} <= {
        tuple(row) for image in kept for row in image[0].flatten(1).T.tolist()
    }
    assert float(whole.explained_variance) == pytest.approx(float(alone.explained_variance))


def test_position_explains_as_much_as_for_the_other_distance() -> None:
    training = images(20)
    memory, gaussian = learnt(training), FeatureDistance(5, GRID)
    gaussian.fit(gaussian.moments(training, [0] * 20, 1)[0])
    assert float(memory.explained_variance) == pytest.approx(float(gaussian.explained_variance))
    assert memory.counts and float(memory.weight) == pytest.approx(float(gaussian.weight))
    noise = [each - images(1)[0] for each in images(40, seed=2)]
    assert not learnt([0.0 * each + torch.randn_like(each) for each in noise]).counts


def test_learning_again_gives_the_same_memory() -> None:
    torch.manual_seed(1)
    first = learnt(images(12)).bank
    torch.manual_seed(2)
    assert torch.equal(learnt(images(12)).bank, first)
