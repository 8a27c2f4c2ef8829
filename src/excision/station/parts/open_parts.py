"""The parts without a verdict, in memory: which of them a result belongs to."""

from __future__ import annotations

import time
from collections.abc import Collection, Container, Iterable, Iterator

from excision.station.parts.open_part import OpenPart
from excision.station.parts.rows import Part, fault_of
from excision.station.parts.settings import PartsSettings
from excision.station.store.records import StoredResult


class OpenParts:
    """The parts without a verdict, by their numbers. Not safe for threads: its owner locks.

    Args:
        settings: which views make a part.
    """

    def __init__(self, settings: PartsSettings) -> None:
        self._settings = settings
        self._parts: dict[int, OpenPart] = {}
        self._late = LateViews()

    def __len__(self) -> int:
        """Give how many there are."""
        return len(self._parts)

    def __iter__(self) -> Iterator[OpenPart]:
        """Give each of them, in the order in which they were added."""
        return iter(self._parts.values())

    @property
    def numbers(self) -> Collection[int]:
        """Their numbers at this moment."""
        return set(self._parts)

    def get(self, number: int | None) -> OpenPart | None:
        """Give a part by its number; None where it has its verdict, or there is none."""
        return None if number is None else self._parts.get(number)

    def add(self, parts: Iterable[OpenPart]) -> None:
        """Add parts that have their rows."""
        self._parts.update((one.part.id, one) for one in parts)

    def keep(self, numbers: Collection[int]) -> None:
        """Forget all but these: the others lost their rows."""
        self._parts = {number: one for number, one in self._parts.items() if number in numbers}

    def restore(self, part: Part, results: Iterable[StoredResult]) -> None:
        """Add a part from before a restart with the results that it had."""
        left = 0.0 if part.deadline is None else part.deadline - time.time()
        one = OpenPart(part, deadline=time.monotonic() + min(max(left, 0.0), self._settings.timeout))
        for result in results:
            view = result.view or ""
            one.coming[view] = fault_of(part, view)
            if not one.coming[view] and self._settings.reads_code(view) and not (result.serial or result.lot):
                one.coming[view] = "no code was read before the station was restarted"
            one.learn(result)
            one.take(result)
        if one.is_complete:
            one.deadline = time.monotonic()
        self.add([one])

    def close(self, part: Part, until: float) -> None:
        """Forget a part that has its verdict, but expect the views that it lacks until a time."""
        one = self._parts.pop(part.id)
        self._late.expect(part, one.seen, until)

    def settle(self, result: StoredResult) -> None:
        """Count a late view that is on disk."""
        self._late.settle(result.part, result.view or "")

    def put_back(self, result: StoredResult) -> None:
        """Expect a late view once more, which could not be stored."""
        self._late.put_back(result.part, result.view or "")

    def forget_late(self, now: float) -> None:
        """Expect no more the late views that were expected until then."""
        self._late.forget(now)

    def part_of(self, result: StoredResult, fault: str, new: list[OpenPart]) -> OpenPart | int | None:
        """Give the open part of a result, the number of one that has its verdict, or None for no part.

        Args:
            result: not in the store yet.
            fault: what is wrong with its code, in words; empty for nothing.
            new: parts that have no row yet; one that the result begins is appended.
        """
        view = result.view or ""
        expected = self._settings.views
        if result.part is not None:
            one = self.get(result.part)
            if one is None:
                return result.part
        elif expected and view not in expected:
            return None
        else:
            one = self._find(result.serial, view, new)
            late = None if one is not None else self._late.take(result.serial, view)
            if late is not None:
                return late
        if one is None:
            one = OpenPart.begin(expected, result.serial, result.lot, result.recipe, self._settings.timeout)
            new.append(one)
        one.coming[view] = fault
        one.learn(result)
        return one

    def _find(self, serial: str | None, view: str, new: list[OpenPart]) -> OpenPart | None:
        if serial is None or not self._settings.views:
            return None
        return next(
            (
                one
                for one in (*self, *new)
                if one.part.serial == serial and one.lacks(view) and view in one.part.expected
            ),
            None,
        )


class LateViews:
    """Views that were missing at the verdict: a late one belongs to its part, and changes nothing."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], tuple[int, float]] = {}
        self._coming: dict[tuple[int | None, str], tuple[str, float]] = {}

    def expect(self, part: Part, seen: Container[str], until: float) -> None:
        """Expect the views that a part lacks until a time, by the clock of whoever calls `forget`."""
        if part.serial is not None:
            late = [view for view in part.expected if view not in seen]
            self._parts.update({(part.serial, view): (part.id, until) for view in late})

    def take(self, serial: str | None, view: str) -> int | None:
        """Give the number of the part that a view was missing of; None for no such part.

        Once, unless the view is put back: `settle` or `put_back` must follow.
        """
        if serial is None or (serial, view) not in self._parts:
            return None
        number, until = self._parts.pop((serial, view))
        self._coming[number, view] = serial, until
        return number

    def settle(self, number: int | None, view: str) -> None:
        """Say that a view that was taken is on disk."""
        self._coming.pop((number, view), None)

    def put_back(self, number: int | None, view: str) -> None:
        """Expect a view again that was taken and could not be stored."""
        taken = self._coming.pop((number, view), None)
        if taken is not None and number is not None:
            self._parts[taken[0], view] = number, taken[1]

    def forget(self, now: float) -> None:
        """Expect no more what was expected until then."""
        self._parts = {key: found for key, found in self._parts.items() if found[1] > now}
