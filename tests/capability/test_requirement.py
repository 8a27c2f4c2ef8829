"""Requirements in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.capability.kinds import KINDS, NAMES
from excision.capability.requirement import parse_requirement
from excision.errors import ExcisionError, SettingsError

sizes = st.floats(0.01, 1000).map(lambda value: float(f"{value:.4g}"))


@given(
    st.sampled_from(KINDS),
    sizes,
    sizes,
    st.sampled_from(["mm", " mm", "px", " pixels", ""]),
    st.integers(1, 100),
)
def test_what_is_written_is_read(kind: str, first: float, second: float, unit: str, percent: int) -> None:
    factor = 20 if "mm" in unit else 1
    for name in (kind, NAMES[kind], NAMES[kind].upper()):  # type: ignore[index]
        found = parse_requirement(f"{name} {first:f}{unit} x {second:f}{unit} contrast {percent}%", 0.05)
        assert found.kind == kind
        assert found.size == pytest.approx(max(first, second) * factor, rel=1e-4, abs=1e-5)
        assert found.width == pytest.approx(min(first, second) * factor, rel=1e-4, abs=1e-5)
        assert found.contrast == pytest.approx(percent / 100)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    try:
        found = parse_requirement(text, 0.1)
    except ExcisionError as error:
        assert str(error)
    else:
        assert found.size > 0


@pytest.mark.parametrize(
    ("text", "size", "width", "contrast"),
    [
        ("scratch 0.3 mm x 3 mm", 60, 6, None),
        ("scratch 0.3 x 3 mm", 60, 6, None),
        ("pit 0,5mm", 10, 10, None),
        ("crack 50 px contrast 15%", 50, 2, 0.15),
        ("missing material 2 x 3 mm at contrast 0.3", 60, 40, 0.3),
        ("foreign material 12", 12, 12, None),
    ],
)
def test_examples(text: str, size: float, width: float, contrast: float | None) -> None:
    found = parse_requirement(text, 0.05)
    assert [found.size, found.width] == pytest.approx([size, width])
    assert found.contrast == contrast


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scratch", "is not understood"),
        ("wobble 3 px", "is not understood"),
        ("pit 0 px", "must be above 0"),
        ("pit 3 px contrast 150%", "at most 1"),
        ("pit 3 cm", "is not understood"),
    ],
)
def test_refusals(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_requirement(text, 0.05)


def test_millimetres_need_the_size_of_a_pixel() -> None:
    with pytest.raises(SettingsError, match="--mm-per-pixel"):
        parse_requirement("pit 0.5 mm")
    assert parse_requirement("pit 5 px").size == 5
