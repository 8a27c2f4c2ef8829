"""Predictions as rows: pandas and polars make the same typed table of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from excision import Inspector, Prediction, results_table
from tests.compatibility.test_format_1 import HERE
from tests.test_predictions import prediction

COLUMNS = [
    "source",
    "score",
    "threshold",
    "review_threshold",
    "p_value",
    "verdict",
    "unfit",
    "boxes",
    "defect_area_share",
    "seconds",
]
NUMBERS = ["score", "threshold", "review_threshold", "p_value", "defect_area_share", "seconds"]


def good(number: int) -> Prediction:
    """An image without a region."""
    return prediction(
        anomaly_map=np.zeros((40, 30), np.float32), score=np.float32(0.25), source=f"good/{number}.png"
    )


@pytest.fixture(scope="module")
def predictions() -> list[Prediction]:
    """More good ones first than libraries look at to guess the type of a column."""
    odd = prediction(source=None, review_threshold=0.5, p_value=0.25, unfit=("too dark", "out of focus"))
    return [*map(good, range(150)), prediction(), odd]


def test_rows(predictions: list[Prediction]) -> None:
    rows = results_table(predictions)
    assert len(rows) == 152 and all(list(row) == COLUMNS for row in rows)
    assert {type(row[name]) for row in rows for name in NUMBERS} == {float}
    assert rows[150] | {"review_threshold": None, "p_value": None, "unfit": []} == predictions[150].to_dict()
    assert (rows[0]["unfit"], rows[151]["unfit"]) == ("", "too dark; out of focus")
    assert math.isnan(rows[0]["p_value"]) and rows[151]["p_value"] == 0.25
    assert math.isnan(rows[150]["review_threshold"]) and rows[151]["review_threshold"] == 0.5
    assert results_table([]) == []
    assert results_table(predictions[151]) == rows[151:]


def test_pandas(predictions: list[Prediction]) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(results_table(predictions))
    assert list(table.columns) == COLUMNS
    assert {str(table[name].dtype) for name in NUMBERS} == {"float64"}
    assert table["score"].tolist() == [0.25] * 150 + [3.5] * 2
    assert table["boxes"][149] == [] and table["boxes"][150] == [[6, 40, 4, 4], [20, 10, 8, 6]]
    assert table["review_threshold"].isna().sum() == 151
    assert table["verdict"].tolist()[150:] == ["defect", "unfit"]
    assert pandas.isna(table["source"][151])


def test_polars(predictions: list[Prediction]) -> None:
    polars = pytest.importorskip("polars")
    table = polars.DataFrame(results_table(predictions))
    expected = dict.fromkeys(NUMBERS, polars.Float64) | {
        "source": polars.String,
        "verdict": polars.String,
        "unfit": polars.String,
        "boxes": polars.List(polars.List(polars.Int64)),
    }
    assert table.columns == COLUMNS and dict(table.schema) == expected
    assert table["score"].to_list() == [0.25] * 150 + [3.5] * 2
    assert table["boxes"].to_list()[149:151] == [[], [[6, 40, 4, 4], [20, 10, 8, 6]]]
    assert table["source"].null_count() == 1
    assert table.filter(polars.col("verdict") == "unfit").height == 1


def test_a_generator_is_not_kept() -> None:
    alive: list[Any] = []

    def made() -> Iterator[Prediction]:
        import gc
        import weakref

        for number in range(5):
            one = good(number)
            one = replace(one, anomaly_map=one.anomaly_map.copy())
            alive.append(weakref.ref(one.anomaly_map))
            yield one
            del one
            gc.collect(1)  # young ones: a search in all that the tests have imported takes a second
            assert sum(reference() is not None for reference in alive) <= 1

    assert len(results_table(made())) == 5


def test_what_an_inspector_finds() -> None:
    inspector = Inspector(HERE / "exported")
    rows = results_table(inspector.predict(HERE / "?.png"))
    assert [row["source"] for row in rows] == [str(HERE / f"{number}.png") for number in range(4)]
    assert [row["score"] for row in rows] == [
        inspector.inspect(HERE / f"{number}.png").score for number in range(4)
    ]
