"""Names of any characters and any length: they fit, differ where the originals differ, and print safely."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from excision.system.files import write_text
from excision.system.names import LONGEST, cut_text, fit_name, printable
from excision.visualization.overlays import overlay_name, write_overlay

# Whatever a directory may hold: any bytes but the slash and the zero byte.
byte_names = (
    st.binary(min_size=1, max_size=255).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
    | st.text(st.sampled_from("a\u00e9\u6f22\U0001f600\u200d\n\x1b "), min_size=1, max_size=255)
    .map(str.encode)
    .map(lambda raw: raw[:255])
).map(os.fsdecode)


@given(byte_names, st.sampled_from(["", ".png", "-123.tiff", ".half", "." + "x" * 200]))
def test_a_cut_name_fits_and_holds_whole_characters(stem: str, ending: str) -> None:
    name = fit_name(stem, ending)
    assert len(os.fsencode(name)) <= LONGEST
    assert name == fit_name(stem, ending)
    if len(os.fsencode(stem + ending)) <= LONGEST:
        assert name == stem + ending
    elif len(ending) < 100:
        assert name.endswith(ending)
        kept = name[: -len(ending) - 11] if ending else name[:-11]
        assert stem.startswith(kept)


def test_names_that_begin_alike_stay_different() -> None:
    stems = ["\U0001f600" * 63 + end for end in ("ab", "ac", "abc")]
    assert len({fit_name(stem, ".png") for stem in stems}) == 3


@given(byte_names, st.integers(0, 300))
def test_a_text_is_cut_between_characters(text: str, longest: int) -> None:
    cut = cut_text(text, longest)
    assert text.startswith(cut)
    assert len(os.fsencode(cut)) <= longest
    if cut != text:
        assert len(os.fsencode(cut + text[len(cut)])) > longest


@given(byte_names)
def test_nothing_printed_moves_the_cursor(name: str) -> None:
    shown = printable(name)
    shown.encode("utf-8")
    assert all(ord(character) >= 32 and not 127 <= ord(character) < 160 for character in shown)
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("part 1.png", "part 1.png"),
        ("\u30d1\u30fc\u30c4\u3000\U0001f600.png", "\u30d1\u30fc\u30c4\u3000\U0001f600.png"),
        ("a\nexcision: all good.png", "a\\nexcision: all good.png"),
        ("\x1b[2J\x1b]0;x\x07.png", "\\x1b[2J\\x1b]0;x\\x07.png"),
        (os.fsdecode(b"\xff\xfe.png"), "\\xff\\xfe.png"),
        ("gnp.\u202eexe", "gnp.\\u202eexe"),
        ("\ud83d.png", "\\ud83d.png"),
    ],
)
def test_what_is_printed(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize("name", ["\U0001f600" * 62 + ".png", "\u6f22" * 83 + ".png", "\n" * 251 + ".png"])
def test_an_overlay_of_the_longest_name_is_written(tmp_path: Path, name: str) -> None:
    place = tmp_path / overlay_name(f"folder/{name}", ".png")
    write_overlay(place, np.zeros((4, 4, 3), np.uint8))
    with Image.open(place) as picture:
        assert picture.size == (4, 4)
    assert "\n" not in place.name


@pytest.mark.parametrize("name", ["\U0001f600" * 63, "a." + "\U0001f600" * 63, "." + "x" * 254])
def test_a_file_of_the_longest_name_is_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
