"""Unfit images: which disturbances are caught, with which reason, and which defects are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from excision.errors import ModelError
from excision.method.fitness import FITNESS, Fitness, load_fitness, save_fitness
from excision.method.fitness.cells import choose_grid
from excision.method.fitness.image_statistics import COLOUR_NAMES, GREY_NAMES, measure
from excision.method.fitness.stored import from_json, to_json
from tests.method.fitness.drawn import part, surface, working

Image = NDArray[np.float64]


@pytest.fixture(scope="module")
def parts() -> Fitness:
    return Fitness.learn(map(working, map(part, range(60))), unfit_rate=0.001, confidence=0.9)


@pytest.fixture(scope="module")
def surfaces() -> Fitness:
    return Fitness.learn(map(working, map(surface, range(60))), unfit_rate=0.001, confidence=0.9)


def half(image: Image, value: float) -> Image:
    covered = image.copy()
    covered[:, : image.shape[1] // 2] = value
    return covered


DISTURBED: dict[str, tuple[Callable[[Image], Image], str]] = {
    "black": (lambda image: 0 * image, "black"),
    "white": (lambda image: 0 * image + 1, "brighter|overexposed|contrast"),
    "dark": (lambda image: 0.3 * image, "times darker"),
    "bright": (lambda image: 2.2 * image + 0.1, "brighter|overexposed"),
    "blurred": (lambda image: gaussian_filter(image, 3), "out of focus"),
    "half covered": (lambda image: half(image, 0.4), "unlike|not found"),
    "half black": (lambda image: half(image, 0.0), "black|darker|unlike|not found"),
    "inverted": (lambda image: 1 - image, "negative"),
    "noisy": (lambda image: image + np.random.default_rng(0).normal(0, 0.08, image.shape), "noise"),
    "overexposed": (lambda image: 1.5 * image + 0.4, "overexposed|brighter"),
    "mirrored": (lambda image: image[:, ::-1], "mirrored"),
}


@pytest.mark.parametrize("kind", [*DISTURBED])
@pytest.mark.parametrize("product", ["parts", "surfaces"])
def test_a_disturbed_image_is_unfit_and_says_why(
    kind: str, product: str, request: pytest.FixtureRequest
) -> None:
    disturb, words = DISTURBED[kind]
    fitness: Fitness = request.getfixturevalue(product)
    draw = part if product == "parts" else surface
    for seed in range(100, 105):
        reasons = fitness.judge(working(disturb(draw(seed))))[1]
        assert reasons, seed
        assert any(word in "; ".join(reasons) for word in words.split("|")), reasons


def test_a_shifted_part_is_unfit_and_says_where_it_lies(parts: Fitness) -> None:
    for seed in range(100, 105):
        assert "to the right" in "; ".join(parts.judge(working(part(seed, right=24)))[1])
        assert "further down" in "; ".join(parts.judge(working(part(seed, down=20)))[1])


def test_another_product_is_unfit(parts: Fitness, surfaces: Fitness) -> None:
    for seed in range(100, 105):
        assert parts.judge(working(surface(seed)))[1]
        assert surfaces.judge(working(part(seed)))[1]


@pytest.mark.parametrize("product", ["parts", "surfaces"])
def test_good_images_are_fit(product: str, request: pytest.FixtureRequest) -> None:
    fitness: Fitness = request.getfixturevalue(product)
    draw = part if product == "parts" else surface
    unfit = sum(bool(fitness.judge(working(draw(seed)))[1]) for seed in range(1000, 1090))
    assert unfit <= 1


def stained(image: Image, seed: int) -> Image:
    """Draw a stain over a ninth of the image."""
    rng = np.random.default_rng(seed)
    height, width = image.shape
    top, left = rng.integers(0, height * 2 // 3), rng.integers(0, width * 2 // 3)
    changed = image.copy()
    changed[top : top + height // 3, left : left + width // 3] *= 0.3
    return changed


def cracked(image: Image, seed: int) -> Image:
    rng = np.random.default_rng(seed)
    changed, column = image.copy(), rng.integers(20, image.shape[1] - 20)
    for row in range(image.shape[0]):
        column = int(np.clip(column + rng.integers(-1, 2), 2, image.shape[1] - 3))
        changed[row, column : column + 2] = 0.02
    return changed


def cornered(image: Image, _: int) -> Image:
    changed = image.copy()
    changed[: image.shape[0] // 4, : image.shape[1] // 3] = 0.05
    return changed


@pytest.mark.parametrize("defect", [stained, cracked, cornered])
@pytest.mark.parametrize("product", ["parts", "surfaces"])
def test_a_large_defect_does_not_make_an_image_unfit(
    product: str, defect: Callable[[Image, int], Image], request: pytest.FixtureRequest
) -> None:
    fitness: Fitness = request.getfixturevalue(product)
    draw = part if product == "parts" else surface
    unfit = [fitness.judge(working(defect(draw(seed), seed)))[1] for seed in range(200, 220)]
    assert sum(map(bool, unfit)) <= 1, unfit


def test_colour_is_judged() -> None:
    def tinted(seed: int, blue: float = 0.8) -> Image:
        coloured: Image = part(seed)[..., None] * np.array([1.0, 0.9, blue])
        return coloured

    fitness = Fitness.learn((working(tinted(seed)) for seed in range(40)), unfit_rate=0.01, confidence=0.9)
    assert not fitness.judge(working(tinted(100)))[1]
    assert "bluer" in "; ".join(fitness.judge(working(tinted(100, 1.3)))[1])


def test_the_statistics_do_not_depend_on_the_layout_of_the_array() -> None:
    image = working(np.stack([part(seed) for seed in range(3)], axis=2))
    grid = choose_grid(image.shape[:2])
    expected = measure(image, grid)
    wide = np.zeros((*image.shape[:2], 6), np.uint16)
    wide[..., ::2] = image
    for other in (np.asfortranarray(image), wide[..., ::2], image[::-1].copy()[::-1]):
        found = measure(other, grid)
        assert found.named == expected.named
        assert np.array_equal(found.cells, expected.cells)
        assert np.array_equal(found.view, expected.view)


def test_the_negative_is_measured_without_another_look() -> None:
    image = working(np.stack([part(seed) for seed in range(3)], axis=2))
    grid = choose_grid(image.shape[:2])
    found, inverted = measure(image, grid), measure(65535 - image, grid)
    for name, value in inverted.named.items():
        assert found.negative[name] == pytest.approx(value, abs=2e-3), name
    assert np.allclose(inverted.view, -found.view, atol=2e-3)
    assert {*found.named} == {*GREY_NAMES, *COLOUR_NAMES}
    assert {*measure(image[..., :1], grid).named} == {*GREY_NAMES}


@pytest.mark.parametrize("shape", [(32, 32, 1), (33, 500, 1), (64, 64, 3), (2000, 150, 1), (400, 400, 3)])
def test_any_size_can_be_measured(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 65536, shape).astype(np.uint16) for _ in range(4)]
    fitness = Fitness.learn(images, unfit_rate=0.01, confidence=0.9)
    for image in (*images, np.zeros(shape, np.uint16), np.full(shape, 65535, np.uint16)):
        statistics, reasons = fitness.judge(image)
        assert all(np.isfinite(value) for value in statistics.values())
        assert all(reasons)
    assert fitness.judge(np.zeros(shape, np.uint16))[1]


def test_every_unfit_image_has_a_reason(parts: Fitness) -> None:
    rng = np.random.default_rng(0)
    unfit = 0
    for _ in range(60):
        image = part(int(rng.integers(1000)))
        image = np.clip(image * rng.uniform(0.3, 2) + rng.uniform(-0.2, 0.3), 0, 1) ** rng.uniform(0.5, 2)
        disturbed = working(gaussian_filter(image, rng.uniform(0, 1.5)))
        found = parts.compare(disturbed)
        reasons = parts.judge(disturbed)[1]
        assert bool(reasons) == (found.largest > parts.limit)
        assert all(reason[0].islower() or reason[0].isdigit() for reason in reasons)
        unfit += bool(reasons)
    assert unfit > 10


def test_what_is_stored_is_what_was_learnt(parts: Fitness, tmp_path: Path) -> None:
    save_fitness(tmp_path / FITNESS, parts)
    again = load_fitness(tmp_path / FITNESS, 1)
    assert again is not None
    assert again == parts and again.norm == parts.norm
    assert again.norm != replace(parts.norm, means=parts.norm.means + 1e-9)
    image = working(stained(part(7), 7))
    assert again.judge(image) == parts.judge(image)
    assert again.explain() == parts.explain()
    with pytest.raises(ModelError, match="channels"):
        load_fitness(tmp_path / FITNESS, 3)
    save_fitness(tmp_path / FITNESS, None)
    assert load_fitness(tmp_path / FITNESS, 1) is None


def test_the_promise_counts_groups() -> None:
    images = [working(part(seed)) for seed in range(40)]
    each = Fitness.learn(images, unfit_rate=0.001, confidence=0.9)
    grouped = Fitness.learn(images, [str(seed // 10) for seed in range(40)], unfit_rate=0.001, confidence=0.9)
    assert each.calibration.promised_rate < 0.1 < grouped.calibration.promised_rate
    assert grouped.limit > each.limit
    assert "in 4 groups" in grouped.explain()
    assert "takes 2407 groups" in grouped.explain()


def test_one_odd_image_neither_widens_the_limit_nor_goes_unnoticed() -> None:
    images = [working(part(seed)) for seed in range(60)]
    usual = Fitness.learn(images, unfit_rate=0.001, confidence=0.9)
    with_odd = Fitness.learn([*images, working(0.2 * part(7))], unfit_rate=0.001, confidence=0.9)
    assert with_odd.limit < 1.3 * usual.limit
    assert with_odd.odd == ("60",)
    assert with_odd.judge(images[0])[1] == ()
    assert with_odd.judge(working(0.2 * part(8)))[1]


def test_the_reference_is_kept_and_files_of_earlier_versions_lack_it() -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 65536, (64, 64, 1), dtype=np.uint16) for _ in range(6)]
    fitness = Fitness.learn(images, ["a", "a", "a", "b", "b", "c"], unfit_rate=0.1, confidence=0.9)
    each = [fitness.judge(image)[0]["brightness"] for image in images]
    expected = (np.median(each[:3]), np.median(each[3:5]), each[5])
    assert fitness.reference["brightness"] == pytest.approx(expected)
    content = json.loads(json.dumps(to_json(fitness)))
    assert from_json(content).reference == fitness.reference
    with pytest.raises(ValueError, match="reference"):
        from_json({**content, "reference": {"brightness": ["dark"]}})
    del content["reference"]
    assert from_json(content).reference == {}
