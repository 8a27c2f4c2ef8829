"""Someone who names the wrong folder is told what it is and what to type instead."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector, ExcisionError, Inspector, load
from excision.cli import build
from excision.errors import ModelError
from tests.cli.conftest import inside
from tests.compatibility.test_format_1 import HERE

RUN, EXPORTED = HERE / "run", HERE / "exported"
IMAGE = HERE / "0.png"


def refused(*words: object) -> str:
    """Run a verb that must refuse its folder, and give the one line that it says."""
    done = inside(*words)
    assert done.returncode == 2
    # A progress bar may stand above it.
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("excision: error: ")]
    return line.removeprefix("excision: error: ")


def understood(line: str) -> None:
    """Check that the command line understands the command at the end of an explanation."""
    command = shlex.split(line[line.rindex("excision ") :].partition("`")[0])
    # Parsing alone: it raises for an unknown verb, an unknown option or a missing argument.
    build().parse_args(command[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    "words", [["verify"], ["calibrate"], ["bench"]], ids=["verify", "calibrate", "bench"]
)
def test_a_verb_for_exported_folders_says_how_to_export_a_run(words: list[str]) -> None:
    more = [IMAGE] if words == ["calibrate"] else []
    line = refused(*words, RUN, *more)
    assert line.startswith(f"{RUN}: this is a run folder: export it first: excision export {RUN} ")
    understood(line)


def test_a_verb_for_run_folders_says_what_an_exported_folder_is(tmp_path: Path) -> None:
    line = refused("export", EXPORTED, HERE, "--out", tmp_path / "line")
    assert line.startswith(f"{EXPORTED}: this is an exported folder: ")
    assert "run folder that it was exported from" in line


def test_info_says_what_an_exported_folder_is() -> None:
    assert refused("info", EXPORTED).startswith(f"{EXPORTED}: this is an exported folder: ")


def test_a_folder_with_a_space_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    shutil.copytree(RUN, folder)
    line = refused("verify", folder)
    assert f"excision export '{folder}' DATA --out" in line
    understood(line)


def test_classes_open_their_own_kind_alone() -> None:
    with pytest.raises(ModelError, match=r"run: this is a run folder: export it first: excision export"):
        Inspector(RUN)
    with pytest.raises(ModelError, match=r"exported: this is an exported folder: open it with excision\.Ins"):
        Detector.load(EXPORTED)


def test_the_run_of_a_baseline_is_no_run_of_the_detector(tmp_path: Path) -> None:
    folder = baseline_run(tmp_path / "padim")
    for opened in (Detector.load, Inspector, load):
        with pytest.raises(ModelError, match="padim: this is the run of a baseline: open it with"):
            opened(folder)


def test_load_opens_a_run_and_an_exported_folder_alike() -> None:
    expected = json.loads((HERE / "expected.json").read_text("utf-8"))[0]
    for folder, kind in ((RUN, Detector), (EXPORTED, Inspector)):
        model = load(str(folder))
        assert isinstance(model, kind)
        (prediction,) = model.predict(IMAGE)
        assert prediction.verdict == expected[folder.name]["verdict"]
        assert prediction.score == pytest.approx(expected[folder.name]["score"], rel=1e-4)


def test_an_exported_folder_is_loaded_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from excision import load\n"
        f"print(next(load({str(EXPORTED)!r}).predict([{str(IMAGE)!r}])).verdict)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("good", "defect")


def images(folder: Path) -> Path:
    (folder / "train" / "good").mkdir(parents=True)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / "train" / "good" / "a.png")
    return folder


def copied_run(folder: Path) -> Path:
    shutil.copytree(RUN, folder)
    return folder


def unfinished(folder: Path) -> Path:
    (copied_run(folder) / "model.safetensors").unlink()
    return folder


def baseline_run(folder: Path) -> Path:
    (copied_run(folder) / "baseline.json").write_text('{"method": "padim", "hyperparameters": {}}')
    return folder


def results(folder: Path) -> Path:
    folder.mkdir()
    (folder / "results.jsonl").write_text("")
    return folder


def results_in_run(folder: Path) -> Path:
    return results(copied_run(folder) / "evaluation")


def a_file(folder: Path) -> Path:
    return copied_run(folder) / "model.safetensors"


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda folder: folder, "there is no such folder; `excision train DATA --out"),
        (images, "this folder holds images, not a model: train a model on them first: excision train"),
        (unfinished, "the training is not finished; continue it with `excision train"),
        (baseline_run, "this is the run of a baseline"),
        (results, "this folder holds results, not a model: name the run folder or the exported folder"),
        (results_in_run, "this folder holds results, not a model: name /"),
        (a_file, "this is a file: name the folder that contains it"),
        (empty, "this is neither a run folder (model.safetensors) nor an exported folder (model.json)"),
    ],
    ids=["missing", "images", "unfinished", "baseline", "results", "results in run", "file", "empty"],
)
def test_load_says_what_a_folder_is(made: object, said: str, tmp_path: Path) -> None:
    assert callable(made)
    folder = made(tmp_path / "folder")
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert isinstance(caught.value, ExcisionError)
    assert str(caught.value).startswith(f"{folder}: {said}")
    # The command line opens folders in the same way, and says the same.
    assert refused("inspect", folder, IMAGE, "--out", tmp_path / "out") == str(caught.value)
    if "excision train" in said:
        understood(str(caught.value))


def test_an_unfinished_run_is_to_be_finished_before_it_is_exported(tmp_path: Path) -> None:
    line = refused("verify", unfinished(tmp_path / "run"))
    assert "--resume`, then export it: excision export" in line
    understood(line)
