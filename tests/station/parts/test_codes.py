"""Codes drawn on images of parts are read, turned and blurred; what is not certain is never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from excision.errors import SettingsError
from excision.station.parts.codes import Reading, read_code
from excision.station.parts.settings import PartsSettings

zxingcpp = pytest.importorskip("zxingcpp")

MATRIX = PartsSettings(code="DataMatrix")


def drawn(text: str, kind: str = "DataMatrix", scale: int = 6) -> NDArray[np.uint8]:
    """Draw a code with its quiet zone, dark on light."""
    made = zxingcpp.create_barcode(text, zxingcpp.barcode_format_from_str(kind))
    return np.pad(np.array(made.to_image(scale=scale)), 6 * scale, constant_values=255)


def on_surface(
    *codes: tuple[NDArray[np.uint8], int, int], angle: float = 0.0, blur: float = 0.0, seed: int = 1
) -> Image.Image:
    """Draw codes on a grey, noisy surface of 640 by 480 pixels, each with its left upper corner."""
    chance = np.random.default_rng(seed)
    surface = Image.fromarray(chance.normal(140, 6, (480, 640)).clip(0, 255).astype(np.uint8))
    for code, left, top in codes:
        sheet = Image.fromarray(code).convert("L")
        mask = Image.new("L", sheet.size, 255).rotate(angle, expand=True)
        surface.paste(sheet.rotate(angle, Image.Resampling.BICUBIC, expand=True), (left, top), mask)
    return surface.filter(ImageFilter.GaussianBlur(blur)) if blur else surface


def saved(folder: Path, picture: Image.Image, name: str = "part.png") -> Path:
    picture.save(folder / name)
    return folder / name


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 201])
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_a_data_matrix_is_read_at_any_angle_and_a_little_blurred(
    tmp_path: Path, angle: float, blur: float
) -> None:
    path = saved(tmp_path, on_surface((drawn("A-004711"), 150, 60), angle=angle, blur=blur))
    assert read_code(path, MATRIX) == Reading("A-004711")


def test_other_kinds_depths_and_colours(tmp_path: Path) -> None:
    both = PartsSettings(code=("QRCode", "Code128"))
    assert read_code(saved(tmp_path, on_surface((drawn("Q-1", "QRCode"), 90, 50))), both) == Reading("Q-1")
    bars = drawn("4711", "Code128", scale=2)
    assert read_code(saved(tmp_path, on_surface((bars, 90, 50))), both) == Reading("4711")
    # Twelve bits in sixteen, and dark: 1.5 % of the range.
    dark = np.asarray(on_surface((drawn("A-1"), 90, 50))).astype(np.uint16) * 4
    Image.fromarray(dark).save(tmp_path / "dark.tif")
    assert read_code(tmp_path / "dark.tif", MATRIX) == Reading("A-1")
    light_on_dark = Image.fromarray(255 - np.asarray(on_surface((drawn("A-2"), 90, 50)))).convert("RGB")
    assert read_code(saved(tmp_path, light_on_dark), MATRIX) == Reading("A-2")


def test_no_code_and_two_codes_are_said_and_never_guessed(tmp_path: Path) -> None:
    empty = saved(tmp_path, on_surface())
    assert read_code(empty, MATRIX) == Reading(fault="no code found (DataMatrix)")
    ruined = saved(tmp_path, on_surface((drawn("A-1"), 90, 50), blur=9))
    assert read_code(ruined, MATRIX).serial is None
    two = saved(tmp_path, on_surface((drawn("A-1"), 20, 20), (drawn("A-2"), 350, 250)))
    found = read_code(two, MATRIX)
    assert found == Reading(fault="2 different codes found: A-1, A-2")
    # Two prints of the same label are one.
    same = saved(tmp_path, on_surface((drawn("A-1"), 20, 20), (drawn("A-1"), 350, 250)))
    assert read_code(same, MATRIX) == Reading("A-1")


def test_region_and_pattern_choose_among_codes(tmp_path: Path) -> None:
    path = saved(tmp_path, on_surface((drawn("A-1"), 20, 20), (drawn("LOT7/B-2"), 350, 250)))
    left = PartsSettings(code="DataMatrix", region=(0.0, 0.0, 0.5, 0.5))
    assert read_code(path, left) == Reading("A-1")
    fitting = PartsSettings(code="DataMatrix", pattern=r"LOT(?P<lot>\d+)/(?P<serial>[A-Z]-\d)")
    assert read_code(path, fitting) == Reading("B-2", "7")
    lot_alone = PartsSettings(code="DataMatrix", pattern=r"LOT(?P<lot>\d+)/.*")
    assert read_code(path, lot_alone) == Reading(None, "7")
    none = PartsSettings(code="DataMatrix", pattern="X.*")
    assert read_code(path, none) == Reading(fault="no code fits the pattern; found A-1, LOT7/B-2")


def test_separators_of_gs1_can_be_carried(tmp_path: Path) -> None:
    path = saved(tmp_path, on_surface((drawn("01\x1d21"), 90, 50)))
    assert read_code(path, MATRIX) == Reading("01<GS>21")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"code": "DataMatrix", "region": (0.5, 0.5, 0.6, 0.1)}, "region"),
        ({"code": "DataMatrix", "region": (0.5, 0.5)}, "region"),
        ({"code": "DataMatrix", "pattern": "("}, "pattern"),
        ({"code": "DataMatrix", "pattern": "(?P<part>x)"}, "pattern"),
        ({"pattern": "x"}, "code is missing"),
        ({"views": ("a", "a")}, "views"),
        ({"views": ("a",), "code": "DataMatrix", "code_views": ("b",)}, "code_views"),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(given: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        PartsSettings(**given)  # type: ignore[arg-type]  # of each its own


def test_the_check_of_the_file_knows_the_kinds_of_code() -> None:
    assert "DataMatrix" in PartsSettings(code="DataMatrix").check()
    with pytest.raises(SettingsError, match="known are"):
        PartsSettings(code="Rune").check()
