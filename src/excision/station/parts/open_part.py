"""A part that has no verdict yet: what its views say so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from excision.station.parts.codes import Reading
from excision.station.parts.rows import Part
from excision.station.parts.verdict import Seen
from excision.station.store.records import StoredResult


@dataclass
class OpenPart:
    """A part without a verdict: what has come of it, and what is on its way to the disk.

    Attributes:
        part: its row.
        deadline: at which it gets its verdict in any case, by `time.monotonic`.
        seen: what the views on disk say, by name.
        coming: what is wrong with the code of each view that is on its way to the disk; empty for nothing.
    """

    part: Part
    deadline: float
    seen: dict[str, Seen] = field(default_factory=dict)
    coming: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        expected: tuple[str, ...],
        serial: str | None,
        lot: str | None,
        recipe: str | None,
        timeout: float,
    ) -> OpenPart:
        """Give a part of this moment, without a row yet, that gets its verdict after so many seconds."""
        now = time.time()
        row = Part(now, expected, serial, lot, recipe, now + timeout)
        return cls(row, deadline=time.monotonic() + timeout)

    @property
    def is_complete(self) -> bool:
        """Tell whether every view is there."""
        return self.seen.keys() >= set(self.part.expected) and bool(self.seen)

    def lacks(self, view: str) -> bool:
        """Tell whether a view has not come yet."""
        return view not in self.seen and view not in self.coming

    def learn(self, result: StoredResult) -> None:
        """Take from a result what nobody has said of the part so far."""
        self.part = replace(
            self.part,
            serial=self.part.serial or result.serial,
            lot=self.part.lot or result.lot,
            recipe=self.part.recipe or result.recipe,
        )

    def take(self, result: StoredResult) -> None:
        """Count a result that is on disk."""
        view = result.view or ""
        reason = result.error or "; ".join(result.unfit)
        fault = self.coming.pop(view, "")
        self.seen[view] = Seen(result.verdict or "fault", reason, fault)


def with_code(result: StoredResult, code: Reading | None) -> tuple[StoredResult, str]:
    """Give a result with what its code says, and what is wrong with the code, in words."""
    if code is None:
        return result, ""
    fault = code.fault
    for name, said, read in (("serial", result.serial, code.serial), ("lot", result.lot, code.lot)):
        if said is not None and read is not None and said != read:
            fault = f"the code says {name} {read}, but {said} was given"
    known = replace(result, serial=result.serial or code.serial, lot=result.lot or code.lot)
    return known, fault
