"""The figure of a training: its loss, and the threshold among the calibration scores."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from excision.method.calibration import Calibration
from excision.method.calibration.sentences import explain_odd
from excision.method.folder_kinds import ODD_IMAGE
from excision.method.run_folder import LOG
from excision.system.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE = "figures/training.png"
"""Where the figure is in a run folder."""

_WIDTH, _LINE = 100, 0.024  # letters in a line about an odd image, and its height as a share of the figure


def write_training_figure(run: Path, calibration: Calibration) -> Path:
    """Draw `FIGURE` in a run folder from its log and calibration, and return its path.

    An odd calibration image is shown below, with its anomaly map and with what the other choice would change.
    """
    from matplotlib.figure import Figure

    odd = calibration.odd if (run / ODD_IMAGE).is_file() else None
    figure = Figure(figsize=(9, 3.2 if odd is None else 6.4))
    # To have matplotlib find the margins doubles the time of the figure.
    upper = 0.0 if odd is None else 0.5
    margins = {"left": 0.09, "right": 0.985, "bottom": _within(upper, 0.17), "top": _within(upper, 0.9)}
    _draw_course(figure.subplots(1, 2, gridspec_kw={**margins, "wspace": 0.22}), run, calibration)
    if odd is not None:
        told = textwrap.wrap(explain_odd(odd), _WIDTH)
        _draw_odd(figure.add_axes((0.02, 0.02, 0.96, 0.47 - _LINE * len(told))), run, told)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    target = run / FIGURE
    write_bytes(target, content.getvalue())
    return target


def _within(bottom: float, height: float) -> float:
    """Give the height in the figure of a height in the part of it that begins at `bottom`."""
    return bottom + height * (1 - bottom)


def _draw_course(both: Any, run: Path, calibration: Calibration) -> None:
    lines = (run / LOG).read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    left, right = both
    left.plot([e["step"] for e in entries], [e["loss"] for e in entries], color="#0b6e99", linewidth=1.2)
    left.set(title="Training loss", xlabel="step", ylabel="loss")
    right.hist(calibration.scores, bins=min(30, len(calibration.scores)), color="#9db4c0")
    right.axvline(calibration.threshold, color="#c1440e", label=f"threshold {calibration.threshold:.4g}")
    right.set(title="Calibration scores of good images", xlabel="anomaly score", ylabel="images")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)


def _draw_odd(axes: Axes, run: Path, told: Sequence[str]) -> None:
    with Image.open(run / ODD_IMAGE) as picture:
        axes.imshow(picture.convert("RGB"))
    axes.set_title("\n".join(told), fontsize=9)
    axes.set_axis_off()
