"""The comparison of one appearance with several runs on a set with two parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests import nursery
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import run as run  # noqa: PLC0414  as above

SCRIPT = Path(__file__).parents[2] / "experiments" / "mixed_parts.py"


def draw_parts(folder: Path, count: int, scratched: bool = False) -> None:
    """Draw a disc and a cross in turns."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[:64, :64] - 31.5
    for number in range(count):
        rng = np.random.default_rng([len(str(folder)), number])
        disc = np.hypot(x - 4, y) < 20
        cross = (np.minimum(np.abs(x), np.abs(y)) < 7) & (np.maximum(np.abs(x), np.abs(y)) < 26)
        image = 0.2 + 0.5 * (cross if number % 2 else disc) + 0.01 * rng.normal(size=x.shape)
        image[30:34, 24:40] += 0.3 * scratched
        Image.fromarray((image.clip(0, 1) * 255).astype(np.uint8)).save(folder / f"{number:03d}.png")


def test_the_experiment_prints_its_table(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    draw_parts(data / "train" / "good", 30)
    draw_parts(data / "test" / "good", 2)
    draw_parts(data / "test" / "scratch", 2, scratched=True)
    printed = nursery.printed(SCRIPT, data, run)
    assert "\n| one | " in printed
    assert "\n| 2, of 11 and 13 images | " in printed
    assert "at most 8: " in printed
