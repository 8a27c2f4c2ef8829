"""The search for suspects among the good images of a training: scores all of them out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from excision.method.calibration import Calibration
from excision.method.cross_fitting import CrossFit
from excision.method.pipeline import Pipeline
from excision.method.suspects import ScoredImage, Suspect, find_suspects
from excision.predictions import Detection
from excision.progress import StageProgress
from excision.training.side_by_side import side_by_side
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture

D = TypeVar("D", bound=Detection)


@dataclass(frozen=True)
class KeptFit(Generic[D]):
    """What a fit has learnt that the search for suspects would learn again.

    Attributes:
        dataset: what was given to the fit.
        pipeline: what it trained.
        data: the images of its training.
        cross_fit: inspects each training image by statistics that its group took no part in.
    """

    dataset: object
    pipeline: Pipeline
    data: TrainingSet
    cross_fit: CrossFit[D]

    def is_of(self, dataset: object, pipeline: Pipeline) -> bool:
        """Return whether this very data set was given to the fit that trained this very pipeline."""
        return self.dataset is dataset and self.pipeline is pipeline


def search_suspects(
    data: TrainingSet,
    calibration: Calibration,
    cross_fit: Callable[[], CrossFit[D]],
    inspect: Callable[[Picture], D],
    stage: StageProgress | None = None,
    count: int = 1,
) -> Iterator[tuple[Suspect, D]]:
    """Find the good images that look defective, strongest first, lazily.

    Args:
        data: images of a training.
        calibration: threshold of the model; if the training images helped to set it, their scores are known.
        cross_fit: gives what inspects each training image by statistics that its group took no part in.
        inspect: inspects a held-out image.
        stage: called with (stage, done, total).
        count: number of images that are scored at once.

    Yields:
        Each suspect and the detection for it.

    Raises:
        ImageError: an image can no longer be read.
    """
    known = dict(zip(calibration.names, calibration.scores, strict=False)) if calibration.cross_fitted else {}
    fit = None if known.keys() == {*data.sources, *data.calibration} else cross_fit()
    if fit is not None:
        known = dict(zip(data.sources, fit.scores(data, stage, count), strict=True))
        held_out = side_by_side(lambda each: inspect(each).score, data.calibration_images(), count)
        known |= dict(zip(data.calibration, held_out, strict=True))
    images = [ScoredImage(name, known[name], "training") for name in data.sources]
    images += [ScoredImage(name, known[name], "calibration") for name in data.calibration]
    for suspect in find_suspects(images):
        picture = data.picture(suspect.name)
        if suspect.part == "calibration":
            yield suspect, inspect(picture)
            continue
        fit = fit or cross_fit()
        yield suspect, fit.inspect(suspect.name, picture)
