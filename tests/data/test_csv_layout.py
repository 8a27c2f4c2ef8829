"""Split tables: what is understood, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from excision.data import load_dataset
from excision.errors import DatasetError
from tests.data.conftest import Draw

CSV = "image,split,label,mask\nb/1.png,train,good,\na/0.png,test,bent,m/0.png\na/1.png,test,ok,\n"


def test_csv_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(CSV)
    (tmp_path / "other.csv").write_text("name,price\nx,1\n")
    for path in (tmp_path / "split.csv", tmp_path):
        dataset = load_dataset(path)
        assert dataset.layout == "csv"
        assert dataset.root == tmp_path
        assert [(s.name, s.split, s.label) for s in dataset.samples] == [
            ("a/0.png", "test", "bent"),
            ("a/1.png", "test", "good"),
            ("b/1.png", "train", "good"),
        ]
        assert dataset.samples[0].mask == tmp_path / "m/0.png"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, separator: str) -> None:
    text = "Label,Image,Group,Split\r\ngood,x\\1.png,A,TRAIN\r\ngood,x\\2.png,A,test\r\n".replace(
        ",", separator
    )
    (tmp_path / "s.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    dataset = load_dataset(tmp_path)
    assert [(s.name, s.group, s.split) for s in dataset.samples] == [
        ("x/1.png", "A", "train"),
        ("x/2.png", "A", "test"),
    ]


def test_csv_wins_over_the_folder_and_says_so(tmp_path: Path, draw: Draw) -> None:
    for part in range(2):
        draw(f"kos01/Part{part}.jpg")
    (tmp_path / "s.csv").write_text(
        "image,split,label\nkos01/Part0.jpg,train,good\nkos01/Part1.jpg,test,good\n"
    )
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "csv"
    assert {s.group for s in dataset.samples} == {"kos01"}
    assert any("kolektorsdd" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a.png,validation,good,", r'line 2: the split is "validation"'),
        ("a.png,train,,", 'line 2: the column "label" is empty'),
        (",train,good,", 'line 2: the column "image" is empty'),
        ("a.png,train,good,\n./a.png,test,good,", "line 3: a.png is already in line 2"),
        ("a.png,test,bent,", "no normal one"),
        ("", "no usable images"),
    ],
)
def test_csv_errors_name_the_line(tmp_path: Path, rows: str, reason: str) -> None:
    (tmp_path / "s.csv").write_text("image,split,label,mask\n" + rows)
    with pytest.raises(DatasetError, match=reason):
        load_dataset(tmp_path / "s.csv")


def test_csv_without_its_columns_or_text(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("file,kind\na.png,good\n")
    with pytest.raises(DatasetError, match="missing: image, label, split"):
        load_dataset(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes(b"image,split,label\n\xff\xfe,train,good\n")
    with pytest.raises(DatasetError, match="UTF-8"):
        load_dataset(tmp_path / "s.csv")


def test_several_split_files_are_ambiguous(tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text(CSV)
    with pytest.raises(DatasetError, match=r"one.csv, two.csv"):
        load_dataset(tmp_path)
