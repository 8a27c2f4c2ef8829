"""The report of a capability study, alone or within the report of an evaluation."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from excision.capability.kinds import NAMES
from excision.capability.result import Answer, Capability, Curve, Size
from excision.report.capability_figures import interval, pod_chart, words
from excision.report.capability_maps import map_picture, png_bytes
from excision.report.page import digest, page_part, page_template
from excision.report.tables import Cell, Table
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


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of sizes in a report: millimetres if the size of a pixel is known, otherwise pixels."""

    name: str
    factor: float

    @classmethod
    def of(cls, capability: Capability) -> Unit:
        """Give the unit of a study."""
        known = capability.mm_per_pixel
        return cls("px", 1.0) if known is None else cls("mm", known)

    def size(self, size: Size | None) -> str:
        """Give a size in words."""
        return "\N{EN DASH}" if size is None else words(size.value, size.relation, self.name, self.factor)


def write_capability_report(folder: Path, capability: Capability) -> Path:
    """Write the report of a study as one HTML file that loads nothing else, atomically.

    Returns:
        The file that was written.
    """
    from markupsafe import Markup

    theme, script = page_part("theme.js"), page_part("report.js")
    content = {
        "study": capability_content(capability),
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
    return (
        f"A size that is found in {capability.rate:.0%} of cases with {capability.confidence:.0%} confidence "
        f"(a90/95) is reached on {len(reached)} of {len(capability.curves)} curves."
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


def sizes_table(capability: Capability) -> Table:
    """Give a90 and a90/95 of each kind and contrast."""
    unit = Unit.of(capability)
    rows = [
        (
            Cell(NAMES[curve.kind]),
            Cell(f"{100 * curve.contrast:.3g} %", curve.contrast),
            Cell(f"{curve.hits} of {curve.drawings}", curve.hits / curve.drawings),
            Cell(unit.size(curve.a50), _key(curve.a50)),
            Cell(unit.size(curve.a90), _key(curve.a90)),
            Cell(unit.size(curve.a90_95), _key(curve.a90_95)),
            Cell(unit.size(curve.signal_a90), _key(curve.signal_a90)),
            Cell(_fit(curve)),
        )
        for curve in capability.curves
    ]
    head = ("Kind", "Contrast", "Found", "a50", "a90", "a90/95", "a90 by a-hat", "Logit model")
    return Table(
        "sizes",
        "Smallest sizes that are found",
        head,
        tuple(rows),
        "a90: found in 90 % of cases. a90/95: upper 95 % confidence limit of a90, the larger of the "
        "likelihood ratio and the bootstrap over parts. > 120 px: not reached at 120 px, the largest size "
        "drawn; nothing is extrapolated.",
    )


def observed_table(capability: Capability) -> Table:
    """Give what was observed in each bin of sizes."""
    unit = Unit.of(capability)
    rows = [
        (
            Cell(NAMES[curve.kind]),
            Cell(f"{100 * curve.contrast:.3g} %", curve.contrast),
            Cell(f"{one.low * unit.factor:.3g} to {one.high * unit.factor:.3g} {unit.name}", one.low),
            Cell(f"{one.hits} of {one.number}", one.hits / one.number),
            Cell(interval(one), one.lower),
        )
        for curve in capability.curves
        for one in curve.bins
    ]
    head = ("Kind", "Contrast", "Size", "Found", "90 % interval")
    return Table("observed", "Drawings found, by size", head, tuple(rows))


def real_table(capability: Capability) -> Table | None:
    """Give predicted beside observed detection of real defects; None if there were none."""
    if capability.real is None:
        return None
    unit = Unit.of(capability)
    rows = [
        (
            Cell(one.label),
            Cell(NAMES.get(one.kind, "any kind")),  # type: ignore[call-overload]  # "any" is no kind
            Cell(
                f"{one.observed.low * unit.factor:.3g} to {one.observed.high * unit.factor:.3g} {unit.name}",
                one.observed.low,
            ),
            Cell(f"{100 * one.contrast:.3g} %", one.contrast),
            Cell(f"{100 * one.predicted:.0f} %", one.predicted),
            Cell(f"{one.observed.hits} of {one.observed.number}", one.observed.hits / one.observed.number),
            Cell(interval(one.observed), one.observed.lower),
        )
        for one in capability.real.bins
    ]
    head = ("Real defect", "Predicted as", "Length", "Contrast", "Predicted", "Found", "90 % interval")
    return Table("real", "Real defects: predicted and found", head, tuple(rows), capability.real.sentence)


def map_words(capability: Capability, number: int) -> str:
    """Say in words where a map is brightest, and how much the place matters."""
    one, unit = capability.maps[number], Unit.of(capability)
    if one.prior == 0:
        return "No difference between places was found."
    sizes = [one.largest * 1.5 if size is None else size for size in one.sizes]
    worst, best = max(range(len(sizes)), key=sizes.__getitem__), min(sizes)
    row, column = divmod(worst, one.columns)
    down = ("top", "middle", "bottom")[min(2, 3 * row // one.rows)]
    across = ("left", "centre", "right")[min(2, 3 * column // one.columns)]
    most = one.sizes[worst]
    size = (
        f"not even {one.largest * unit.factor:.3g} {unit.name} there"
        if most is None
        else f"{most * unit.factor:.3g} {unit.name} there"
    )
    return f"Weakest at the {down} {across}: {size}, {best * unit.factor:.3g} {unit.name} at the best place."


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


def _fit(curve: Curve) -> str:
    if curve.hits in (0, curve.drawings):
        return "all found" if curve.hits else "none found"
    if not curve.fits:
        return "does not fit" if curve.slope > 0 else "does not grow with size"
    return "fits" if curve.fit_p is None else f"fits, p = {curve.fit_p:.2g}"


def _key(size: Size | None) -> float:
    if size is None or size.value is None:
        return 1e12
    return size.value + (1e9 if size.relation == ">" else 0)
