"""From cells to tables and pictures."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.benchmark.aggregate import COST, QUALITY, Line, Speed, Spread, line, mean_line
from excision.benchmark.plots import accuracy_figure, speed_figure
from excision.benchmark.tables import (
    ABLATION_HEAD,
    METHOD_HEAD,
    ablation_cells,
    machine_lines,
    markdown_table,
    method_cells,
)
from excision.benchmark.throughput import summarise


def cell(seed: int, auroc: float | None, seconds: float = 60.0, **figures: float | None) -> dict[str, Any]:
    return {
        "seed": seed,
        "figures": {**dict.fromkeys(QUALITY, 0.5), "image_auroc": auroc, **figures},
        "training_seconds": seconds,
        "peak_memory_mb": 512.0,
        "parameters": 1234567,
        "passes": 12,
    }


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_spread_is_that_of_the_statistics_module(values: list[float]) -> None:
    spread = Spread.of([*values, None])
    assert spread is not None
    assert spread.mean == statistics.mean(values)
    assert spread.deviation == (statistics.stdev(values) if len(values) > 1 else None)
    assert spread.count == len(values)


def test_line_leaves_out_what_was_not_measured() -> None:
    found = line("A", "a", [cell(0, 0.8, aupro=None), cell(1, 0.9, aupro=None)], None)
    assert found.figures["image_auroc"] == Spread(
        statistics.mean([0.8, 0.9]), statistics.stdev([0.8, 0.9]), 2
    )
    assert found.figures["aupro"] is None
    assert found.speeds == {}
    assert set(line("A", "a", [], None).figures.values()) == {None}


def test_mean_over_data_sets_is_taken_for_each_seed() -> None:
    one, two = [cell(0, 0.6), cell(1, 0.8), cell(2, 1.0)], [cell(1, 0.4), cell(0, 0.7)]
    speeds = ({"1": Speed(10, 2.0)}, {"1": Speed(40, 8.0)})
    lines = [Line("A", "a", len(cells), {}, speed) for cells, speed in zip((one, two), speeds, strict=True)]
    found = mean_line("A", "a", lines, [one, two])
    means = [(0.6 + 0.7) / 2, (0.8 + 0.4) / 2]
    spread = found.figures["image_auroc"]
    assert spread is not None
    assert spread.mean == pytest.approx(statistics.mean(means))
    assert spread.deviation == pytest.approx(statistics.stdev(means))
    assert found.seeds == 2
    assert found.speeds["1"].images_per_second == pytest.approx(math.sqrt(10 * 40))
    assert found.speeds["1"].ratio == pytest.approx(4)
    # What one data set lacks has no mean: half of it would flatter or harm.
    lacking = mean_line("A", "a", [lines[0], Line("A", "a", 0, {}, {})], [one, []])
    assert lacking.speeds == {}
    assert set(lacking.figures.values()) == {None}


def test_ratio_is_taken_within_a_round() -> None:
    """The machine slows down by ten in the second round, and the ratio knows nothing of it."""
    rounds = [
        {"1": {"ear": 100.0, "riad": 25.0}},
        {"1": {"ear": 10.0, "riad": 2.0}},
        {"1": {"ear": 90.0, "riad": 30.0}},
    ]
    summary = summarise(rounds)
    assert summary["ear"]["1"] == {"images_per_second": 90.0, "ratio": 1.0}
    assert summary["riad"]["1"] == {"images_per_second": 25.0, "ratio": 0.25}
    alone = summarise([{"1": {"riad": 3.0}}, {"1": {"riad": 5.0}}])
    assert alone["riad"]["1"] == {"images_per_second": 4.0, "ratio": None}


GOLDEN = """\
| method | image AUROC | image AP | pixel AUROC | pixel AP | AUPRO | training (min) | images/s, batch 1 | \
images/s, batch 16 | peak (MB) | parameters | passes |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| EAR \\| x | 0.850 ± 0.071 | 0.500 ± 0.000 | 0.500 ± 0.000 | 0.500 ± 0.000 | - | 1.5 | 23.5 (1.00x) | \
1,235 (1.00x) | 512 | 1,234,567 | 12 |
| RIAD | 0.700 | 0.500 | 0.500 | 0.500 | 0.500 | 1.0 | 2.35 (0.10x) | 100 | 512 | 1,234,567 | 12 |
| PaDiM | - | - | - | - | - | - | - | - | - | - | - |"""


def lines() -> list[Line]:
    ear = [cell(0, 0.8, aupro=None), cell(1, 0.9, 120.0, aupro=None)]
    ratios = {
        batch: {"images_per_second": speed, "ratio": 1.0} for batch, speed in (("1", 23.456), ("16", 1234.6))
    }
    baseline = {
        "1": {"images_per_second": 2.3456, "ratio": 0.1},
        "16": {"images_per_second": 100.0, "ratio": None},
    }
    return [
        line("EAR | x", "ear", ear, ratios),
        line("RIAD", "riad", [cell(0, 0.7)], baseline),
        line("PaDiM", "padim", [], None),
    ]


def test_table_of_methods() -> None:
    assert markdown_table(METHOD_HEAD, [method_cells(entry) for entry in lines()]) == GOLDEN


def test_table_of_an_ablation() -> None:
    rows = [ablation_cells(entry) for entry in lines()]
    assert {len(row) for row in rows} == {len(ABLATION_HEAD)}
    assert rows[1] == ["RIAD", "0.700", "0.500", "0.500", "0.500", "0.500", "1.0", "12"]


def test_machines_are_named_once() -> None:
    facts = {
        "cores": 2,
        "threads": 1,
        "python": "3.11",
        "torch": "2.13",
        "excision": "1",
        "accelerator": None,
    }
    machines = [{"processor": "A", **facts}, {"processor": "B", **facts}, {"processor": "A", **facts}]
    told = machine_lines(machines)
    assert told[0] == "A, 2 cores, 1 threads; torch 2.13, Python 3.11, Excision 1"
    assert len(told) == 2


def test_pictures() -> None:
    for picture in (speed_figure(lines()), accuracy_figure({"$data_1$": lines(), "more": lines()[:1]})):
        assert picture is not None
        assert picture.startswith(b"\x89PNG")
    nothing = [Line("A", "a", 0, dict.fromkeys((*QUALITY, *COST)), {})]
    assert speed_figure(nothing) is None
    assert accuracy_figure({"data": nothing}) is None
