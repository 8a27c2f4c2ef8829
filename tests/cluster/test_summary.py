"""The summary of results in parts, against the same counts by polars."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars

from excision.cli import run as main
from excision.cluster.parts import PartRow
from excision.cluster.summary import SUMMARY, Tally
from excision.inspection.log import InspectionRecord
from excision.storage.entry import Entry
from excision.storage.manifest import write_manifest
from tests.cluster.conftest import MODEL


def test_the_summary_counts_every_result(pictures: Callable[[int], Path], tmp_path: Path) -> None:
    images, manifest, out = sorted(pictures(42).iterdir()), tmp_path / "m.parquet", tmp_path / "out"
    write_manifest(
        manifest,
        (Entry(str(path), group=f"strip {number % 5}") for number, path in enumerate(images)),
    )
    words = ["inspect", str(MODEL), str(manifest), "--out", str(out)]
    assert [main([*words, "--shard", f"{job}/2"]) for job in (1, 2)] == [0, 0]
    assert not (out / SUMMARY).exists()
    assert main([*words, "--workers", "1"]) == 2
    found = json.loads((out / SUMMARY).read_bytes())
    rows = polars.read_parquet(out / "parts" / "*.parquet")
    names = {"good": "good", "defect": "defect", None: "not inspected"}
    assert found["images"] == 42 and found["threshold"] == rows["threshold"][0]
    for verdict, name in names.items():
        mine = rows.filter(polars.col("verdict").eq_missing(verdict))
        assert found["counts"][name] == len(mine)
        for number in range(5):
            group = mine.filter(polars.col("group") == f"strip {number}")
            assert found["groups"][f"strip {number}"][name] == len(group)
        if verdict is not None:
            edges = [*found["scores"]["lower_edges_by_threshold"], np.inf]
            expected = np.histogram((mine["score"] / mine["threshold"]).to_numpy(), edges)[0]
            assert found["scores"]["counts"][verdict] == expected.tolist()
    (failure,) = found["failures"]
    assert failure["image"].endswith("damaged.png") and "damaged" in failure["reason"]


def test_a_summary_is_bounded_and_merged_in_any_pieces() -> None:
    def row(number: int) -> PartRow:
        record = InspectionRecord(
            f"{number}.png", None, 1.25, None, None, (), 0.0, None, f"{number}.png: no such file"
        )
        return PartRow(record, f"strip {number}")

    whole, first, second = Tally(), Tally(), Tally()
    for number in range(1500):
        whole.add(row(number))
        (first if number < 700 else second).add(row(number))
    first.merge(second)
    assert first == whole
    assert (len(whole.groups), whole.ungrouped, len(whole.failures)) == (1000, 500, 20)
    assert whole.counts[None] == 1500
