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
from excision.method.attention.tuning.known_defects import Bags, KnownLessons, bag_loss, known_share
from excision.method.attention.tuning.lessons import LessonSource
from excision.method.attention.tuning.training import tune
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


def source(lessons: KnownLessons | None, seed: int = 0) -> LessonSource:
    images = [np.round(65535 * surface(10 + number)).astype(np.uint16)[..., None] for number in range(4)]
    return LessonSource(4, lambda index: images[index], SIZE, seed, 0.2, lessons)


class Never(KnownLessons):
    """Known lessons that are never due, and that draw nothing at random to find that out."""

    def due(self, rng: np.random.Generator) -> bool:
        assert rng is not None
        return False


def same(one: Lesson | Bags, other: Lesson | Bags) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_known_defects_nothing_is_drawn_for_them() -> None:
    for step in range(4):
        assert same(source(None).batch(step), source(Never(known(2))).batch(step))
        assert source(None).bags(step) is None


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    lessons = KnownLessons(known(2, 2))
    assert same(source(lessons).batch(5), source(KnownLessons(known(2, 2))).batch(5))
    assert not same(source(lessons).batch(5), source(None).batch(5))
    bags, again = ([source(KnownLessons(known(2, 7))).bags(step) for step in range(20)] for _ in range(2))
    for one, other in zip(bags, again, strict=True):
        assert one is other is None or (one is not None and other is not None and same(one, other))
    assert any(pair is not None for pair in bags)


def test_known_defects_stay_a_minority_however_many_there_are() -> None:
    shares = [known_share(count) for count in range(2000)]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] < 1 / 3
    assert 0.2 < known_share(10) < 0.25
    lessons, rng = KnownLessons(known(10)), np.random.default_rng(0)
    assert np.mean([lessons.due(rng) for _ in range(4000)]) == pytest.approx(known_share(10), abs=0.03)


@pytest.mark.parametrize("seed", range(30))
def test_the_lesson_is_where_the_defect_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    piece = surface(20)[:56, :64]
    image, share = KnownLessons(known(3)).draw(piece, rng)
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
    lessons, piece = KnownLessons(KnownDefects([everywhere], ImageFormat(SIZE, 1))), surface(22)
    for seed in range(20):
        _, share = lessons.draw(piece, np.random.default_rng(seed))
        assert share.mean() < 0.95 and (share == 0).any()


def test_bags_are_whole_images_now_and_then() -> None:
    good = np.full((*SIZE, 1), 20_000, np.uint16)
    for lessons, marked in ((KnownLessons(known(0, 10)), False), (KnownLessons(known(10)), True)):
        rng = np.random.default_rng(0)
        found = [pair for pair in (lessons.bags(rng, lambda: good) for _ in range(400)) if pair is not None]
        assert len(found) / 400 == pytest.approx(known_share(10), abs=0.07)
        for pair in found:
            assert pair.defective.shape == pair.inside.shape == pair.good.shape == (1, 1, 64, 72)
            assert all(0 <= part.min() <= part.max() <= 1 for part in pair)
            assert pair.good.std() < 1e-6
            bright = pair.defective > pair.defective[pair.inside == 0].max() if marked else pair.inside > 0
            assert torch.equal(bright, pair.inside > 0.5)
    without = KnownLessons(known(0, 10))
    assert not any(without.due(np.random.default_rng(seed)) for seed in range(50))


def test_bags_ask_for_the_largest_attention_alone() -> None:
    class Fixed(torch.nn.Module):
        stride = 1

        def locate(self, brightness: torch.Tensor) -> torch.Tensor:
            return brightness

    defective, good = (torch.rand(1, 1, 20, 30, requires_grad=True) for _ in range(2))
    inside = torch.zeros(1, 1, 20, 30)
    inside[..., 5:9, 10:20] = 1
    loss = bag_loss(cast("AttentionNetwork", Fixed()), Bags(defective, inside, good))
    torch.autograd.backward(loss)
    for image, allowed, sign in ((defective, inside, -1), (good, torch.ones_like(good), 1)):
        assert image.grad is not None
        pulled = torch.nonzero(image.grad.flatten()).flatten()
        candidates = torch.where(allowed > 0, image.detach(), -1.0).flatten()
        assert set(pulled.tolist()) == set(candidates.topk(3).indices.tolist())
        assert (sign * image.grad.flatten()[pulled] > 0).all()


def tuned(folder: Path | None = None, interrupt_at: int | None = None) -> dict[str, torch.Tensor]:
    attention = Attention.pretrained("surface")

    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        assert done <= total and np.isfinite(figures["loss"])
        if done == interrupt_at:
            raise KeyboardInterrupt

    tune(attention, source(KnownLessons(known(4, 60))), 4, 100, folder, progress)
    return {name: value.clone() for name, value in attention.state_dict().items()}


def test_an_interrupted_tuning_with_known_defects_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = tuned()
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, interrupt_at=2)
    for name, value in tuned(tmp_path).items():
        assert torch.equal(whole[name], value), name


def test_the_loss_counts_marked_pixels_as_it_does_those_of_drawn_defects() -> None:
    batch = source(KnownLessons(known(60))).batch(0)
    assert torch.isfinite(lesson_loss(Attention.pretrained("surface").network, batch))


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
