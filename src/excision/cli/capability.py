"""`excision capability`: which defects a model is sure to find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.capability_options import DrawingOptions, RealOptions
from excision.cli.options import CustomerOption, GroupsOption, ModelArgument, OperatorOption, OutOption
from excision.cli.output import say, say_notes, say_table, say_text
from excision.cli.places import Use, own_folder
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.capability.result import Capability
    from excision.report.own_words import Words

app = App(
    name="capability",
    help_epilogue="Draws defects of stated kinds, sizes and contrasts on good images that the model was not "
    "trained on, inspects each at the calibrated threshold, and fits the probability of detection (POD): a90 "
    "is the size found in 90 % of cases, a90/95 its upper 95 % confidence limit. Writes `report.html`, "
    "`capability.json`, `drawings.csv`, and a map of the smallest detectable defect as PNG and TIFF for each "
    "kind. Drawn defects are not real ones: `--real` compares with real defects that have masks.\n\n"
    "A requirement names a kind and its size in mm or px: `scratch 0.3 mm x 3 mm`, `pit 12 px contrast 15%`. "
    "It is drawn at exactly this size in nine regions of the part. The exit status is 0 if every requirement "
    "is shown to be met (or none is given), 1 if one is not, and 2 for an error.\n\n"
    "```\n"
    "excision capability runs/parts good_parts/ --out capability/\n"
    "excision capability line/parts good_parts/ --out capability/ --requirement 'scratch 4 px x 40 px'\n"
    "excision capability line/parts good/ --out capability/ --mm-per-pixel 0.1 --requirement 'pit 1 mm'\n"
    "excision capability runs/parts parts/ --out capability/ --drawings 6000 --real parts/ --store\n"
    "excision capability runs/parts good_parts/ --out capability/ --resume\n"
    "```",
)


@app.default
def capability(
    model: ModelArgument,
    good_images: Annotated[
        list[Path],
        Parameter(help="Good images, folders that are searched for images, or labelled data sets, or URLs."),
        Use.READ_ANY,
    ],
    /,
    *,
    out: OutOption,
    drawing: DrawingOptions | None = None,
    groups: GroupsOption = None,
    compared: RealOptions | None = None,
    resume: Annotated[bool, Parameter(help="Go on with an interrupted study in --out.", negative="")] = False,
    store: Annotated[
        bool,
        Parameter(
            help="Also keep the result in the model's folder, for reports and the station's page of models.",
            negative="",
        ),
    ] = False,
    operator: OperatorOption = None,
    customer: CustomerOption = None,
) -> int:
    """Measure the probability of detection with defects drawn on good parts."""
    from excision.capability.measure import measure_capability
    from excision.report.own_words import Words

    if store:
        own_folder(model, "leave out --store")
    settings, compared = (drawing or DrawingOptions()).settings(), compared or RealOptions()
    real, real_kinds = compared.dataset(), compared.kinds()
    try:
        with Bars() as bars:
            result = measure_capability(
                model,
                good_images,
                out,
                settings,
                real=real,
                real_kinds=real_kinds,
                groups=groups,
                resume=resume,
                stage=bars.stage,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; finished drawings are kept, and --resume goes on") from None
    _report(result, out, model if store else None, Words(operator=operator, customer=customer))
    return 0 if result.fulfilled else 1


def _report(result: Capability, out: Path, model: Path | None, words: Words) -> None:
    """Write and say the result, and store it in the model's folder if one is given."""
    from excision.method.folder_kinds import CAPABILITY
    from excision.report.capability_maps import write_maps
    from excision.report.capability_page import write_capability_report

    write_maps(out, result)
    report = write_capability_report(out, result, words)
    _say(result)
    if model is not None:
        result.save(model / CAPABILITY)
        say(f"Stored: {model / CAPABILITY}")
    say(f"Report: {report}")


def _say(result: Capability) -> None:
    from excision.report.capability_page import statements
    from excision.report.capability_tables import BY_SIGNAL, sizes_table

    table = sizes_table(result)
    if table.rows:
        # The report has one more column, for which a terminal has no room.
        shown = [place for place, name in enumerate(table.head) if name != BY_SIGNAL]
        rows = [[row[place].text for place in shown] for row in table.rows]
        say_table("Probability of detection", [table.head[place] for place in shown], rows)
    for topic, sentence in statements(result):
        say_text(f"{topic}: {sentence}")
    say_notes(result.notes)
    for one in result.requirements:
        say_text(f"Requirement: {one.sentence}")
