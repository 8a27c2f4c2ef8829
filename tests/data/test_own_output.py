"""What Excision wrote into a data folder is passed over with a note, in old forms and in new ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from excision.data import load_dataset
from excision.data.inputs import input_images
from excision.data.listing import list_images, match_pattern
from excision.errors import DatasetError, PassedOverWarning
from excision.inspection.batch import find_images
from excision.station.hot_folder.scan import scan
from tests.data.conftest import Draw

OUTPUT = {
    "run": ["settings.toml", "model.safetensors", "figures/training.png", "tiles/00000.tif"],
    "unfinished run": ["settings.toml", "fingerprint.json", "tiles/00000.tif"],
    "exported": ["model.json", "model.onnx", "golden.npz", "preview/1.png"],
    "inspection": ["results.jsonl", "results.csv", "overlays/1-0123456789.webp", "examples/1-image.webp"],
    "inspection in parts": ["inspection.json", "parts/part-000000.jsonl", "overlays/1-0123456789.png"],
    "report alone": ["about.json", "report.html", "examples/1-image.webp"],
    "evaluation": ["evaluation.json", "scores.csv", "overlays/1-0123456789.webp", "figures/roc.png"],
    "stopped evaluation": ["overlays/1-0123456789.webp", "overlays/2-0123456789.webp"],
    "hot folder": ["results.sqlite", "watch.lock", "good/1.png", "overlays/1-0123456789.webp"],
    "station": ["results.sqlite", "service.lock", "images/2026-01-01/1.png"],
    "benchmark": ["benchmark.md", "accuracy.png", "auroc_speed.png", "parts/ear/0/cell.json"],
    "demo": ["run/settings.toml", "run/model.safetensors", "data/fabric/train/good/0.png"],
    "attention": ["attention_pictures.json", "00001-a.png"],
}


def write(draw: Draw, root: Path, place: str, files: list[str]) -> None:
    for file in files:
        if file.endswith((".png", ".webp", ".tif")):
            draw(f"{root.name}/{place}/{file}" if root.name else f"{place}/{file}")
        else:
            path = root / place / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")


@pytest.fixture
def parts(tmp_path: Path, draw: Draw) -> Path:
    for i in range(6):
        draw(f"parts/good/{i}.png")
    draw("parts/scratch/0.png")
    return tmp_path / "parts"


@pytest.mark.parametrize("kind", OUTPUT)
@pytest.mark.parametrize("place", ["out", "good/out", "scratch/deep/out"])
def test_own_output_in_a_folder_of_data(parts: Path, draw: Draw, kind: str, place: str) -> None:
    before = [s.name for s in load_dataset(parts).samples]
    write(draw, parts, place, OUTPUT[kind])
    dataset = load_dataset(parts)
    assert [s.name for s in dataset.samples] == before
    assert any(f"{place}/" in note and "Excision wrote it" in note for note in dataset.notes)
    listing = list_images(parts)
    assert len(listing.images) == 7
    assert len(listing.ours) == 1


@pytest.mark.parametrize("kind", ["inspection", "evaluation"])
@pytest.mark.parametrize("place", [".", "good", "scratch"])
def test_results_written_among_data_hide_no_data(parts: Path, draw: Draw, kind: str, place: str) -> None:
    before = [s.name for s in load_dataset(parts).samples]
    write(draw, parts, place, OUTPUT[kind])
    assert [s.name for s in load_dataset(parts).samples] == before
    assert len(list_images(parts / place).images) == {".": 7, "good": 6, "scratch": 1}[place]


@pytest.mark.parametrize(
    "file", ["model.json", "settings.toml", "results.csv", "evaluation.json", "results.sqlite", "cell.json"]
)
def test_a_file_of_the_same_name_is_not_enough(parts: Path, file: str) -> None:
    (parts / "scratch" / file).write_text("{}")
    assert len(load_dataset(parts).samples) == 7


def test_folders_called_like_ours_are_data(parts: Path, draw: Draw) -> None:
    draw("parts/overlays/photo.png")
    draw("parts/figures/0.png")
    draw("parts/examples/0.png")
    assert {s.label for s in load_dataset(parts).samples} == {
        "good",
        "scratch",
        "overlays",
        "figures",
        "examples",
    }


@pytest.mark.parametrize("kind", ["run", "exported", "inspection", "station"])
def test_own_output_is_no_data_set(parts: Path, draw: Draw, kind: str) -> None:
    write(draw, parts, "out", OUTPUT[kind])
    with pytest.raises(DatasetError, match=r"is no data set: Excision wrote this folder"):
        load_dataset(parts / "out")


def test_images_sorted_by_a_hot_folder_are_data(parts: Path, draw: Draw) -> None:
    write(draw, parts, "out", [*OUTPUT["hot folder"], "defect/2.png"])
    assert {s.name for s in load_dataset(parts / "out").samples} == {"good/1.png", "defect/2.png"}


@pytest.mark.parametrize("kind", OUTPUT)
def test_a_folder_with_images_besides_is_never_hidden(parts: Path, draw: Draw, kind: str) -> None:
    """Whatever was written into it, and wherever the images lie."""
    write(draw, parts, "good", [file for file in OUTPUT[kind] if not file.startswith("good/")])
    names = {s.name for s in load_dataset(parts).samples}
    assert names >= {f"good/{i}.png" for i in range(6)}


def test_inspection_passes_over_own_output_with_a_note(parts: Path, draw: Draw) -> None:
    write(draw, parts, "run", OUTPUT["run"])
    notes: list[str] = []
    assert len(find_images([parts], notes=notes)) == 7
    assert len(notes) == 1
    assert "run/ was passed over: Excision wrote it (a run folder)" in notes[0]
    with pytest.warns(PassedOverWarning, match="run/ was passed over"):
        assert len(list(input_images(parts))) == 7
    with pytest.warns(PassedOverWarning, match="run/ was passed over"):
        assert len(match_pattern(parts / "**" / "*.*")) == 7


def test_folders_of_an_earlier_format(parts: Path) -> None:
    old = Path(__file__).parents[1] / "compatibility" / "format_1"
    shutil.copytree(old / "run", parts / "run")
    shutil.copytree(old / "exported", parts / "exported")
    shutil.copy(old / "0.png", parts / "run")
    dataset = load_dataset(parts)
    assert {s.label for s in dataset.samples} >= {"good", "scratch"}
    assert any(note.startswith("exported/ was passed over") for note in dataset.notes)


@pytest.mark.parametrize("kind", OUTPUT)
def test_a_hot_folder_passes_over_own_output(parts: Path, draw: Draw, kind: str) -> None:
    write(draw, parts, "sub/out", OUTPUT[kind])
    said: list[str] = []
    found = list(scan(parts, parts / "elsewhere", lambda *_: None, said.append))
    assert len(found) == 7
    assert len(said) == 1
    assert said[0].startswith(str(parts / "sub" / "out"))
