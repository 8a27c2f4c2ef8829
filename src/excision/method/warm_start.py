"""Training on from the networks of a finished run: attention and recovery; all statistics are learnt anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from excision.errors import ModelError, SettingsError
from excision.method.run_folder import MODEL, load_image_format
from excision.method.run_start import recorded_images, recorded_warm_start
from excision.settings import Settings
from excision.system.files import sha256
from excision.tiling.image_format import ImageFormat
from excision.training.warm_start import WarmStart

if TYPE_CHECKING:
    from excision.method.pipeline import Pipeline


def read_warm_start(run: Path) -> WarmStart:
    """Read what the networks of a finished run have seen.

    Raises:
        ModelError: the run is not finished, or does not record its images.
    """
    if not (run / MODEL).is_file():
        raise ModelError(f"{run}: holds no finished run to train on from")
    images, before = recorded_images(run), recorded_warm_start(run)
    if images is None:
        raise ModelError(
            f"{run}: does not record which images it was trained on, so none is known to be new to it: train "
            "from nothing"
        )
    training, held_out = (frozenset(images[part].values()) for part in ("training", "calibration"))
    seen = training | (frozenset() if before is None else before.seen)
    return WarmStart(sha256(run / MODEL), seen, held_out - seen)


def check_same_networks(run: Path, settings: Settings, image_format: ImageFormat) -> None:
    """Check that a training can start from the networks of a run.

    Raises:
        SettingsError: they are of another shape, for other images, or their scores would be compared with
            those of folds that they have seen.
    """
    if settings.calibration.folds:
        raise SettingsError(
            f"calibration.folds is {settings.calibration.folds}: the models of the folds must not have seen "
            "what they score, so they cannot start from trained networks; train from nothing"
        )
    begun = Settings.load(run / "settings.toml", warn_of_old_names=False)
    differ = [
        name
        for name, old, new in (
            ("attention.variant", begun.attention.variant, settings.attention.variant),
            ("mask.enabled", begun.mask.enabled, settings.mask.enabled),
            *(
                (f"recovery.{part}", getattr(begun.recovery, part), getattr(settings.recovery, part))
                for part in ("width", "stem", "depth", "normalisation")
            ),
        )
        if old != new
    ]
    if differ:
        raise SettingsError(
            f"{run}: its networks differ from those of the settings in {', '.join(differ)}: a training "
            "cannot start from them"
        )
    before = load_image_format(run, begun)
    if before != image_format:
        raise SettingsError(
            f"{run}: its networks are for images of {before.size} pixels in {before.channels} channel(s), "
            f"and these would be {image_format.size} in {image_format.channels}: take the format of the run"
        )


def start_from(pipeline: Pipeline, trained: Pipeline) -> None:
    """Give a pipeline the attention and recovery networks of a trained one, with their weights."""
    if pipeline.settings.attention.variant != "dino":
        pipeline.attention.network.load_state_dict(trained.attention.network.state_dict())
    pipeline.recovery.load_state_dict(trained.recovery.state_dict())
