"""What an evaluation leaves in its folder."""

from __future__ import annotations

import csv
import json

import pytest
from PIL import Image

from excision.data import load_dataset
from excision.evaluation.evaluate import evaluate

from .fakes import FakePredictor
from .test_evaluate import write_dataset


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluation")
    dataset = load_dataset(write_dataset(root / "parts", good=30))
    predictor = FakePredictor()
    return evaluate(predictor, dataset, root / "out"), root / "out", dataset, predictor


def test_json_is_what_the_evaluation_says(written):
    evaluation, out, _, _ = written
    assert json.loads((out / "evaluation.json").read_text("utf-8")) == evaluation.to_json()


def test_csv_has_every_score_to_the_last_bit(written):
    evaluation, out, _, _ = written
    with (out / "scores.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image", "label", "score", "verdict"]
    assert [(r["image"], r["label"], float(r["score"]), r["verdict"]) for r in rows] == [
        (i.name, i.label, i.score, i.verdict) for i in evaluation.images
    ]


def test_figures_are_pictures(written):
    _, out, _, _ = written
    names = {path.name for path in (out / "figures").iterdir()}
    assert names == {"roc.png", "precision_recall.png", "scores.png", "mistakes.png"}
    for name in names:
        with Image.open(out / "figures" / name) as image:
            image.verify()


def test_report_shows_figures_and_a_bounded_number_of_examples(written):
    evaluation, out, _, _ = written
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<article") == 24
    assert f"{evaluation.image_auroc:.3f}" in page
    assert "Missed defects" in page
    assert "False alarms" in page
    assert (
        page.count('alt="Ground truth of') == page.count("labelled pit") + page.count("labelled scratch") > 0
    )


def test_no_temporary_file_is_left(written):
    _, out, _, _ = written
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_only_the_examples_are_predicted_again(written):
    _, _, dataset, predictor = written
    assert len(predictor.seen) <= len(dataset.test) + 24 + 16
