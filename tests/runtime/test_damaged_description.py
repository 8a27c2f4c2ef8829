"""Every entry of `model.json`, changed in every way: the same verdict as before, or one clear error."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import math
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision.errors import ModelError
from excision.method.calibration import calibrate
from excision.predictions import Prediction
from excision.runtime import Inspector
from excision.runtime.backends import open_backend
from excision.runtime.defect_criteria import REGION, DefectCriteria
from excision.runtime.model_folder import DESCRIPTION, Description
from excision.runtime.verification import verify
from tests.runtime.folders import IMAGE, changed, leaves, old_folder, put, read, sealed_folder

VALUES: tuple[Any, ...] = (
    *(None, True, "", "x", -1, 0, 1, 2, 3, 0.5, 65, 1e308, -0.0, math.nan, math.inf, 10**30, 100_000, 2**31),
    *([], {}, [None], {"x": 1}, [100_000, 100_000], "a\nb" * 1000, [[1]] * 100),
)
MOST_MEMORY = 64 * 2**20


@pytest.fixture
def opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the graph once for each way in which a description asks for it: it never changes."""
    monkeypatch.setattr("excision.runtime.inspector.open_backend", functools.cache(open_backend))


def facts(prediction: Prediction) -> tuple[Any, ...]:
    found = prediction
    return found.score, found.threshold, found.review_threshold, found.verdict, found.anomaly_map.tobytes()


def outcome(folder: Path) -> tuple[Any, ...] | None:
    """Load, verify and inspect; gives None for one clear error."""
    try:
        inspector = Inspector(folder, threads=1)
        verify(inspector)
    except ModelError as error:
        assert DESCRIPTION in str(error) or "model.onnx" in str(error) or "golden" in str(error), error
        assert len(str(error)) < 1000 and "Error(" not in str(error), error
        return None
    return facts(inspector.inspect(IMAGE))


@pytest.mark.usefixtures("opened_once")
@pytest.mark.parametrize("make", [old_folder, sealed_folder])
def test_a_changed_entry_is_seen_or_means_nothing(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path)
    before, whole = outcome(folder), read(folder)
    assert before is not None
    judged: Counter[object] = Counter()
    tracemalloc.start()
    try:
        for path, value, content in changed(whole, VALUES):
            (folder / DESCRIPTION).write_text(json.dumps(content), "utf-8")
            found = None
            try:
                Description.load(folder)
            except ModelError as error:
                assert DESCRIPTION in str(error) and len(str(error)) < 1000
            else:
                assert make is old_folder, (path, value)
                # Three values of an entry show what it does; inspecting takes most of the time.
                judged[path] += 1
                found = outcome(folder) if judged[path] <= 3 else before
            # Nothing else in a folder of the first release tells what its minimum area should be.
            unknown = make is old_folder and path == ("minimum_area",)
            assert found in (None, before) or unknown, (path, value)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def test_two_entries_that_change_places_are_seen(tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path)
    whole = read(folder)
    names = [path for path in leaves(whole) if len(path) == 1]
    for first, second in itertools.pairwise(names):
        content = copy.deepcopy(whole)
        put(content, first, whole[second[0]])
        put(content, second, whole[first[0]])
        (folder / DESCRIPTION).write_text(json.dumps(content), "utf-8")
        assert content == whole or outcome(folder) is None


def test_order_and_white_space_mean_nothing(tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path)
    before = outcome(folder)
    content = dict(reversed(read(folder).items()))
    (folder / DESCRIPTION).write_text(json.dumps(content, separators=(",", ":")), "utf-8")
    assert before is not None and outcome(folder) == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format": 1, "format": 1}', "'format' occurs twice"),
        ('{"format": NaN}', "NaN is not a number"),
        ('{"format": -Infinity}', "-Infinity is not a number"),
        ('{"format": 1e999}', "1e999 is too large"),
        ('{"format": 99}', "later than"),
        ('{"format": true}', "whole number"),
        ('{"format": ' + "9" * 5000 + "}", "cannot be read as JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[1]", "no entry 'format'"),
        ("", "cannot be read as JSON"),
        ("\ufeff{}", "cannot be read as JSON"),
        (" " * (16 * 2**20 + 1), "larger than"),
    ],
)  # fmt: skip
def test_odd_json_is_named(text: str, reason: str, tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    (folder / DESCRIPTION).write_text(text, "utf-8")
    with pytest.raises(ModelError, match=reason) as caught:
        Inspector(folder)
    assert DESCRIPTION in str(caught.value)


def test_a_huge_declared_size_takes_no_memory(tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    for size in ([100_000, 100_000], [2**26, 1], [8192, 8192], [1, 1], [64, 65], [10**18, 10**18]):
        (folder / DESCRIPTION).write_text(json.dumps({**read(folder), "size": size}), "utf-8")
        tracemalloc.start()
        with pytest.raises(ModelError, match=r"pixels|whole number"):
            Inspector(folder)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
        tracemalloc.stop()


@pytest.mark.parametrize("entry", ["calibration", "review"])
def test_a_threshold_must_follow_from_its_scores(entry: str, tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    known = read(folder)["calibration"]
    good = {"calibration": known, "review": None}
    for change, reason in (
        ({"threshold": known["threshold"] * 2}, "its scores and rate give"),
        ({"threshold": math.nextafter(known["threshold"], 1)}, "its scores and rate give"),
        ({"threshold": 0.0}, "its scores and rate give"),
        ({"threshold": 0.0, "wanted_rate": None, "promised_rate": 1.0}, "finite numbers above 0"),
        ({"threshold": -1.0, "wanted_rate": None, "promised_rate": 1.0}, "finite numbers above 0"),
        ({"wanted_rate": 0.9}, "its scores and rate give"),
        ({"wanted_rate": None, "promised_rate": 0.01}, "its scores promise"),
        ({"promised_rate": 0.01}, "its scores promise"),
        ({"scores": known["scores"][::-1]}, "must ascend"),
        ({"scores": known["scores"][:-1]}, "its scores and rate give"),
        ({"scores": []}, "list of numbers"),
    ):
        (folder / DESCRIPTION).write_text(json.dumps({**read(folder), **good, entry: {**known, **change}}))
        with pytest.raises(ModelError, match=reason):
            Description.load(folder)


def test_a_grey_zone_above_the_threshold_is_refused(tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    known = read(folder)["calibration"]
    above = {**known, "threshold": 9.0, "wanted_rate": None, "promised_rate": 0.25}
    (folder / DESCRIPTION).write_text(json.dumps({**read(folder), "review": above}))
    with pytest.raises(ModelError, match="grey zone would begin at 9"):
        Description.load(folder)


@pytest.mark.usefixtures("opened_once")
def test_calibrating_again_seals_again(tmp_path: Path) -> None:
    for folder in (old_folder(tmp_path), sealed_folder(tmp_path)):
        inspector = Inspector(folder, threads=1)
        size = inspector.description.size
        half = np.zeros(size, dtype=bool)
        half[: size[0] // 2] = True
        for criteria in (DefectCriteria(half, 3), DefectCriteria(~half, 2), DefectCriteria()):
            inspector.criteria = criteria
            inspector.recalibrate([1.0, 2.0, 3.0], 0.4)
            again = Inspector(folder, threads=1)
            assert again.description == inspector.description
            assert again.calibration == calibrate([1.0, 2.0, 3.0], 0.4)
            assert again.criteria.minimum_area == criteria.minimum_area
            assert (folder / REGION).exists() == (criteria.region is not None)
            if criteria.region is not None:
                np.testing.assert_array_equal(again.criteria.region, criteria.region)
            assert not [path for path in folder.iterdir() if "next" in path.name]
