"""Models that share their networks: what one learns about normal images is its own."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from excision import Detector
from tests.conftest import draw_surface


@pytest.fixture(scope="module")
def darker() -> list[NDArray[np.uint8]]:
    """The same surfaces in other light."""
    return [draw_surface(number) // 2 for number in range(8)]


def learnt(detector: Detector) -> dict[str, torch.Tensor]:
    return copy.deepcopy(detector.pipeline.state_dict())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(each, other[name]) for name, each in one.items())


def test_a_twin_that_is_recalibrated_leaves_the_other_as_it_was(
    fitted: Detector, darker: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    for number, image in enumerate(darker):
        Image.fromarray(image.squeeze()).save(tmp_path / f"{number}.png")
    before, twin = learnt(fitted), fitted.with_thresholds(1.0)
    twin.recalibrate(tmp_path)
    assert not same(learnt(twin), before)
    assert same(learnt(fitted), before)
    networks = ("attention.network.", "recovery.")
    shared = {name: each for name, each in twin.pipeline.state_dict().items() if name.startswith(networks)}
    own = fitted.pipeline.state_dict()
    assert shared and all(each.data_ptr() == own[name].data_ptr() for name, each in shared.items())


def test_a_search_for_suspects_changes_nothing(fitted: Detector, darker: list[NDArray[np.uint8]]) -> None:
    before = learnt(fitted)
    assert list(fitted.suspects(darker)) == []  # of so few, none is
    assert same(learnt(fitted), before)
