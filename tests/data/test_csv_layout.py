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
    (tmp_path / "s.csv").write_text("name,kind\na.png,good\n")
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


ROWS = [
    ("image", "split", "label", "mask"),
    ("a 1.png", "train", "i.O.", ""),
    ("b\u00fcgel.png", "train", "OK", ""),
    ("c, d.png", "test", "Kratzer", "m;1.png"),
]


def spelled(separator: str, end: str, always_quoted: bool) -> str:
    return "".join(
        separator.join(f'"{v}"' if always_quoted or any(c in v for c in ",;\t|") else v for v in row) + end
        for row in ROWS
    )


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_encoding_line_end_and_separator_means_the_same(
    tmp_path: Path, draw: Draw, encoding: str, end: str, separator: str
) -> None:
    draw("b\u00fcgel.png")
    for variant, text in enumerate(
        (
            spelled(separator, end, False),
            spelled(separator, end, True),
            f"sep={separator}{end}" + spelled(separator, end, False),
            f"# a, b{end}{end}" + spelled(separator, separator + end, False) + separator * 3 + end * 2,
        )
    ):
        table = tmp_path / f"{variant}.csv"
        table.write_bytes(text.encode(encoding))
        dataset = load_dataset(table)
        assert [(s.name, s.split, s.label) for s in dataset.samples] == [
            ("a 1.png", "train", "good"),
            ("b\u00fcgel.png", "train", "good"),
            ("c, d.png", "test", "Kratzer"),
        ]
        assert dataset.samples[2].mask == tmp_path / "m;1.png"
        assert any('"OK", "i.O."' in note and '"Kratzer"' in note for note in dataset.notes)
        assert any("Windows-1252" in note for note in dataset.notes) == (encoding == "cp1252")


def test_a_table_in_another_encoding_is_refused_if_its_images_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes("image,split,label\n\u0434.png,train,good\n".encode("cp1251"))
    with pytest.raises(DatasetError, match=r"line 2: .* UTF-8"):
        load_dataset(tmp_path)
    (tmp_path / "s.csv").write_bytes(b"image,split,label\n\x81.png,train,good\n")
    with pytest.raises(DatasetError, match="UTF-8"):
        load_dataset(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes(b"\xff\xfe" + "image,split,label\na.png,".encode("utf-16-le") + b"\x00")
    with pytest.raises(DatasetError, match="UTF-16"):
        load_dataset(tmp_path / "s.csv")


def test_quoted_values_hold_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        'note,image,split,label\n"two\nlines, ""quoted""",a.png,train,good\n'
        '"5"" pipe",b.png,test,"dent; deep"\n'
    )
    dataset = load_dataset(tmp_path)
    assert [(s.name, s.label) for s in dataset.samples] == [("a.png", "good"), ("b.png", "dent; deep")]
    (tmp_path / "s.csv").write_text("'image';'split';'label'\n'a;b.png';'train';'good'\n")
    assert load_dataset(tmp_path).samples[0].name == "a;b.png"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a.png,train,good,,,extra\n", "line 2: has 6 values for 4 columns"),
        ('"a.png,train,good,\nb.png,train,good,\n', "line 3: cannot be read as CSV"),
        ('a.png,train,good,\n"b.png"x,train,good,\n', "line 3: cannot be read as CSV"),
        ("a.png,train,3,\nb.png,test,4,\n", r'the labels are numbers \("3", "4"\)'),
        ("a.png,train,NG,\nb.png,test,scratch,\n", r'the labels are "NG", "scratch". As good count .*good'),
        ("a.png,train,good,\nb.png,test,x,C:\\masks\\b.png\n", "line 3: the mask is the image itself"),
        ("a.png,train,0,m.png\nb.png,test,1,\n", "masks are named only for the former"),
        ("a\0.png,train,good,\n", "not the name of a file|line contains NUL"),
        (f"{'x' * 140_000},train,good,\n", "line 2: cannot be read as CSV: field larger"),
        ("C:\\parts\\line 1\\9.png,train,good,\n", "lies on another computer"),
        ("\\\\server\\parts\\9.png,train,good,\n", "lies on another computer"),
        (
            "a.png,train,good,\nsub/../a.png,test,good,\n",
            "line 3: sub/../a.png is already in line 2, as a.png",
        ),
        ("a.png,train,good,\nlink.png,test,good,\n", "line 3: link.png is already in line 2, as a.png"),
        ("a.png,train,good,\nhard.png,test,good,\n", "line 3: hard.png is already in line 2, as a.png"),
        ("a.png,train,good,\nD:\\a.png,test,good,\n", "line 3: a.png is already in line 2"),
        ("gone//x.png,train,good,\ngone/y/../x.png,test,good,\n", "line 3: .* is already in line 2"),
    ],
)
def test_what_a_table_cannot_mean_is_refused(tmp_path: Path, draw: Draw, rows: str, reason: str) -> None:
    draw("a.png")
    draw("b.png")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    (tmp_path / "s.csv").write_text("image,split,label,mask\n" + rows)
    with pytest.raises(DatasetError, match=reason):
        load_dataset(tmp_path / "s.csv")


@pytest.mark.parametrize("words", [("0", "1"), ("0.0", "1.0"), ("false", "TRUE"), ("FALSE", "1")])
def test_zero_is_good_and_one_a_defect(tmp_path: Path, words: tuple[str, str]) -> None:
    good, bad = words
    (tmp_path / "s.csv").write_text(f"image,split,label,mask\na.png,train,{good},\nb.png,test,{bad},m.png\n")
    dataset = load_dataset(tmp_path)
    assert [s.label for s in dataset.samples] == ["good", "defect"]
    assert any(f'good: "{good}"; as defects: "{bad}"' in note for note in dataset.notes)


@pytest.mark.parametrize(
    "word", ["good", "GOOD", "ok", "Okay", "pass", "Normal", "iO", "i.O.", "In Ordnung", "gut"]
)
def test_words_that_mean_good(tmp_path: Path, word: str) -> None:
    (tmp_path / "s.csv").write_text(f"image,split,label\na.png,train,{word}\n")
    assert load_dataset(tmp_path).samples[0].label == "good"


def test_paths_of_another_computer_mean_the_files_below_the_table(tmp_path: Path, draw: Draw) -> None:
    for name in ("line1/1.png", "line2/1.png", "2.png"):
        draw(name)
    paths = [r"C:\Users\me\parts\line1\1.png", r"\\server\share\line2\1.png", "file:///D:/parts/2.png"]
    (tmp_path / "s.csv").write_text("image,split,label\n" + "".join(f"{p},train,good\n" for p in paths))
    dataset = load_dataset(tmp_path)
    assert [s.name for s in dataset.samples] == ["2.png", "line1/1.png", "line2/1.png"]
    assert all(s.image.is_file() for s in dataset.samples)


def test_absolute_paths_of_this_computer_are_taken_as_they_are(tmp_path: Path, draw: Draw) -> None:
    image = draw("images/1.png")
    (tmp_path / "t").mkdir()
    table = tmp_path / "t" / "s.csv"
    table.write_text(f"image,split,label\n{image},train,good\n../images/2.png,train,good\n")
    dataset = load_dataset(table)
    assert [s.name for s in dataset.samples] == ["../images/2.png", str(image)]
    assert dataset.samples[1].image == image


def test_other_headings_are_understood_in_a_table_that_is_named(tmp_path: Path) -> None:
    table = tmp_path / "s.csv"
    table.write_text("Filename;Class;Set;Area\na.png;ok;train;3,5\nb.png;ng;test;0,1\n")
    assert [(s.name, s.label) for s in load_dataset(table).samples] == [("a.png", "good"), ("b.png", "ng")]
    with pytest.raises(DatasetError, match="no known data set layout"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, "csv").samples) == 2


def test_a_table_without_a_split_is_divided_like_a_folder(tmp_path: Path) -> None:
    table = tmp_path / "s.csv"
    lines = [f"{i}.png,good" for i in range(20)] + ["x.png,dent"]
    table.write_text("image,label\n" + "\n".join(lines))
    dataset = load_dataset(table)
    assert (len(dataset.train), len(dataset.test)) == (16, 5)
    assert any("4 of 20 normal images" in note for note in dataset.notes)


def test_a_table_of_a_gigabyte_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "s.csv").open("wb") as stream:
        stream.write(b"image,split,label\n")
        stream.truncate(2**30)
    with pytest.raises(DatasetError, match="larger than 128 MiB"):
        load_dataset(tmp_path)
