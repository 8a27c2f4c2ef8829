"""Pre-training on a handful of digits: files, records, and the same bytes for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.errors import DatasetError
from excision.method.attention import pretrain as module
from excision.method.attention.model import Attention
from excision.method.attention.pretrain import pretrain
from excision.settings import AttentionVariant
from excision.version import __version__
from tests.method.attention.test_mnist import idx

Digits = NDArray[np.uint8]


@pytest.fixture
def mnist(tmp_path: Path, strokes: Digits, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten shapes as both parts of MNIST, and small lessons."""
    monkeypatch.setattr(module, "HELD_OUT_LESSONS", 1)
    monkeypatch.setattr(module, "LESSON_SIZE", 32)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(strokes))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(10, dtype=np.uint8)))
    return folder


@pytest.mark.parametrize(("variant", "figure"), [("plain", "test_accuracy"), ("surface", "iou")])
def test_writes_weights_and_record(
    mnist: Path, tmp_path: Path, variant: AttentionVariant, figure: str
) -> None:
    told: list[int] = []
    report = pretrain(
        mnist, variant, tmp_path / "out", steps=2, seed=5, progress=lambda s, *_: told.append(s)
    )
    assert told == [1, 2]
    record = json.loads((tmp_path / "out" / f"{variant}.json").read_text())
    assert (record["variant"], record["steps"], record["seed"]) == (variant, 2, 5)
    assert record["version"] == __version__
    assert record[figure] == getattr(report, figure)
    assert 0 <= record[figure] <= 1
    attention = Attention.pretrained(variant, tmp_path / "out")
    assert torch.isfinite(attention(torch.rand(1, 1, 32, 32))).all()


@pytest.mark.parametrize("variant", ["plain", "surface"])
def test_same_seed_same_bytes(mnist: Path, tmp_path: Path, variant: AttentionVariant) -> None:
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pretrain(mnist, variant, tmp_path / name, steps=1, seed=seed)
        written.append((tmp_path / name / f"{variant}.safetensors").read_bytes())
    assert written[0] == written[1] != written[2]


def test_without_mnist(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="four such files"):
        pretrain(tmp_path, "plain", tmp_path / "out", steps=1)
    assert not (tmp_path / "out").exists()
