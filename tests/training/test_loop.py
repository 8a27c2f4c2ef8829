"""The loop of steps: drawn ahead, safe to interrupt, with checkpoints; and the learning rate."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from excision.training.loop import run_steps, warm_cosine


class SpoiltError(Exception):
    pass


@dataclass
class Record:
    """A loop that notes the batch of every step, and what was saved and reported."""

    finished: int | None = 0
    batches: list[str] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    reported: list[tuple[int, int, dict[str, float]]] = field(default_factory=list)
    during: Callable[[int], object] = lambda _: None

    def run(self, step: int, batch: str) -> dict[str, float]:
        assert self.finished == step
        self.finished = None
        self.during(step)
        self.batches.append(batch)
        self.finished = step + 1
        return {"loss": step / 10}

    def go(self, total: int, every: int = 100, draw: Callable[[int], str] = "batch {}".format) -> None:
        def done(step: int, of: int, figures: dict[str, float]) -> None:
            self.reported.append((step, of, figures))

        run_steps(self, draw, total, every, self.saved.append, done)


def press(times: int = 1) -> None:
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("first", "total", "every", "saved"),
    [
        (0, 7, 3, [3, 6, 7]),
        (0, 6, 3, [3, 6, 6]),
        (0, 2, 100, [2]),
        (4, 7, 3, [6, 7]),
        (7, 7, 3, [7]),
        (0, 0, 1, [0]),
    ],
)
def test_every_step_once_with_its_batch_and_a_checkpoint_every_so_many(
    first: int, total: int, every: int, saved: list[int]
) -> None:
    loop = Record(finished=first)
    loop.go(total, every)
    assert loop.batches == [f"batch {step}" for step in range(first, total)]
    assert loop.saved == saved
    assert loop.reported == [(step + 1, total, {"loss": step / 10}) for step in range(first, total)]


def test_the_next_batch_is_drawn_while_a_step_is_under_way_and_no_other() -> None:
    """Each step waits for the batch after it: were it drawn only afterwards, it would wait in vain."""
    drawn = [threading.Event() for _ in range(5)]
    threads = set()

    def draw(step: int) -> str:
        threads.add(threading.current_thread())
        drawn[step].set()
        return str(step)

    def during(step: int) -> None:
        assert step == 4 or drawn[step + 1].wait(30)
        assert not any(event.is_set() for event in drawn[step + 2 :])

    loop = Record(during=during)
    loop.go(5, draw=draw)
    assert loop.batches == ["0", "1", "2", "3", "4"]
    assert len(threads) == 1 and threading.current_thread() not in threads


@pytest.mark.parametrize("step", [0, 2, 4])
def test_an_interrupt_lets_the_step_finish_and_saves_it(step: int) -> None:
    loop = Record(during=lambda now: press() if now == step else None)
    with pytest.raises(KeyboardInterrupt):
        loop.go(5)
    assert loop.batches == [f"batch {number}" for number in range(step + 1)]
    assert loop.saved == [step + 1]
    assert [number for number, _, _ in loop.reported] == list(range(1, step + 2))
    loop.during = lambda _: None
    loop.go(5)
    assert loop.batches == [f"batch {number}" for number in range(5)]
    assert loop.saved == [step + 1, 5]


def test_a_second_interrupt_does_not_wait_and_saves_no_half_step() -> None:
    loop = Record(during=lambda now: press(2) if now == 2 else None)
    with pytest.raises(KeyboardInterrupt):
        loop.go(5, every=2)
    assert loop.batches == ["batch 0", "batch 1"]
    assert loop.finished is None
    assert loop.saved == [2]


def test_an_error_of_a_step_is_raised_and_saves_nothing_more() -> None:
    def spoil(step: int) -> None:
        if step == 3:
            raise SpoiltError

    loop = Record(during=spoil)
    with pytest.raises(SpoiltError):
        loop.go(5, every=2)
    assert loop.saved == [2]


def test_an_error_of_drawing_comes_with_the_step_it_was_for() -> None:
    def draw(step: int) -> str:
        if step == 3:
            raise SpoiltError
        return str(step)

    loop = Record()
    with pytest.raises(SpoiltError):
        loop.go(5, draw=draw)
    assert loop.batches == ["0", "1", "2"]


def test_ctrl_c_works_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    Record().go(3)
    assert signal.getsignal(signal.SIGINT) is before
    loop = Record(during=lambda _: press())
    with pytest.raises(KeyboardInterrupt):
        loop.go(3)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("total", [1, 2, 10, 1000])
def test_rate_rises_then_falls_and_stays_below_its_peak(total: int) -> None:
    rates = np.array([warm_cosine(step, total, 0.5) for step in range(total)])
    assert rates[0] > 0 and rates.max() <= 0.5 and rates.min() >= 0
    top = int(rates.argmax())
    assert (np.diff(rates[: top + 1]) >= 0).all() and (np.diff(rates[top:]) <= 0).all()
    if total >= 10:
        assert rates.max() == pytest.approx(0.5)
        assert rates[-1] < 0.15 * 0.5
