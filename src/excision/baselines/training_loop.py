"""Gradient training shared by the baselines, with EAR's optimiser, schedule, batch and crops."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from excision.baselines.base import TrainingJob
from excision.method.recovery.training import compute_dtype, learning_rate
from excision.ops.unit_range import to_unit
from excision.settings import Settings
from excision.training.adamw import AdamW, Optimiser
from excision.training.loop import optimise

Loss = Callable[[Tensor, np.random.Generator], Tensor]
"""Computes a scalar loss from images (B, C, S, S) in [0, 1] and the random generator of the step."""

_WARM_UP, _TIMED = 3, 10  # steps before timing starts, and timed steps
_FEWEST = 20


def train_network(network: nn.Module, job: TrainingJob, loss: Loss) -> int:
    """Train a network in place.

    If `job.seconds` is given, the first steps are timed, and the total number of steps, including these, is
    set to fill that time; from then on the learning rate follows the schedule for that number.

    Args:
        network: network to train.
        job: data, settings and time limit.
        loss: computes the loss of a batch.

    Returns:
        The number of steps taken.

    Raises:
        ModelError: the loss is not finite.
    """
    training = job.settings.training
    optimiser = AdamW(network.parameters(), lr=training.learning_rate, weight_decay=1e-4)
    network.train()
    timed = job.seconds is not None
    total = _WARM_UP + _TIMED if timed else training.steps
    step, clock = 0, 0.0
    while step < total:
        if step == _WARM_UP:
            clock = time.perf_counter()
        start = time.perf_counter()
        value = _step(network, optimiser, job, loss, step, total)
        step += 1
        rate = training.batch / (time.perf_counter() - start)
        if job.seconds is not None and timed and step == total:
            timed = False
            total = max(_FEWEST, round(job.seconds / ((time.perf_counter() - clock) / _TIMED)))
        job.progress(step, total, {"loss": value, "images_per_second": rate})
    network.eval()
    return step


def draw_crops(job: TrainingJob, rng: np.random.Generator) -> Tensor:
    """Draw a batch of square crops (B, C, S, S) in [0, 1], half of them mirrored, as EAR's training does."""
    side = job.settings.training.crop
    crops = []
    for _ in range(job.settings.training.batch):
        image = job.data.read(int(rng.integers(len(job.data.training))))
        top, left = (int(rng.integers(max(0, length - side) + 1)) for length in image.shape[:2])
        crop = image[top : top + side, left : left + side]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    pixels = torch.from_numpy(to_unit(np.stack(crops)))
    return pixels.permute(0, 3, 1, 2).to(job.device).contiguous(memory_format=torch.channels_last)


def _step(
    network: nn.Module, optimiser: Optimiser, job: TrainingJob, loss: Loss, step: int, total: int
) -> float:
    settings = job.settings
    rng = np.random.default_rng((settings.training.seed, step))
    # The number of steps is unknown while steps are timed: use the warm-up of a long training.
    planned = max(total, settings.training.steps) if step < _WARM_UP + _TIMED else total
    rate = learning_rate(step, _with_steps(settings, planned))
    dtype = compute_dtype(settings.training.precision, job.device)
    images = draw_crops(job, rng)
    with torch.autocast(job.device.type, dtype, enabled=dtype != torch.float32):
        result = loss(images, rng)
    return optimise(result, network, optimiser, rate, f"the training at step {step + 1}")


def _with_steps(settings: Settings, steps: int) -> Settings:
    return replace(settings, training=replace(settings.training, steps=steps))
