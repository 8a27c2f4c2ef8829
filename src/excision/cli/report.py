"""`excision report`: the page of results, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.output import say

app = App(
    name="report",
    help_epilogue="Makes one HTML file that needs no network: a cover in plain words, figures, tables that "
    "can be sorted, and every image. Printed from a browser it is a PDF to hand out. It needs neither the "
    "model nor torch, and the same results give the same file. `evaluate` and `inspect` write it by "
    "themselves; this verb adds your words, or brings results of an earlier version up to date.\n\n"
    "```\n"
    "excision report runs/parts/evaluation\n"
    "excision report results/ --title Acceptance --customer Example\n"
    "excision report results/ --notes notes.txt --out acceptance.html\n"
    "```",
)


@app.default
def report(
    results: Annotated[Path, Parameter(help="Folder that `excision evaluate` or `excision inspect` wrote.")],
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(help="File to write; RESULTS/report.html where not given. It links to the pictures there."),
    ] = None,
    title: Annotated[str | None, Parameter(help="Heading of the cover.")] = None,
    customer: Annotated[str | None, Parameter(help="For whom the report is; stands on the cover.")] = None,
    notes: Annotated[str | None, Parameter(help="Text for the cover, or a text file that holds it.")] = None,
) -> None:
    """Make the report of a folder of results."""
    from excision.report.report import Words, write_report

    target = write_report(results, out, Words(title, customer, _text(notes)))
    say(f"Report: {target}")


def _text(notes: str | None) -> str | None:
    """Give the notes themselves: those of a file, if they name one."""
    from excision.errors import SettingsError

    # A long text is no path, and asking the file system for one would fail.
    if notes is None or "\n" in notes or len(notes) > 255 or not Path(notes).is_file():
        return notes
    try:
        return Path(notes).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{notes}: is no text in UTF-8 ({error.reason} at byte {error.start})") from error
