"""The embedded data set: the same bytes every time, and defects where the masks say."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.data.decode import read_image
from excision.data.masks import read_mask
from excision.errors import DatasetError, SettingsError
from excision.synthetic.dataset import SUBJECTS, write_synthetic
from excision.synthetic.defects import DEFECTS
from excision.system.files import sha256, temporary_beside

SMALL: dict[str, Any] = {"size": (96, 80), "train": 2, "test_good": 1, "per_defect": 2}


def hashes(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): sha256(p) for p in sorted(root.rglob("*.png"))}


def test_the_same_bytes_every_time_on_any_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("excision.synthetic.dataset.cores", lambda: 3)
        write_synthetic(tmp_path / "a", seed=3, **SMALL)
    monkeypatch.setattr("excision.synthetic.dataset.cores", lambda: 1)
    write_synthetic(tmp_path / "b", seed=3, **SMALL)
    write_synthetic(tmp_path / "b", seed=3, **SMALL)
    write_synthetic(tmp_path / "c", seed=4, **SMALL)
    first = hashes(tmp_path / "a")
    assert first == hashes(tmp_path / "b")
    assert set(first) == set(hashes(tmp_path / "c"))
    assert not {h for n, h in first.items() if "mask" not in n} & set(hashes(tmp_path / "c").values())
    assert len({h for n, h in first.items() if "mask" not in n}) == 4 * (2 + 1 + 4 * 2) + 2


def test_an_interrupted_drawing_can_be_drawn_again(tmp_path: Path) -> None:
    """A thread that the end of the process stops while it writes leaves a temporary file."""
    write_synthetic(tmp_path, **SMALL, surfaces=["woven_fabric"])
    whole = hashes(tmp_path)
    for name in whole:
        temporary_beside(tmp_path / name)
    assert len(hashes(tmp_path)) == 2 * len(whole)
    write_synthetic(tmp_path, **SMALL, surfaces=["woven_fabric"])
    assert hashes(tmp_path) == whole
    own = tmp_path / "train" / "good" / ".notes"
    own.touch()
    with pytest.raises(DatasetError, match=r"contains other files \(\.notes\)"):
        write_synthetic(tmp_path, **SMALL, surfaces=["woven_fabric"])
    assert own.is_file()


def test_a_larger_data_set_begins_with_the_smaller(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "small", **SMALL)
    write_synthetic(tmp_path / "large", **(SMALL | {"train": 3, "per_defect": 3}))
    small, large = hashes(tmp_path / "small"), hashes(tmp_path / "large")
    assert len(large) > len(small)
    assert all(large[name] == content for name, content in small.items())


def test_it_reads_as_mvtec_without_any_finding(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_synthetic(
        tmp_path,
        **SMALL | {"size": (160, 128)},
        surfaces=("woven_fabric",),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (11, 11)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "mvtec"
    assert Counter(s.label for s in dataset.test) == {"good": 1} | dict.fromkeys(DEFECTS, 2)
    report = inspect_dataset(dataset)
    assert report.unreadable == report.odd == report.masks == ()
    assert report.duplicates == ()
    assert report.training is not None
    assert report.training.channels == 1


@pytest.mark.parametrize("surface", SUBJECTS)
def test_surfaces_vary_and_stay_in_range(surface: str) -> None:
    pictures = [SUBJECTS[surface].draw(np.random.default_rng(k), (96, 128)) for k in range(4)]
    for picture in pictures:
        assert picture.shape == (96, 128)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() < picture.max() <= 1
        assert 0.02 < picture.std() < 0.2
    assert len({picture.tobytes() for picture in pictures}) == 4


@pytest.mark.parametrize(
    ("surface", "kind"), [(name, kind) for name, subject in SUBJECTS.items() for kind in subject.defects]
)
def test_defects_lie_where_the_mask_says(surface: str, kind: str) -> None:
    inside, outside = [], []
    for k in range(6):
        rng = np.random.default_rng([7, k])
        subject = SUBJECTS[surface]
        before = subject.draw(rng, (128, 128))
        after, mask = subject.add_defect(rng, before, kind)
        assert mask.any()
        assert mask.mean() < 0.3
        assert 0 <= after.min() <= after.max() <= 1
        change = np.abs(after - before)
        inside.append(change[mask].mean())
        outside.append(change[~mask].mean())
        assert inside[-1] > 0.02
    assert np.mean(inside) > 20 * np.mean(outside)
    # From subtle to obvious.
    assert max(inside) > 1.5 * min(inside)


def test_written_masks_read_back(tmp_path: Path) -> None:
    write_synthetic(tmp_path, **SMALL, surfaces=("cast_grain",))
    for sample in load_dataset(tmp_path).test:
        image = read_image(sample.image, 1)
        assert image.shape == (96, 80, 1)
        if sample.defective:
            assert sample.mask is not None
            assert read_mask(sample.mask, (96, 80)).any()


def test_drawing_takes_well_under_a_tenth_of_a_second() -> None:
    rng = np.random.default_rng(0)
    start = time.process_time()
    drawn = 0
    for subject in SUBJECTS.values():
        for defect in subject.defects.values():
            defect(rng, subject.draw(rng, (256, 256)), 0.1)
            drawn += 1
    assert (time.process_time() - start) / drawn < 0.1


@pytest.mark.parametrize(("subject", "alike"), [("machined_part", True), ("woven_fabric", False)])
def test_a_part_lies_alike_and_a_surface_does_not(subject: str, alike: bool) -> None:
    pictures = np.stack([SUBJECTS[subject].draw(np.random.default_rng(k), (128, 128)) for k in range(12)])
    of_the_place = pictures.mean(axis=0).var() / pictures.var()
    assert 0.8 < of_the_place < 0.99 if alike else of_the_place < 0.3


def test_other_files_are_never_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match=r"mine\.txt"):
        write_synthetic(tmp_path, **SMALL)
    assert [p.name for p in tmp_path.rglob("*")] == ["mine.txt"]


@pytest.mark.parametrize(
    "wrong", [{"surfaces": ("wood",)}, {"surfaces": ()}, {"size": (32, 256)}, {"train": -1}, {"seed": -1}]
)
def test_wrong_settings(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        write_synthetic(tmp_path / "out", **(SMALL | wrong))
    assert not (tmp_path / "out").exists()
