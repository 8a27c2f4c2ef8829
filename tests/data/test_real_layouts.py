"""The layouts of real data sets, read where these are at hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from excision.data import load_dataset
from excision.data.groups.known import part_groups

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not in {DATA}")
    return DATA / name


def test_kolektorsdd_by_its_table_and_by_its_folders() -> None:
    table = load_dataset(real("KolektorSDD"))
    assert table.layout == "csv"
    assert Counter((s.split, s.label) for s in table.samples) == {
        ("train", "good"): 165,
        ("test", "good"): 168,
        ("test", "defect"): 50,
    }
    folders = load_dataset(real("KolektorSDD"), "kolektorsdd")
    assert {s.name: s.label for s in folders.samples} == {s.name: s.label for s in table.samples}
    assert {s.name: s.group for s in folders.samples} == {s.name: s.group for s in table.samples}
    assert len({s.group for s in table.samples}) == 48


def test_magnetictile_by_its_table_and_by_its_folders() -> None:
    table = load_dataset(real("MagneticTile"))
    assert len(table.train) == 761
    folders = load_dataset(real("MagneticTile"), "magnetictile")
    assert len(folders.samples) == 952 + 392
    # Both splits are by acquisition number; the table cuts within a tile, the layout between tiles.
    ours, theirs = {s.name for s in folders.train}, {s.name for s in table.train}
    assert len(ours ^ theirs) < 10


def test_exposures_of_a_magnetic_tile_are_one_group() -> None:
    folder = real("MagneticTile")
    names = [path.name for path in folder.glob("*/Imgs/*.jpg")]
    groups = part_groups(names)
    assert len({groups[f"exp{e}_num_{n}.jpg"] for e, n in enumerate((290998, 291023, 291038), 1)}) == 1
    # 1344 pictures of six exposures each come to about 224 tiles.
    assert 180 < len(set(groups.values())) < 260
