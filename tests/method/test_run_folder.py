"""What a run folder is made ready with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from excision.errors import ModelError, SettingsError
from excision.method.run_folder import CHECKPOINT, FINGERPRINT, MODEL, SETTINGS, TUNING, load_model
from excision.method.run_start import prepare_run
from excision.settings import ImageSettings, Settings
from excision.tiling.image_format import ImageFormat

FORMAT = ImageFormat((64, 48), 1)


def test_resuming_removes_what_any_killed_writer_left(tmp_path: Path) -> None:
    prepare_run(tmp_path, Settings(), FORMAT, {"files": []}, resume=False)
    begun = {path.name for path in tmp_path.iterdir()}
    for name in (SETTINGS, FINGERPRINT, TUNING, CHECKPOINT, MODEL):
        stem, _, suffix = name.partition(".")
        (tmp_path / f".{stem}-abc1_234.{suffix}").write_bytes(b"half")
    (tmp_path / ".notes.txt").write_text("somebody's own", "utf-8")
    prepare_run(tmp_path, Settings(), FORMAT, {"files": []}, resume=True)
    assert {path.name for path in tmp_path.iterdir()} == begun | {".notes.txt"}


def test_a_run_that_the_first_release_began_can_be_resumed(tmp_path: Path) -> None:
    """It wrote the settled size and channels into the settings."""
    begun = Settings(image=ImageSettings((64, 48), 1))
    prepare_run(tmp_path, begun, FORMAT, {"files": []}, resume=False)
    prepare_run(tmp_path, Settings(), FORMAT, {"files": []}, resume=True)
    with pytest.raises(SettingsError, match=r"image\.size was \(64, 48\) and is now None"):
        prepare_run(tmp_path, Settings(), ImageFormat((64, 64), 1), {"files": []}, resume=True)


def test_a_model_of_a_later_format_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    save_file({"a": torch.zeros(1)}, tmp_path / "run" / MODEL, {"format": "4"})
    with pytest.raises(ModelError, match="format 4, and this version of Excision reads 1 to 3: update"):
        load_model(tmp_path / "run")
