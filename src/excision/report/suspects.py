"""The report of suspects: good training images that look defective, with their anomaly maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from excision.evaluation.examples import Example
from excision.inspection.batch import record
from excision.inspection.log import InspectionLog, InspectionRecord
from excision.method.suspects import FALSE_DISCOVERY_RATE, Suspect
from excision.predictions import Prediction
from excision.report.example_stages import write_examples
from excision.report.own_words import Words
from excision.report.report import write_report
from excision.report.results_folder import About, write_about
from excision.system.csv_rows import csv_row
from excision.system.dates import today
from excision.system.files import write_text
from excision.visualization.overlays import overlay_name, readable

FOLDER, TABLE = "suspects", "suspects.csv"
"""Folder of the suspects in a run folder, and the table of their names in it."""

_HEAD = ("image", "score", "chance", "part")
_SHOWN = 12


def write_suspects(
    out: Path, found: Iterable[tuple[Suspect, Prediction]], searched: int
) -> tuple[Suspect, ...]:
    """Write the suspects to a folder: `suspects.csv`, a picture of each, and `report.html`.

    Nothing is written if there are none.

    Args:
        out: folder to write.
        found: each suspect and the prediction for it, strongest first.
        searched: number of good images among which they were found.

    Returns:
        The suspects.
    """
    suspects: list[Suspect] = []
    records: list[InspectionRecord] = []
    examples: list[Example] = []
    for suspect, prediction in found:
        suspects.append(suspect)
        overlay = overlay_name(suspect.name)
        seconds = prediction.seconds
        records.append(record(prediction, suspect.name, out, overlay, size=None, seconds=seconds))
        if len(examples) < _SHOWN:
            examples.append(Example(readable(suspect.name), None, prediction.overview()))
    if suspects:
        out.mkdir(parents=True, exist_ok=True)
        InspectionLog(out, records).__exit__(None, None, None)
        rows = [_HEAD, *((s.name, repr(s.score), f"{s.chance:.3g}", s.part) for s in suspects)]
        write_text(out / TABLE, "".join(map(csv_row, rows)))
        threshold = examples[0].prediction.threshold
        write_about(out, About("inspection", date=today(), threshold=threshold, searched=searched))
        examples.sort(key=lambda example: example.outcome)
        write_examples(out, examples)
        write_report(out, words=_words(len(suspects)))
    return tuple(suspects)


def _words(count: int) -> Words:
    images = "1 image was" if count == 1 else f"{count} images were"
    return Words(
        title="Good training images that look defective",
        notes=f"{images} given as good, and the anomaly score is far above what the other good images "
        "show. Look at each. If it shows a defect, remove it from the data, or train with --drop-suspects. "
        "If it is good, keep it: without it the model would not know that such parts are good, and the "
        "false-alarm promise would not count them.\n"
        f"About {FALSE_DISCOVERY_RATE:.0%} of suspects are expected to be ordinary good images if good "
        "scores have an exponential tail, and more if the tail is heavier.",
    )
