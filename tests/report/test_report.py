"""The report: figures are those of the results, every image is reachable, nothing comes from elsewhere."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from excision.cli import run as main
from excision.data import load_dataset
from excision.errors import ResultsError
from excision.evaluation.evaluation import Evaluation
from excision.evaluation.intervals import rate_interval
from excision.report.numbers import percent
from excision.report.own_words import Words
from excision.report.report import write_report
from excision.report.writing import evaluate
from tests.evaluation.fakes import FakePredictor
from tests.evaluation.test_evaluate import write_dataset
from tests.report.results import HOSTILE, Page, evaluated, inspected

Results = tuple[Evaluation, Path]

ADDRESS = re.compile(r"https?:|//[a-z]|@import|url\((?!#)", re.IGNORECASE)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return evaluated(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture(scope="module")
def inspection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inspected(tmp_path_factory.mktemp("inspection"))


def scores(found: Evaluation, kind: str) -> NDArray[Any]:
    return np.array([i.score for i in found.images if (i.label == "good") == (kind == "good")])


def test_cover_says_what_the_json_says(evaluation: Results) -> None:
    found, out = evaluation
    page, figures = Page(out / "report.html"), json.loads((out / "evaluation.json").read_text("utf-8"))
    for name in ("image_auroc", "image_ap", "aupro", "pixel_auroc", "pixel_ap", "image_f1_max"):
        assert f"{figures[name]:.3f}" in page.text
    detected = round(figures["detection_rate"] * figures["n_defect"])
    alarms = round(figures["false_alarm_rate"] * figures["n_normal"])
    assert 0 < detected < figures["n_defect"]
    assert alarms > 0
    assert f"{detected} of {figures['n_defect']} defective images found" in page.text
    assert f"{alarms} of {figures['n_normal']} good images called defective" in page.text
    missed = {k: v["images"] - v["detected"] for k, v in figures["kinds"].items()}
    assert all(f"{n} of {figures['kinds'][k]['images']} {k}" in page.text for k, n in missed.items() if n)
    assert found.dataset in page.text


def test_charts_and_tables_agree_with_the_json(evaluation: Results) -> None:
    found, out = evaluation
    page, figures = Page(out / "report.html"), json.loads((out / "evaluation.json").read_text("utf-8"))
    told = dict(re.findall(r'<desc id="([a-z-]+)-desc">(.*?)</desc>', page.source))
    assert f"image AUROC {figures['image_auroc']:.3f}" in told["roc"]
    assert f"image AP {figures['image_ap']:.3f}" in told["precision-recall"]
    point = (
        f"false-alarm rate {figures['false_alarm_rate']:.3f}, detection rate {figures['detection_rate']:.3f}"
    )
    assert point in told["roc"]
    kinds = [[k, str(v["images"]), str(v["detected"])] for k, v in figures["kinds"].items()]
    assert [row[:3] for row in page.tables["kinds-table"][1:]] == kinds
    assert all(f"{kind}: {hits} of {images}" in told["kinds"] for kind, images, hits in kinds)
    bars = page.tables["scores-table"][1:]
    assert sum(int(row[2]) for row in bars) == figures["n_normal"]
    assert sum(int(row[3]) for row in bars) == figures["n_defect"]
    assert len(found.images) == figures["n_normal"] + figures["n_defect"]


def test_other_thresholds_are_counted_on_the_scores(evaluation: Results) -> None:
    found, out = evaluation
    good, defect = scores(found, "good"), scores(found, "defect")
    page = Page(out / "report.html")
    keys = re.findall(
        r'<td class="n" data-key="([^"]+)">[^<]*</td>', page.source.split("thresholds-table")[1]
    )
    rows = page.tables["thresholds-table"][1:]
    assert sum("(in use)" in row[0] for row in rows) == 1
    for row, value in zip(rows, (float(k) for k in keys[::6]), strict=False):
        assert row[1] == f"{(good > value).sum()} of {len(good)}"
        assert row[2] == percent(float((good > value).mean()))
        assert row[3] == f"{(defect > value).sum()} of {len(defect)}"


def test_every_image_is_a_row_whose_picture_is_there(evaluation: Results) -> None:
    found, out = evaluation
    page = Page(out / "report.html")
    rows = page.tables[None][1:]
    assert [(row[0], row[1], row[3]) for row in rows] == [(i.name, i.label, i.outcome) for i in found.images]
    links = [link for link in page.all("a", "href") if not link.startswith("#")]
    assert len(links) == len(set(links)) == len(found.images)
    assert all((out / unquote(link)).is_file() for link in links)


def test_links_hold_from_another_folder(evaluation: Results, tmp_path: Path) -> None:
    _, out = evaluation
    target = write_report(out, tmp_path / "deep" / "my report.html")
    links = [link for link in Page(target).all("a", "href") if not link.startswith("#")]
    assert links
    assert all((target.parent / unquote(link)).is_file() for link in links)


def test_a_picture_that_is_gone_is_told_not_linked(evaluation: Results, tmp_path: Path) -> None:
    shutil.copytree(evaluation[1], tmp_path / "out")
    for path in sorted((tmp_path / "out/overlays").iterdir())[:2]:
        path.unlink()
    page = Page(write_report(tmp_path / "out"))
    assert "2 pictures are not on disk" in page.text
    assert len(page.all("a", "href")) == len(Page(evaluation[1] / "report.html").all("a", "href")) - 2


@pytest.mark.parametrize("kind", ["evaluation", "inspection"])
def test_nothing_is_loaded_from_elsewhere(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    page = Page((folder[1] if kind == "evaluation" else folder) / "report.html")
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert page.all("img", "src")
    assert all(source.startswith("data:image/webp;base64,") for source in page.all("img", "src"))
    assert not page.all("script", "src")
    assert not ADDRESS.search(re.sub(r"base64,[^\"]+", "", page.source))
    assert all(not urlsplit(link).scheme and not urlsplit(link).netloc for link in page.all("a", "href"))


def test_embedded_pictures_are_bounded_and_whole(evaluation: Results) -> None:
    _, out = evaluation
    page = Page(out / "report.html")
    sources = page.all("img", "src")
    assert 24 * 6 <= len(sources) <= 24 * 7
    for source in sources:
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
            assert image.size == (24, 32)
    assert len(page.source) < 8e6


def test_hostile_names_are_text(inspection: Path) -> None:
    page = Page(inspection / "report.html")
    assert "<script>alert" not in page.source
    assert sum(HOSTILE in row[0] for row in page.tables[None]) == 1
    assert any(HOSTILE in alt for alt in page.all("img", "alt"))
    links = [link for link in page.all("a", "href") if not link.startswith("#")]
    assert len(links) == 2
    assert all((inspection / unquote(link)).is_file() for link in links)


def test_an_inspection_says_what_it_found_and_what_it_could_not(inspection: Path) -> None:
    page = Page(inspection / "report.html")
    assert "1 of 2 images is defective" in page.text
    (broken,) = [row for row in page.tables[None] if "broken.png" in row[0]]
    assert broken[1] == ""
    assert "broken.png" in broken[-1]
    assert 'id="roc-title"' not in page.source
    assert 'id="scores-title"' in page.source
    assert "<h1>Inspection</h1>" in page.source


def test_words_of_the_user_are_text(evaluation: Results, tmp_path: Path) -> None:
    words = Words("<u>T</u>", "<u>Example & Co", "one <u>\n\ntwo")
    page = Page(write_report(evaluation[1], tmp_path / "r.html", words))
    for text in ("<u>T</u>", "<u>Example & Co", "one <u>", "two"):
        assert text in page.text
    assert "u" not in {tag for tag, _ in page.tags}


def test_the_same_results_give_the_same_bytes(evaluation: Results, inspection: Path) -> None:
    for out in (evaluation[1], inspection):
        before = (out / "report.html").read_bytes()
        assert write_report(out) == out / "report.html"
        assert (out / "report.html").read_bytes() == before


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_words_agree_with_the_interval(evaluation: Results, tmp_path: Path, confidence: float | None) -> None:
    found, out = evaluation
    shutil.copytree(out, tmp_path / "out")
    about = json.loads((tmp_path / "out/about.json").read_text("utf-8"))
    alarms = sum(i.outcome == "false alarm" and i.verdict == "defect" for i in found.images)
    low, high = rate_interval(alarms, found.n_normal)
    share = alarms / found.n_normal
    assert 0 < low < share
    broken = "contradicts the promise" if confidence else "holds only on average"
    for rate, said in (
        (0.9 * low, broken),
        (1.1 * low, "more than promised, but it does not contradict"),
        ((low + share) / 2, "more than promised, but it does not contradict"),
        (share, "This does not contradict the promise."),
        (high, "This does not contradict the promise."),
    ):
        about["promise"] = {"wanted_rate": 0.01, "promised_rate": rate, "held_out": 80}
        about["promise"] |= {"confidence": confidence, "groups": 80, "said": "What was promised."}
        (tmp_path / "out/about.json").write_text(json.dumps(about))
        text = " ".join(Page(write_report(tmp_path / "out")).text.split())
        assert said in text
        assert "What was promised. Measured: " in text
        assert "agrees" not in text
        assert (broken in text) == (rate < low)


def test_a_promise_of_an_earlier_version_is_told(evaluation: Results, tmp_path: Path) -> None:
    shutil.copytree(evaluation[1], tmp_path / "out")
    about = json.loads((tmp_path / "out/about.json").read_text("utf-8"))
    about["promise"] = {"wanted_rate": 0.01, "promised_rate": 0.2, "held_out": 4}
    (tmp_path / "out/about.json").write_text(json.dumps(about))
    text = " ".join(Page(write_report(tmp_path / "out")).text.split())
    assert "Promised on average: at most 20.0 %, from 4 held-out good images" in text
    assert "takes 99 of them" in text


@pytest.fixture(scope="module")
def partly_unfit(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """An evaluation in which two good images and one defective one are unfit."""
    root = tmp_path_factory.mktemp("unfit")
    dataset = load_dataset(write_dataset(root / "parts", good=30, per_kind=6))
    predictor = FakePredictor()
    predictor.p_value = 1 / 81
    good = [s.image.name for s in dataset.test if not s.defective][:2]
    bad = [s.image.name for s in dataset.test if s.defective and s.image.name not in good][-1:]
    predictor.unfit = dict.fromkeys([*good, *bad], ("out of focus", "3 times darker"))
    found = evaluate(predictor, dataset, root / "out")
    return found, root / "out"


def test_an_unfit_image_is_neither_hidden_nor_an_alarm(partly_unfit: Results) -> None:
    found, out = partly_unfit
    figures = json.loads((out / "evaluation.json").read_text("utf-8"))
    unfit = [i for i in found.images if i.verdict == "unfit"]
    good, bad = sum(not i.defective for i in unfit), sum(i.defective for i in unfit)
    assert good and bad
    assert (figures["n_unfit_normal"], figures["n_unfit_defect"]) == (good, bad)
    fit = [i for i in found.images if i.verdict != "unfit" and not i.defective]
    assert figures["false_alarm_rate"] == sum(i.verdict == "defect" for i in fit) / len(fit)
    assert sum(k["unfit"] for k in figures["kinds"].values()) == bad
    assert sum(k["images"] for k in figures["kinds"].values()) == found.n_defect - bad
    # Ranks are of all images.
    truth = [i.defective for i in found.images]
    assert figures["image_auroc"] == pytest.approx(roc_auc_score(truth, [i.score for i in found.images]))
    page = Page(out / "report.html")
    text = " ".join(page.text.split())
    assert f"{good} of {found.n_normal} good images and {bad} of {found.n_defect} defective image" in text
    assert "out of focus; 3 times darker" in text
    assert "one good part in 81 looks like this" in text
    assert 'class="verdict unfit"' in page.source
    rows = [row for row in page.tables[None] if "unfit" in row[2]]
    assert len(rows) == len(unfit) and {row[3] for row in rows} == {"unfit good", "unfit defect"}
    with (out / "scores.csv").open(encoding="utf-8", newline="") as stream:
        stored = [row for row in csv.DictReader(stream) if row["verdict"] == "unfit"]
    assert {(row["p_value"], row["unfit"]) for row in stored} == {
        (repr(1 / 81), "out of focus; 3 times darker")
    }
    before = (out / "report.html").read_bytes()
    assert write_report(out).read_bytes() == before


def test_results_of_an_earlier_version_still_give_a_report(evaluation: Results, tmp_path: Path) -> None:
    shutil.copytree(evaluation[1], tmp_path / "out")
    for name in ("examples", "overlays"):
        shutil.rmtree(tmp_path / "out" / name)
    (tmp_path / "out/about.json").unlink()
    lines = (tmp_path / "out/scores.csv").read_text("utf-8").splitlines()
    (tmp_path / "out/scores.csv").write_text("\n".join(line.rsplit(",", 3)[0] for line in lines))
    page = Page(write_report(tmp_path / "out"))
    assert len(page.tables[None]) == len(lines)
    assert "no examples" in page.text
    assert "0.25" in page.text


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("evaluation.json", "{"),
        ("evaluation.json", "[1]"),
        ("scores.csv", "image,label,score,verdict\na,good,none,good\n"),
        ("scores.csv", "image,label,score,verdict\na,good,1,perhaps\n"),
        ("scores.csv", "a,b\n1,2\n"),
        ("about.json", '{"kind": "evaluation", "colour": 1}'),
        ("about.json", '{"kind": "evaluation", "promise": 3}'),
        ("examples/examples.json", '[{"name": 1}]'),
        ("examples/examples.json", "{}{"),
    ],
)
def test_damaged_results_are_named(
    evaluation: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str
) -> None:
    shutil.copytree(evaluation[1], tmp_path / "out")
    (tmp_path / "out" / file).write_text(content)
    assert main(["report", str(tmp_path / "out")]) == 2
    assert str(tmp_path / "out" / file) in capsys.readouterr().err


def test_a_file_of_another_folder_is_never_embedded(evaluation: Results, tmp_path: Path) -> None:
    shutil.copytree(evaluation[1], tmp_path / "out")
    index = tmp_path / "out/examples/examples.json"
    content = json.loads(index.read_text("utf-8"))
    content[0]["stages"][0]["file"] = "../../secret.webp"
    index.write_text(json.dumps(content))
    (tmp_path / "secret.webp").write_text("secret")
    with pytest.raises(ResultsError, match="file outside this folder"):
        write_report(tmp_path / "out")


def test_the_verb_adds_words_and_names_what_is_missing(
    inspection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Lamp replaced.")
    target = tmp_path / "acceptance.html"
    words = ["--title", "Acceptance", "--customer", "Example", "--notes", str(notes), "--out", str(target)]
    assert main(["report", str(inspection), *words]) == 0
    assert str(target) in capsys.readouterr().out
    page = Page(target)
    assert all(word in page.text for word in ("Acceptance", "Example", "Lamp replaced."))
    notes.write_bytes(b"\xff\xfe")
    assert main(["report", str(inspection), *words]) == 2
    assert "notes.txt" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "excision evaluate" in capsys.readouterr().err


MEMORY = """
import sys, tracemalloc
for name in ("torch", "matplotlib", "scipy"):
    sys.modules[name] = None
from pathlib import Path
from excision.evaluation.intervals import rate_interval
from excision.report.report import write_report
write_report(Path(sys.argv[1]))
tracemalloc.start()
write_report(Path(sys.argv[1]))
print(tracemalloc.get_traced_memory()[1])
"""


def test_memory_stays_flat_and_neither_torch_nor_matplotlib_is_needed(
    inspection: Path, tmp_path: Path
) -> None:
    peaks = []
    line = (inspection / "results.jsonl").read_text("utf-8").splitlines()[0]
    for number in (200, 2000):
        folder = tmp_path / str(number)
        shutil.copytree(inspection, folder)
        (folder / "results.jsonl").write_text((line + "\n") * number)
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(folder)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
        assert len(Page(folder / "report.html").tables[None]) == number + 1
    # A score is eight bytes, and numpy takes a few copies of them; a row of the page is over 300.
    assert peaks[1] - peaks[0] < 1800 * 100
