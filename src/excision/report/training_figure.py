"""The figure of a training: its loss, and the threshold among the calibration scores."""

from __future__ import annotations

import io
import json
from pathlib import Path

from excision.method.calibration import Calibration
from excision.method.run_folder import LOG
from excision.system.files import write_bytes

FIGURE = "figures/training.png"
"""Where the figure is in a run folder."""


def write_training_figure(run: Path, calibration: Calibration) -> Path:
    """Draw `FIGURE` in a run folder from its log and calibration, and return its path."""
    from matplotlib.figure import Figure

    lines = (run / LOG).read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([e["step"] for e in entries], [e["loss"] for e in entries], color="#0b6e99", linewidth=1.2)
    left.set(title="Training loss", xlabel="step", ylabel="loss")
    right.hist(calibration.scores, bins=min(30, len(calibration.scores)), color="#9db4c0")
    right.axvline(calibration.threshold, color="#c1440e", label=f"threshold {calibration.threshold:.4g}")
    right.set(title="Scores of held-out good images", xlabel="anomaly score", ylabel="images")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    target = run / FIGURE
    write_bytes(target, content.getvalue())
    return target
