"""Pre-training of the two attention networks on MNIST. No product image is used."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.method.attention.digits import Lesson, draw_lesson
from excision.method.attention.mnist import load_mnist
from excision.method.attention.networks import AttentionNetwork, PlainAttention, SurfaceAttention
from excision.method.attention.weights import save_weights
from excision.ops.memory_format import channels_last
from excision.progress import TrainingProgress
from excision.settings import AttentionVariant
from excision.training.loop import drawn_ahead, optimise
from excision.version import __version__

Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_DEFAULT_STEPS: dict[AttentionVariant, int] = {"plain": 4000, "surface": 2000}
HELD_OUT_LESSONS = 40  # batches on which the finished network is evaluated
LESSON_SIZE, _LESSONS = 160, 24  # side in pixels, and images in a batch


@dataclass(frozen=True)
class PretrainReport:
    """Results of pre-training on held-out digits.

    Attributes:
        variant: "plain" or "surface".
        steps: optimiser steps.
        seed: seed of weights, digits and surfaces.
        test_accuracy: share of MNIST test digits classified correctly ("plain" only).
        iou: intersection over union of attention and digit on held-out digits ("surface" only).
        version: version of Excision.
    """

    variant: AttentionVariant
    steps: int
    seed: int
    test_accuracy: float | None
    iou: float | None
    version: str = __version__


def pretrain(
    mnist: Path,
    variant: AttentionVariant,
    out: Path,
    steps: int | None = None,
    seed: int = 0,
    progress: TrainingProgress | None = None,
) -> PretrainReport:
    """Train one attention network and write `<variant>.safetensors` and `<variant>.json` to `out`.

    Args:
        mnist: folder of the four IDX files, gzipped or not.
        variant: network to train.
        out: folder for the weights and the record of the training.
        steps: optimiser steps; None takes the number used for the shipped weights.
        seed: seed of everything random.
        progress: called with (step, total, figures).

    Raises:
        DatasetError: the IDX files are missing or damaged.
    """
    train, test = load_mnist(mnist, "train"), load_mnist(mnist, "test")
    total = steps if steps is not None else _DEFAULT_STEPS[variant]
    torch.manual_seed(seed)
    if variant == "plain":
        plain = PlainAttention()
        _train_plain(plain, train, total, seed, progress)
        report = PretrainReport(variant, total, seed, _plain_accuracy(plain, test), None)
        save_weights(plain, out, variant, asdict(report))
    else:
        surface = SurfaceAttention()
        _train_surface(surface, train[0], total, seed, progress)
        report = PretrainReport(variant, total, seed, None, _examine_surface(surface, test[0]))
        save_weights(surface, out, variant, asdict(report))
    return report


def _train_plain(
    network: PlainAttention, train: Digits, steps: int, seed: int, progress: TrainingProgress | None
) -> None:
    """Train with cross-entropy on MNIST.

    Adam as published, but with larger batches and a decaying learning rate, which converges faster.
    """
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    channels_last(network).train()
    for step in range(steps):
        chosen = rng.integers(0, len(train[0]), size=64)
        _, digit_logits = network(_to_unit(train[0][chosen]))
        loss = functional.cross_entropy(digit_logits, torch.from_numpy(train[1][chosen].astype(np.int64)))
        value = optimise(loss, network, optimiser, None, "the pre-training", clip=None)
        schedule.step()
        if progress is not None:
            progress(step + 1, steps, {"loss": value})


@torch.no_grad()
def _plain_accuracy(network: PlainAttention, test: Digits) -> float:
    network.eval()
    right = 0
    for start in range(0, len(test[0]), 500):
        _, digit_logits = network(_to_unit(test[0][start : start + 500]))
        right += int((digit_logits.argmax(dim=1).numpy() == test[1][start : start + 500]).sum())
    return right / len(test[0])


def _to_unit(digits: NDArray[np.uint8]) -> Tensor:
    """Convert digits (N, 28, 28) to (N, 1, 28, 28), each rescaled to [0, 1] by its minimum and maximum."""
    images = torch.from_numpy(digits.astype(np.float32))[:, None]
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (images - low) / (high - low).clamp_min(1)


def _train_surface(
    network: SurfaceAttention,
    digits: NDArray[np.uint8],
    steps: int,
    seed: int,
    progress: TrainingProgress | None,
) -> None:
    """Train the network to locate the digit, on batches of surfaces."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=min(0.05, 1))
    channels_last(network).train()

    def draw(step: int) -> Lesson:
        rng = np.random.default_rng((seed, step))
        return draw_lesson(digits, batch=_LESSONS, size=LESSON_SIZE, rng=rng)

    for step, lesson in drawn_ahead(draw, 0, steps):
        value = optimise(lesson_loss(network, lesson), network, optimiser, None, "the pre-training")
        schedule.step()
        if progress is not None:
            progress(step + 1, steps, {"loss": value})


def lesson_loss(network: AttentionNetwork, lesson: Lesson, batch: Lesson | None = None) -> Tensor:
    """Cross-entropy of every cell, plus a Dice loss, so that the background does not outweigh small digits.

    Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, section 3.

    Args:
        network: attention network.
        lesson: what it learns.
        batch: the batch that the lesson is a micro-batch of; the losses of micro-batches add up to that of
            the batch. None for a lesson that is a batch itself.
    """
    logits = network.locate(lesson.images.to(memory_format=torch.channels_last))
    target = grid_target(lesson.strokes, network.stride)
    each_cell = functional.binary_cross_entropy_with_logits(
        logits, target, pos_weight=torch.tensor(3.0), reduction="sum"
    )
    found = torch.sigmoid(logits)
    overlap = (found * target).sum(dim=(1, 2, 3))
    extent = (found * found + target * target).sum(dim=(1, 2, 3))
    dice = 1 - (2 * overlap + 1) / (extent + 1)
    whole = target if batch is None else grid_target(batch.strokes, network.stride)
    return each_cell / whole.numel() + 0.5 * (dice * _present(target)).sum() / _present(
        whole
    ).sum().clamp_min(1)


def _present(target: Tensor) -> Tensor:
    """Return whether there is a stroke, (B,) bool, by the target (B, 1, h, w)."""
    return target.amax(dim=(1, 2, 3)) > 0


def grid_target(strokes: Tensor, stride: int) -> Tensor:
    """Reduce strokes (B, 1, H, W) to the attention grid, (B, 1, H/stride, W/stride) in [0, 1].

    A cell that a stroke merely crosses counts in full, since a hairline crack never fills a cell.
    """
    return functional.max_pool2d(strokes, stride).clamp(0, 1)


@torch.no_grad()
def _examine_surface(network: SurfaceAttention, digits: NDArray[np.uint8]) -> float:
    """Mean IoU of attention (probability above 1/2) and digit, on held-out digits and new surfaces."""
    network.eval()
    overlaps = []
    for part in range(HELD_OUT_LESSONS):
        rng = np.random.default_rng((20_000, part))
        lesson = draw_lesson(digits, batch=32, size=LESSON_SIZE, rng=rng, empty_share=0.0)
        found, true = network.locate(lesson.images) > 0, grid_target(lesson.strokes, network.stride) > 0.5
        present = true.any(dim=(1, 2, 3))
        union = (found | true).sum(dim=(1, 2, 3))
        overlaps.append(((found & true).sum(dim=(1, 2, 3)) / union.clamp_min(1))[present])
    return torch.cat(overlaps).mean().item()
