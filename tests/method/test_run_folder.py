"""What a run folder is made ready with."""

from __future__ import annotations

from pathlib import Path

from excision.method.run_folder import CHECKPOINT, FINGERPRINT, MODEL, SETTINGS, TUNING, prepare_run
from excision.settings import Settings


def test_resuming_removes_what_any_killed_writer_left(tmp_path: Path) -> None:
    prepare_run(tmp_path, Settings(), {"files": []}, resume=False)
    begun = {path.name for path in tmp_path.iterdir()}
    for name in (SETTINGS, FINGERPRINT, TUNING, CHECKPOINT, MODEL):
        stem, _, suffix = name.partition(".")
        (tmp_path / f".{stem}-abc123.{suffix}").write_bytes(b"half")
    (tmp_path / ".notes.txt").write_text("somebody's own", "utf-8")
    prepare_run(tmp_path, Settings(), {"files": []}, resume=True)
    assert {path.name for path in tmp_path.iterdir()} == begun | {".notes.txt"}
