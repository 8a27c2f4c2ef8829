"""The fingerprint of a model: whatever can change a verdict is in it, and old ones stay what they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from excision.inspection.fingerprint import fingerprint
from excision.method import run_folder
from excision.runtime import model_folder
from excision.runtime.backend import BackendName
from excision.runtime.verification import Proof

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"


@pytest.mark.parametrize(("folder", "expected"), [("run", "7b5739fa40f1"), ("exported", "b695b6928ef7")])
def test_folders_of_the_first_release_keep_their_fingerprint(folder: str, expected: str) -> None:
    assert fingerprint(FORMAT_1 / folder) == expected


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def check(folder: Path, verdict: tuple[str, ...], other: tuple[str, ...]) -> None:
    found = names(folder)
    assert found <= {*verdict, *other}, (
        "a file is neither in the fingerprint nor named as changing no verdict"
    )
    before = fingerprint(folder)
    for name in found:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content + b"\n")
        assert (fingerprint(folder) != before) == (name in verdict), name
        (folder / name).write_bytes(content)
    assert fingerprint(folder) == before


def test_every_file_of_an_exported_folder_is_accounted_for(
    exports: dict[BackendName, tuple[Path, Proof]], tmp_path: Path
) -> None:
    seen = set()
    for name, (source, _) in exports.items():
        folder = shutil.copytree(source, tmp_path / name)
        Image.new("L", (8, 8), 255).save(folder / "region.png")
        (folder / "calibrations.json").write_text("[]")
        (folder / "capability.json").write_text("{}")
        (folder / "features.json").write_text("{}")
        check(folder, model_folder.VERDICT_FILES, model_folder.OTHER_FILES)
        seen |= names(folder)
    assert seen == {*model_folder.VERDICT_FILES, *model_folder.OTHER_FILES}


def test_every_file_of_a_run_folder_is_accounted_for(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    (folder / "capability.json").write_text("{}")
    (folder / "features.json").write_text("{}")
    check(folder, run_folder.VERDICT_FILES, run_folder.OTHER_FILES)
    assert names(folder) == {*run_folder.VERDICT_FILES, *run_folder.OTHER_FILES}
