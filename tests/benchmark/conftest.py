"""A data set laid out as KolektorSDD2, and the fake baseline for this process and those it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import baselines
from tests.benchmark.fakes import NAME

ROOT = Path(__file__).parents[2]


def write_kolektorsdd2(root: Path, train: int = 8, good: int = 4, defects: int = 3) -> Path:
    """Brushed colour surfaces, 64 x 48 (the real ones are about 630 x 230), each with its mask."""
    numbers = {"train": range(10000, 10000 + train), "test": range(20000, 20000 + good + defects)}
    for split, split_numbers in numbers.items():
        for place, number in enumerate(split_numbers):
            rng = np.random.default_rng(number)
            pixels = rng.normal(120, 10, (64, 1, 3)) + rng.normal(0, 5, (64, 48, 3))
            mask = np.zeros((64, 48), np.uint8)
            # A training image may be defective there too, and must stay out of the training.
            if (split == "test" and place >= good) or (split == "train" and place == 0):
                mask[10 + 6 * (place % 4) : 20 + 6 * (place % 4), 12:20] = 255
                pixels[mask > 0] = 235
            (root / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / split / f"{number}.png")
            Image.fromarray(mask).save(root / split / f"{number}_GT.png")
    return root


@pytest.fixture(scope="session")
def kolektor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set; tests must not change it."""
    return write_kolektorsdd2(tmp_path_factory.mktemp("data") / "surface")


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another data set whose folder has the same name, of fewer images; tests must not change it."""
    return write_kolektorsdd2(tmp_path_factory.mktemp("other") / "surface", train=6, good=3, defects=2)


# For a module and no longer: what other tests start must not find it.
@pytest.fixture(scope="module", autouse=True)
def fake_baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register the fake baseline here, and by a `sitecustomize` in every process that is started."""
    entry = ("tests.benchmark.fakes", "FakeBaseline")
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(
        f"from excision import baselines\nbaselines.BASELINES[{NAME!r}] = {entry!r}\n", encoding="utf-8"
    )
    paths = [str(site), str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines.BASELINES, NAME, entry)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        yield
