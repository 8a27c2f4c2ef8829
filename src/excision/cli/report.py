"""`excision report`: the report of results, written again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import CustomerOption, LogoOption, OperatorOption
from excision.cli.output import say
from excision.cli.output_files import HTML_FILE

app = App(
    name="report",
    help_epilogue="Writes one HTML file that needs no network: a cover in plain words, figures, sortable "
    "tables, and every image. Print it from a browser to get a PDF. It needs neither the model nor torch, "
    "and the same results give the same file. `evaluate` and `inspect` write a report themselves; use this "
    "verb to add your own words, or to update results of an earlier version.\n\n"
    "```\n"
    "excision report runs/parts/evaluation\n"
    "excision report results/ --title Acceptance --customer Example --operator Weber --logo logo.png\n"
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
        Parameter(
            help="File to write, which links to the pictures in RESULTS. By default RESULTS/report.html."
        ),
        HTML_FILE,
    ] = None,
    title: Annotated[str | None, Parameter(help="Heading of the cover.")] = None,
    customer: CustomerOption = None,
    operator: OperatorOption = None,
    logo: LogoOption = None,
    notes: Annotated[
        str | None, Parameter(help="Text for the cover, or a text file that contains it.")
    ] = None,
) -> None:
    """Write the report of a folder of results again."""
    from excision.report.own_words import Words, read_logo
    from excision.report.report import write_report

    own = None if logo is None else read_logo(logo)
    words = Words(title, customer, _text(notes), operator, own)
    target = write_report(results, out, words)
    say(f"Report: {target}")


def _text(notes: str | None) -> str | None:
    """Give the text of the notes, read from a file if they name one."""
    from excision.errors import SettingsError

    # A long text is not a path, and the file system would raise an error.
    if notes is None or "\n" in notes or len(notes) > 255 or not Path(notes).is_file():
        return notes
    try:
        return Path(notes).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{notes}: this file is not UTF-8 text ({error.reason} at byte {error.start})"
        ) from error
