"""A station whose parts people have labelled, with a real tiny model."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector
from excision.inspection.fingerprint import fingerprint
from excision.station.store.connection import RESULTS
from excision.station.store.records import Label, StoredResult, Truth
from excision.station.store.store import Store
from excision.synthetic.dataset import write_synthetic
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import run as run  # noqa: PLC0414  as above

MODEL = "fabric"


@dataclass(frozen=True)
class Line:
    """The folder of a station, and what inspects there."""

    folder: Path
    run: Path
    detector: Detector

    def inspect(self, image: Path, *labels: tuple[Truth, str]) -> int:
        """Keep a result and its image, labelled by these people in turn; gives the number."""
        place = f"images/2026-11-28/{image.parent.name}_{image.name}"
        (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, self.folder / place)
        found = self.detector.inspect(image)
        with closing(Store(self.folder / RESULTS)) as store:
            (number,) = store.add(
                [
                    StoredResult(
                        time=time.time(),
                        source=image.name,
                        model=MODEL,
                        model_version=fingerprint(self.run),
                        threshold=self.detector.threshold,
                        score=found.score,
                        verdict=found.verdict,
                        unfit=found.unfit,
                        image=place,
                        width=64,
                        height=64,
                    )
                ]
            )
            assert number is not None
            for truth, who in labels:
                store.label(number, Label(truth, who, "", time.time()))
        return number


def crack(image: Path, out: Path) -> Path:
    """Draw a crack on an image that no model misses."""
    pixels = np.asarray(Image.open(image).convert("L")).copy()
    for step in range(40):
        pixels[10 + step : 14 + step, 8 + step : 13 + step] = 255 * (step % 3 > 0)
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(out)
    return out


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that pass the station: good ones and defects."""
    folder = tmp_path_factory.mktemp("seen") / "fabric"
    write_synthetic(
        folder, size=(64, 64), train=22, test_good=0, per_defect=1, surfaces=["woven_fabric"], seed=7
    )
    return folder


@pytest.fixture
def fresh(run: Path, tmp_path: Path) -> Line:
    """A station without results."""
    return Line(tmp_path / "station", run, Detector.load(run))


@pytest.fixture
def labelled(fresh: Line, seen: Path) -> Line:
    """A station with labelled good parts and labelled defects."""
    for image in sorted((seen / "train" / "good").iterdir()):
        fresh.inspect(image, ("good", "M. Weber"))
    for image in sorted((seen / "test").rglob("*.png")):
        fresh.inspect(image, ("defect", "M. Weber"))
    return fresh


@pytest.fixture
def labelled_station(line: Path, run: Path, parts: Path, seen: Path, tmp_path: Path) -> tuple[Line, Path]:
    """A station with labelled parts, not running, and the file that describes it."""
    station = Line(tmp_path / "station", run, Detector.load(run))
    for image in sorted((seen / "train" / "good").iterdir())[:12]:
        station.inspect(image, ("good", "M. Weber"))
    for image in sorted((seen / "test").rglob("*.png"))[:4]:
        station.inspect(image, ("defect", "M. Weber"))
    described = tmp_path / "station.toml"
    described.write_text(
        f"[models.{MODEL}]\nfolder = {str(line)!r}\n\n"
        f"[improve]\nruns = [{str(run)!r}]\nimages = [{str(parts)!r}]\n"
    )
    return station, described
