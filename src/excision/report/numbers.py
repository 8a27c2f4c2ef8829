"""Numbers in the words of a report."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """Format a share in per cent; only exactly none is written as 0 and only exactly all as 100."""
    if share is None:
        return "n/a"
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    if share < 0.001:
        return f"{100 * share:.2g} %"
    return "> 99.9 %" if share >= 0.9995 else f"{100 * share:.1f} %"


def figure(value: float | None) -> str:
    """Format a figure between 0 and 1 with three digits; only exactly 1 is written as 1."""
    if value is None:
        return "n/a"
    return "0.999+" if 0.9995 <= value < 1 else f"{value:.3f}"


def count(number: int, what: str = "image") -> str:
    """Format a number of things: "1 image", "1,204 images"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
