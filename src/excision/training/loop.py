"""The training loop: batches drawn ahead, safe to interrupt, with checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from excision.errors import ModelError
from excision.progress import TrainingProgress
from excision.system.interrupts import deferred_interrupt
from excision.training.adamw import Optimiser
from excision.training.micro_batches import Gradients

_CLIP = 1.0  # largest norm of the gradient
_WARM_UP = 0.1  # share of the steps over which the learning rate rises

B = TypeVar("B")
Batch_contra = TypeVar("Batch_contra", contravariant=True)


class Loop(Protocol[Batch_contra]):
    """Takes one optimiser step at a time.

    Attributes:
        finished: number of steps that the weights have been through; None during a step.
    """

    finished: int | None

    def run(self, step: int, batch: Batch_contra) -> dict[str, float]:
        """Take one step and return its figures."""
        ...


def run_steps(
    loop: Loop[B],
    draw: Callable[[int], B],
    total: int,
    checkpoint_every: int,
    save: Callable[[int], None],
    done: TrainingProgress,
) -> None:
    """Run a loop from its current step to the end.

    On an interrupt (Ctrl-C), the current step is finished, a checkpoint is saved, and the interrupt is raised
    again; a second interrupt takes effect at once.

    Args:
        loop: takes the steps, and counts the finished ones.
        draw: returns the batch of a step; called in another thread, one step ahead.
        total: number of steps.
        checkpoint_every: steps between checkpoints.
        save: writes a checkpoint; called with the number of finished steps.
        done: called with (finished steps, total steps, figures) after each step.
    """

    def keep() -> None:
        # An interrupt in the middle of an update leaves weights that must not be saved.
        if loop.finished is not None:
            save(loop.finished)

    assert loop.finished is not None  # no step has started yet
    with deferred_interrupt() as interrupt:
        try:
            for step, batch in drawn_ahead(draw, loop.finished, total):
                figures = loop.run(step, batch)
                done(step + 1, total, figures)
                if interrupt.asked:
                    raise KeyboardInterrupt
                if (step + 1) % checkpoint_every == 0:
                    keep()
        except KeyboardInterrupt:
            keep()
            raise
        keep()


def drawn_ahead(draw: Callable[[int], B], first: int, end: int) -> Iterator[tuple[int, B]]:
    """Yield the steps from `first` to `end` with their batches; the next is drawn in the background."""
    if first >= end:
        return
    with ThreadPoolExecutor(max_workers=1) as drawer:
        upcoming = drawer.submit(draw, first)
        for step in range(first, end):
            batch = upcoming.result()
            if step + 1 < end:
                upcoming = drawer.submit(draw, step + 1)
            yield step, batch


def warm_cosine(step: int, total: int, peak: float) -> float:
    """Return the learning rate of a step: linear warm-up over the first tenth, then cosine decay to zero."""
    warm_up = max(1, round(_WARM_UP * total))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    phase = (step - warm_up) / max(1, total - warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * phase))


def optimise(
    loss: Tensor,
    network: nn.Module,
    optimiser: Optimiser,
    rate: float | None,
    what: str,
    clip: float | None = _CLIP,
) -> float:
    """Take one optimiser step.

    Args:
        loss: (), differentiable.
        network: network whose gradients are clipped.
        optimiser: optimiser of the network's parameters.
        rate: learning rate of this step; None leaves it to a schedule.
        what: name of the training for the error message.
        clip: largest norm of the gradient; None does not clip.

    Returns:
        The loss.

    Raises:
        ModelError: the loss is not finite.
    """
    value = loss.item()
    _check(value, what)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    _update(network, optimiser, rate, clip)
    return value


def optimise_by(
    gradients: Gradients, network: nn.Module, optimiser: Optimiser, rate: float, what: str
) -> float:
    """Take one optimiser step with gradients that are known; arguments and result as for `optimise`."""
    _check(gradients.loss, what)
    for parameter, gradient in zip(network.parameters(), gradients.of, strict=True):
        parameter.grad = gradient
    _update(network, optimiser, rate, _CLIP)
    return gradients.loss


def _check(loss: float, what: str) -> None:
    if not math.isfinite(loss):
        raise ModelError(
            f"{what} diverged: its loss is {loss}. Train again with a lower training.learning_rate"
        )


def _update(network: nn.Module, optimiser: Optimiser, rate: float | None, clip: float | None) -> None:
    if rate is not None:
        for group in optimiser.param_groups:
            group["lr"] = rate
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
