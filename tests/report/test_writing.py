"""What an evaluation leaves in its folder."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from excision.data import Dataset, load_dataset
from excision.errors import SettingsError
from excision.evaluation.evaluation import Evaluation
from excision.report.writing import evaluate
from tests.evaluation.fakes import FakePredictor, save
from tests.evaluation.test_evaluate import write_dataset

Written = tuple[Evaluation, Path, Dataset, FakePredictor]

CHARTS = {"roc.svg", "precision-recall.svg", "scores.svg", "rates.svg", "kinds.svg"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    root = tmp_path_factory.mktemp("evaluation")
    dataset = load_dataset(write_dataset(root / "parts", good=30))
    predictor = FakePredictor()
    return evaluate(predictor, dataset, root / "out"), root / "out", dataset, predictor


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "scores.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_json_is_what_the_evaluation_says(written: Written) -> None:
    evaluation, out, _, _ = written
    assert json.loads((out / "evaluation.json").read_text("utf-8")) == evaluation.to_json()


def test_csv_has_every_score_to_the_last_bit(written: Written) -> None:
    evaluation, out, _, _ = written
    found = rows(out)
    assert list(found[0]) == ["image", "label", "score", "verdict", "overlay", "p_value", "unfit"]
    assert [(r["image"], r["label"], float(r["score"]), r["verdict"]) for r in found] == [
        (i.name, i.label, i.score, i.verdict) for i in evaluation.images
    ]


def test_every_image_has_a_picture_of_its_own(written: Written) -> None:
    evaluation, out, _, _ = written
    named = [row["overlay"] for row in rows(out)]
    assert len(set(named)) == len(evaluation.images)
    assert sorted(named) == sorted(f"overlays/{path.name}" for path in (out / "overlays").iterdir())
    for name in named:
        with Image.open(out / name) as image:
            assert image.size == (24, 32)


def test_charts_are_svg_with_title_and_description(written: Written) -> None:
    _, out, _, _ = written
    assert {path.name for path in (out / "figures").iterdir()} == CHARTS
    space = "{http://www.w3.org/2000/svg}"
    for name in CHARTS:
        root = ElementTree.parse(out / "figures" / name).getroot()
        assert root.tag == f"{space}svg"
        assert root.findtext(f"{space}title")
        assert root.findtext(f"{space}desc")


def test_report_shows_figures_and_a_bounded_number_of_examples(written: Written) -> None:
    evaluation, out, _, _ = written
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<article") == 24
    assert f"{evaluation.image_auroc:.3f}" in page
    assert "Missed defects" in page
    assert "False alarms" in page
    assert (
        page.count('alt="Ground truth of') == page.count("labelled pit") + page.count("labelled scratch") > 0
    )


def test_no_temporary_file_is_left(written: Written) -> None:
    _, out, _, _ = written
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_only_the_examples_are_predicted_again(written: Written) -> None:
    _, _, dataset, predictor = written
    assert len(predictor.seen) <= len(dataset.test) + 24


def test_a_second_evaluation_takes_the_place_of_the_first(tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluate(FakePredictor(), load_dataset(write_dataset(tmp_path / "many", good=30)), out)
    evaluate(FakePredictor(), load_dataset(write_dataset(tmp_path / "few", good=2, kinds=())), out)
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<article") == 2
    assert len(json.loads((out / "examples/examples.json").read_text("utf-8"))) == 2
    assert {path.name.split("-")[0] for path in (out / "examples").glob("*.webp")} == {"01", "02"}
    assert {path.name for path in (out / "figures").iterdir()} == {"scores.svg", "rates.svg"}


def test_a_map_larger_than_a_picture_may_be_is_reduced(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "parts", good=1, kinds=("pit",), per_kind=1))
    save(dataset.test[0].image, np.zeros((16, 60), np.uint8))
    evaluate(FakePredictor(size=(20, 17000)), dataset, tmp_path / "out")
    with Image.open(tmp_path / "out" / rows(tmp_path / "out")[0]["overlay"]) as image:
        assert image.width == 4096


def test_an_evaluation_needs_no_matplotlib(tmp_path: Path) -> None:
    write_dataset(tmp_path / "parts", good=2, per_kind=1)
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from excision.data import load_dataset\n"
        "from excision.report.writing import evaluate\n"
        "from tests.evaluation.fakes import FakePredictor\n"
        f"root = Path({str(tmp_path)!r})\n"
        "evaluate(FakePredictor(), load_dataset(root / 'parts'), root / 'out')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "out/report.html").is_file()


@pytest.mark.parametrize(
    ("present", "said"),
    [
        (
            {"scores.csv": "part,score\n1,0.5\n", "report.html": "<p>mine</p>"},
            "other files, such as report.html",
        ),
        ({"evaluation.json": "[1, 2]", "scores.csv": "mine"}, "other files, such as evaluation.json"),
        ({"results.jsonl": "{}", "report.html": "<p>of an inspection</p>"}, "results of an inspection"),
    ],
)
def test_an_evaluation_replaces_only_an_earlier_one(
    present: dict[str, str], said: str, tmp_path: Path
) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "parts", good=2, per_kind=1))
    out = tmp_path / "out"
    out.mkdir()
    for name, content in present.items():
        (out / name).write_text(content)
    with pytest.raises(SettingsError, match=said):
        evaluate(FakePredictor(), dataset, out)
    assert {path.name: path.read_text() for path in out.iterdir()} == present


def test_an_evaluation_goes_again_into_its_own_folder(tmp_path: Path) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "parts", good=2, per_kind=1))
    out = tmp_path / "out"
    (out / "overlays").mkdir(parents=True)  # as one leaves it that was stopped before it had figures
    evaluate(FakePredictor(), dataset, out)
    (out / "notes.txt").write_text("of the user")
    evaluate(FakePredictor(), dataset, out)
    assert (out / "notes.txt").read_text() == "of the user"
