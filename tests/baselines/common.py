"""What is expected of every baseline; each file of tests calls it with its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.baselines.base import Baseline
from excision.errors import SettingsError
from excision.settings import ImageSettings, Settings


@torch.no_grad()
def same_in_any_batch(method: Baseline, size: tuple[int, int]) -> None:
    """Maps and scores of five grey images, together and one by one."""
    images = torch.rand(5, 1, *size)
    together = method.network(images)
    for number in range(5):
        alone = method.network(images[number : number + 1])
        assert torch.equal(alone.maps[0], together.maps[number])
        assert torch.equal(alone.scores[0], together.scores[number])


def same_from_disk(method: Baseline, folder: Path, images: Sequence[NDArray[Any]]) -> None:
    """Threshold, scores and maps of a method that was saved and loaded; the images have different scores."""
    method.save(folder)
    loaded = type(method).load(folder, device="cpu")
    assert loaded.threshold == method.threshold
    for one, other in zip(loaded.predict(images), method.predict(images), strict=True):
        assert one.score == other.score
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
    assert len({found.score for found in method.predict(images)}) == len(images)


def same_when_learnt_again(method: Baseline, again: Baseline) -> None:
    """All weights of two trainings."""
    for name, tensor in method.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor)


def colour_and_odd_sizes_work(kind: type[Baseline], **hyperparameters: Any) -> None:
    """A method fitted to colour images whose sides are no multiple of anything."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (51, 75, 3), dtype=np.uint8) for _ in range(3)]
    settings = Settings(image=ImageSettings(size=(51, 75)))
    (found,) = kind(settings, device="cpu", **hyperparameters).fit(images).predict(images[0])
    assert found.anomaly_map.shape == (51, 75)


def out_of_range_is_refused(kind: type[Baseline], hyperparameters: dict[str, Any]) -> None:
    """The error names the hyperparameter."""
    with pytest.raises(SettingsError, match=next(iter(hyperparameters))):
        kind(**hyperparameters)
