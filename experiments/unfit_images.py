"""Which disturbed images are called unfit, and how many good and defective ones are, on real and drawn sets.

    python experiments/unfit_images.py KolektorSDD=data/KolektorSDD MagneticTile=data/MagneticTile \
        elpv=elpv-dataset --synthetic --runs runs/ > unfit.md

For each set, what images are like is learnt from its good training images, as training does. Tables in
Markdown show: the promise, and how many untouched good and defective images of the test split are unfit; the
share of images with each disturbance that are; the share of images of every other set; and, for darkness,
blur, noise and shift, the share by magnitude, beside the share of good images that the model would call
defective if there is a run of the same name in --runs. --images N takes N images of each set for the last
three.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from excision.data import load_dataset
from excision.data.images import resize_image
from excision.method.fitness import Fitness
from excision.method.fitness.cell_statistics import noise_of
from excision.method.fitness.cells import cut_cells
from excision.method.fitness.learning import learn_fitness
from excision.ops.unit_range import from_unit, to_unit
from excision.settings import Settings
from excision.synthetic.dataset import SUBJECTS, write_synthetic
from excision.training.preparing import prepare

Working = NDArray[np.uint16]
Image = NDArray[np.float32]


def blurred(image: Image, by: float) -> Image:
    """Blur by so many pixels, as a lens out of focus does, before the camera adds its noise."""
    rng = np.random.default_rng(0)
    noise = noise_of(cut_cells(from_unit(np.clip(image, 0, 1)), (8, 8)).grey)
    soft: Image = gaussian_filter(image, (by, by, 0))
    return soft + np.float32(noise) * rng.standard_normal(image.shape).astype(np.float32)


def noisy(image: Image, deviation: float) -> Image:
    """Add white noise."""
    noise = np.random.default_rng(0).normal(0, deviation, image.shape)
    return image + noise.astype(np.float32)


def shifted(image: Image, share: float) -> Image:
    """Shift to the right by a share of the width; the left border is repeated."""
    pixels = round(share * image.shape[1])
    moved = np.roll(image, pixels, axis=1)
    moved[:, :pixels] = image[:, :1]
    return moved


def half(image: Image, value: float | None = None) -> Image:
    """Cover the left half, by default with the image's mean."""
    covered = image.copy()
    covered[:, : image.shape[1] // 2] = image.mean() if value is None else value
    return covered


def quarter_turn(image: Image) -> Image:
    """Turn by 90 degrees and resize to the working size."""
    return resize_image(np.ascontiguousarray(np.rot90(image)), (image.shape[0], image.shape[1]))


DISTURBANCES: dict[str, Callable[[Image], Image]] = {
    "black": lambda image: 0 * image,
    "white": lambda image: 0 * image + 1,
    "dark, x 0.3": lambda image: 0.3 * image,
    "bright, x 2": lambda image: 2 * image,
    "overexposed, x 1.5 + 0.3": lambda image: 1.5 * image + 0.3,
    "out of focus, sigma 2": lambda image: blurred(image, 2),
    "out of focus, sigma 4": lambda image: blurred(image, 4),
    "noise, sigma 5 %": lambda image: noisy(image, 0.05),
    "half covered, grey": half,
    "half covered, black": lambda image: half(image, 0),
    "inverted": lambda image: 1 - image,
    "mirrored left to right": lambda image: image[:, ::-1],
    "mirrored top to bottom": lambda image: image[::-1],
    "turned by 180 degrees": lambda image: image[::-1, ::-1],
    "turned by 90 degrees": quarter_turn,
    "shifted by 10 %": lambda image: shifted(image, 0.1),
    "shifted by 25 %": lambda image: shifted(image, 0.25),
}

MAGNITUDES: dict[str, tuple[Callable[..., Image], tuple[float, ...]]] = {
    "brightness x": (lambda image, by: by * image, (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)),
    "blur, sigma in pixels": (blurred, (0.5, 1, 1.5, 2, 3, 4)),
    "noise, sigma in %": (lambda image, by: noisy(image, by / 100), (0.5, 1, 2, 3, 5, 8)),
    "shift in % of the width": (lambda image, by: shifted(image, by / 100), (2, 5, 10, 15, 25)),
}


@dataclass(frozen=True)
class Subject:
    """A data set with what its images are like, and images to disturb."""

    fitness: Fitness
    good: list[Working]
    n_good: int
    n_good_unfit: int
    n_defective: int
    n_defective_unfit: int
    grouped: str

    @classmethod
    def of(cls, data: str | Path, images: int) -> Subject:
        """Learn from the training images of a data set, and judge those of its test split."""
        dataset = load_dataset(data)
        training = prepare(dataset, Settings())
        fitness = learn_fitness(training, Settings().calibration)
        assert fitness is not None
        test = [sample for sample in dataset.samples if sample.split != "train"]
        good = [sample.image for sample in test if not sample.defective]
        bad = [sample.image for sample in test if sample.defective]
        unfit = [
            sum(is_unfit(fitness, training.image_format.read(path)) for path in paths)
            for paths in (good, bad)
        ]
        chosen = good[:: max(1, len(good) // images)][:images]
        return cls(
            fitness,
            [training.image_format.read(path) for path in chosen],
            *(len(good), unfit[0], len(bad), unfit[1]),
            f"{len(fitness.calibration.scores)} in {fitness.calibration.count_groups}",
        )


def is_unfit(fitness: Fitness, working: Working) -> bool:
    """Judge one image, without looking for reasons."""
    return fitness.compare(working).largest > fitness.limit


def disturbed(working: Working, disturb: Callable[[Image], Image]) -> Working:
    """Disturb a working image, and round it as a camera does."""
    return from_unit(np.clip(disturb(to_unit(working)), 0, 1).astype(np.float32))


def share(judged: Iterable[bool]) -> str:
    """Write the share of what is true in per cent."""
    return f"{np.mean([*judged]):.0%}"


def seen_as(working: Working, fitness: Fitness, size: tuple[int, int]) -> Working:
    """Give an image of another set the size and channels of a model."""
    image = resize_image(to_unit(working), size)
    if fitness.norm.channels == 3:
        image = np.broadcast_to(image, (*size, 3))
    elif image.shape[2] == 3:
        image = image.mean(axis=2, keepdims=True)
    return from_unit(np.ascontiguousarray(image, dtype=np.float32))


def table(head: str, columns: Iterable[str], rows: Mapping[str, Iterable[str]]) -> None:
    """Print a table in Markdown."""
    columns = [*columns]
    print(f"| {head} | {' | '.join(columns)} |")
    print(f"| --- |{' ---: |' * len(columns)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
    print(flush=True)


def show_promises(subjects: Mapping[str, Subject]) -> None:
    """Print what is promised, and what untouched images of the test split show."""
    rows = {}
    for name, each in subjects.items():
        promise = f"{each.fitness.calibration.promised_rate:.1%}"
        good = f"{each.n_good_unfit} of {each.n_good}"
        rows[name] = [each.grouped, promise, good, f"{each.n_defective_unfit} of {each.n_defective}"]
    columns = ["images in groups", "promised, 90 % confidence", "good images unfit", "defective images unfit"]
    table("set", columns, rows)


def show_disturbances(subjects: Mapping[str, Subject]) -> None:
    """Print the share of each disturbance that is unfit."""
    rows = {
        name: [share(is_unfit(s.fitness, disturbed(w, how)) for w in s.good) for s in subjects.values()]
        for name, how in DISTURBANCES.items()
    }
    table("disturbance", subjects, rows)


def show_products(subjects: Mapping[str, Subject]) -> None:
    """Print the share of the images of each set that is unfit for the model of each other."""
    rows = {}
    for name, model in subjects.items():
        size = (model.good[0].shape[0], model.good[0].shape[1])
        rows[name] = [
            ""
            if other == name
            else share(is_unfit(model.fitness, seen_as(image, model.fitness, size)) for image in shown.good)
            for other, shown in subjects.items()
        ]
    table("model of", [f"images of {name}" for name in subjects], rows)


def show_magnitudes(subjects: Mapping[str, Subject], runs: Path | None, most: int | None) -> None:
    """Print the share that is unfit by magnitude, and beside it that above the decision threshold."""
    scorers = {name: _scorer(runs, name) for name in subjects}
    for what, (disturb, every) in MAGNITUDES.items():
        steps = every[-most:] if most else every
        rows = {}
        for name, subject in subjects.items():
            cells = []
            for step in steps:
                images = [disturbed(each, partial(disturb, by=step)) for each in subject.good]
                found = share(is_unfit(subject.fitness, each) for each in images)
                scorer = scorers[name]
                cells.append(found if scorer is None else f"{found} / {share(map(scorer, images[::2]))}")
            rows[name] = cells
        table(f"{what}: unfit / called defective", map(str, steps), rows)


def _scorer(runs: Path | None, name: str) -> Callable[[Working], bool] | None:
    if runs is None or not (runs / name / "model.safetensors").is_file():
        return None
    from excision.detector import Detector

    detector = Detector.load(runs / name, device="cpu")

    def is_above(working: Working) -> bool:
        found = detector.inspect(working)
        return found.score > found.threshold

    return is_above


def main(words: list[str] | None = None) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="*", help="NAME=FOLDER of each data set")
    parser.add_argument("--synthetic", action="store_true", help="also the sets of `excision synth`")
    parser.add_argument("--images", type=int, default=30, help="images of each set that are disturbed")
    parser.add_argument("--short", action="store_true", help="two images and one magnitude: for a test")
    parser.add_argument("--runs", type=Path, help="folder with a run folder for each set, by name")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        data: dict[str, str | Path] = dict(each.split("=", 1) for each in chosen.sets)
        if chosen.synthetic:
            write_synthetic(Path(scratch), seed=0, size=(256, 256), train=80, test_good=30, per_defect=10)
            data |= {name: Path(scratch) / name for name in SUBJECTS}
        subjects = {
            name: Subject.of(folder, 2 if chosen.short else chosen.images) for name, folder in data.items()
        }
    show_promises(subjects)
    show_disturbances(subjects)
    if len(subjects) > 1:
        show_products(subjects)
    show_magnitudes(subjects, chosen.runs, 1 if chosen.short else None)


if __name__ == "__main__":
    main()
