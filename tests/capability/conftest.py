"""An exported folder for studies without torch: the one that an earlier release wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from excision.runtime.inspector import Inspector
from tests.conftest import draw_surface

OLD = Path(__file__).parents[1] / "compatibility" / "format_1" / "exported"


@pytest.fixture
def exported_line(good: Path, tmp_path: Path) -> Path:
    """A copy of an exported folder, with a threshold that the good images stay below."""
    folder = Path(shutil.copytree(OLD, tmp_path / "line"))
    inspector = Inspector(folder)
    scores = [1.1 * found.score for found in inspector.predict(sorted(good.iterdir()))]
    inspector.recalibrate(scores, 0.05)
    return folder


@pytest.fixture(scope="package")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images, of which the first eight are those that the tiny model was trained and calibrated on."""
    folder = tmp_path_factory.mktemp("good")
    for number in range(30):
        Image.fromarray(draw_surface(number)).save(folder / f"surface_{number:02d}.png")
    return folder
