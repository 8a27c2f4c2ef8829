"""No image counts as good only because what says otherwise was not understood."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from excision.data import load_dataset
from excision.errors import DatasetError
from tests.data.conftest import Draw

VOC = "<annotation><filename>0.png</filename><object><name>dent</name><bndbox/></object></annotation>"
CVAT = "<annotations><image id='0' name='0.png'><box label='dent' xtl='1'/></image></annotations>"


@pytest.fixture
def flat(tmp_path: Path, draw: Draw) -> Path:
    for number in range(6):
        draw(f"parts/{number}.png")
    return tmp_path / "parts"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("0.xml", VOC),
        ("annotations.xml", CVAT),
        ("xml/0.xml", VOC),
        ("0.txt", "0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 1e-2\n"),
        ("0.json", json.dumps({"objects": [{"classTitle": "dent", "points": {"exterior": [[1, 1]]}}]})),
        ("via.json", json.dumps({"0.png12345": {"filename": "0.png", "regions": []}})),
        ("export.json", json.dumps([{"image": "/data/upload/0.png", "annotations": []}])),
        ("results.json", json.dumps([{"image_id": 3, "bbox": [1, 2, 3, 4]}])),
        ("labels.tsv", "file\tlabel\n0.png\tgood\n1.png\tdent\n"),
        ("labels.txt", "0.png good\n1.png dent\n"),
        ("labels.csv", "path,label\n0.png,good\n1.png,dent\n"),
    ],
)
def test_labels_that_are_not_read_are_an_error(flat: Path, name: str, content: str) -> None:
    (flat / name).parent.mkdir(exist_ok=True)
    (flat / name).write_text(content)
    with pytest.raises(DatasetError, match=f"every image would count as good, but {name}"):
        load_dataset(flat)
    dataset = load_dataset(flat, layout="folder")
    assert {sample.label for sample in dataset.samples} == {"good"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", "file,exposure\n0.png,3\n"),
        ("sha256sums.txt", "00ff  0.png\n"),
        ("readme.txt", "All images are good.\n"),
        ("0.json", json.dumps({"exposure": 3})),
        ("0.txt", "taken in hall 2"),
        ("0.txt", 9000 * "11 " + "x"),
        ("0.txt", "0 1 2 3 " + 60_000 * "1" + "x"),
    ],
)
def test_other_files_beside_images_do_no_harm(flat: Path, name: str, content: str) -> None:
    (flat / name).write_text(content)
    assert len(load_dataset(flat).samples) == 6


def test_folders_of_labels_below_images_count(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for number in range(5):
        draw(f"Images/Normal/{number}.png")
    for number in range(3):
        draw(f"Images/Anomaly/{number}.png")
    for number in range(2):
        draw_mask(f"Masks/Anomaly/{number}.png")
    dataset = load_dataset(tmp_path)
    defects = {sample.name: sample.mask for sample in dataset.samples if sample.defective}
    assert len(defects) == 3
    # The last one has no mask, and is no good image for that.
    assert [name for name, mask in defects.items() if mask is None] == ["Images/Anomaly/2.png"]


def test_a_mask_named_with_a_letter_before_is_no_image(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for number in range(4):
        draw(f"good/{number}.png")
    draw("scratch/d0.png")
    draw_mask("scratch/m_d0.png")
    dataset = load_dataset(tmp_path)
    defects = [sample for sample in dataset.samples if sample.defective]
    assert [(sample.name, sample.mask) for sample in defects] == [
        ("scratch/d0.png", tmp_path / "scratch" / "m_d0.png")
    ]


def test_a_folder_of_defects_named_alone_is_noted(tmp_path: Path, draw: Draw) -> None:
    for number in range(4):
        draw(f"good/{number}.png")
        draw(f"scratch/{number}.png")
    assert any("Beside a folder of good images" in note for note in load_dataset(tmp_path / "scratch").notes)
    assert not any("Beside" in note for note in load_dataset(tmp_path / "good").notes)


@pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"])
def test_labels_in_a_workbook_are_an_error(flat: Path, part: str) -> None:
    with zipfile.ZipFile(flat / "parts.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr(part, "<sst><si><t>file</t></si><si><t>label</t></si><si><t>0.png</t></si></sst>")
    with pytest.raises(DatasetError, match=r"every image would count as good, but parts\.xlsx"):
        load_dataset(flat)
    (flat / "parts.xlsx").write_bytes(b"PK\3\4 no workbook")
    assert len(load_dataset(flat).samples) == 6
