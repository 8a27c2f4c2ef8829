"""`excision fleet evaluate`, `export` and `compare` on trained models, and the pages."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run as main
from excision.data import Dataset
from excision.errors import SettingsError
from excision.fleet.child import note_failure
from excision.fleet.measuring import EVALUATION, SCORES
from excision.fleet.plan import FleetModel, read_fleet
from excision.fleet.record import Record
from excision.fleet.steps import records_of
from excision.fleet.table import read_plans, write_tables
from excision.method.run_folder import MODEL
from excision.registry.registry import Registry
from excision.runtime.verification import Proof
from tests.fleet.conftest import SETTINGS, PoolHere

EXPORTED = Path(__file__).parents[1] / "compatibility" / "format_1" / "exported"


@pytest.fixture(scope="module")
def fleet(plants: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and evaluated fleet of two models, one of which has test images of its own."""
    folder = tmp_path_factory.mktemp("fleet")
    text = f'{SETTINGS}[models.a]\ndata = "{plants}/a"\n[models.b]\ndata = "{plants}/b"\ntest = "labelled"\n'
    (folder / "fleet.toml").write_text(text, "utf-8")
    shutil.copytree(plants / "b" / "test", folder / "labelled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("excision.fleet.steps.Engine.pool", lambda *_: PoolHere())
        out = folder / "out"
        assert main(["fleet", "train", str(folder / "fleet.toml"), "--out", str(out)]) == 0
        assert main(["fleet", "evaluate", str(out)]) == 0
    return out


def test_evaluated_as_by_the_verb(fleet: Path, plants: Path, tmp_path: Path) -> None:
    rows = {row["name"]: row for row in json.loads((fleet / "fleet.json").read_text())["models"]}
    words = ["evaluate", str(fleet / "a"), str(plants / "a"), "--json", str(tmp_path / "a.json")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    alone = json.loads((tmp_path / "a.json").read_text())
    for name in ("image_auroc", "pixel_ap", "false_alarm_rate", "n_normal", "n_defect"):
        assert rows["a"][name] == alone[name], name
    # Of a folder of test images all are used, also those that a layout would train on.
    images = list((fleet.parent / "labelled").rglob("*.png"))
    assert rows["b"]["n_normal"] + rows["b"]["n_defect"] == len(images)
    page = (fleet / "report.html").read_text("utf-8")
    assert "2 of 2 models are trained" in page
    assert 'href="a/evaluation/report.html"' in page


def test_passwords_are_hidden_in_tables(tmp_path: Path) -> None:
    model = FleetModel("a", "s3://key:secret@plant/a")
    note_failure(tmp_path / "a", "train", model, "s3://key:secret@plant/a: no such folder")
    write_tables(tmp_path, records_of(tmp_path, [model]), parquet=False)
    assert "secret" not in (tmp_path / "fleet.csv").read_text()
    assert "***" in (tmp_path / "fleet.csv").read_text()
    assert read_plans(tmp_path) == (model,)


def test_measured_once(fleet: Path, here: PoolHere, capsys: pytest.CaptureFixture[str]) -> None:
    before = (fleet / "a" / EVALUATION / SCORES).stat().st_mtime_ns
    assert main(["fleet", "evaluate", str(fleet)]) == 0
    assert here.names == ["a", "b"]
    assert (fleet / "a" / EVALUATION / SCORES).stat().st_mtime_ns == before
    capsys.readouterr()


def test_exported_once_and_added_to_a_registry(
    fleet: Path,
    tmp_path: Path,
    here: PoolHere,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a folder that is there already: tracing takes many seconds, and `tests/export` is about it."""
    calls = []

    def export(run: Path, dataset: Dataset, out: Path, **options: Any) -> Proof:
        assert (run / MODEL).is_file()
        if out.is_dir() and any(out.iterdir()):
            raise SettingsError(f"{out} is not empty")
        calls.append((run.name, dataset.root.name, options["to"], options["precision"]))
        shutil.copytree(EXPORTED, out)
        return Proof(3, 0.0, 0.0, 0.0, 0, 0.0)

    monkeypatch.setattr("excision.export.export.export", export)
    own = tmp_path / "fleet"
    shutil.copytree(fleet, own)
    models = tmp_path / "models"
    words = ["fleet", "export", str(own), "--out", str(tmp_path / "line")]
    words += ["--to", "openvino", "--precision", "bf16", "--registry", str(models), "--stage", "test"]
    (tmp_path / "line" / "b").mkdir(parents=True)
    (tmp_path / "line" / "b" / "mine.txt").write_text("x")
    assert main(words) == 2
    assert f"Failed: b: {tmp_path / 'line' / 'b'}" in capsys.readouterr().out
    assert calls == [("a", "a", "openvino", "bf16")]
    assert Registry(models).find("a", "test").number == "0001"
    written = (tmp_path / "line" / "a" / "model.json").stat().st_mtime_ns
    assert main(words) == 2
    assert here.names == ["a", "b"] * 2
    assert len(calls) == 1
    assert [version.number for version in Registry(models).versions("a")] == ["0001"]
    assert Registry(models).names() == ["a"]
    assert (tmp_path / "line" / "a" / "model.json").stat().st_mtime_ns == written
    capsys.readouterr()


def test_compared(fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new"
    shutil.copytree(fleet, new)
    assert main(["fleet", "compare", str(fleet), str(new)]) == 0
    assert "0 of 2 got worse" in capsys.readouterr().out
    # Every verdict on defects turns: each is missed, and the scores are mirrored.
    path = new / "b" / EVALUATION / SCORES
    content = json.loads(path.read_text())
    for image in content["images"]:
        image["verdict"] = "good" if image["label"] != "good" else image["verdict"]
        image["score"] = -image["score"]
    path.write_text(json.dumps(content))
    old = tmp_path / "old"
    shutil.copytree(fleet, old)
    path = old / "b" / EVALUATION / SCORES
    content = json.loads(path.read_text())
    for image in content["images"]:
        image["verdict"] = "defect" if image["label"] != "good" else image["verdict"]
    path.write_text(json.dumps(content))
    assert main(["fleet", "compare", str(old), str(new), "--out", str(tmp_path / "page")]) == 1
    told = capsys.readouterr().out
    assert "1 of 2 got worse" in told
    assert "b: There were 0 missed defects and are " in told
    assert "1 model of 2 got worse" in (tmp_path / "page" / "compare.html").read_text()
    found = json.loads((tmp_path / "page" / "compare.json").read_text())["models"]
    assert [each["answer"] for each in found] == ["no difference shown", "worse"]
    # Without common scores nothing is passed over in silence.
    (new / "b" / EVALUATION / SCORES).unlink()
    assert main(["fleet", "compare", str(fleet), str(new)]) == 2
    capsys.readouterr()


def test_a_lost_promise_and_a_lost_model_are_worse(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(fleet, old)
    shutil.copytree(fleet, new)
    record = Record.load(old / "a")
    assert record is not None
    done = record.step("train")
    kept = replace(done, facts={**done.facts, "promise_kept": True, "promised_rate": 0.4})
    record.with_step("train", kept).save(old / "a")
    (new / "b" / "fleet_model.json").unlink()
    assert main(["fleet", "compare", str(old), str(new)]) == 1
    told = capsys.readouterr().out
    assert "a: It promised at most 40 %, as wanted, and now at most 70 %." in told
    assert "b: It is not trained in the new fleet: its training is not finished" in told


def test_a_damaged_record_is_named(
    fleet: Path, tmp_path: Path, here: PoolHere, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "fleet"
    shutil.copytree(fleet, own)
    (own / "a" / "fleet_model.json").write_text('{"format": 1, "steps": []}')
    assert main(["fleet", "evaluate", str(own)]) == 2
    assert "Failed: a: its training failed" in (told := capsys.readouterr().out)
    assert "1 of 2 trained" in told
    assert "fleet_model.json: this is no record" in (own / "report.html").read_text()
    assert here.names == ["b"]
    (own / "fleet.json").write_text('{"format": 9}')
    assert main(["fleet", "evaluate", str(own)]) == 2
    assert "a later version" in capsys.readouterr().err
    assert (fleet / "a" / MODEL).is_file()
    assert len(records_of(fleet, read_fleet(fleet.parent / "fleet.toml"))) == 2
