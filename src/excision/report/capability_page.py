"""The report of a capability study, alone or within the report of an evaluation."""

from __future__ import annotations

import base64
import math
from itertools import groupby
from pathlib import Path
from typing import Any

from excision.capability.kinds import NAMES
from excision.capability.part import REGIONS
from excision.capability.requirement_result import Answer
from excision.capability.result import Capability
from excision.capability.stored import stored_capability, threshold_note
from excision.errors import ResultsError
from excision.method.folder_kinds import CAPABILITY
from excision.report.capability_figures import pod_chart
from excision.report.capability_maps import map_picture, png_bytes
from excision.report.capability_tables import Unit, observed_table, real_table, sizes_table
from excision.report.own_words import Words
from excision.report.page import digest, page_part, page_template
from excision.report.signing import STUDIED, signing
from excision.system.files import atomic_path
from excision.version import __version__
from excision.visualization import pictures

REPORT = "report.html"

SIGNS: dict[Answer, str] = {"yes": "●", "not everywhere": "◆", "no": "▲", "not shown": "○"}
STYLES: dict[Answer, str] = {"yes": "good", "not everywhere": "review", "no": "defect", "not shown": "open"}

HONEST = (
    "These defects are drawn on images of good parts. Drawn defects are not real ones: a curve says what the "
    "model sees of defects that look like these. Confirm what you sign for with real defects."
)


def write_capability_report(folder: Path, capability: Capability, words: Words | None = None) -> Path:
    """Write the report of a study as one HTML file that loads nothing else, atomically.

    Args:
        folder: to write to.
        capability: the study.
        words: with the names of operator and customer, for the lines to sign on.

    Returns:
        The file that was written.
    """
    from markupsafe import Markup

    theme, script = page_part("theme.js"), page_part("report.js")
    content = {
        "study": capability_content(capability),
        **signing(STUDIED, words or Words()),
        "title": f"What {capability.model} can see",
        "legend": pictures.heat_colours(),
        "version": __version__,
        "scripts": {"theme": Markup(theme), "report": Markup(script)},
        "policy": " ".join(f"'sha256-{digest(text)}'" for text in (theme, script)),
    }
    target = folder / REPORT
    with (
        atomic_path(target) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as stream,
    ):
        stream.write(page_template("capability.html.j2").render(content))
    return target


def keep_capability(model: Path, threshold: float | None, folder: Path) -> str | None:
    """Copy the result in a model's folder beside the results of an evaluation, for its report.

    Args:
        model: folder of the model.
        threshold: at which it is evaluated; None for an altered model, to which the result does not apply.
        folder: of the results; an earlier copy in it is removed.

    Returns:
        Why the result in the model's folder cannot be used; None if it can, or if there is none.
    """
    (folder / CAPABILITY).unlink(missing_ok=True)
    try:
        found = None if threshold is None else stored_capability(model)
    except ResultsError as error:
        return str(error)
    if found is not None:
        found.save(folder / CAPABILITY)
    return None


def kept_content(folder: Path, threshold: float | None) -> dict[str, Any] | None:
    """Give what the report of an evaluation shows of the study beside it; None if there is none.

    Args:
        folder: of the results.
        threshold: of the evaluation.
    """
    path = folder / CAPABILITY
    if not path.is_file():
        return None
    found = Capability.load(path)
    changed = threshold_note(found, threshold)
    content = capability_content(found)
    content["notes"] = [*([changed] if changed else []), *found.notes]
    return content


def capability_content(capability: Capability) -> dict[str, Any]:
    """Give what the templates show of a study."""
    from markupsafe import Markup

    unit = Unit.of(capability)
    charts = [
        pod_chart(list(curves), capability.rate, capability.mm_per_pixel)
        for _, curves in groupby(capability.curves, key=lambda curve: curve.kind)
    ]
    return {
        "headline": headline(capability),
        "facts": _facts(capability),
        "statements": statements(capability),
        "answers": [(one, SIGNS[one.answer], STYLES[one.answer]) for one in capability.requirements],
        "signs": SIGNS,
        "styles": STYLES,
        "charts": [(chart, Markup(chart.inline())) for chart in charts],
        "tables": [table for table in (sizes_table(capability), observed_table(capability)) if table.rows],
        "real": real_table(capability),
        "maps": [
            {
                "kind": NAMES[one.kind],
                "contrast": f"{100 * one.contrast:.3g} %",
                "low": f"{one.smallest * unit.factor:.3g} {unit.name}",
                "high": f"{one.largest * unit.factor:.3g} {unit.name}",
                "said": map_words(capability, number),
                "source": "data:image/png;base64,"
                + base64.b64encode(png_bytes(map_picture(capability, one))).decode("ascii"),
            }
            for number, one in enumerate(capability.maps)
        ],
        "notes": capability.notes,
        "honest": HONEST,
    }


def headline(capability: Capability) -> str:
    """Give the result in one sentence."""
    asked = capability.requirements
    if asked:
        met = sum(one.answer == "yes" for one in asked)
        return f"{met} of {len(asked)} requirement{'' if len(asked) == 1 else 's'} shown to be met."
    reached = [curve for curve in capability.curves if curve.a90_95.relation in ("=", "<=")]
    sure = f"{100 * capability.rate:.0f} % of cases with {100 * capability.confidence:.0f} % confidence"
    return (
        f"A size that is found in {sure} (a90/95) is reached on {len(reached)} of {len(capability.curves)} "
        "curves."
    )


def statements(capability: Capability) -> list[tuple[str, str]]:
    """Give what was measured and what it means, a topic and its sentences each."""
    total = capability.parts + capability.false_calls
    independent = f"{capability.groups:,} independent part{'' if capability.groups == 1 else 's'}"
    told = [
        (
            "Measured",
            f"{capability.drawings:,} defects were drawn on {capability.parts:,} images of {independent} "
            "that the model passes, one at a time, and inspected at the threshold "
            f"{capability.threshold:.4g}. A defect is found if its image is called defective.",
        ),
        (
            "False calls",
            f"Without a defect {capability.false_calls:,} of {total:,} good images are called defective "
            f"(90 % interval of the rate: {100 * capability.false_call_lower:.1f} to "
            f"{100 * capability.false_call_upper:.1f} %). "
            "Nothing was drawn on them, so no false call counts as a detection: the curves begin at 0.",
        ),
        ("Drawn defects", HONEST),
    ]
    if capability.real is not None:
        told.append(("Real defects", f"{capability.real.dataset}: {capability.real.sentence}"))
    return told


def map_words(capability: Capability, number: int) -> str:
    """Say in words where a map is brightest, and how much the place matters."""
    one, unit = capability.maps[number], Unit.of(capability)
    if all(size is None for size in one.sizes):
        most = f"{one.largest * unit.factor:.3g} {unit.name}"
        return f"Nowhere are {100 * capability.rate:.0f} % reached at {most}, the largest size drawn."
    if one.prior == 0:
        even = (one.sizes[0] or one.largest) * unit.factor
        return f"{even:.3g} {unit.name} everywhere: no difference between places was found."
    regions: dict[str, list[float | None]] = {name: [] for name in REGIONS}
    for place, size in enumerate(one.sizes):
        row, column = divmod(place, one.columns)
        regions[REGIONS[3 * (3 * row // one.rows) + 3 * column // one.columns]].append(size)

    def typical(name: str) -> float:
        found = sorted(math.inf if size is None else size for size in regions[name])
        return found[len(found) // 2]

    worst, best = max(REGIONS, key=typical), min(REGIONS, key=typical)
    said = [
        f"not even {one.largest * unit.factor:.3g} {unit.name}"
        if math.isinf(size)
        else f"{size * unit.factor:.3g} {unit.name}"
        for size in (typical(worst), typical(best))
    ]
    return f"Weakest at the {worst}: {said[0]}. Best at the {best}: {said[1]}."


def _facts(capability: Capability) -> list[tuple[str, str]]:
    facts = [
        ("Model", f"{capability.model} ({capability.model_id})"),
        ("Threshold", f"{capability.threshold:.4g}"),
        ("Image", f"{capability.height} x {capability.width} pixels"),
        ("Seed", str(capability.seed)),
        ("Date", capability.date),
    ]
    if capability.reduction > 1.01:
        facts.insert(
            3, ("The model sees", f"1 pixel for {capability.reduction:.3g} of the image, on each side")
        )
    if capability.mm_per_pixel is not None:
        facts.insert(3, ("Pixel", f"{capability.mm_per_pixel:g} mm"))
    return facts
