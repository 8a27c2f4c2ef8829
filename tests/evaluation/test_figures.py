"""Figures: PNG files that show what they were given, whatever is missing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from excision.evaluation import figures
from excision.evaluation.figures import Curve, Tile

NONE = np.array([])


def pixels(content):
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def shows(content, colour):
    """Tell whether a colour, "#rrggbb", stands anywhere in a figure."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(pixels(content) - wanted).max(axis=2) < 6).any())


@pytest.mark.parametrize("working_point", [(0.2, 0.9), (float("nan"), 0.5)])
def test_curves_show_the_line_and_the_working_point_where_there_is_one(working_point):
    curve = Curve(np.array([0, 0, 1.0]), np.array([0, 0.8, 1.0]), 0.9, working_point)
    for content in (figures.roc_figure(curve), figures.precision_recall_figure(curve, 0.3)):
        assert shows(content, figures.GOOD_COLOUR)
        assert shows(content, figures.DEFECT_COLOUR) == np.isfinite(working_point).all()


@pytest.mark.parametrize(
    ("good", "defect"), [([0.1, 0.2], [0.5]), ([0.1, 0.2], []), ([], [0.5]), ([0.3, 0.3], [0.3])]
)
def test_histogram_shows_the_classes_that_are_there(good, defect):
    content = figures.histogram_figure(np.array(good), np.array(defect), 0.3)
    assert shows(content, figures.GOOD_COLOUR) == bool(good)
    assert shows(content, figures.DEFECT_COLOUR) == bool(defect)


def test_histogram_takes_an_infinite_threshold():
    assert shows(figures.histogram_figure(np.array([0.1]), NONE, float("inf")), figures.GOOD_COLOUR)


@pytest.mark.parametrize("size", [(64, 24), (24, 64)])
def test_a_sheet_shows_every_tile(size):
    colours = [(200, 10 * number, 40) for number in range(7)]
    tiles = [Tile(f"{n}.png", n, np.full((*size, 3), c, np.uint8)) for n, c in enumerate(colours)]
    content = figures.sheet_figure([("Missed defects", tiles[:6]), ("False alarms", tiles[6:])])
    assert all(shows(content, "#{:02x}{:02x}{:02x}".format(*colour)) for colour in colours)


def test_a_sheet_takes_any_file_name():
    picture = np.zeros((16, 16, 3), np.uint8)
    names = ["cost $5 and $x^$.png", "検査.png", "a" * 200 + ".png", "<b>&.png"]
    tiles = [Tile(name, 0.5, picture) for name in names]
    assert pixels(figures.sheet_figure([("False alarms", tiles)])).size
