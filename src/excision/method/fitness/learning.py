"""Learns from all good images of a training what images are like."""

from __future__ import annotations

from excision.method.fitness.fitness import Fitness, Learner, chosen
from excision.progress import StageProgress, of_stage
from excision.settings import CalibrationSettings
from excision.training.training_set import TrainingSet


def learn_fitness(
    data: TrainingSet, settings: CalibrationSettings, stage: StageProgress | None = None
) -> Fitness | None:
    """Learn from the images of a training set, those for training and those for calibration.

    Args:
        data: the images; of many, 2,500 evenly spread ones are taken.
        settings: the wanted rate, and the confidence of its promise.
        stage: called with (stage, done, total).

    Returns:
        None if no image is to be judged as unfit.

    Raises:
        ImageError: an image can no longer be read.
    """
    if settings.unfit_rate == 0:
        return None
    learner, progress = Learner(), of_stage(stage, "what images are like")
    images = [*data.good_images()]
    places = chosen(len(images))
    names = [images[place][0] for place in places]
    for done, place in enumerate(places, start=1):
        learner.add(data.image_format.read(images[place][1]))
        progress(done, len(places))
    return learner.learn(
        [data.groups[name] for name in names],
        names,
        unfit_rate=settings.unfit_rate,
        confidence=settings.confidence,
    )
