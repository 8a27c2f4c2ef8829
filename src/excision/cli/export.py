"""`excision export`: a trained model for the production line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.options import AllowDriftOption, DataArgument, RunArgument
from excision.cli.output import say, say_table, say_text
from excision.cli.places import Use
from excision.progress import Bars
from excision.runtime.backend import BackendName, Precision

if TYPE_CHECKING:
    from excision.runtime.verification import Proof

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
    "excision export runs/parts parts/ --out repository/parts --to triton\n"
    "excision verify line/parts\n"
    "excision inspect line/parts new_images/ --out results/\n"
    "```",
)


Target = BackendName | Literal["triton"]


@app.default
def export(
    run: RunArgument,
    data: DataArgument,
    /,
    *,
    out: Annotated[
        Path,
        Parameter(help="Folder to write, or its URL; for triton, that of the model in a model repository."),
        Use.WRITE,
    ],
    to: Annotated[
        Target,
        Parameter(
            help="Backend that runs the model on the line, or triton: a model of Triton Inference Server, "
            "which runs it by ONNX Runtime."
        ),
    ] = "onnx",
    precision: Annotated[
        Precision,
        Parameter(help="Precision of the networks: bf16 with OpenVINO only, int8 with any."),
    ] = "fp32",
    allow_drift: AllowDriftOption = None,
) -> int:
    """Export a trained model to a folder that needs no torch, and verify its scores."""
    from excision.method.run_folder import load_calibration
    from excision.runtime.model_folder import Description

    folder, proof = _write(run, data, out, to, precision, allow_drift)
    say_table(f"{to} {precision} against torch", ("", ""), proof_rows(proof))
    before, after = load_calibration(run), Description.load(folder).calibration
    say(f"Threshold: {before.threshold:.6g} in the run, {after.threshold:.6g} exported.")
    say_text(after.state())
    say(f"Exported: {folder}; next: excision inspect {folder} IMAGES --out results/")
    return 0


def _write(
    run: Path, data: str, out: Path, to: Target, precision: Precision, allow_drift: float | None
) -> tuple[Path, Proof]:
    """Write it, and return the exported folder with its proof."""
    with Bars() as bars:
        if to != "triton":
            from excision.export.export import export as write

            return out, write(
                run, data, out, to=to, precision=precision, allow_drift=allow_drift, stage=bars.stage
            )
        from excision.export.triton import VERSION, export_triton

        written = export_triton(
            run, data, out, precision=precision, allow_drift=allow_drift, stage=bars.stage
        )
    say(f"Batches of up to {written.together} images have the scores of single images, bit for bit.")
    return out / VERSION, written.proof


def proof_rows(proof: Proof) -> list[list[str]]:
    """Give the rows of the table of a verification."""
    return [
        ["images replayed", str(proof.images)],
        ["largest score drift", f"{proof.score_drift:.2e} of the threshold"],
        ["largest difference in a map", f"{proof.map_difference:.2e} of the threshold"],
        ["verdicts changed", str(proof.verdicts_changed)],
    ]
