"""Folders of results made by the product itself, for the tests of the report."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from excision.data import load_dataset
from excision.evaluation.evaluation import Evaluation
from excision.report.writing import evaluate, inspect_and_report
from tests.evaluation.fakes import FakePredictor, save
from tests.evaluation.test_evaluate import write_dataset

VOID = {"meta", "img", "input"}
HOSTILE = """a<script>alert(1)<b>&"quoted" 'b' #1 100%"""


def evaluated(root: Path, good: int = 30, per_kind: int = 6) -> tuple[Evaluation, Path]:
    """An evaluation with missed defects and false alarms, and its folder."""
    dataset = load_dataset(write_dataset(root / "parts", good=good, per_kind=per_kind))
    return evaluate(FakePredictor(), dataset, root / "out"), root / "out"


def inspected(root: Path) -> Path:
    """An inspection of a good image, of a stained one whose name is an attack, and of a damaged file."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 110, (64, 48), dtype=np.uint8)
    images = [save(root / "new/good.png", pixels)]
    pixels[20:30, 20:30] = 255
    images.append(save(root / "new" / f"{HOSTILE}.png", pixels))
    images.append(root / "new/broken.png")
    images[-1].write_bytes(b"no image")
    inspect_and_report(FakePredictor(), images, root / "out")
    return root / "out"


class Page(HTMLParser):
    """Tags, text and table rows of a page; refuses tags that do not close."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str | None, list[list[str]]] = {}
        self.text = ""
        self.open: list[str] = []
        self._table: list[list[str]] = []
        self.feed(self.source)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs).get("id"), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text += data
        if {"td", "th"} & set(self.open):
            self._table[-1][-1] += data

    def all(self, tag: str, key: str) -> list[str]:
        """The values of an attribute of all tags of a name."""
        return [value for name, found in self.tags if name == tag and (value := found.get(key)) is not None]
