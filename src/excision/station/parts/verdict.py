"""From the views of a part to its one verdict: plain logic, without a clock or a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

PartVerdict = Literal["good", "review", "defect", "unfit", "fault"]
PART_VERDICTS: tuple[PartVerdict, ...] = get_args(PartVerdict)

SEVERITY: tuple[PartVerdict, ...] = ("defect", "fault", "unfit", "review", "good")
"""What a part is, from its views: the first of these that one of them is. A defect that was seen is one,
whatever another view lacks; a part of which a view is missing is never good."""

Missing = Literal["fault", "review"]
"""What a part counts as, of which a view or its code is missing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one view of a part says.

    Attributes:
        verdict: on the view; "fault" where it could not be inspected.
        reason: why it is unfit or a fault, in words; empty otherwise.
        code: why the code of the part could not be taken from this view, in words; empty otherwise.
    """

    verdict: PartVerdict
    reason: str = ""
    code: str = ""


def worst(verdicts: Sequence[PartVerdict]) -> PartVerdict:
    """Give the most severe of some verdicts; at least one."""
    return min(verdicts, key=SEVERITY.index)


def verdict_of(
    expected: Sequence[str], seen: Mapping[str, Seen], missing: Missing = "fault"
) -> tuple[PartVerdict, str]:
    """Give the verdict on a part, and the reason in words.

    Args:
        expected: names of the views that make it whole; empty where one view of any name does.
        seen: what the views that came say, by name.
        missing: what the part counts as, at best, where a view or its code is missing.
    """
    absent = [name for name in expected if name not in seen]
    verdicts = [each.verdict for each in seen.values()]
    reasons = []
    found = worst(verdicts) if verdicts else missing
    decisive = sorted(name for name, each in seen.items() if each.verdict == found and name)
    if found in ("defect", "review") and decisive and len(seen) > 1:
        reasons.append(f"{', '.join(decisive)}: {found}")
    for name, each in seen.items():
        said = [why for why in (each.reason, each.code) if why]
        reasons += [f"{name}: {why}" if name else why for why in said]
    if absent:
        reasons.append(f"no picture of {', '.join(absent)} came in time")
    if absent or any(each.code for each in seen.values()) or not seen:
        found = worst([found, missing])
    return found, "; ".join(reasons)
