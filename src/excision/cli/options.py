"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, Token

from excision.cli.output_files import JSON_FILE
from excision.cli.places import Use
from excision.settings import AttentionVariant


def number(_: Any, tokens: Sequence[Token]) -> float:
    """Read a number or a percentage: "0.01" and "1%" are the same.

    Raises:
        ValueError: the text is neither.
    """
    text = tokens[0].value.strip()
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def is_given(options: Any) -> bool:
    """Tell whether any option of a dataclass of options is on the command line; the others are None."""
    return any(getattr(options, item.name) is not None for item in fields(options))


DataArgument = Annotated[
    str,
    Parameter(
        help="Folder of images, or its URL, or a file that lists them: CSV, COCO JSON, the YAML file of a "
        'YOLO data set, a manifest; or "elpv-dataset" for the package of that name.'
    ),
]
RunArgument = Annotated[Path, Parameter(help="Run folder that `excision train` wrote, or its URL."), Use.READ]
ModelArgument = Annotated[
    Path,
    Parameter(help="Run folder, or a folder that `excision export` wrote, or the URL of one."),
    Use.READ,
]
ExportedArgument = Annotated[
    Path, Parameter(help="Folder that `excision export` wrote, or its URL."), Use.READ
]
OutOption = Annotated[Path, Parameter(help="Folder to write the results to, or its URL."), Use.WRITE]
LayoutOption = Annotated[
    str | None,
    Parameter(
        help="Layout of the data: folder, mvtec, csv, coco, labelme, yolo, lookout, kolektorsdd, "
        "kolektorsdd2, magnetictile or elpv. By default it is detected."
    ),
]
LeaveOutOption = Annotated[
    bool,
    Parameter(
        help="Go on although most images of the folder are left out, because their label is unknown or "
        "because they cannot be read.",
        negative="",
    ),
]
SizeOption = Annotated[tuple[int, int], Parameter(help="Height and width in pixels.", negative="")]
JsonOption = Annotated[
    Path | None,
    Parameter(name="--json", help="Also write the figures as JSON to this file, or to its URL."),
    Use.WRITE_FILE,
    JSON_FILE,
]
OperatorOption = Annotated[str | None, Parameter(help="Who made the measurement, for the report.")]
CustomerOption = Annotated[str | None, Parameter(help="Customer named on the cover of the report.")]
LogoOption = Annotated[
    Path | None,
    Parameter(help="Image for the head of the report: PNG, JPEG, WebP, GIF or BMP, 4 MiB at most."),
    Use.READ_FILE,
]
SettingsFileOption = Annotated[
    Path | None,
    Parameter(help="TOML file of settings, or its URL; options given beside it take precedence."),
    Use.READ_FILE,
]
GroupsOption = Annotated[
    str | None,
    Parameter(
        help="Which images show the same part, strip or moment, and so are not independent: each, folder, "
        "column:NAME of a CSV table, time:60s, or a regular expression whose first parenthesis, or else "
        "whole match, is the group. By default groups are found from names and content."
    ),
]
RateOption = Annotated[
    float | None,
    Parameter(
        help="Share of good parts that may be called defective: 0.005 or 0.5%. By default 1%.",
        converter=number,
    ),
]
ConfidenceOption = Annotated[
    float | None,
    Parameter(
        help="Confidence, over the choice of the images, with which the rate is kept: 0.95 or 95%. By "
        "default 90%.",
        converter=number,
    ),
]
SmallestDefectOption = Annotated[
    str | None,
    Parameter(
        help="Diameter of the smallest defect that must be seen, such as 3px of the images or 0.5mm. By "
        "default the working size follows from the images alone.",
    ),
]
MmPerPixelOption = Annotated[float | None, Parameter(help="Millimetres for a pixel of the image as given.")]
AllowDriftOption = Annotated[
    float | None,
    Parameter(
        help="Largest accepted difference of a score from that of torch, as a share of the decision "
        "threshold. By default 0.1% for fp32, 10% for bf16 and 25% for int8.",
        converter=number,
    ),
]
FewOption = Annotated[
    bool,
    Parameter(help="Accept images that are too few to promise a false-alarm rate of 5%.", negative=""),
]
VariantOption = Annotated[
    AttentionVariant,
    Parameter(
        help='"surface" (trained on digits on procedural surfaces) or "plain" (the classifier of the paper).'
    ),
]
AlsoOption = Annotated[
    list[Literal["csv", "jsonl", "parquet"]] | None,
    Parameter(
        help="Tables to write in addition; parquet needs the extra of that name.",
        consume_multiple=True,
        negative="",
    ),
]
