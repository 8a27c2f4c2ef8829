"""Small images with an exported model for them, and the results of an inspection in parts."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from excision.cluster.parts import PartRow, finished_parts, read_part
from excision.cluster.plan import read_plan
from excision.storage.opening import open_folder

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"
MODEL = FORMAT_1 / "exported"


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """Make a folder of so many images: good, good, defective, defective, and so on; the last is damaged."""

    def make(count: int) -> Path:
        folder = tmp_path / "images"
        folder.mkdir()
        for number in range(count - 1):
            shutil.copyfile(FORMAT_1 / f"{number % 4}.png", folder / f"{number:04d}.png")
        (folder / "damaged.png").write_bytes(b"no image")
        return folder

    return make


def rows_of(out: Path | str) -> list[PartRow]:
    """Read all results in a folder, in the order of the images."""
    folder = open_folder(out)
    plan = read_plan(folder)
    assert plan is not None
    return [row for part in sorted(finished_parts(folder, plan)) for row in read_part(folder, plan, part)]


def verdicts_of(out: Path | str) -> Counter[str | None]:
    return Counter(row.record.verdict for row in rows_of(out))
