"""Says in words why an image is unfit, so that somebody at the line knows what to check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from excision.method.fitness.norm import Comparison
from excision.method.fitness.ranges import Range

_MOST = 3
_SHARE = 0.5
"""Share of the strongest deviation from which on another product is named, too."""

_BLACK = -4.6
"""Logarithm of a brightness of 2 %, with what the statistics add to it."""

_PARTS = {"shadows": "dark areas are ", "brightness": "", "highlights": "bright areas are "}
_IN = {"shadows": "in ", "brightness": "", "highlights": "in "}


class Topic(NamedTuple):
    """One cause and the statistics that show it.

    Attributes:
        names: statistics; that with the largest deviation stands for the topic.
        side: -1 for deviations below the training images, 1 for those above, 0 for both.
        say: words the reason, from the value, the range and the deviation.
        cause: whether it says what happened to the image, rather than that it shows something else.
    """

    names: tuple[str, ...]
    side: int
    say: Callable[[str, float, Range, float], str]
    cause: bool = True


def told(found: Comparison, ranges: Mapping[str, Range], limit: float) -> tuple[str, ...]:
    """Word the reasons, the strongest first, at most three.

    Args:
        found: comparison of an unfit image.
        ranges: ranges of the training images.
        limit: largest deviation of a fit image.
    """
    strongest = [
        (abs(found.deviations[name]), topic, name)
        for topic in _TOPICS
        if (name := _outside(topic, found.deviations, limit)) is not None
    ]
    strongest.sort(key=lambda each: -each[0])
    others = [each for each in strongest if not each[1].cause]
    # What happened to the image also makes it look a little like another product.
    if len(others) < len(strongest) and (len(others) < 2 or others[0][0] < _SHARE * strongest[0][0]):
        strongest = [each for each in strongest if each[1].cause]
    return tuple(
        topic.say(name, found.values[name], ranges[name], found.deviations[name])
        for _, topic, name in strongest[:_MOST]
    )


def _outside(topic: Topic, deviations: Mapping[str, float], limit: float) -> str | None:
    """Return the statistic of a topic that deviates most; None if none deviates more than the limit."""
    sizes = {
        name: deviations[name] * topic.side if topic.side else abs(deviations[name])
        for name in topic.names
        if name in deviations
    }
    name = max(sizes, key=lambda each: sizes[each], default=None)
    return name if name is not None and sizes[name] > limit else None


def _more(value: float, known: Range) -> tuple[str, str]:
    """Return how many times more or less a logarithmic statistic is, and than what."""
    outermost = known.least if value < known.centre else known.most
    # An odd training image may lie farther out than this one.
    beyond = (value - outermost) * (value - known.centre) > 0
    ratio = 2 ** abs(value - (outermost if beyond else known.centre))
    times = f"{ratio:.0f} times" if ratio >= 9.5 else f"{max(ratio, 1.1):.1f} times"
    return times, "any training image" if beyond else "nearly all training images"


def _darker(name: str, value: float, known: Range, _: float) -> str:
    if name != "shadows" and value < _BLACK:
        return "almost black: check light, shutter and camera"
    times, known_as = _more(value, known)
    return f"{_PARTS[name]}{times} darker than {_IN[name]}{known_as}: check light and exposure"


def _brighter(name: str, value: float, known: Range, _: float) -> str:
    times, known_as = _more(value, known)
    return f"{_PARTS[name]}{times} brighter than {_IN[name]}{known_as}: check light and exposure"


def _clipped(name: str, value: float, known: Range, _: float) -> str:
    kind, word = (
        ("white", "overexposed") if name == "clipped_bright" else ("black", "underexposed or covered")
    )
    return (
        f"{word}: {value**2:.0%} of the image is pure {kind}, at most {known.most**2:.0%} of a training "
        "image: check exposure and light"
    )


def _faint(_: str, value: float, known: Range, __: float) -> str:
    times, known_as = _more(value, known)
    return f"{times} less contrast than in {known_as}: check light, lens and haze"


def _strong(_: str, value: float, known: Range, __: float) -> str:
    times, known_as = _more(value, known)
    return f"{times} more contrast than in {known_as}: check the light"


def _soft(_: str, value: float, known: Range, __: float) -> str:
    times, known_as = _more(value, known)
    return f"out of focus or moved: edges are {times} softer than in {known_as}: check the lens"


def _rough(_: str, value: float, known: Range, __: float) -> str:
    times, known_as = _more(value, known)
    return f"{times} more noise or fine detail than in {known_as}: check gain and light"


def _colour(name: str, value: float, known: Range, _: float) -> str:
    words = {
        "redness": ("redder", "greener"),
        "blueness": ("bluer", "yellower"),
        "saturation": ("more colourful", "less colourful"),
    }
    word = words[name][0 if value > known.centre else 1]
    return f"{word} than any training image: check light and white balance"


def _shifted(name: str, value: float, known: Range, _: float) -> str:
    sides, length = (
        (("up", "down"), "height") if name == "down" else (("to the left", "to the right"), "width")
    )
    away = value - known.centre
    return (
        f"the part lies {abs(away):.0%} of the image's {length} further {sides[away > 0]} than usual, "
        "further than in any training image: check the fixture and the trigger"
    )


def _inverted(*_: object) -> str:
    return "bright and dark are exchanged, as in a negative: check the camera's settings and the light"


def _mirrored(*_: object) -> str:
    return "mirrored or turned: what lies on one side lies on the other in training images: check how it lies"


def _missing(*_: object) -> str:
    return "part not found where training images show it: check that it lies in place and nothing covers it"


def _unlike(*_: object) -> str:
    return "more than a third of the image is unlike any training image: check that nothing covers the part"


def _pattern(*_: object) -> str:
    return (
        "another product, or turned or at another distance: its pattern is unlike that of any training image"
    )


def _product(*_: object) -> str:
    return "another product, or another state of it: the image as a whole is unlike any training image"


_TOPICS = (
    Topic(("shadows", "brightness", "highlights"), -1, _darker),
    Topic(("shadows", "brightness", "highlights"), 1, _brighter),
    Topic(("clipped_dark", "clipped_bright"), 1, _clipped),
    Topic(("contrast", "local_contrast"), -1, _faint),
    Topic(("contrast", "local_contrast"), 1, _strong),
    Topic(("noise", "crispness_0", "crispness_1", "sharpness", "fine_sharpness"), -1, _soft),
    Topic(("noise", "crispness_0", "crispness_1", "sharpness", "fine_sharpness"), 1, _rough),
    Topic(("redness", "blueness", "saturation"), 0, _colour),
    Topic(("down", "right"), 0, _shifted),
    Topic(("polarity",), 1, _inverted),
    Topic(("mirrored", "flipped", "turned"), 1, _mirrored),
    Topic(("match",), -1, _missing, cause=False),
    Topic(("unlike",), 1, _unlike, cause=False),
    Topic(
        (
            *("scale", "fine_scale", "direction_1", "direction_2", "slant_1", "slant_2"),
            *("asymmetry_1", "asymmetry_2", "level_asymmetry"),
        ),
        0,
        _pattern,
        cause=False,
    ),
    Topic(("distance",), 1, _product, cause=False),
)
