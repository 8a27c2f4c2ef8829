"""A data set in the format of any annotation tool gives the samples, splits and masks of the plain folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from excision.data import Dataset, load_dataset
from excision.synthetic import dataset as synthetic
from tests.data.annotations import formats

Write = Callable[[Dataset, Path, str], None]

FORMATS = [
    (formats.coco, "polygons", "images/"),
    (formats.coco, "counts", "images/"),
    (formats.coco, "compressed", "images/"),
    (formats.labelme, "polygons", ""),
    (formats.labelme, "rectangles", ""),
    (formats.labelme, "masks", ""),
    (formats.yolo, "polygons", "images/"),
    (formats.yolo, "boxes", "images/"),
    (formats.lookout, "single", ""),
    (formats.lookout, "jobwide", ""),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("plain")
    synthetic.write_synthetic(
        root, seed=3, size=(72, 96), train=5, test_good=3, per_defect=2, surfaces=["brushed_metal"]
    )
    return load_dataset(root)


@pytest.mark.parametrize(("write", "how", "prefix"), FORMATS, ids=lambda v: getattr(v, "__name__", v))
def test_samples_labels_splits_and_masks_are_those_of_the_folder(
    tmp_path: Path, plain: Dataset, write: Write, how: str, prefix: str
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    write(plain, root, how)
    found = load_dataset(root)
    assert found.layout == write.__name__
    assert found.root == root
    by_name = {prefix + formats.flat(s): s for s in plain.samples}
    expected = [(name, s.split, s.label, True) for name, s in sorted(by_name.items())]
    assert [(s.name, s.split, s.label, s.group == s.name) for s in found.samples] == expected
    for after in found.samples:
        before = by_name[after.name]
        assert after.image == root / after.name
        assert (before.mask is None) == (after.mask is None)
        if after.mask is not None:
            np.testing.assert_array_equal(formats.truth(after), formats.truth(before))
            assert hash(after) == hash(after)
    assert found == load_dataset(root, write.__name__), "the same files give the same data set"


@pytest.mark.parametrize(("write", "how", "prefix"), FORMATS, ids=lambda v: getattr(v, "__name__", v))
def test_the_way_to_the_folder_does_not_matter(
    tmp_path: Path, plain: Dataset, write: Write, how: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    write(plain, root, how)
    (tmp_path / "link").symlink_to(root)
    expected = [(s.name, s.label) for s in load_dataset(root).samples]
    assert expected[0][0].startswith(prefix)
    monkeypatch.chdir(root / "sub")
    for way in ("..", "../../data", str(root / "sub" / ".."), "../../link", str(tmp_path / "link")):
        assert [(s.name, s.label) for s in load_dataset(way).samples] == expected
        assert all(s.image.is_file() for s in load_dataset(way).samples)
    monkeypatch.chdir(root)
    assert [(s.name, s.label) for s in load_dataset(".").samples] == expected
