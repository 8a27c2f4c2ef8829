"""Whether flipped or turned near-copies can be found by content, and told from independent parts.

    python experiments/near_copies.py KolektorSDD=data/KolektorSDD casting=data/casting --synthetic

Each good training image becomes 128 x 128 grey pixels, of which the finest detail is kept (what a blur by one
pixel takes away), scaled to the same contrast everywhere, less its mean over all images. So the shape that
all parts share, and the light, count for little. The similarity of two images is the largest correlation of
these over the eight symmetries of a square. A copy shows the same grain and scratches, an independent part
its own.

The table shows, for each set: the similarity of each image to its nearest other one (median, 99 % and
largest); and how many images have one of at least 0.8, and how many of these are in another group than that
one. With --synthetic, drawn sets of independent surfaces and parts as well, whose images are copied (flipped
or turned, 6 % brighter, saved as JPEG): the share of the copies whose original is the nearest, and the
smallest similarity of a copy, which is to be compared with the largest of independent ones.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from excision.data import load_dataset
from excision.data.decode import read_image
from excision.synthetic.dataset import SUBJECTS, write_synthetic

Floats = NDArray[np.float32]

SIDE = 128
ALIKE = 0.8


def reduced(path: Path) -> Floats:
    """Read an image as (128, 128) grey values in [0, 255]."""
    grey = read_image(path, 1)[..., 0]
    return 255 * np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX))


def detail(images: Floats) -> Floats:
    """Keep the finest detail of images (N, H, W), scaled to the same contrast everywhere."""
    fine = images - gaussian_filter(images, (0, 1, 1))
    scaled: Floats = fine / np.sqrt(gaussian_filter(fine * fine, (0, 3, 3)) + 0.25)
    return scaled.clip(-3, 3)


def symmetries(images: Floats) -> Iterator[Floats]:
    """Give images (N, S, S) in each of the eight symmetries of a square."""
    for turns in range(4):
        turned = np.rot90(images, turns, (1, 2))
        yield turned
        yield turned[:, :, ::-1]


def unit(images: Floats) -> Floats:
    """Give each image as a vector of mean 0 and length 1."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    vectors: Floats = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    return vectors


def similarity(one: Floats, other: Floats) -> Floats:
    """Give the largest correlation of each image with each other one over the symmetries: (N, M)."""
    vectors = unit(one)
    best = np.full((len(one), len(other)), -1, np.float32)
    for turned in symmetries(other):
        best = np.maximum(best, vectors @ unit(np.ascontiguousarray(turned)).T)
    return best


def copied(image: Floats, number: int) -> Floats:
    """Flip or turn an image, make it brighter, and save it as JPEG."""
    turned = [*symmetries(image[np.newaxis])][number % 8][0]
    stream = io.BytesIO()
    Image.fromarray(np.clip(1.06 * turned, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream), np.float32)


def row(name: str, folder: str | Path, copy: bool) -> str:
    """Measure one set."""
    samples = load_dataset(folder).train
    images = np.stack([reduced(sample.image) for sample in samples])
    fine = detail(images)
    mean = fine.mean(axis=0)
    found = similarity(fine - mean, fine - mean)
    np.fill_diagonal(found, -1)
    nearest, at = found.max(axis=1), found.argmax(axis=1)
    alike = np.flatnonzero(nearest >= ALIKE)
    apart = sum(samples[place].group != samples[at[place]].group for place in alike)
    cells = [name, str(len(samples)), *(f"{np.quantile(nearest, level):.2f}" for level in (0.5, 0.99, 1))]
    cells += [str(len(alike)), str(apart)]
    if copy:
        copies = detail(np.stack([copied(image, number) for number, image in enumerate(images)]))
        against = similarity(copies - mean, fine - mean)
        right = np.mean(against.argmax(axis=1) == np.arange(len(images)))
        cells += [f"{right:.0%}", f"{np.diag(against).min():.2f}"]
    else:
        cells += ["", ""]
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="*", help="NAME=FOLDER of each data set")
    parser.add_argument("--synthetic", action="store_true", help="also the sets of `excision synth`")
    parser.add_argument("--images", type=int, default=80, help="images of each drawn set")
    given = parser.parse_args(words)
    heads = ["set", "images", "nearest: median", "99 %", "largest", f"from {ALIKE}", "in another group"]
    heads += ["original is the nearest", "least similar copy"]
    print(f"| {' | '.join(heads)} |\n| --- |{' ---: |' * (len(heads) - 1)}", flush=True)
    for name, folder in (each.split("=", 1) for each in given.sets):
        print(row(name, folder, copy=False), flush=True)
    if given.synthetic:
        with tempfile.TemporaryDirectory() as scratch:
            write_synthetic(
                Path(scratch), seed=0, size=(256, 256), train=given.images, test_good=1, per_defect=1
            )
            for name in SUBJECTS:
                print(row(name, Path(scratch) / name, copy=True), flush=True)


if __name__ == "__main__":
    main()
