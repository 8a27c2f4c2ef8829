"""From labels to a challenger: what enters it, what does not, and how it is compared."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from excision.export import graph
from excision.method.run_folder import load_calibration
from excision.method.run_start import recorded_images, recorded_warm_start
from excision.progress import Shown
from excision.station.improve.collecting import collect
from excision.station.improve.confirming import confirm
from excision.station.improve.job import COMPARISON, EXPORT, RUN, Job, Standing
from excision.station.store.connection import RESULTS
from excision.station.store.store import Store
from excision.system.files import sha256
from tests.cli.conftest import inside
from tests.station.improve.conftest import MODEL, Line, crack


class Quiet(Shown):
    def stage(self, what: str, done: int, total: int, figures: str = "") -> None:
        pass


def improve(line: Line, parts: Path, out: Path, *more: object) -> str:
    words = ["improve", line.run, "--station", line.folder, "--name", MODEL, "--data", parts, "--out", out]
    done = inside(*words, "--steps", 2, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_crack_marked_good_enters_neither_training_nor_threshold(
    labelled: Line, parts: Path, seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The slow way to write a graph is for what somebody adds to the method, and never needed for the method.
    monkeypatch.setattr(graph, "save_traced", None)
    image = crack(sorted((seen / "train" / "good").iterdir())[0], tmp_path / "crack" / "crack.png")
    number = labelled.inspect(image, ("good", "M. Weber"))
    with closing(Store(labelled.folder / RESULTS)) as store:
        result = store.get(number)
    assert result is not None and result.score is not None
    assert result.score > 2 * labelled.detector.threshold
    said = improve(labelled, parts, tmp_path / "out")
    assert f"Result {number}" in said and "it is the most unusual of" in said
    images = recorded_images(tmp_path / "out" / RUN)
    assert images is not None
    used = {digest for hashes in images.values() for digest in hashes.values()}
    assert sha256(image) not in used
    comparison = json.loads((tmp_path / "out" / COMPARISON).read_text())
    assert number not in {each["result"] for each in comparison["images"]}
    assert [doubt["result"] for doubt in comparison["doubts"]] == [number]
    challenger = load_calibration(tmp_path / "out" / RUN)
    assert max(challenger.scores) < result.score / 2
    _neither_model_has_seen_what_is_compared(labelled.run, tmp_path)

    # The same person cannot confirm it; another one can, and then it is used.
    words = ("improve", labelled.run, "--station", labelled.folder, "--name", MODEL, "--accept", number)
    same = inside(*words, "--who", "m.  weber", "--out", tmp_path / "no")
    assert same.returncode == 2 and "a second person" in same.stderr
    assert not (tmp_path / "no").exists()
    confirm(labelled.folder, number, "A. Costa", 0.0)
    job = Job.load(tmp_path / "out")
    assert job is not None
    collected = collect(job, Quiet())
    assert not collected.doubts and sha256(image) in {member.digest for member in collected.members}


def _neither_model_has_seen_what_is_compared(run: Path, tmp_path: Path) -> None:
    before, after = (recorded_images(run) for run in (run, tmp_path / "out" / RUN))
    warm = recorded_warm_start(tmp_path / "out" / RUN)
    assert before is not None and after is not None and warm is not None
    members = json.loads((tmp_path / "out" / "collection.json").read_text())["members"]
    compared = {member["digest"] for member in members if member["role"] == "compare"}
    assert len(compared) > 5
    for images in (before, after):
        assert not compared & {digest for hashes in images.values() for digest in hashes.values()}
    # The networks have been trained on none of the images that set the threshold.
    held_out = set(after["calibration"].values())
    assert held_out and not held_out & set(before["training"].values())
    assert set(before["calibration"].values()) <= held_out
    assert warm.seen == frozenset(before["training"].values())
    assert {kind for member in members if (kind := member["role"])} == {
        "original",
        "train",
        "known",
        "compare",
    }
    found = json.loads((tmp_path / "out" / COMPARISON).read_text())
    assert [row["name"] for row in found["rows"]] == [
        "defects found",
        "false alarms",
        "image AUROC",
        "average precision",
    ]
    rows = [row for row in found["rows"] if row["low"] is not None]
    assert rows and all(row["low"] <= row["new"] - row["old"] <= row["high"] for row in rows)
    assert (tmp_path / "out" / EXPORT / "model.json").is_file()
    assert Standing.load(tmp_path / "out").state == "done"


def test_missing_originals_are_named_and_refused(labelled: Line, tmp_path: Path) -> None:
    words = ("improve", labelled.run, "--station", labelled.folder, "--name", MODEL, "--out", tmp_path / "o")
    done = inside(*words)
    assert done.returncode == 2
    assert "10 of 10 images that the model was trained on were not found" in done.stderr
    assert "train/good/" in done.stderr


def test_a_label_without_a_name_is_left_out(fresh: Line, parts: Path, seen: Path, tmp_path: Path) -> None:
    for image in sorted((seen / "train" / "good").iterdir())[:3]:
        fresh.inspect(image, ("good", " "))
    done = inside(
        "improve",
        fresh.run,
        "--station",
        fresh.folder,
        "--name",
        MODEL,
        "--data",
        parts,
        "--out",
        tmp_path / "o",
    )
    assert done.returncode == 2 and "3 labelled parts left out: they name nobody" in done.stderr


@pytest.mark.parametrize("again", [False, True])
def test_people_who_disagree_are_asked(fresh: Line, seen: Path, again: bool) -> None:
    from excision.station.improve.doubts import find_doubts
    from excision.station.improve.labelled import read_labelled
    from excision.station.work.kept_images import Images

    image = sorted((seen / "train" / "good").iterdir())[0]
    labels = [("defect", "A. Costa"), ("good", "M. Weber"), *([("good", "a. costa")] if again else [])]
    number = fresh.inspect(image, *labels)  # type: ignore[arg-type]  # the words are truths
    with closing(Store(fresh.folder / RESULTS)) as store:
        parts = read_labelled(store, Images(fresh.folder), MODEL).parts
    found = find_doubts(parts, {number: 0.0}, [0.0] * 30, 1.0, {})
    assert [doubt.result for doubt in found] == ([] if again else [number])
