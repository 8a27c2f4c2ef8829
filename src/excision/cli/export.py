"""`excision export`: a trained model for the line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import DataArgument, RunArgument, number
from excision.cli.output import say, say_table
from excision.progress import Bars
from excision.runtime.backend import BackendName, Precision

app = App(
    name="export",
    help_epilogue="Writes one folder: the graph (attention, mask, excision, recovery and map; image in, map "
    "and score out), `model.json`, and golden images with what torch says of them. They and the held-out "
    "good images are inspected with the backend before the folder is handed over, and the decision threshold "
    "is set on the scores of the backend. A model that drifts too far is refused.\n\n"
    "```\n"
    "excision export runs/parts parts/ --out line/parts\n"
    "excision export runs/parts parts/ --out line/parts --precision int8\n"
    "excision export runs/parts parts/ --out line/parts --to openvino --precision bf16\n"
    "excision verify line/parts\n"
    "excision inspect line/parts new_images/ --out results/\n"
    "```",
)


@app.default
def export(
    run: RunArgument,
    data: DataArgument,
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write.")],
    to: Annotated[BackendName, Parameter(help="What will compute it on the line.")] = "onnx",
    precision: Annotated[
        Precision,
        Parameter(help="What the networks compute in; bf16 with OpenVINO alone, int8 with either."),
    ] = "fp32",
    allow_drift: Annotated[
        float | None,
        Parameter(
            help="Largest difference of a score from torch, as a share of the decision threshold. Where not "
            "given, 0.1% for fp32, 10% for bf16 and 25% for int8.",
            converter=number,
        ),
    ] = None,
) -> int:
    """Write a trained model as a folder that needs no torch, and prove that it says the same."""
    from excision.export.export import export as write

    with Bars() as bars:
        proof = write(run, data, out, to=to, precision=precision, allow_drift=allow_drift, stage=bars.stage)
    say_table(f"{to} {precision} against torch", ("", ""), proof_rows(proof))
    say(f"Exported: {out}; next: excision inspect {out} IMAGES --out results/")
    return 0


def proof_rows(proof: object) -> list[list[str]]:
    """Give the lines of a proof for a table."""
    from excision.runtime.verification import Proof

    assert isinstance(proof, Proof)
    return [
        ["images replayed", str(proof.images)],
        ["largest score drift", f"{proof.score_drift:.2e} of the threshold"],
        ["largest difference of a map", f"{proof.map_difference:.2e} of the threshold"],
        ["verdicts changed", str(proof.verdicts_changed)],
    ]
