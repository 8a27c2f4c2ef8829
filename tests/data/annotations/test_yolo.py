"""YOLO data sets: where images and labels lie, what the YAML file may say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from excision.data import Dataset, load_dataset
from excision.errors import DatasetError
from tests.data.annotations.formats import truth
from tests.data.conftest import Draw

YAML = "path: ../somewhere\ntrain: images/train\nval: images/val\ntest:\nnc: 2\nnames: [dent, 'pit']\n"
SQUARE = "0 0.1 0.25 0.3 0.25 0.3 0.5 0.1 0.5"


@pytest.fixture
def files(tmp_path: Path, draw: Draw) -> Path:
    """Write three images for training and two for testing, of which one has a label; images are 20 x 16."""
    for name in ("train/a", "train/b", "train/c", "val/d", "val/e"):
        draw(f"images/{name}.png")
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/e.txt").write_text(SQUARE)
    (tmp_path / "data.yaml").write_text(YAML)
    return tmp_path


def told(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [(s.name.removeprefix("images/"), s.split, s.label) for s in dataset.samples]


EXPECTED = [
    ("train/a.png", "train", "good"),
    ("train/b.png", "train", "good"),
    ("train/c.png", "train", "good"),
    ("val/d.png", "test", "good"),
    ("val/e.png", "test", "dent"),
]


@pytest.mark.parametrize(
    "yaml",
    [
        YAML,
        YAML.replace("../somewhere", "/datasets/parts"),
        YAML.replace("path: ../somewhere\n", ""),
        YAML.replace("images/", "../images/"),
        YAML.replace("images/val", "[images/val]"),
        YAML.replace("images/val", "images/gone") + "test: images/val\n".replace("test", "unused"),
        YAML.replace("[dent, 'pit']", "{0: dent, 1: pit}"),
        YAML.replace("[dent, 'pit']", "\n  0: dent  # by hand\n  1: pit"),
        YAML.replace("images/val", r"C:\sets\parts\images\val").replace("'pit'", '"pit"'),
        "\ufeff" + YAML.replace("\n", "\r\n"),
    ],
)
def test_what_the_yaml_file_may_say(files: Path, yaml: str) -> None:
    (files / "data.yaml").write_text(yaml.replace("test:\n", ""), newline="")
    if "gone" in yaml:
        with pytest.raises(DatasetError, match="no image has a text file"):
            load_dataset(files)
        return
    for given in (files, files / "data.yaml"):
        dataset = load_dataset(given)
        assert dataset.layout == "yolo"
        assert told(dataset) == EXPECTED
        mask = truth(dataset.test[1])
        assert mask.sum() == 16
        assert mask[4:8, 2:6].all()
        assert any("4 images without a text file" in note for note in dataset.notes)


def test_lists_of_images(files: Path) -> None:
    (files / "train.txt").write_text("./images/train/a.png\n\n/home/me/parts/images/train/b.png\n")
    (files / "val.txt").write_text("images/val/d.png\nimages/val/e.png\nimages/val/gone.png\n")
    (files / "data.yaml").write_text(
        YAML.replace("images/train", "train.txt").replace("images/val", "val.txt")
    )
    dataset = load_dataset(files)
    assert told(dataset) == [line for line in EXPECTED if "/c.png" not in line[0]]
    assert any("not found, such as images/val/gone.png" in note for note in dataset.notes)


@pytest.mark.parametrize("absolute", [True, False])
def test_a_yaml_file_that_lies_elsewhere(files: Path, absolute: bool) -> None:
    other = files / "configs" / "deep" / "parts.yaml"
    other.parent.mkdir(parents=True)
    (files / "data.yaml").unlink()
    other.write_text(YAML.replace("../somewhere", str(files) if absolute else "../.."))
    assert told(load_dataset(other)) == EXPECTED
    other.write_text(YAML.replace("images/", f"{files}/images/"))
    assert told(load_dataset(other)) == EXPECTED


def test_folders_alone_and_folders_of_splits_with_images_inside(tmp_path: Path, draw: Draw) -> None:
    for name in ("train/images/a", "valid/images/d", "valid/images/e"):
        draw(f"{name}.png")
    (tmp_path / "valid/labels").mkdir(parents=True)
    (tmp_path / "valid/labels/e.txt").write_text("1 0.5 0.5 0.5 0.5\n\n0 0.1 0.1 0.1 0.1\n")
    dataset = load_dataset(tmp_path)
    assert [(s.name, s.split, s.label) for s in dataset.samples] == [
        ("train/images/a.png", "train", "good"),
        ("valid/images/d.png", "test", "good"),
        ("valid/images/e.png", "test", "class 0+class 1"),
    ]
    assert truth(dataset.test[1]).sum() == 80 + 2
    assert any("2 labels are boxes" in note for note in dataset.notes)
    (tmp_path / "classes.txt").write_text("dent\npit\n")
    assert load_dataset(tmp_path).test[1].label == "dent+pit"
    (tmp_path / "dataset.yml").write_text("train: train/images\nval: valid/images\nnames: [OK, pit]\n")
    dataset = load_dataset(tmp_path)
    assert dataset.test[1].label == "pit"
    assert truth(dataset.test[1]).sum() == 80
    assert any("1 labels are of classes that mean good" in note for note in dataset.notes)


def test_labels_without_an_image_are_named(files: Path) -> None:
    (files / "labels/val/gone.txt").write_text(SQUARE)
    (files / "labels/val/empty.txt").write_text("\n")
    notes = load_dataset(files).notes
    assert any(
        "1 text files of labels that belong to no image, such as labels/val/gone.txt" in n for n in notes
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.1 0.2 0.3", "line 2: 3 numbers follow the class"),
        ("0 0.1 0.2 0.3 0.4 0.9", "line 2: 5 numbers follow the class"),
        ("0 10 20 30 40", "line 2: 10 is outside of 0 to 1"),
        ("0 0.1 -0.2 0.3 0.4", "line 2: -0.2 is outside"),
        ("0 0.5 0.5 nan 0.5", "line 2: nan is outside"),
        ("0 0.5 0.5 inf 0.5", "line 2: inf is outside"),
        ("0 0,5 0,5 0,1 0,1", "line 2: '0,5' is not a number"),
        ("dent 0.5 0.5 0.1 0.1", "line 2: 'dent' is not the number of a class"),
        ("-1 0.5 0.5 0.1 0.1", "line 2: '-1' is not the number"),
        ("\u0661 0.5 0.5 0.1 0.1", "is not the number of a class"),
        ("2 0.5 0.5 0.1 0.1", "line 2: the class 2 is not among the 2 names"),
        ("0 0.5 0.5 -0.01 0.1", "^(?!)|negative"),
    ],
)
def test_lines_that_mean_nothing_are_refused(files: Path, line: str, reason: str) -> None:
    file = files / "labels/val/e.txt"
    file.write_text(f"{SQUARE}\n{line}\n")
    if "negative" in reason:
        # A hundredth of tolerance is taken for zero.
        assert load_dataset(files).test[1].defective
        return
    with pytest.raises(DatasetError, match=reason) as caught:
        load_dataset(files)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        (YAML + "kpt_shape: [17, 3]\n", "key points"),
        (YAML.replace("[dent, 'pit']", "2"), '"names" is neither'),
        (YAML.replace("[dent, 'pit']", "{a: dent}"), "has the key 'a'"),
        (YAML.replace("[dent, 'pit']", "[dent, [pit]]"), "not the name of a class"),
        (YAML.replace("images/train", "5"), 'data.yaml, "train": is not the path'),
        (YAML + "train: images/val\n", "a key occurs twice"),
        (YAML + "extra: &x [1]\nmore: *x\n", "aliases"),
        (YAML + "extra: " + "[" * 5000, "nested too deeply|not valid YAML"),
        (YAML + "extra: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        (YAML + "x: '\n", "not valid YAML"),
        (YAML + "#" * 2**18, "larger than 1 MiB"),
        (
            YAML.replace("images/train", "a/b").replace("images/val", "c"),
            "none of the folders .*\\(a/b, c\\)",
        ),
        (YAML.replace("images/train", "images/val"), "lists already"),
    ],
)
def test_yaml_files_that_cannot_be_used(files: Path, yaml: str, reason: str) -> None:
    (files / "data.yaml").write_text(yaml)
    with pytest.raises(DatasetError, match=reason):
        load_dataset(files)


def test_several_yaml_files_and_other_yaml(files: Path) -> None:
    (files / "other.yaml").write_text("a: 1\n")
    assert told(load_dataset(files)) == EXPECTED
    (files / "second.yaml").write_text(YAML)
    with pytest.raises(DatasetError, match=r"several YAML files \(data.yaml, second.yaml\)"):
        load_dataset(files)


def test_without_any_label_file_nothing_is_taken_as_good(files: Path) -> None:
    (files / "labels/val/e.txt").unlink()
    with pytest.raises(DatasetError, match="no image has a text file of labels"):
        load_dataset(files)


def test_masks_beside_the_images_are_never_taken_as_good(files: Path, draw_mask: Draw) -> None:
    draw_mask("images/val/e_mask.png")
    dataset = load_dataset(files)
    assert told(dataset) == EXPECTED
    assert any("Passed over 1 mask files" in note for note in dataset.notes)
