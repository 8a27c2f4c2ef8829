"""`excision export`: a trained model for the production line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import DataArgument, RunArgument, number
from excision.cli.output import say, say_table, say_text
from excision.cli.places import Use
from excision.progress import Bars
from excision.runtime.backend import BackendName, Precision

app = App(
    name="export",
    help_epilogue="Writes one folder: the graph (attention, mask, excision, recovery and anomaly map; "
    "image in, map and score out), `model.json`, and golden images with the results of torch. Before the "
    "folder is handed over, the backend inspects the golden images and the held-out good images, and the "
    "decision threshold is set on its scores. A model whose scores drift too far is refused.\n\n"
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
    out: Annotated[Path, Parameter(help="Folder to write, or its URL."), Use.WRITE],
    to: Annotated[BackendName, Parameter(help="Backend that runs the model on the line.")] = "onnx",
    precision: Annotated[
        Precision,
        Parameter(help="Precision of the networks: bf16 with OpenVINO only, int8 with either backend."),
    ] = "fp32",
    allow_drift: Annotated[
        float | None,
        Parameter(
            help="Largest accepted difference of a score from that of torch, as a share of the decision "
            "threshold. By default 0.1% for fp32, 10% for bf16 and 25% for int8.",
            converter=number,
        ),
    ] = None,
) -> int:
    """Export a trained model to a folder that needs no torch, and verify its scores."""
    from excision.export.export import export as write
    from excision.method.run_folder import load_calibration
    from excision.runtime.model_folder import Description

    with Bars() as bars:
        proof = write(run, data, out, to=to, precision=precision, allow_drift=allow_drift, stage=bars.stage)
    say_table(f"{to} {precision} against torch", ("", ""), proof_rows(proof))
    before, after = load_calibration(run), Description.load(out).calibration
    say(f"Threshold: {before.threshold:.6g} in the run, {after.threshold:.6g} exported.")
    say_text(after.state())
    say(f"Exported: {out}; next: excision inspect {out} IMAGES --out results/")
    return 0


def proof_rows(proof: object) -> list[list[str]]:
    """Give the rows of the table of a verification."""
    from excision.runtime.verification import Proof

    assert isinstance(proof, Proof)
    return [
        ["images replayed", str(proof.images)],
        ["largest score drift", f"{proof.score_drift:.2e} of the threshold"],
        ["largest difference in a map", f"{proof.map_difference:.2e} of the threshold"],
        ["verdicts changed", str(proof.verdicts_changed)],
    ]
