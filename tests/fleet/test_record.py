"""A record of a model that says less than it should, and scores that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from excision.errors import ModelError
from excision.fleet.child import note_failure
from excision.fleet.concerns import concerns
from excision.fleet.measuring import EVALUATION, SCORES, read_scores
from excision.fleet.plan import FleetModel
from excision.fleet.record import RECORD, Done, Record
from excision.system.files import write_json

MODEL = FleetModel(name="a", data="good")
TRAINED: dict[str, Any] = {
    "promise_kept": True, "wanted_rate": 0.01, "promised_rate": 0.01, "confidence": 0.95, "groups": 9,
    "calibration_images": 99, "groups_sure": True, "groups_from": "names", "suspects": 0, "suspect_names": [],
    "dropped": 0, "odd_image": None, "skipped": 0, "skipped_names": {}, "warnings": [],
}  # fmt: skip


def test_a_step_whose_facts_are_lacking_is_not_finished(tmp_path: Path) -> None:
    whole = Record(MODEL, {"train": Done("finished", facts=TRAINED)})
    whole.save(tmp_path)
    assert Record.load(tmp_path) == whole and concerns(whole) == ()
    content = json.loads((tmp_path / RECORD).read_text("utf-8"))
    for name in TRAINED:
        facts = {key: value for key, value in TRAINED.items() if key != name}
        content["steps"]["train"]["facts"] = facts
        write_json(tmp_path / RECORD, content)
        found = Record.load(tmp_path)
        assert found is not None and found.step("train").state == "not finished"
        assert f"does not say {name}:" in str(found.step("train").reason)
        assert [each.kind for each in concerns(found)] == ["not finished"]


def test_a_failure_keeps_what_was_found_before(tmp_path: Path) -> None:
    Record(MODEL, {"train": Done("finished", facts=TRAINED)}).save(tmp_path)
    note_failure(tmp_path, "train", MODEL, "the disk is full")
    found = Record.load(tmp_path)
    assert found is not None
    assert found.step("train") == Done("failed", {}, "the disk is full", TRAINED)
    assert [each.kind for each in concerns(found)] == ["failed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": "1"},
        {"score": float("nan")},
        {"score": True},
        {"verdict": "fine"},
        {"group": 3},
        {"name": None},
    ],
)
def test_scores_of_another_type_are_no_scores(tmp_path: Path, wrong: dict[str, Any]) -> None:
    image = {"name": "a", "content": "0", "label": "good", "group": "a", "score": 1, "verdict": "good"}
    path = tmp_path / EVALUATION / SCORES
    path.parent.mkdir()
    path.write_text(json.dumps({"threshold": 2, "images": [image]}))
    assert read_scores(tmp_path)[1][0].score == 1.0
    path.write_text(json.dumps({"threshold": 2, "images": [{**image, **wrong}]}))
    with pytest.raises(ModelError, match=rf"{SCORES}"):
        read_scores(tmp_path)
