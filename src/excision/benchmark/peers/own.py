"""EAR beside the speed peers: a run of the user's, or a model of a few steps on drawn surfaces."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from excision.benchmark.peers.scored import Scored
from excision.detector import Detector
from excision.errors import FewImagesWarning, ModelError
from excision.method.pipeline import Pipeline
from excision.method.run_folder import MODEL
from excision.settings import Settings
from excision.synthetic.dataset import write_synthetic

_IMAGES = 24
_STEPS = 2
_SURFACE = "brushed_metal"


class Own(nn.Module):
    """EAR as it inspects, from the image to map and score."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline

    def forward(self, images: Tensor) -> Scored:
        """Inspect images (B, C, H, W) in [0, 1]."""
        found = self.pipeline.inspect(images)
        return Scored(found.anomaly_map, found.score)


def train_own(run: Path, size: tuple[int, int]) -> None:
    """Train for a few steps on drawn surfaces, unless the run is there.

    The time of an inspection does not depend on the weights.

    Args:
        run: run folder.
        size: (H, W) of the images.
    """
    if (run / MODEL).is_file():
        return
    settings = Settings()
    settings = replace(
        settings,
        attention=replace(settings.attention, tuning=_STEPS),
        training=replace(settings.training, steps=_STEPS),
        calibration=replace(settings.calibration, cross_fit=False),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FewImagesWarning)
        images = Path(folder) / "images"
        write_synthetic(
            images, seed=0, size=size, train=_IMAGES, test_good=1, per_defect=1, surfaces=(_SURFACE,)
        )
        Detector(settings).fit(images, run, resume=True)


def load_own(run: Path, size: tuple[int, int]) -> Own:
    """Load the network of a run.

    Raises:
        ModelError: the run is not finished, or is for images of another size.
    """
    pipeline = Detector.load(run, device="cpu").pipeline
    if pipeline.image_format.size != size:
        height, width = pipeline.image_format.size
        raise ModelError(
            f"{run} inspects images of {height} x {width} pixels, but the speed peers are timed with "
            f"{size[0]} x {size[1]}: train with --size {size[0]} {size[1]}"
        )
    return Own(pipeline)
