"""Tuning the pre-trained attention to a product, on defects drawn on its normal images."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from excision.method.attention.digits import Lesson
from excision.method.attention.model import Attention
from excision.method.attention.networks import AttentionNetwork
from excision.method.attention.pretrain import lesson_loss
from excision.method.attention.tuning.known_defects import KnownLesson, known_losses
from excision.method.attention.tuning.lessons import LessonSource
from excision.method.run_folder import TUNING
from excision.ops.memory_format import channels_last
from excision.progress import Progress, TrainingProgress
from excision.settings import Settings
from excision.training.adamw import AdamW
from excision.training.checkpoint import load_checkpoint, save_checkpoint
from excision.training.loop import optimise_by, run_steps, warm_cosine
from excision.training.micro_batches import MicroBatches, MicroBatchLoss
from excision.training.training_set import TrainingSet

_RATE = 2e-3
_STEPS_AN_IMAGE = 8
_MICRO_BATCHES = 2  # of the drawn defects; more of them, with fewer pieces each, take more time in all
_MEMORY = 0.99  # decay of the running average of the weights, after enough steps


def tune_attention(
    attention: Attention,
    data: TrainingSet,
    settings: Settings,
    folder: Path | None,
    progress: Progress,
) -> None:
    """Tune the attention to the training images; 0 steps leave it unchanged, and "dino" is never tuned.

    Args:
        attention: pre-trained, on its device; changed in place.
        data: training images.
        settings: settings of attention and training.
        folder: folder for the checkpoint; None writes none.
        progress: called with (done, total).
    """
    count = len(data.training)
    # With few images, many steps would only make the network memorise them.
    steps = min(settings.attention.tuning, _STEPS_AN_IMAGE * count)
    if steps == 0 or settings.attention.variant == "dino":
        return
    replay = settings.attention.pretraining_weight / (settings.attention.pretraining_weight + count)
    size, seed = data.image_format.size, settings.training.seed
    source = LessonSource(count, data.read, size, seed, replay, data.known)
    every = settings.training.checkpoint_every
    tune(attention, source, steps, every, folder, lambda done, all_, _: progress(done, all_))


def tune(
    attention: Attention,
    source: LessonSource,
    steps: int,
    checkpoint_every: int,
    folder: Path | None = None,
    progress: TrainingProgress | None = None,
    threads: int | None = None,
) -> None:
    """Tune the attention in place.

    The result is a running average of the weights, which is steadier than the last ones (Polyak and Juditsky,
    "Acceleration of stochastic approximation by averaging", 1992). Tuning continues from a checkpoint in
    `folder`, as training does.

    Args:
        attention: pre-trained, on its device.
        source: draws pieces of normal images with drawn defects.
        steps: optimiser steps.
        checkpoint_every: steps between checkpoints.
        folder: folder for the checkpoint; None writes none.
        progress: called with (finished steps, total steps, figures) after each step.
        threads: number of threads that compute gradients, beside the one that draws; None takes as many as
            torch would use for one operation. The weights do not depend on it.

    Raises:
        ModelError: the checkpoint is damaged, or the loss is not finite.
    """
    attention.requires_grad_(True)
    network = attention.network
    both = nn.ModuleDict({"live": network, "average": copy.deepcopy(network)})
    optimiser = AdamW(network.parameters(), lr=_RATE, weight_decay=1e-3)
    path = None if folder is None else folder / TUNING
    begin = 0
    if path is not None and path.is_file():
        begin = load_checkpoint(path, both, optimiser)

    def save(finished: int) -> None:
        if path is not None:
            save_checkpoint(path, both, optimiser, finished)

    def draw(step: int) -> _Drawn:
        return _Drawn(source.batch(step), source.known(step))

    with MicroBatches(network, threads) as micro_batches:
        loop = _Loop(network, both["average"], optimiser, micro_batches, steps, begin)
        run_steps(loop, draw, steps, checkpoint_every, save, progress or (lambda *_: None))
    network.load_state_dict(both["average"].state_dict())
    attention.requires_grad_(False).eval()


class _Drawn(NamedTuple):
    """What a step learns from: pieces with drawn defects, and known defects if there are any."""

    lesson: Lesson
    known: KnownLesson | None


class _Loop:
    """One optimiser step at a time.

    Attributes:
        finished: number of steps that the weights have been through; None during a step.
    """

    def __init__(
        self,
        network: AttentionNetwork,
        average: nn.Module,
        optimiser: AdamW,
        micro_batches: MicroBatches,
        total: int,
        finished: int,
    ) -> None:
        self.finished: int | None = finished
        self._network = channels_last(network).train()
        self._average = average
        self._optimiser = optimiser
        self._micro_batches = micro_batches
        self._total = total

    def run(self, step: int, batch: _Drawn) -> dict[str, float]:
        """Take one step and return its figures: loss and learning rate.

        Raises:
            ModelError: the loss is not finite.
        """
        self.finished = None
        rate = warm_cosine(step, self._total, _RATE)
        gradients = self._micro_batches.gradients(self._losses(batch))
        value = optimise_by(gradients, self._network, self._optimiser, rate, "the tuning of the attention")
        self._remember(step)
        self.finished = step + 1
        return {"loss": value, "learning_rate": rate}

    def _losses(self, batch: _Drawn) -> list[MicroBatchLoss]:
        """Return the losses of the micro-batches of a step."""
        device = next(self._network.parameters()).device
        lesson = Lesson(*(part.to(device) for part in batch.lesson))
        # A GPU computes a whole batch at once.
        cut = (part.tensor_split(_MICRO_BATCHES if device.type == "cpu" else 1) for part in lesson)
        losses: list[MicroBatchLoss] = [
            partial(lesson_loss, self._network, Lesson(*parts), lesson) for parts in zip(*cut, strict=True)
        ]
        return losses if batch.known is None else losses + known_losses(self._network, batch.known)

    @torch.no_grad()
    def _remember(self, step: int) -> None:
        memory = min(_MEMORY, (step + 1) / (step + 10))
        averages: list[Tensor] = list(self._average.parameters())
        for average, live in zip(averages, self._network.parameters(), strict=True):
            average.lerp_(live, 1 - memory)
