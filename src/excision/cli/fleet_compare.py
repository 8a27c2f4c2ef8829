"""`excision fleet compare`: which models got worse from one fleet to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say, say_table
from excision.system.files import write_json

WORSE, NOT_COMPARED = 1, 2
"""Exit statuses where a model got worse, and where one could not be compared."""

_MOST_ROWS = 100

app = App(
    name="compare",
    help_epilogue="Both fleets must be evaluated. A model is worse if it is no longer trained or no longer "
    "promises its wanted rate, or if a paired test on the test images that both have scored says so: a lower "
    "image AUROC, more false alarms, more missed defects or more unfit good images. The tests "
    "count groups of images, and are adjusted for their number: noise alone calls no model worse in 95 % of "
    "comparisons. The exit status is "
    "1 if a model got worse, otherwise 2 if one could not be compared or is gone.\n\n"
    "```\n"
    "excision fleet compare runs/fleet runs/fleet_new\n"
    "excision fleet compare runs/fleet runs/fleet_new --out compared/\n"
    "```",
)


@app.default
def compare(
    old: Annotated[Path, Parameter(help="Folder of the first fleet.")],
    new: Annotated[Path, Parameter(help="Folder of the second fleet.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(help="Folder for `compare.json` and `compare.html`. By default none is written."),
    ] = None,
) -> int:
    """Tell which models got worse from one fleet to another."""
    from excision.fleet.comparison import compare_fleets, verdict_words
    from excision.fleet.comparison_page import comparison_json, write_comparison
    from excision.fleet.steps import records_of
    from excision.fleet.table import read_plans

    found = compare_fleets(old, new, *(records_of(fleet, read_plans(fleet)) for fleet in (old, new)))
    order = {"worse": 0, "not compared": 1, "better": 2}
    shown = sorted(found, key=lambda each: order.get(each.answer, 3))
    rows = [
        [
            each.name,
            each.answer,
            "-" if each.auroc is None else f"{each.auroc.old:.4f}",
            "-" if each.auroc is None else f"{each.auroc.new:.4f}",
            verdict_words(each) or "-",
        ]
        for each in shown[:_MOST_ROWS]
    ]
    say_table(f"{len(found)} models", ("model", "result", "AUROC, old", "new", "changed verdicts"), rows)
    for each in shown:
        for why in each.reasons:
            say(f"{each.name}: {why}")
    if out is not None:
        write_json(out / "compare.json", {"old": str(old), "new": str(new), "models": comparison_json(found)})
        write_comparison(out / "compare.html", old, new, found)
        say(f"Report: {out / 'compare.html'}")
    worse = sum(each.answer == "worse" for each in found)
    say(f"{worse} of {len(found)} got worse")
    if worse:
        return WORSE
    return NOT_COMPARED if any(each.answer in ("not compared", "removed") for each in found) else 0
