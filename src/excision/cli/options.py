"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from excision.settings import AttentionVariant


def number(_: Any, tokens: Sequence[Token]) -> float:
    """Read a number or a percentage: "0.01" and "1%" are the same.

    Raises:
        ValueError: the text is neither.
    """
    text = tokens[0].value.strip()
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


DataArgument = Annotated[
    str,
    Parameter(
        help="Folder of images, or a file that lists them: CSV, COCO JSON, the YAML file of a YOLO data set, "
        'a manifest; or "elpv-dataset" for the package of that name.'
    ),
]
RunArgument = Annotated[Path, Parameter(help="Run folder that `excision train` wrote.")]
ModelArgument = Annotated[Path, Parameter(help="Run folder, or a folder that `excision export` wrote.")]
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
    Path | None, Parameter(name="--json", help="Also write the figures as JSON to this file.")
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
KeepDaysOption = Annotated[
    list[str] | None,
    Parameter(
        help="Days to keep images for, as 30, or as good=7 for one verdict. Results, and images with "
        "a label, always stay.",
        consume_multiple=True,
        negative="",
    ),
]
KeepGigabytesOption = Annotated[
    float | None, Parameter(help="Size that kept images may have in all; the oldest are removed first.")
]
SharedOption = Annotated[
    bool, Parameter(help="Let the group of this user read and write the files, too.", negative="")
]
