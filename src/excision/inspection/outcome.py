"""What the verdicts of many images come to: in words, and as the exit status of a command."""

from __future__ import annotations

from collections.abc import Mapping

from excision.predictions import Verdict

FAILURES = 20
"""Images that could not be inspected and are named; all of them are counted."""


def exit_status(counts: Mapping[Verdict | None, int]) -> int:
    """Give 2 if an image could not be inspected, otherwise 1 if not all images are good, otherwise 0.

    Args:
        counts: number of images of each verdict; None is that of images that could not be inspected.
    """
    if counts.get(None, 0):
        return 2
    return 1 if sum(counts.values()) > counts.get("good", 0) else 0


def counted(counts: Mapping[Verdict | None, int]) -> str:
    """Name the counts; those for review and of unfit images only where there are any."""
    names: dict[Verdict | None, str] = {
        "good": "good",
        "review": "to review",
        "defect": "defective",
        "unfit": "unfit",
        None: "not inspected",
    }
    always = ("good", "defect", None)
    found = {verdict: counts.get(verdict, 0) for verdict in names}
    return ", ".join(f"{found[one]} {names[one]}" for one in names if found[one] or one in always)
