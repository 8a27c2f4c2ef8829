"""Checks of a stored state: everything that is read has the type and the size that was written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from excision.errors import ResultsError

_LARGEST = sys.float_info.max


def need(condition: bool, name: str) -> None:
    """Refuse a state in which something is not as written.

    Raises:
        ResultsError: the condition does not hold.
    """
    if not condition:
        raise ResultsError(f"the stored state of the drift monitor is damaged ({name}): reset the monitor")


def need_numbers(state: Mapping[str, Any], name: str, most: int) -> list[float]:
    """Return a list of at most so many finite numbers.

    Raises:
        ResultsError: it is something else.
    """
    values = need_list(state, name, most)
    need(all(type(value) in (int, float) and abs(value) <= _LARGEST for value in values), name)
    return [float(value) for value in values]


def need_counts(state: Mapping[str, Any], name: str, most: int) -> list[int]:
    """Return a list of at most so many integers from 0.

    Raises:
        ResultsError: it is something else.
    """
    values = need_list(state, name, most)
    need(all(type(value) is int and value >= 0 for value in values), name)
    return list(values)


def need_count(state: Mapping[str, Any], name: str) -> int:
    """Return an integer from 0.

    Raises:
        ResultsError: it is something else.
    """
    value = state.get(name)
    need(type(value) is int and value >= 0, name)
    assert isinstance(value, int)
    return value


def need_list(state: Mapping[str, Any], name: str, most: int) -> list[Any]:
    """Return a list of at most so many entries, unchecked.

    Raises:
        ResultsError: it is something else.
    """
    values = state.get(name)
    need(isinstance(values, list) and len(values) <= most, name)
    assert isinstance(values, list)
    return values


def need_object(state: Mapping[str, Any], name: str, most: int) -> dict[str, Any]:
    """Return an object of at most so many entries, unchecked.

    Raises:
        ResultsError: it is something else.
    """
    values = state.get(name)
    need(isinstance(values, dict) and len(values) <= most, name)
    assert isinstance(values, dict)
    return values
