"""`excision capability`: which defects a model is sure to find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.options import GroupsOption, LayoutOption, ModelArgument
from excision.cli.output import say, say_notes, say_table
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.capability.kinds import Kind
    from excision.capability.result import Capability

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
        Parameter(help="Good images, folders that are searched for images, or labelled data sets."),
    ],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write the results to.")],
    requirement: Annotated[
        list[str] | None,
        Parameter(help="Defect that must be found everywhere on the part; can be repeated.", negative=""),
    ] = None,
    mm_per_pixel: Annotated[
        float | None, Parameter(help="Millimetres for a pixel of the image as given.")
    ] = None,
    drawings: Annotated[
        int, Parameter(help="Drawings for the curves; those of requirements come in addition.")
    ] = 2000,
    per_region: Annotated[
        int, Parameter(help="Drawings of each requirement in each of the nine regions.")
    ] = 64,
    minutes: Annotated[
        float | None, Parameter(help="Stop after this time, with whatever was drawn until then.")
    ] = None,
    kinds: Annotated[
        list[Literal["scratch", "pit", "stain", "crack", "missing", "foreign"]] | None,
        Parameter(help="Kinds of defects to draw. By default all.", consume_multiple=True, negative=""),
    ] = None,
    contrasts: Annotated[
        list[str] | None,
        Parameter(
            help="Differences in brightness to draw at, as shares of the range from black to white. By "
            "default 10% 20% 40%.",
            consume_multiple=True,
            negative="",
        ),
    ] = None,
    sizes: Annotated[
        tuple[float, float] | None,
        Parameter(
            help="Smallest and largest size in pixels. By default they follow from the image.", negative=""
        ),
    ] = None,
    groups: GroupsOption = None,
    parts: Annotated[int, Parameter(help="Good images to draw on, at most.")] = 300,
    whole_image: Annotated[
        bool, Parameter(help="Draw everywhere, even where a background is recognised.", negative="")
    ] = False,
    real: Annotated[
        str | None,
        Parameter(help="Labelled data set with masks, whose defects are compared with the curves."),
    ] = None,
    real_kinds: Annotated[
        list[str] | None,
        Parameter(help="Kind of a label of --real, as LABEL=KIND.", consume_multiple=True, negative=""),
    ] = None,
    layout: LayoutOption = None,
    seed: Annotated[int, Parameter(help="Seed of everything random.")] = 0,
    resume: Annotated[bool, Parameter(help="Go on with an interrupted study in --out.", negative="")] = False,
    store: Annotated[
        bool,
        Parameter(
            help="Also keep the result in the model's folder, for reports and the station's page of models.",
            negative="",
        ),
    ] = False,
) -> int:
    """Measure the probability of detection with defects drawn on good parts."""
    from excision.capability.kinds import KINDS
    from excision.capability.measure import measure_capability
    from excision.capability.settings import CONTRASTS, StudySettings
    from excision.data import load_dataset
    from excision.method.folder_kinds import CAPABILITY
    from excision.report.capability_maps import write_maps
    from excision.report.capability_page import write_capability_report

    settings = StudySettings(
        drawings=drawings,
        minutes=minutes,
        kinds=tuple(dict.fromkeys(kinds or KINDS)),
        contrasts=tuple(map(_share, contrasts)) if contrasts else CONTRASTS,
        sizes=sizes,
        requirements=tuple(requirement or ()),
        per_region=per_region,
        mm_per_pixel=mm_per_pixel,
        parts=parts,
        whole_image=whole_image,
        seed=seed,
    )
    dataset = None if real is None else load_dataset(real, layout)
    known = _real_kinds(real_kinds or [])
    try:
        with Bars() as bars:
            result = measure_capability(
                model,
                good_images,
                out,
                settings,
                real=dataset,
                real_kinds=known,
                groups=groups,
                resume=resume,
                stage=bars.stage,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; finished drawings are kept, and --resume goes on") from None
    write_maps(out, result)
    report = write_capability_report(out, result)
    _say(result)
    if store:
        result.save(model / CAPABILITY)
        say(f"Stored: {model / CAPABILITY}")
    say(f"Report: {report}")
    return 0 if result.fulfilled else 1


def _say(result: Capability) -> None:
    from excision.report.capability_page import statements
    from excision.report.capability_tables import sizes_table

    table = sizes_table(result)
    if table.rows:
        say_table(
            "Probability of detection", list(table.head), [[cell.text for cell in row] for row in table.rows]
        )
    for topic, sentence in statements(result):
        say(f"{topic}: {sentence}")
    say_notes(result.notes)
    for one in result.requirements:
        say(f"Requirement: {one.sentence}")


def _share(text: str) -> float:
    from excision.errors import SettingsError

    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise SettingsError(f"--contrasts {text}: give shares such as 0.2 or 20%") from None


def _real_kinds(words: list[str]) -> dict[str, Kind]:
    from excision.capability.kinds import kind_of
    from excision.errors import SettingsError

    found: dict[str, Kind] = {}
    for word in words:
        label, equals, name = word.rpartition("=")
        kind = kind_of(name)
        if not equals or kind is None:
            raise SettingsError(f"--real-kinds {word}: write LABEL=KIND, for example dent=pit")
        found[label] = kind
    return found
