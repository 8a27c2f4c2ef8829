"""The installed package `elpv-dataset`: images of solar cells, each with a probability of being defective."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from excision.data.layouts.registry import Contents, layout
from excision.data.records import GOOD, Sample
from excision.data.splits import choose_groups
from excision.errors import DatasetError

NAME = "elpv-dataset"
_TEST_SHARE = 0.2


def _recognise(path: Path) -> bool:
    return str(path) == NAME and not path.exists()


@layout("elpv", f'the name "{NAME}" instead of a path, if that package is installed', _recognise)
def read(path: Path) -> Contents:
    """Read the package's label file: probability 0 is normal, 1 is a defect, values in between are left out.

    A fifth of the normal cells, chosen by name, is used for testing, with all defective cells.
    """
    if not _recognise(path):
        raise DatasetError(
            f'{path}: the layout elpv reads an installed package; write "{NAME}" instead of a path'
        )
    root = _installed()
    rows = [line.split() for line in (root / "labels.csv").read_text("utf-8").splitlines() if line.strip()]
    certain = {name: float(probability) == 1 for name, probability, _ in rows if float(probability) in (0, 1)}
    held = choose_groups((name for name, defective in certain.items() if not defective), _TEST_SHARE, seed=0)
    samples = [
        Sample(
            name,
            root / name,
            "test" if defective or name in held else "train",
            "defect" if defective else GOOD,
            None,
            name,
        )
        for name, defective in certain.items()
    ]
    note = (
        f"Left out {len(rows) - len(certain)} cells whose label is uncertain (probability neither 0 nor 1)."
    )
    return Contents(root, samples, [note])


def _installed() -> Path:
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise DatasetError(f"The package {NAME} is not installed; run: pip install {NAME}")
    return Path(spec.origin).parent / "data"
