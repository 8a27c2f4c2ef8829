"""`excision attention coverage`: how much of the true defect area a mask covers."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import (
    DataArgument,
    JsonOption,
    LayoutOption,
    LeaveOutOption,
    SizeOption,
    VariantOption,
    number,
)
from excision.cli.output import say, say_table
from excision.progress import Bars
from excision.system.files import write_json

app = App(
    name="coverage",
    help_epilogue="Masks the share `--budget` of each defective image where its attention is strongest, "
    "and measures how much of the true defect area the mask covers. Parts of a defect outside the mask are "
    "not excised. This needs no trained model, only images whose defects have masks.\n\n"
    "```\n"
    "excision attention coverage parts/ --size 640 256 --budget 0.1 --json coverage.json\n"
    "```",
)


@app.default
def coverage(
    data: DataArgument,
    /,
    *,
    size: SizeOption,
    budget: Annotated[float, Parameter(converter=number, help="Share of each image to mask.")] = 0.1,
    variant: VariantOption = "surface",
    layout: LayoutOption = None,
    leave_out: LeaveOutOption = False,
    json: JsonOption = None,
) -> None:
    """Measure how much of the true defect area a mask covers."""
    from excision.data import load_dataset
    from excision.errors import SettingsError
    from excision.method.attention.coverage import coverage as measure

    if not 0 < budget < 1:
        raise SettingsError(f"--budget is {budget:g}: it must lie between 0 and 1")
    dataset = load_dataset(data, layout, leave_out=leave_out)
    with Bars() as bars:
        report = measure(dataset, size, budget, variant, progress=bars.part("measuring"))
    if json is not None:
        write_json(json, report.to_json())
    rows = [[label, f"{share:.4f}"] for label, share in report.coverage_by_label.items()]
    say_table(
        f"Covered share of the true defect area, {budget:.1%} of each image masked",
        ["defect", "coverage"],
        [*rows, [f"mean of {report.n_defect} images", f"{report.coverage:.4f}"]],
    )
    for name, reason in report.left_out.items():
        say(f"Left out {name}: {reason}")
