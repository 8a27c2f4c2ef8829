"""The report as an acceptance document: its statement agrees with the figures; it says what was measured."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from excision.cli import run as main
from excision.data import load_dataset
from excision.errors import ResultsError, SettingsError
from excision.evaluation.intervals import rate_interval
from excision.inspection.fingerprint import fingerprint
from excision.report.capability_page import write_capability_report
from excision.report.numbers import percent
from excision.report.own_words import LOGO, WORDS, Words, keep_words, kept_words, read_logo
from excision.report.provenance import changed_settings, provenance_of
from excision.report.report import write_report
from excision.settings import Settings
from tests.capability.samples import sample
from tests.compatibility.test_format_1 import HERE
from tests.report.results import HOSTILE, Page, evaluated, inspected

EXPORTED, RUN = HERE / "exported", HERE / "run"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an evaluation of an exported model, measured by the command with all words."""
    root = tmp_path_factory.mktemp("acceptance")
    _, made = evaluated(root, good=12, per_kind=3)
    shutil.rmtree(made)
    Image.new("RGB", (300, 90), "navy").save(root / "logo.png")
    out = root / "out"
    options = ["--operator", "M. Weber", "--customer", HOSTILE, "--logo", str(root / "logo.png")]
    assert main(["evaluate", str(EXPORTED), str(root / "parts"), "--out", str(out), *options]) in (0, None)
    return out


def statement_of(page: Page) -> str:
    source = page.source.partition('id="statement"')[2].partition("</section>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", source))


def json_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def test_every_number_of_the_statement_is_that_of_the_figures_and_of_the_tables(measured: Path) -> None:
    page, figures, about = (
        Page(measured / "report.html"),
        *map(json_of, (measured / "evaluation.json", measured / "about.json")),
    )
    told, promise = statement_of(page), about["promise"]
    good, bad = figures["n_normal"], figures["n_defect"]
    found, alarms = round(figures["detection_rate"] * bad), round(figures["false_alarm_rate"] * good)
    assert f"inspected {good + bad} images" in told
    assert f"{good} good and {bad} with a known defect" in told
    low, high = rate_interval(found, bad)
    interval = f"{percent(found / bad)} (95 % interval {percent(low)} to {percent(high)})"
    assert re.search(f"{found} of {bad} defective images (was|were) found, {re.escape(interval)}", told)
    low, high = rate_interval(alarms, good, figures["normal_groups"]["effective"])
    assert f"{alarms} of {good} good images" in told
    assert f"{percent(alarms / good)} (95 % interval {percent(low)} to {percent(high)}" in told
    assert promise["said"] in told
    # The tables below count the same images.
    kinds = page.tables["kinds-table"][1:]
    assert (sum(int(row[1]) for row in kinds), sum(int(row[2]) for row in kinds)) == (bad, found)
    (in_use,) = [row for row in page.tables["thresholds-table"] if "(in use)" in row[0]]
    assert in_use[1:5] == [
        f"{alarms} of {good}",
        percent(alarms / good),
        f"{found} of {bad}",
        percent(found / bad),
    ]
    rows = page.tables[None][1:]
    assert sum(row[3] == "false alarm" for row in rows) == alarms
    assert sum(row[3] == "detected defect" for row in rows) == found


def test_it_says_what_was_measured_where_and_by_whom(measured: Path) -> None:
    page, about = Page(measured / "report.html"), json_of(measured / "about.json")
    source = about["provenance"]
    dataset = load_dataset(measured.parent / "parts")
    content = "".join(f"{hashlib.sha256(s.image.read_bytes()).hexdigest()} {s.name}\n" for s in dataset.test)
    assert source["data"]["sha256"] == hashlib.sha256(content.encode()).hexdigest()
    assert source["data"]["images"] == len(dataset.test)
    assert source["model"]["version"] == fingerprint(EXPORTED)
    for words in (source["model"]["sha256"], source["data"]["sha256"], source["machine"]["processor"]):
        assert words in page.text
    assert f"version {fingerprint(EXPORTED)}" in statement_of(page)
    assert all(
        word in page.text for word in ("M. Weber", HOSTILE, "Signature", "Place and date", about["date"])
    )
    assert "They are not known: this model was exported by an earlier version." in page.text
    logos = [source for source in page.all("img", "src") if source.startswith("data:image/png")]
    assert len(logos) == 1


def test_a_report_that_is_written_again_has_the_same_words(measured: Path, tmp_path: Path) -> None:
    before = (measured / "report.html").read_bytes()
    assert (
        write_report(measured, tmp_path.parent / measured.parent.name / "out/again.html").read_bytes()
        == before
    )
    other = Page(write_report(measured, tmp_path / "other.html", Words(operator="A. Costa")))
    assert "A. Costa" in other.text
    assert HOSTILE in other.text
    assert "M. Weber" not in other.text


def test_defects_have_boxes(measured: Path) -> None:
    page, examples = Page(measured / "report.html"), json_of_list(measured / "examples/examples.json")
    boxed = [example for example in examples if example["boxes"]]
    assert boxed
    drawn = [found for tag, found in page.tags if tag == "rect" and "x" in found and "rx" not in found]
    for example in boxed:
        for box in example["boxes"]:
            assert all(0 <= share <= 1 for share in box)
            words = tuple(map(str, box))
            assert any((r["x"], r["y"], r["width"], r["height"]) == words for r in drawn)


def json_of_list(path: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return content


def test_settings_that_differ_are_named_with_their_defaults(tmp_path: Path) -> None:
    run = shutil.copytree(RUN, tmp_path / "run")
    usual = Settings()
    (run / "settings.toml").write_text("[training]\nseed = 7\n", "utf-8")
    found = changed_settings(run)
    assert found is not None
    assert [(one.name, one.value, one.default) for one in found] == [
        ("training.seed", "7", str(usual.training.seed))
    ]
    (run / "settings.toml").write_text("[training]\nseed = 'x'\n", "utf-8")
    assert changed_settings(run) is None
    exported = shutil.copytree(EXPORTED, tmp_path / "exported")
    assert changed_settings(exported) is None
    (exported / "training_settings.toml").write_text("", "utf-8")
    assert changed_settings(exported) == ()


def test_a_record_of_the_machine_names_what_computes() -> None:
    source = provenance_of(RUN)
    assert source.model is not None and source.model.kind == "run folder"
    assert source.data is None
    assert {"processor", "cores", "python", "excision", "onnxruntime"} <= set(source.machine)


def test_logos_are_bounded_and_hold_pixels_alone(tmp_path: Path) -> None:
    path = tmp_path / "logo.jpg"
    Image.new("RGB", (3000, 1000), "navy").save(path, comment=b"secret")
    content = read_logo(path)
    assert content.startswith(b"\x89PNG") and b"secret" not in content
    (tmp_path / "read.png").write_bytes(content)
    with Image.open(tmp_path / "read.png") as image:
        assert image.width <= 800 and image.height <= 320
    (tmp_path / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "utf-8")
    with pytest.raises(SettingsError, match=r"logo\.svg: this is no image that a report can hold"):
        read_logo(tmp_path / "logo.svg")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_logo(tmp_path / "none.png")
    Image.new("1", (5000, 5000)).save(tmp_path / "large.png")
    with pytest.raises(SettingsError, match="5000 x 5000 pixels is too large"):
        read_logo(tmp_path / "large.png")
    (tmp_path / "heavy.png").write_bytes(bytes(4 * 2**20 + 1))
    with pytest.raises(SettingsError, match="4 MiB at most"):
        read_logo(tmp_path / "heavy.png")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SettingsError, match=r"cannot be read|no image"):
        read_logo(path)


@pytest.mark.parametrize("content", ["[]", "{", '{"title": 3}', '{"who": "me"}', "null", '{"logo": "x"}'])
def test_damaged_words_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / WORDS).write_text(content, "utf-8")
    with pytest.raises(ResultsError, match=r"words\.json: is damaged"):
        kept_words(tmp_path)


def test_words_of_an_earlier_evaluation_go(tmp_path: Path) -> None:
    keep_words(tmp_path, Words("T", "C", "N", "O", read_logo(logo_in(tmp_path))))
    assert kept_words(tmp_path).operator == "O"
    keep_words(tmp_path, Words())
    assert kept_words(tmp_path) == Words()
    assert not (tmp_path / WORDS).exists() and not (tmp_path / LOGO).exists()


def logo_in(folder: Path) -> Path:
    Image.new("L", (30, 10)).save(folder / "own.png")
    return folder / "own.png"


def test_every_report_that_somebody_signs_has_the_lines_for_it(measured: Path, tmp_path: Path) -> None:
    words = Words(operator="M. Weber", customer="Example")
    listed = inspected(tmp_path)
    reports = {
        "evaluation": write_report(measured, tmp_path / "evaluation.html", words),
        "inspection": write_report(listed, tmp_path / "inspection.html", words),
        "study": write_capability_report(tmp_path, sample(tmp_path), words),
    }
    for kind, path in reports.items():
        page = Page(path)
        assert page.all("section", "aria-labelledby").count("signing-title") == 1, kind
        lines = page.source.partition('class="lines"')[2].partition("</section>")[0]
        signed = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", lines)
        blank = [("Name", ""), ("Place and date", ""), ("Signature", "")]
        assert signed == [("Operator", "M. Weber"), *blank, ("Customer", "Example"), *blank], kind
    # Nobody signs for suspects among training images.
    about = json_of(listed / "about.json")
    (listed / "about.json").write_text(json.dumps({**about, "searched": 3}), "utf-8")
    assert "signing-title" not in write_report(listed, tmp_path / "suspects.html").read_text("utf-8")
