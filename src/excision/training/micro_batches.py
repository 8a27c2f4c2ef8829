"""Gradients of a batch from its micro-batches, side by side in threads.

The batch is cut the same way on every machine, each micro-batch is computed by one thread, and the gradients
are added in the order of the micro-batches. What is learnt therefore depends neither on the number of cores
nor on which thread is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from excision.training.side_by_side import one_thread_each

MicroBatchLoss = Callable[[], Tensor]
"""Computes what a micro-batch adds to the loss of the batch, a differentiable scalar."""


class Gradients(NamedTuple):
    """The gradients of a batch.

    Attributes:
        loss: of the batch.
        of: gradient of each parameter of the network; None of a parameter that the loss does not depend on.
    """

    loss: float
    of: list[Tensor | None]


class MicroBatches:
    """Computes the gradients of a network. While it is open, torch computes each operation with one thread.

    No layer may mix the images of a batch, as batch normalisation does.

    Args:
        network: whose parameters the gradients are of.
        threads: number of micro-batches that are computed at once; None takes the number of threads that
            torch would use for one operation.
    """

    def __init__(self, network: nn.Module, threads: int | None = None) -> None:
        self._parameters = list(network.parameters())
        self._threads = threads
        self._opened = ExitStack()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        threads = self._opened.enter_context(one_thread_each())
        if (self._threads or threads) > 1:
            self._pool = ThreadPoolExecutor(self._threads or threads, "micro-batch")
            self._opened.callback(self._pool.shutdown, cancel_futures=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def gradients(self, losses: Sequence[MicroBatchLoss]) -> Gradients:
        """Return loss and gradients of a batch, of which each of `losses` computes a micro-batch."""
        computed = map(self._one, losses) if self._pool is None else self._pool.map(self._one, losses)
        loss = 0.0
        total: list[Tensor | None] = [None] * len(self._parameters)
        for part, gradients in computed:
            loss += part
            total = [_added(*pair) for pair in zip(total, gradients, strict=True)]
        return Gradients(loss, total)

    def _one(self, loss: MicroBatchLoss) -> tuple[float, tuple[Tensor | None, ...]]:
        value = loss()
        return value.item(), torch.autograd.grad(value, self._parameters, allow_unused=True)


def _added(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total + more  # not in place: two gradients may be one tensor
