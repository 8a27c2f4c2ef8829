"""`--defects` of `excision train`, and the verbs that leave the known defects out."""

from __future__ import annotations

import shutil
from pathlib import Path

from excision.inspection.defective_images import score_defective_images
from excision.runtime.inspector import Inspector
from excision.runtime.trained_on import TrainedOn
from excision.system.files import sha256
from tests.cli.conftest import TINY, inside


def test_training_with_known_defects_and_evaluating(parts: Path, tmp_path: Path) -> None:
    data, known = Path(shutil.copytree(parts, tmp_path / "data")), tmp_path / "known"
    kind = min(path for path in (data / "test").iterdir() if path.name != "good")
    shutil.copytree(kind, known)
    run = tmp_path / "run"
    refused = inside("train", data, "--out", run, *TINY, "--steps", "2", "--defects", known)
    assert refused.returncode == 2 and "take it out of the test images" in refused.stderr
    shutil.rmtree(kind)
    words = ("train", data, "--out", run, *TINY, "--steps", "2", "--defects", known)
    done = inside(*words)
    count = len(list(known.iterdir()))
    assert done.returncode == 0, done.stderr
    assert f"0 images with a mask, {count} without" in done.stdout
    assert f"0 images with a mask, {count} without" in inside("info", run).stdout
    refused = inside("train", data, "--out", run, "--resume")
    assert refused.returncode == 2 and f"begun with {count} images of known defects" in refused.stderr
    assert inside(*words, "--resume").returncode == 0
    shutil.copytree(known, kind)
    shutil.copy(data / "train" / "good" / min((data / "train" / "good").iterdir()).name, kind / "extra.png")
    measured = inside("evaluate", run, data)
    assert measured.returncode == 0, measured.stderr
    assert f"{count} of " in measured.stdout and "are known defects that this model was trained with" in (
        " ".join(measured.stdout.split())
    )


def test_costs_are_not_weighed_on_known_defects(parts: Path, tmp_path: Path) -> None:
    class Stub:
        folder = tmp_path

    images = sorted((parts / "test").glob("*/*.png"))[:2]
    TrainedOn.of([], [], map(sha256, images)).save(tmp_path)
    stub: Inspector = Stub()  # type: ignore[assignment]  # it is asked for its folder alone
    scores, left_out = score_defective_images(stub, images, lambda *_: None)
    assert scores == [] and all("was trained with this known defect" in why for why in left_out)
