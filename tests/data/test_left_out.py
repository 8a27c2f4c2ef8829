"""Most images of a folder are never left out without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.errors import DatasetError
from excision.settings import Settings
from excision.training.preparing import prepare
from tests.data.conftest import Draw


def flat(tmp_path: Path, draw: Draw, loose: int, confirmed: int) -> Path:
    """Write a folder of images alone, into which a ZIP of confirmed good images was unpacked."""
    for i in range(loose):
        draw(f"parts/{i}.png")
    for i in range(confirmed):
        draw(f"parts/good/{i:06d}_part.png")
    return tmp_path / "parts"


def test_most_images_left_out_is_an_error(tmp_path: Path, draw: Draw) -> None:
    root = flat(tmp_path, draw, loose=10, confirmed=4)
    with pytest.raises(DatasetError, match=r"10 of 14 images would be left out.*--leave-out"):
        load_dataset(root)
    dataset = load_dataset(root, leave_out=True)
    assert len(dataset.samples) == 4
    assert len(dataset.left_out) == 10
    assert inspect_dataset(dataset).training is not None


def test_a_minority_left_out_is_a_note(tmp_path: Path, draw: Draw) -> None:
    dataset = load_dataset(flat(tmp_path, draw, loose=3, confirmed=4))
    assert dataset.left_out == ("0.png", "1.png", "2.png")
    assert any("Left out 3 images" in note for note in dataset.notes)
    assert inspect_dataset(dataset).left_out == dataset.left_out


@pytest.mark.parametrize(
    ("layout", "used", "loose"),
    [
        ("mvtec", "train/good/{i}.png", "test/{i}.png"),
        ("mvtec", "train/good/{i}.png", "train/{i}.png"),
        ("mvtec", "train/good/{i}.png", "new/{i}.png"),
        ("mvtec", "train/good/{i}.png", "{i}.png"),
        ("mvtec", "bottle/train/good/{i}.png", "other/{i}.png"),
        ("kolektorsdd", "kos01/Part{i}.jpg", "kos01/photo{i}.jpg"),
        ("kolektorsdd2", "train/{i}.png", "train/part {i}.png"),
        ("magnetictile", "MT_Free/Imgs/exp1_num_{i}.jpg", "MT_Free/{i}.jpg"),
    ],
)
def test_every_layout_refuses_to_leave_out_most(
    tmp_path: Path, draw: Draw, draw_mask: Draw, layout: str, used: str, loose: str
) -> None:
    for i in range(4):
        path = draw(used.format(i=i))
        if "kolektor" in layout:
            ending = "_label.bmp" if layout == "kolektorsdd" else "_GT.png"
            draw_mask(f"{path.relative_to(tmp_path).with_suffix('')}{ending}", empty=True)
    for i in range(4):
        draw(loose.format(i=i))
    dataset = load_dataset(tmp_path)
    assert dataset.layout == layout
    assert (len(dataset.samples), len(dataset.left_out)) == (4, 4)
    assert any("Left out" in note for note in dataset.notes)
    draw(loose.format(i=5))
    with pytest.raises(DatasetError, match="5 of 9 images would be left out"):
        load_dataset(tmp_path)


def test_images_whose_label_cannot_be_read_are_left_out(tmp_path: Path, draw: Draw, draw_mask: Draw) -> None:
    for i in range(5):
        draw(f"train/{i}.png")
        mask = draw_mask(f"train/{i}_GT.png", empty=True)
        if i < 3:
            mask.write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="3 of 5 images would be left out"):
        load_dataset(tmp_path)


def test_training_refuses_if_most_images_are_damaged(tmp_path: Path, draw: Draw) -> None:
    for i in range(12):
        path = draw(f"good/{i}.png")
        if i < 7:
            path.write_bytes(path.read_bytes()[:60])
    dataset = load_dataset(tmp_path)
    assert "7 of 12 training images cannot be used" in inspect_dataset(dataset).obstacle
    with pytest.raises(DatasetError, match="7 of 12 training images cannot be used"):
        prepare(dataset, Settings())
    intended = load_dataset(tmp_path, leave_out=True)
    assert inspect_dataset(intended).training is not None
    assert len(prepare(intended, Settings()).skipped) == 7


def excision(*words: str) -> tuple[int, str]:
    """Run a command in a process of its own, on a terminal; give its exit status and its output."""
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "excision", *words], stdout=follower, stderr=follower, stdin=follower
    )
    os.close(follower)
    output = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(leader)
    return process.wait(), output.decode()


def test_check_says_it_in_red_and_fails(tmp_path: Path, draw: Draw) -> None:
    root = flat(tmp_path, draw, loose=10, confirmed=6)
    status, output = excision("check", str(root))
    assert status == 2
    assert "\x1b[31mTraining is not possible:" in output
    assert "10 of 16 images would be left out" in output.replace("\r\n", " ")
    assert "Images that are left out, because their label is unknown (10)" in output
    status, output = excision("check", str(root), "--leave-out")
    assert status == 0
    assert "Note: Left out 10 images" in output


def test_train_says_it_in_red_and_fails(tmp_path: Path, draw: Draw) -> None:
    root = flat(tmp_path, draw, loose=10, confirmed=6)
    status, output = excision("train", str(root), "--out", str(tmp_path / "run"))
    assert status == 2
    assert "\x1b[31mexcision: error:" in output
    assert "10 of 16 images would be left out" in output
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "NoneType holds no images"), (3, "int holds"), ([], "no normal training images")],
)
def test_what_holds_no_images_is_said(given: Any, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        prepare(given, Settings())
