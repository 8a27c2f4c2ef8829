"""Lessons from known defects: what they show, how many there are, and what they change in the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.method.attention.digits import Lesson
from excision.method.attention.model import Attention
from excision.method.attention.pretrain import lesson_loss
from excision.method.attention.tuning.bags import bag_loss, whole_image
from excision.method.attention.tuning.known_defects import KnownLessons, known_losses, known_weight
from excision.method.attention.tuning.lessons import LessonSource
from excision.method.attention.tuning.training import tune
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat
from excision.training.known_defects import KnownDefects, KnownImage

if TYPE_CHECKING:
    from excision.method.attention.networks import AttentionNetwork

SIZE = (64, 72)
BRIGHT = 0.95


def surface(number: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(number)
    rows = rng.normal(0.4, 0.03, (SIZE[0], 1)) + rng.normal(0, 0.01, SIZE)
    return rows.clip(0, 0.6).astype(np.float32)


def spotted(number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    image, marked = surface(number), np.zeros(SIZE, np.bool_)
    left = 30 + number % 20
    marked[20:29, left : left + 11] = True
    image[marked] = BRIGHT
    return image, marked


def known(masked: int, unmasked: int = 0) -> KnownDefects:
    pairs = [spotted(number) for number in range(masked + unmasked)]
    images = [
        KnownImage(str(number), image, marked if number < masked else None)
        for number, (image, marked) in enumerate(pairs)
    ]
    return KnownDefects(images, ImageFormat(SIZE, 1))


def source(defects: KnownDefects | None, seed: int = 0) -> LessonSource:
    images = [np.round(65535 * surface(10 + number)).astype(np.uint16)[..., None] for number in range(4)]
    return LessonSource(4, lambda index: images[index], SIZE, seed, 0.2, defects)


def lesson_of(source: LessonSource, step: int) -> Lesson:
    drawn = source.known(step)
    assert drawn is not None and drawn.pieces is not None
    return drawn.pieces


def same(one: Lesson, other: Lesson) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_drawn_lessons_are_the_same_with_and_without_known_defects() -> None:
    for step in range(4):
        assert same(source(None).batch(step), source(known(2, 1)).batch(step))
        assert source(None).known(step) is None


def test_what_is_learnt_depends_on_seed_and_step_alone() -> None:
    first, second = source(known(2, 2)), source(known(2, 2))
    second.known(0)
    for step in range(6):
        one, other = first.known(step), second.known(step)
        assert one is not None and other is not None
        assert one.pieces is not None and other.pieces is not None and same(one.pieces, other.pieces)
        assert (one.bag is None) == (other.bag is None)
        assert one.bag is None or other.bag is None or torch.equal(one.bag, other.bag)
    assert not same(lesson_of(source(known(2), seed=1), 0), lesson_of(source(known(2)), 0))


def test_known_defects_stay_a_minority_however_many_there_are() -> None:
    weights = [known_weight(count) for count in range(2000)]
    assert weights[0] == 0 and weights == sorted(weights) and weights[-1] < 1 / 2
    assert 0.3 < known_weight(10) < 0.35
    for masked, unmasked in ((3, 0), (0, 3), (2, 1), (40, 60)):
        drawn = source(known(masked, unmasked)).known(0)
        assert drawn is not None and (drawn.pieces is None) == (masked == 0)
        assert drawn.pieces_weight + drawn.bag_weight == pytest.approx(known_weight(masked + unmasked))
        assert drawn.pieces_weight * unmasked == pytest.approx(drawn.bag_weight * masked)


@pytest.mark.parametrize("seed", range(30))
def test_the_lesson_is_where_the_defect_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    piece = surface(20)[:56, :64]
    image, share = KnownLessons(known(3), lambda _: piece)._draw(rng)
    assert image.shape == share.shape == piece.shape and image.dtype == share.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1 and 0 <= share.min() <= share.max() <= 1
    assert share.max() > 0.9 and share.mean() <= 0.5
    core, around = image[share > 0.99], image[share == 0]
    assert core.mean() > around.mean() + 0.15


def test_drawn_onto_a_good_piece_a_defect_changes_nothing_far_from_it() -> None:
    from excision.method.attention.tuning.known_defects import _drawn
    from excision.method.attention.tuning.shapes import box_blur

    defect, piece = known(1).defect(0), surface(21)
    for seed in range(12):
        for blend in (True, False):
            image, share = _drawn(defect, piece, np.random.default_rng(seed), blend=blend)
            near = box_blur((share > 0).astype(np.float32), 1 if not blend else 12) > 0
            np.testing.assert_array_equal(image[~near], piece[~near])
            assert not near.all()


def test_a_defect_that_fills_the_image_is_shown_with_good_surface_beside_it() -> None:
    image = surface(0)
    image[:, :66] = BRIGHT
    everywhere = KnownImage("0", image, image == np.float32(BRIGHT))
    defects = KnownDefects([everywhere], ImageFormat(SIZE, 1))
    lessons = KnownLessons(defects, lambda _: surface(22))
    for seed in range(20):
        _, share = lessons._draw(np.random.default_rng(seed))
        assert share.mean() < 0.95 and (share == 0).any()


def test_a_hairline_is_blended_even_where_it_is_reduced_to_less_than_half_a_pixel() -> None:
    from excision.method.attention.tuning.known_defects import _drawn

    image, marked = np.full((700, 700), 0.4, np.float32), np.zeros((700, 700), np.bool_)
    marked[350, 20:680] = True
    image[marked] = BRIGHT
    defect = KnownDefects([KnownImage("0", image, marked)], ImageFormat((700, 700), 1)).defect(0)
    piece = np.full(SIZE, 0.4, np.float32)
    for seed in range(4):
        drawn, share = _drawn(defect, piece, np.random.default_rng(seed), blend=True)
        assert 0 < share.max() < 0.5
        assert (drawn - piece)[share > 0].mean() > 0.01


@pytest.mark.parametrize("size", [(9, 9), (12, 13), (9, 40)])
def test_an_image_smaller_than_a_piece_is_a_lesson(size: tuple[int, int]) -> None:
    image, marked = np.full(size, 0.4, np.float32), np.ones(size, np.bool_)
    tiled = ImageFormat((192, 192), 1, Tiling((192, 192), 8, 16))
    for mask in (marked, None):
        lessons = KnownLessons(KnownDefects([KnownImage("0", image, mask)], tiled), lambda _: surface(22))
        network = Attention("surface").network.train()
        for seed in range(24):
            losses = known_losses(network, lessons.lesson(np.random.default_rng(seed)))
            assert all(loss().isfinite() for loss in losses)


def test_bags_are_whole_images_now_and_then() -> None:
    lessons = [source(known(0, 10)).known(step) for step in range(60)]
    bags = [lesson.bag for lesson in lessons if lesson is not None and lesson.bag is not None]
    assert len(bags) / 60 == pytest.approx(0.5, abs=0.2)
    assert all(bag.shape == (1, 1, 64, 72) and 0 <= bag.min() <= bag.max() <= 1 for bag in bags)
    assert all((bag > 1.5 * bag.median()).sum() == 9 * 11 for bag in bags)


def test_a_large_image_is_reduced_before_it_is_shown_whole() -> None:
    plane = np.full((3001, 900), 0.5, np.float32)
    shown = whole_image(plane, np.random.default_rng(0))
    assert shown.numel() <= 2**20 and all(side % 8 == 0 for side in shown.shape[2:])
    assert shown.shape[2] / shown.shape[3] == pytest.approx(3001 / 900, rel=0.03)


def test_a_bag_asks_for_its_largest_attention_alone() -> None:
    class Fixed(torch.nn.Module):
        stride = 1

        def locate(self, brightness: torch.Tensor) -> torch.Tensor:
            return brightness

    bag = torch.rand(1, 1, 20, 30, requires_grad=True)
    torch.autograd.backward(bag_loss(cast("AttentionNetwork", Fixed()), bag))
    assert bag.grad is not None
    pulled = torch.nonzero(bag.grad.flatten()).flatten()
    assert set(pulled.tolist()) == set(bag.detach().flatten().topk(3).indices.tolist())
    assert (bag.grad.flatten()[pulled] < 0).all()


def tuned(
    folder: Path | None = None, interrupt_at: int | None = None, threads: int = 2
) -> dict[str, torch.Tensor]:
    attention = Attention.pretrained("surface")

    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        assert done <= total and np.isfinite(figures["loss"])
        if done == interrupt_at:
            raise KeyboardInterrupt

    tune(attention, source(known(4, 60)), 4, 100, folder, progress, threads)
    return {name: value.clone() for name, value in attention.state_dict().items()}


def test_an_interrupted_tuning_with_known_defects_ends_with_the_same_bits_on_any_threads(
    tmp_path: Path,
) -> None:
    whole = tuned(threads=1)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, interrupt_at=2)
    for name, value in tuned(tmp_path, threads=3).items():
        assert torch.equal(whole[name], value), name


def test_the_loss_of_known_defects_is_weighted() -> None:
    network, lesson = Attention.pretrained("surface").network, source(known(3, 2)).known(1)
    assert lesson is not None and lesson.pieces is not None
    with torch.no_grad():
        expected = lesson.pieces_weight * lesson_loss(network, lesson.pieces)
        if lesson.bag is not None:
            expected += lesson.bag_weight * bag_loss(network, lesson.bag)
        found = sum(loss().item() for loss in known_losses(network, lesson))
        assert found == pytest.approx(expected.item())


def test_images_beyond_the_budget_are_read_again() -> None:
    images = [
        KnownImage("0", *spotted(0)),
        KnownImage("1", *spotted(1)),
        KnownImage("2", spotted(2)[0], None),
    ]
    kept, none = (KnownDefects(images, ImageFormat(SIZE, 1), budget=budget) for budget in (10**6, 0))
    for index in range(2):
        assert kept.defect(index) is kept.defect(index)
        assert none.defect(index) is not none.defect(index)
        np.testing.assert_array_equal(kept.defect(index).marked, none.defect(index).marked)
        np.testing.assert_array_equal(kept.image(index), none.image(index))
    np.testing.assert_array_equal(kept.image(2), none.image(2))


def test_a_hairline_survives_the_reduction_of_its_image() -> None:
    image, marked = np.full((256, 288), 0.5, np.float32), np.zeros((256, 288), np.bool_)
    marked[100, 20:200] = True
    reduced = KnownDefects([KnownImage("0", image, marked)], ImageFormat(SIZE, 1)).defect(0)
    columns = np.asarray(reduced.marked.any(axis=0))
    assert columns[6:49].all() and not columns[:4].any() and not columns[52:].any()
    assert reduced.marked.sum(axis=0).max() <= 2
