"""Checks a calibration that was read from a file: the threshold must follow from the scores beside it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard, get_args

from excision.errors import SettingsError
from excision.settings.calibration import MOST_FOLDS, OddRule

if TYPE_CHECKING:
    from excision.method.calibration import Calibration, CostChoice

_RATE_ROUNDING = 1e-9
_ALWAYS = ("threshold", "wanted_rate", "promised_rate", "scores")
_WITH_CONFIDENCE = ("groups", "confidence")
_SINCE_CONFIDENCE = (*_WITH_CONFIDENCE, "names", "odd_image", "odd", "cost", "folds", "cross_fitted")


def require(condition: bool, message: str) -> None:
    """Raise a ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def check_entries(content: Any, names: Collection[str], optional: Collection[str], what: str) -> None:
    """Check that a JSON object has these entries, and no others.

    Raises:
        ValueError: it is no object, or an entry is missing or unknown.
    """
    require(isinstance(content, dict), f"{what} is {reprlib.repr(content)}: it must be an object")
    for name in names:
        require(name in content, f"{what} has no entry {name!r}")
    unknown = [name for name in content if name not in names and name not in optional]
    require(not unknown, f"{what} has an unknown entry {reprlib.repr(unknown[:1])}")


def stored_calibration(
    content: Any, what: str, promised: Callable[[Calibration], Calibration] | None = None
) -> Calibration:
    """Return a threshold that follows from its scores, or that a person set.

    Entries of before promises had a confidence are an average promise, with each score a group of its own.

    Args:
        content: read from JSON.
        what: name of the calibration, for messages.
        promised: gives a calibration the rate that its threshold promises; None if the threshold follows from
            the scores, or a person set it.

    Raises:
        ValueError: an entry is wrong, or threshold and rate do not follow from the scores.
    """
    from excision.method.calibration import Calibration

    check_entries(content, _ALWAYS, _SINCE_CONFIDENCE, what)
    if any(name in content for name in _SINCE_CONFIDENCE):
        check_entries(content, (*_ALWAYS, *_WITH_CONFIDENCE), _SINCE_CONFIDENCE, what)
    wanted, confidence = content["wanted_rate"], content.get("confidence")
    for name in ("threshold", "promised_rate"):
        require(is_number(content[name]), f"{what}.{name} must be a finite number")
    require(wanted is None or (is_number(wanted) and 0 < wanted < 1), f"{what}.wanted_rate is not a rate")
    require(
        confidence is None or (is_number(confidence) and 0.5 <= confidence < 1),
        f"{what}.confidence is not a confidence",
    )
    scores = _scores(content["scores"], what)
    odd_image = content.get("odd_image", "pass_over")
    require(odd_image in get_args(OddRule), f"{what}.odd_image is {reprlib.repr(odd_image)}")
    found = Calibration(
        threshold=float(content["threshold"]),
        wanted_rate=None if wanted is None else float(wanted),
        promised_rate=float(content["promised_rate"]),
        scores=scores,
        groups=_groups(content.get("groups", []), len(scores), what),
        confidence=None if confidence is None else float(confidence),
        names=_names(content.get("names", []), len(scores), what),
        odd_image=odd_image,
        folds=_fold_count(content.get("folds", 0), what),
        cost=_cost(content.get("cost"), what),
        cross_fitted=_cross_fitted(content.get("cross_fitted", 0), len(scores), what),
    )
    return _following(found, what, promised)


def _following(
    found: Calibration, what: str, promised: Callable[[Calibration], Calibration] | None
) -> Calibration:
    """Check that threshold and rate follow from the scores, and add what else follows."""
    from excision.method.calibration import calibrate

    require(found.cost is None or found.wanted_rate is None, f"{what} has a cost and a wanted rate")
    if promised is not None:
        expected = promised(found)
    elif found.wanted_rate is None:
        expected = found.at(found.threshold)
    else:
        expected = calibrate(
            found.scores,
            found.wanted_rate,
            confidence=found.confidence,
            groups=found.groups,
            names=found.names or None,
            odd_image=found.odd_image,
        )
    require(
        found.threshold == expected.threshold,
        f"{what}.threshold is {found.threshold!r}, and its scores and rate give {expected.threshold!r}",
    )
    require(
        abs(found.promised_rate - expected.promised_rate) <= _RATE_ROUNDING,
        f"{what}.promised_rate is {found.promised_rate!r}, and its scores promise {expected.promised_rate!r}",
    )
    return replace(found, odd=expected.odd)


def _scores(content: Any, what: str) -> tuple[float, ...]:
    require(isinstance(content, list) and bool(content), f"{what}.scores must be a list of numbers")
    require(all(map(is_number, content)), f"{what}.scores must be finite numbers")
    ascending = tuple(map(float, content))
    require(ascending == tuple(sorted(ascending)), f"{what}.scores must ascend")
    return ascending


def _groups(content: Any, count: int, what: str) -> tuple[int, ...]:
    """Return the group of each score; consecutive numbers bound the memory that counting takes."""
    advice = f"{what}.groups must number the groups of its scores in the order in which they occur"
    require(isinstance(content, list) and len(content) in (0, count), advice)
    following = 0
    for number in content:
        whole = isinstance(number, int) and not isinstance(number, bool)
        require(whole and 0 <= number <= following, advice)
        following = max(following, number + 1)
    return tuple(content)


def _fold_count(content: Any, what: str) -> int:
    whole = isinstance(content, int) and not isinstance(content, bool)
    require(whole and (content == 0 or 2 <= content <= MOST_FOLDS), f"{what}.folds is no number of folds")
    return int(content)


def _cross_fitted(content: Any, count: int, what: str) -> int:
    whole = isinstance(content, int) and not isinstance(content, bool)
    require(whole and 0 <= content <= count, f"{what}.cross_fitted is no number of its images")
    return int(content)


def _names(content: Any, count: int, what: str) -> tuple[str, ...]:
    fits = isinstance(content, list) and len(content) in (0, count)
    require(
        fits and all(isinstance(name, str) for name in content),
        f"{what}.names must name the image of each of its scores",
    )
    return tuple(content)


def _cost(content: Any, what: str) -> CostChoice | None:
    from excision.method.calibration import CostChoice, Costs

    if content is None:
        return None
    name = f"{what}.cost"
    pairs = ("expected_interval", "threshold_interval")
    check_entries(content, ("costs", "defects", "missed", "expected", *pairs), (), name)
    check_entries(content["costs"], ("escape", "false_alarm", "defect_share"), (), f"{name}.costs")
    require(all(map(is_number, content["costs"].values())), f"{name}.costs must be finite numbers")
    for single in ("defects", "missed", "expected"):
        require(is_number(content[single]), f"{name}.{single} must be a finite number")
    try:
        costs = Costs(**content["costs"])
    except SettingsError as error:
        raise ValueError(f"{name}: {error}") from error
    return CostChoice(
        costs,
        int(content["defects"]),
        float(content["missed"]),
        float(content["expected"]),
        _pair(content["expected_interval"], f"{name}.expected_interval"),
        _pair(content["threshold_interval"], f"{name}.threshold_interval"),
    )


def _pair(content: Any, what: str) -> tuple[float, float]:
    fits = isinstance(content, list) and len(content) == 2 and all(map(is_number, content))
    require(fits, f"{what} must be two finite numbers")
    return float(content[0]), float(content[1])


def is_number(content: Any) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    if not isinstance(content, int | float) or isinstance(content, bool):
        return False
    try:
        return math.isfinite(content)
    except OverflowError:  # a whole number that no float can hold
        return False
