"""What `excision info` says of the grids of a feature network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from excision.cli.info import feature_distance
from excision.features.record import FEATURES
from excision.method.run_folder import MODEL
from tests.features.test_network import RECORD as ONE_GRID

RECORD = dataclasses.replace(ONE_GRID, strides=(8, 32))


@pytest.mark.parametrize(
    ("explained", "told"),
    [
        (0.4, "used: position in the image explains 40% of the variance"),
        (0.03, "used, with one distribution for all positions: position explains 3% of the variance"),
        (0.0, "used, with one distribution for all positions"),
        (None, "not used"),
    ],
)
def test_each_grid_says_whether_and_how_it_is_used(
    explained: float | None, told: str, tmp_path: Path
) -> None:
    RECORD.save(tmp_path / FEATURES)
    tensors = {"scorer.network_distances.fine.explained_variance": np.full(1, 0.5, np.float32)}
    if explained is not None:
        tensors["scorer.network_distances.coarse.explained_variance"] = np.full(1, explained, np.float32)
    save_file(tensors, tmp_path / MODEL)
    lines = dict(feature_distance(tmp_path))
    assert lines["Its fine grid"] == "used: position in the image explains 50% of the variance"
    assert lines["Its coarse grid"].startswith(told)


def test_the_appearances_are_counted_with_their_images(tmp_path: Path) -> None:
    explained = {"scorer.feature_distance.explained_variance": np.full(1, 0.5, np.float32)}
    save_file({**explained, "scorer.alignment.images": np.array([120, 36, 40])}, tmp_path / MODEL)
    lines = dict(feature_distance(tmp_path))
    assert lines["Appearances"] == "3, with 120, 36 and 40 good images"
    save_file({**explained}, tmp_path / MODEL)
    assert "Appearances" not in dict(feature_distance(tmp_path))
