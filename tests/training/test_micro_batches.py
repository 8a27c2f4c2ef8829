"""Micro-batches: the gradients are those of the whole batch, in the same order whoever computes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from excision.errors import ModelError
from excision.method.attention.digits import Lesson
from excision.method.attention.networks import SurfaceAttention
from excision.method.attention.pretrain import lesson_loss
from excision.training.adamw import AdamW
from excision.training.loop import optimise, optimise_by
from excision.training.micro_batches import MicroBatches


def lesson() -> Lesson:
    """Five images, two of them without a stroke."""
    torch.manual_seed(3)
    strokes = (torch.rand(5, 1, 64, 48) > 0.98).double()
    strokes[1], strokes[4] = 0, 0
    return Lesson(torch.rand(5, 1, 64, 48).double(), strokes)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_losses_and_gradients_add_up_to_those_of_the_batch(count: int) -> None:
    torch.manual_seed(4)
    network, batch = SurfaceAttention().double(), lesson()
    loss = lesson_loss(network, batch)
    expected = torch.autograd.grad(loss, list(network.parameters()))
    cut = zip(*(part.tensor_split(count) for part in batch), strict=True)
    with MicroBatches(network, threads=2) as micro_batches:
        found = micro_batches.gradients([partial(lesson_loss, network, Lesson(*each), batch) for each in cut])
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    for mine, whole in zip(found.of, expected, strict=True):
        assert mine is not None
        assert (mine - whole).abs().max() < 1e-11 * max(1, whole.abs().max().item())


class Line(nn.Module):
    """One weight that counts, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(()))
        self.idle = nn.Parameter(torch.ones(()))

    def loss(self, slope: float, seconds: float = 0.0) -> Tensor:
        time.sleep(seconds)
        return slope * self.slope


def test_gradients_are_added_in_order_though_the_first_is_the_slowest() -> None:
    # In float32 the sum depends on the order: 1e8 + 1 is 1e8.
    line, slopes = Line(), (1e8, 1.0, -1e8, 1.0)
    losses = [partial(line.loss, slope, 0.05 * (place == 0)) for place, slope in enumerate(slopes)]
    found = []
    for threads in (1, 4):
        with MicroBatches(line, threads) as micro_batches:
            found.append(micro_batches.gradients(losses).of)
    assert [each[0].item() for each in found if each[0] is not None] == [1.0, 1.0]
    assert [each[1] for each in found] == [None, None]


def test_micro_batches_are_computed_at_once() -> None:
    line, both = Line(), threading.Barrier(2, timeout=20)

    def waiting() -> Tensor:
        both.wait()
        return line.loss(1.0)

    with MicroBatches(line, threads=2) as micro_batches:
        assert micro_batches.gradients([waiting, waiting]).of[0] == 2


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("threads", [1, 2])
def test_each_operation_has_one_thread_until_the_end(threads: int) -> None:
    line, seen = Line(), []

    def counting() -> Tensor:
        seen.append(torch.get_num_threads())
        return line.loss(1.0)

    with pytest.raises(RuntimeError, match="torn"), MicroBatches(line, threads) as micro_batches:
        micro_batches.gradients([counting, counting])
        raise RuntimeError("torn")
    assert seen == [1, 1]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_an_interrupt_at_the_end_leaves_torch_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end waits for micro-batches that have begun: that is when an impatient user asks again."""
    shutdown = ThreadPoolExecutor.shutdown

    def interrupted(pool: ThreadPoolExecutor, **chosen: bool) -> None:
        shutdown(pool, **chosen)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt) as held, MicroBatches(Line(), 2):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 4
    del held  # a traceback that is kept, as in a notebook, keeps what is not ended


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_micro_batch_is_raised(threads: int) -> None:
    def broken() -> Tensor:
        raise RuntimeError("no memory")

    line = Line()
    with pytest.raises(RuntimeError, match="no memory"), MicroBatches(line, threads) as micro_batches:
        micro_batches.gradients([partial(line.loss, 1.0), broken])


def test_a_step_by_gradients_is_that_by_the_loss() -> None:
    stepped = []
    for by_loss in (True, False):
        torch.manual_seed(5)
        network = nn.Linear(3, 1)
        optimiser = AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
        loss = partial(lambda module: 100 * module(torch.ones(1, 3)).square().sum(), network)
        for _ in range(3):
            if by_loss:
                optimise(loss(), network, optimiser, 0.1, "the test")
            else:
                with MicroBatches(network, 1) as micro_batches:
                    gradients = micro_batches.gradients([loss])
                optimise_by(gradients, network, optimiser, 0.1, "the test")
        stepped.append(network.weight.detach().clone())
    assert torch.equal(*stepped)


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    line = Line()
    optimiser = AdamW(line.parameters(), lr=1e-3, weight_decay=0.01)
    with MicroBatches(line, 1) as micro_batches:
        gradients = micro_batches.gradients([partial(line.loss, float("nan"))])
    with pytest.raises(ModelError, match="the test diverged"):
        optimise_by(gradients, line, optimiser, 0.1, "the test")
    assert line.slope == 0
