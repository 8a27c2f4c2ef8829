"""A run folder and an exported folder as the first release wrote them: they load, and score as they did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from excision.detector import Detector
from excision.predictions import Prediction
from excision.runtime import Inspector
from excision.runtime.model_folder import FORMAT, Description

HERE = Path(__file__).parent / "format_1"
EXPECTED: list[dict[str, Any]] = json.loads((HERE / "expected.json").read_text("utf-8"))


def check(prediction: Prediction, expected: dict[str, Any]) -> None:
    # Another processor rounds the last bits in another way.
    assert prediction.score == pytest.approx(expected["score"], rel=1e-4)
    assert prediction.threshold == expected["threshold"]
    assert prediction.verdict == expected["verdict"]
    assert prediction.anomaly_map.sum(dtype="float64") == pytest.approx(expected["map_sum"], rel=1e-4)
    assert int(prediction.mask.sum()) == expected["n_masked"]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda row: row["image"])
def test_run_folder(expected: dict[str, Any]) -> None:
    detector = Detector.load(HERE / "run", device="cpu")
    check(next(detector.predict([HERE / expected["image"]])), expected["run"])


def test_what_the_first_release_cannot_read_says_so() -> None:
    """It asks a graph of format 1 for the output `holed`, and refuses the description of a later format."""
    assert Description.load(HERE / "exported").format == 1 < FORMAT


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda row: row["image"])
def test_exported_folder(expected: dict[str, Any]) -> None:
    check(Inspector(HERE / "exported").inspect(HERE / expected["image"]), expected["exported"])
