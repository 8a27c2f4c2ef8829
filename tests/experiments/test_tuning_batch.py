"""The comparison of batches for the tuning of the attention, on a small drawn set."""

from __future__ import annotations

import json
from pathlib import Path

from excision.synthetic.dataset import write_synthetic
from tests import nursery

SCRIPT = Path(__file__).parents[2] / "experiments" / "tuning_batch.py"


def test_batches_are_compared_in_pairs_and_finished_cells_kept(tmp_path: Path) -> None:
    data, out = tmp_path / "metal", tmp_path / "out"
    write_synthetic(
        data, size=(64, 64), train=12, test_good=4, per_defect=2, surfaces=["brushed_metal"], seed=1
    )
    words = ["--pieces", 2, 1, "--out", out]
    measure = ["measure", data, "--seeds", 0, "--train", 8, "--test", 6, "--steps", 2, *words]
    assert nursery.printed(SCRIPT, *measure).count("measured") == 2
    assert nursery.printed(SCRIPT, *measure) == ""
    before, after = (json.loads((out / f"metal-0-{pieces}.json").read_text()) for pieces in (2, 1))
    row = nursery.printed(SCRIPT, "table", *words).splitlines()[-1]
    change = after["image_auroc"] - before["image_auroc"]
    assert row.startswith("| metal | 0 | ")
    assert f"{before['image_auroc']:.3f} -> {after['image_auroc']:.3f} ({change:+.3f})" in row
