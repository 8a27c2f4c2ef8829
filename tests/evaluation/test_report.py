"""The report: self-contained, safe with any name, bounded in size."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from excision.evaluation.examples import Example
from excision.evaluation.report import Card, Table, write_report

from .fakes import prediction

STAGES = ["Input", "Attention", "Mask", "Holed image", "Recovery", "Anomaly map"]
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; refuses tags that do not close."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text("utf-8")
        self.tags, self.open, self.text, self.captions = [], [], "", []
        self.feed(self.source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data
        if self.open and self.open[-1] == "figcaption":
            self.captions.append(data)

    def pictures(self):
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        return [Image.open(io.BytesIO(base64.b64decode(s.split(",", 1)[1]))) for s in sources]


@pytest.fixture
def example():
    image = np.random.default_rng(0).random((64, 24, 1), dtype=np.float32)
    truth = np.zeros((64, 24), bool)
    truth[10:20, 5:9] = True
    return Example("kos01/part 5.png", "scratch", prediction(image), truth)


def written(tmp_path, examples, **more):
    path = tmp_path / "out" / "report.html"
    write_report(path, more.pop("title", "Report"), (), more.pop("cards", ()), (), examples, **more)
    return Page(path)


def test_every_stage_stands_side_by_side(tmp_path, example):
    page = written(tmp_path, [example])
    assert page.captions == [*STAGES, "Ground truth"]
    assert [picture.size for picture in page.pictures()] == [(24, 64)] * 7
    assert "tall" in next(a["class"] for t, a in page.tags if t == "article")
    shown = np.asarray(page.pictures()[0].convert("L"), float)
    assert np.abs(shown - example.prediction.image[..., 0] * 255).mean() < 8


def test_ground_truth_is_left_out_where_unknown(tmp_path, example):
    page = written(tmp_path, [Example(example.name, None, example.prediction)])
    assert page.captions == STAGES
    assert "labelled" not in page.text
    assert "Defects found" in page.text


def test_verdict_has_colour_word_and_shape(tmp_path):
    flat = prediction(np.full((32, 32, 3), 0.5, np.float32))
    page = written(tmp_path, [Example("a.png", "good", flat)])
    assert re.search(r"●\s+good", page.text)
    assert ("span", {"class": "verdict good"}) in page.tags
    spot = np.full((32, 32, 3), 0.5, np.float32)
    spot[4:6, 4:6] = 1
    page = written(tmp_path, [Example("a.png", "good", prediction(spot))])
    assert re.search(r"▲\s+defect", page.text)
    assert ("span", {"class": "verdict defect"}) in page.tags
    assert "False alarms" in page.text


def test_nothing_is_loaded_from_anywhere(tmp_path, example):
    page = written(tmp_path, [example], cards=[Card("Image AUROC", "0.900")])
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    sources = [a[key] for _, a in page.tags for key in ("src", "href") if key in a]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?:|@import|url\(", page.source)


def test_names_are_text_never_markup(tmp_path, example):
    name = "a<script>alert(1)</script>&\"quoted\" 'b'.png"
    odd = Example(name, "<b>pit</b> & co", example.prediction)
    page = written(
        tmp_path,
        [odd],
        title=name,
        notes=[name],
        tables=[Table(name, [name], [[name]])],
        cards=[Card(name, name)],
    )
    assert page.text.count(name) >= 8
    assert "<script>" not in page.source
    assert "<b>pit" not in page.source
    assert "labelled <b>pit</b> & co" in page.text
    assert any(a.get("alt") == f"Input of {name}" for _, a in page.tags)


def test_figures_notes_and_tables_are_shown(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(stream, "PNG")
    path = tmp_path / "report.html"
    cards = [Card("AUPRO", "0.8", "higher is better")]
    tables = [Table("By kind", ["kind", "rate"], [["pit", "90 %"]])]
    figures = [("ROC", stream.getvalue())]
    write_report(
        path, "T", [("Data set", "parts")], cards, figures, [], notes=["Mind the gap."], tables=tables
    )
    page = Page(path)
    for text in ("Data set", "parts", "AUPRO", "0.8", "higher is better", "Mind the gap.", "By kind", "90 %"):
        assert text in page.text
    assert page.captions == ["ROC"]
    assert page.pictures()[0].size == (40, 30)
    assert "Examples" not in page.text


def test_a_large_noisy_picture_stays_within_its_share(tmp_path):
    noise = np.random.default_rng(1).random((1024, 400, 3), dtype=np.float32)
    example = Example("noise.png", "good", prediction(noise), noise[..., 0] > 0.5)
    page = written(tmp_path, [example])
    assert len(page.source) * 24 < 8e6
    width, height = page.pictures()[0].size
    assert width * height <= 640 * 256 * 1.01
    assert height / width == pytest.approx(1024 / 400, rel=0.01)


@pytest.mark.parametrize("threshold", [0.0, float("inf")])
def test_a_threshold_without_meaning_does_no_harm(tmp_path, threshold):
    image = np.random.default_rng(0).random((16, 64, 1), dtype=np.float32)
    page = written(tmp_path, [Example("a.png", None, prediction(image, threshold))])
    assert "wide" in next(a["class"] for t, a in page.tags if t == "article")
