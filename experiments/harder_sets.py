"""Draw data sets that are harder than those of `excision synth`, in the layout of MVTec AD.

python experiments/harder_sets.py fabrics --out seven_fabrics
python experiments/harder_sets.py part --out part_in_any_rotation
python experiments/harder_sets.py screw --out screw_with_small_defects
python experiments/harder_sets.py shapes --out screw_with_defects_of_shape
python experiments/harder_sets.py figures --out figures_at_the_border
python experiments/harder_sets.py mixed --out two_parts
python experiments/harder_sets.py board --out board_with_components
python experiments/harder_sets.py pliers --out pliers_open_and_shut
python experiments/harder_sets.py label --out cloth_label
python experiments/harder_sets.py lid --out lid_with_play

"fabrics" are strips of 4096 x 256 pixels of seven fine weaves, 105 to train, 35 good and 60 defective ones to
test. "part" is the machined part in any rotation and a dozen pixels aside, 80 to train, 30 and 50 to test.
"screw" is a threaded screw of 1024 x 1024 pixels in any rotation, whose defects have a diameter of 3 pixels,
which is 1.2 at the default size of 400 x 400: 40 to train, 20 good and 40 defective ones to test.
"shapes" is the same screw: bent, worn, with a shifted thread, blunt or chipped, 16 of each kind
and 12 that are slightly so.
"figures" are a moulded figure whose hands the border cuts off in some good images, "mixed" are images of that
figure and of the part in turns, and "board" has components that are missing, there twice, or swapped; numbers
are those of "part", except 60 defective boards.
"pliers", "label" and "lid" vary by themselves: pliers in any rotation, opened up to 20 degrees more or less;
cloth that is warped by up to ten pixels; a lid up to six pixels aside on its box. 80 to train, 40 good and 50
defective ones to test, with defects of texture and of shape.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from drawn_parts import BOARD_DEFECTS, board, figure
from drawn_screw import SHAPES, drawn_screw, misshapen_screw
from drawn_variation import SHAPE, TEXTURE, VARYING, defective_part, varying_part
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from scipy.ndimage import binary_erosion, gaussian_filter

from excision.capability.drawing import Defect, draw
from excision.capability.kinds import Kind
from excision.synthetic.defects import PART_DEFECTS
from excision.synthetic.parts import MACHINED_CONTRAST, machined_part
from excision.synthetic.surfaces import photographed, smooth_noise

Array = NDArray[np.floating]
Picture = tuple[Path, Array]

STRIP = (256, 4096)
Y, X = np.mgrid[: STRIP[0], : STRIP[1]].astype(np.float32)


@dataclass(frozen=True)
class Fabric:
    """A weave; each strip of it differs a little.

    Attributes:
        period: pixels from thread to thread across the warp.
        ratio: of the distance of weft threads to that of warp threads.
        angle: of the warp, in radians.
        level: its brightness.
        contrast: of its threads, in brightness.
        power: roundness of the threads.
        twill: woven in diagonal ribs.
    """

    period: float
    ratio: float
    angle: float
    level: float
    contrast: float
    power: float
    twill: bool

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Fabric:
        return cls(
            period=np.exp(rng.uniform(np.log(3.2), np.log(11))),
            ratio=rng.uniform(0.7, 1.4),
            angle=rng.choice([0, 0, 0.0, np.pi / 4, 0.6]),
            level=rng.uniform(0.25, 0.6),
            contrast=rng.uniform(0.05, 0.13),
            power=rng.uniform(0.6, 1.6),
            twill=bool(rng.random() < 0.5),
        )

    def strip(self, rng: np.random.Generator) -> Array:
        """Weave one strip, (H, W) in [0, 1]."""
        period, angle = self.period * rng.uniform(0.985, 1.015), self.angle + rng.normal(0, 0.004)
        wander = 0.25 * smooth_noise(rng, STRIP, 50, 50) + 0.12 * smooth_noise(rng, STRIP, 3, 25)
        across, along = np.cos(angle) * X + np.sin(angle) * Y, np.cos(angle) * Y - np.sin(angle) * X
        warp = 2 * np.pi * across / period + wander + rng.uniform(0, 7)
        weft = 2 * np.pi * along / (period * self.ratio) + wander + rng.uniform(0, 7)
        if self.twill:
            threads = np.sin(warp + weft) * 0.7 + 0.5 * np.sin(warp)
        else:
            over = np.sin((warp + weft) / 2) * np.sin((warp - weft) / 2) > 0
            threads = np.where(over, np.abs(np.sin(warp / 2)), 0.9 * np.abs(np.sin(weft / 2))) ** self.power
        threads = (threads - threads.mean()) / threads.std()
        yarn = 0.25 * smooth_noise(rng, STRIP, 0.6, 30) + 0.25 * smooth_noise(rng, STRIP, 30, 0.6)
        yarn = yarn + 0.3 * smooth_noise(rng, STRIP, 0.7, 0.7)
        shade = self.level * rng.uniform(0.95, 1.05) + self.contrast * (threads + yarn)
        return photographed(rng, shade + 0.01 * smooth_noise(rng, STRIP, 40, 40))


@dataclass(frozen=True)
class Spot:
    """Where a defect lies, and how much brighter or darker it is."""

    x: float
    y: float
    contrast: float


Damage = Callable[[np.random.Generator, Array, Spot], tuple[Array, NDArray[np.bool_]]]


def broken_pick(rng: np.random.Generator, strip: Array, spot: Spot) -> tuple[Array, NDArray[np.bool_]]:
    length, width = rng.uniform(40, 300), rng.uniform(1.5, 4)
    bent = spot.y + 3 * np.sin((X - spot.x) / 90)
    mask = (np.abs(X - spot.x) < length / 2) & (np.abs(Y - bent) < width / 2)
    return strip + spot.contrast * _soft(mask, 0.6), mask


def broken_end(rng: np.random.Generator, strip: Array, spot: Spot) -> tuple[Array, NDArray[np.bool_]]:
    length, width = rng.uniform(40, 180), rng.uniform(1.5, 4)
    bent = spot.x + 3 * np.sin((Y - spot.y) / 60)
    mask = (np.abs(Y - spot.y) < length / 2) & (np.abs(X - bent) < width / 2)
    return strip + spot.contrast * _soft(mask, 0.6), mask


def nep(rng: np.random.Generator, strip: Array, spot: Spot) -> tuple[Array, NDArray[np.bool_]]:
    mask = (X - spot.x) ** 2 + (Y - spot.y) ** 2 < rng.uniform(2, 5) ** 2
    return strip + 1.3 * spot.contrast * _soft(mask, 0.8), mask


def fuzzyball(rng: np.random.Generator, strip: Array, spot: Spot) -> tuple[Array, NDArray[np.bool_]]:
    radius = rng.uniform(8, 22)
    far = ((X - spot.x) / radius) ** 2 + ((Y - spot.y) / (radius * rng.uniform(0.6, 1.4))) ** 2
    fuzz = 0.7 * spot.contrast * np.exp(-far * 1.2) * (1 + 0.5 * smooth_noise(rng, STRIP, 2, 2))
    return strip + np.where(far > 2.5, 0, fuzz), far < 1


def contamination(rng: np.random.Generator, strip: Array, spot: Spot) -> tuple[Array, NDArray[np.bool_]]:
    radius = rng.uniform(3, 9)
    far = ((X - spot.x) / radius) ** 2 + ((Y - spot.y) / (radius * rng.uniform(0.4, 2))) ** 2
    mask = far + 0.3 * smooth_noise(rng, STRIP, 4, 4) < 1
    mask &= (X - spot.x) ** 2 + (Y - spot.y) ** 2 < 900
    return strip + 1.2 * spot.contrast * _soft(mask, 1), mask


def slack(rng: np.random.Generator, strip: Array, spot: Spot) -> tuple[Array, NDArray[np.bool_]]:
    width, length = rng.uniform(8, 20), rng.uniform(60, 160)
    mask = (np.abs(Y - spot.y) < width / 2) & (np.abs(X - spot.x) < length / 2)
    share = _soft(mask, 3)
    return strip * (1 - share) + share * (gaussian_filter(strip, (0, 2.5)) + 0.3 * spot.contrast), mask


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage for damage in (broken_pick, broken_end, nep, fuzzyball, contamination, slack)
}


def fabrics() -> Iterator[Picture]:
    """Give each picture of the seven fabrics, and the mask of each defect, with its place in the data set."""
    rng = np.random.default_rng(77)
    weaves = [Fabric.drawn(rng) for _ in range(7)]
    for part, (folder, count) in enumerate((("train/good", 105), ("test/good", 35)), start=1):
        for number in range(count):
            strip = weaves[number % 7].strip(np.random.default_rng([part, number]))
            yield Path(folder, f"{number:03d}.png"), strip
    for kind, (name, damage) in enumerate(DAMAGES.items()):
        for number in range(10):
            rng = np.random.default_rng([3, kind, number])
            weave = weaves[(number + kind) % 7]
            strip = weave.strip(rng)
            x, y = rng.uniform(100, STRIP[1] - 100), rng.uniform(40, STRIP[0] - 40)
            sign = rng.choice([-1, 1])
            contrast = rng.uniform(1.2, 2.6) * weave.contrast * 1.1 * sign
            yield from _defective(name, number, *damage(rng, strip, Spot(x, y, contrast)))


def part() -> Iterator[Picture]:
    """Give each picture of the part in any rotation, and the mask of each defect."""
    return _parts(lambda rng, _: _turned(rng), PART_SEED)


PART_SEED = 7


def good_part(number: int) -> Image.Image:
    """Draw a good test image of "part"; there are more than the set has."""
    rng = np.random.default_rng([PART_SEED, zlib.crc32(b"test/good"), number])
    return _as_image(_turned(rng).astype(np.float32))


def _turned(rng: np.random.Generator) -> Array:
    return machined_part(rng, (256, 256), aside=4, turned=None)


def _as_image(picture: Array) -> Image.Image:
    return Image.fromarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8))


def figures() -> Iterator[Picture]:
    """Give each picture of the figure that reaches the border, and the mask of each defect."""
    return _parts(lambda rng, _: figure(rng), 11)


def mixed() -> Iterator[Picture]:
    """Give each picture of the figure and of the part in turns, and the mask of each defect."""
    return _parts(
        lambda rng, number: figure(rng) if number % 2 else machined_part(rng, (256, 256), aside=4), 13
    )


def _parts(draw: Callable[[np.random.Generator, int], Array], seed: int) -> Iterator[Picture]:
    def drawn(folder: str, number: int) -> tuple[np.random.Generator, NDArray[np.float32]]:
        rng = np.random.default_rng([seed, zlib.crc32(folder.encode()), number])
        return rng, draw(rng, number).astype(np.float32)

    for folder, count in GOOD_PARTS:
        for number in range(count):
            yield Path(folder, f"{number:03d}.png"), drawn(folder, number)[1]
    for name, defect in PART_DEFECTS.items():
        for number in range(10):
            rng, picture = drawn(f"test/{name}", number)
            yield from _defective(name, number, *defect(rng, picture, MACHINED_CONTRAST))


SMALL = 3.0
"""Diameter of the screw's defects in pixels."""


def screw() -> Iterator[Picture]:
    """Give each picture of the screw in any rotation, and the mask of each of its small defects."""
    yield from _good_screws()
    for number in range(40):
        kind: Kind = ("pit", "foreign")[number % 2]
        rng = np.random.default_rng([11, 3, number])
        picture, metal = drawn_screw(rng)
        inside = np.argwhere(binary_erosion(metal, iterations=12))
        y, x = inside[rng.integers(len(inside))]
        image = np.rint(picture[..., None].clip(0, 1) * 65535).astype(np.uint16)
        wanted = Defect(kind, SMALL, SMALL, 0.4, 0.0, (float(y), float(x)), int(rng.integers(2**32)))
        drawn = draw(image, wanted)
        mask = np.zeros(metal.shape, bool)
        mask[drawn.place] = drawn.mask
        yield from _defective(kind, number // 2, drawn.image[..., 0] / 65535, mask)


def shapes() -> Iterator[Picture]:
    """Give each picture of the screw in any rotation, and the mask of each defect of its shape."""
    yield from _good_screws()
    for place, kind in enumerate(SHAPES):
        for name, slight, count in ((kind, False, 16), (f"slightly_{kind}", True, 12)):
            for number in range(count):
                rng = np.random.default_rng([23, place, number])
                yield from _defective(name, number, *misshapen_screw(rng, kind, slight))


def _good_screws() -> Iterator[Picture]:
    for place, (folder, count) in enumerate((("train/good", 40), ("test/good", 20)), start=1):
        for number in range(count):
            rng = np.random.default_rng([11, place, number])
            yield Path(folder, f"{number:03d}.png"), drawn_screw(rng)[0]


def boards() -> Iterator[Picture]:
    """Give each picture of a board, and the mask of each component that is not as it should be."""
    for part, (folder, count) in enumerate(GOOD_PARTS):
        for number in range(count):
            yield Path(folder, f"{number:03d}.png"), board(np.random.default_rng([17, part, number]))[0]
    for kind, (name, defect) in enumerate(BOARD_DEFECTS.items(), start=len(GOOD_PARTS)):
        for number in range(20):
            yield from _defective(name, number, *defect(np.random.default_rng([17, kind, number])))


def varying(name: str) -> Iterator[Picture]:
    """Give each picture of a part that varies by itself, and the mask of each defect."""
    seed = [31, list(VARYING).index(name)]
    for place, (folder, count) in enumerate((("train/good", 80), ("test/good", 40))):
        for number in range(count):
            yield (
                Path(folder, f"{number:03d}.png"),
                varying_part(np.random.default_rng([*seed, place, number]), name),
            )
    for place, kind in enumerate(TEXTURE + SHAPE, start=2):
        for number in range(8 if kind == "bent" else 7):
            rng = np.random.default_rng([*seed, place, number])
            yield from _defective(kind, number, *defective_part(rng, name, kind))


GOOD_PARTS = (("train/good", 80), ("test/good", 30))
SETS: dict[str, tuple[Callable[[], Iterator[Picture]], int]] = {
    "fabrics": (fabrics, 260),
    "part": (part, 210),
    "screw": (screw, 140),
    "shapes": (shapes, 200),
    "figures": (figures, 210),
    "mixed": (mixed, 210),
    "board": (boards, 230),
    **{name: (partial(varying, name), 220) for name in VARYING},
}


def _defective(kind: str, number: int, picture: Array, mask: NDArray[np.bool_]) -> Iterator[Picture]:
    yield Path("test", kind, f"{number:03d}.png"), picture
    yield Path("ground_truth", kind, f"{number:03d}_mask.png"), mask.astype(np.float32)


def _soft(mask: NDArray[np.bool_], sigma: float) -> Array:
    smoothed: Array = gaussian_filter(mask.astype(np.float32), sigma)
    return smoothed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    draw, count = SETS[arguments.set]
    for place, picture in track(draw(), "drawing", count):
        file = arguments.out / place
        file.parent.mkdir(parents=True, exist_ok=True)
        _as_image(picture).save(file)


if __name__ == "__main__":
    main()
