"""The training loop of the U-Net: seeded, resumable at any step, safe to interrupt."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from excision.files import write_text
from excision.masking import excise
from excision.memory_format import channels_last
from excision.recovery.batches import Batch, BatchSource
from excision.recovery.checkpoint import load_checkpoint, save_checkpoint
from excision.recovery.losses import training_loss
from excision.recovery.unet import UNet
from excision.settings import Precision, Settings

Progress = Callable[[int, int, dict[str, float]], None]

CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"
_WARM_UP = 0.1  # share of the steps over which the learning rate rises
_LOG_EVERY = 10


def train(
    network: UNet,
    source: BatchSource,
    settings: Settings,
    device: torch.device,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the network in place.

    A checkpoint in `folder` is continued from; the weights at the end are the same, bit for bit on one
    machine, as those of a training that was never interrupted. An interrupt (Ctrl-C) saves a checkpoint
    and is raised again.

    Args:
        network: to be trained; its initial weights count only where there is no checkpoint.
        source: of the batches.
        settings: of skips, mask, loss and training.
        device: where to train.
        folder: for checkpoints and log; None keeps neither.
        progress: called as (finished steps, total steps, figures) after each step.

    Raises:
        ModelError: the checkpoint is damaged or belongs to other settings.
    """
    channels_last(network.to(device))
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.training.learning_rate, weight_decay=1e-4)
    step = 0
    if folder is not None and (folder / CHECKPOINT).is_file():
        step = load_checkpoint(folder / CHECKPOINT, network, optimiser)
    log = _Log(folder, step)
    loop = _Loop(network, optimiser, settings, device)
    try:
        with ThreadPoolExecutor(max_workers=1) as drawer:
            upcoming = drawer.submit(source.batch, step)
            while step < settings.training.steps:
                batch, upcoming = upcoming.result(), drawer.submit(source.batch, step + 1)
                figures = loop.run(step, batch)
                step += 1
                log.add(step, figures)
                if progress is not None:
                    progress(step, settings.training.steps, figures)
                if folder is not None and step % settings.training.checkpoint_every == 0:
                    save_checkpoint(folder / CHECKPOINT, network, optimiser, step)
    except KeyboardInterrupt:
        # The interrupt may have struck inside an update; only the last whole step may be kept.
        if folder is not None and loop.whole:
            save_checkpoint(folder / CHECKPOINT, network, optimiser, step)
        raise
    if folder is not None:
        save_checkpoint(folder / CHECKPOINT, network, optimiser, step)
    network.eval()


class _Loop:
    """One optimiser step at a time."""

    def __init__(
        self, network: UNet, optimiser: torch.optim.Optimizer, settings: Settings, device: torch.device
    ) -> None:
        self._network = network
        self._optimiser = optimiser
        self._settings = settings
        self._device = device
        self._dtype = compute_dtype(settings.training.precision, device)
        self.whole = True

    def run(self, step: int, batch: Batch) -> dict[str, float]:
        """Do one step and give its figures: loss, learning rate, and images a second."""
        start = time.perf_counter()
        self._network.train()
        rate = learning_rate(step, self._settings)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        images = batch.images.to(self._device, memory_format=torch.channels_last)
        mask = batch.mask.to(self._device)
        holed = excise(images, mask, self._settings.mask.fill, self._settings.mask.patch)
        skips = training_switches(step, self._settings)
        # bfloat16 only inside the network: the loss divides by small variances.
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            recovery = self._network(holed, mask.to(holed.dtype), skips)
        recovery = type(recovery)(*(part.float() for part in recovery))
        loss = training_loss(recovery, images, mask, self._settings.loss)
        self.whole = False
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimiser.step()
        self.whole = True
        seconds = time.perf_counter() - start
        return {"loss": loss.item(), "learning_rate": rate, "images_per_second": len(images) / seconds}


def learning_rate(step: int, settings: Settings) -> float:
    """Give the rate of a step: a linear warm-up over the first tenth, then a cosine down to zero."""
    total = settings.training.steps
    warm_up = max(1, round(_WARM_UP * total))
    if step < warm_up:
        return settings.training.learning_rate * (step + 1) / warm_up
    phase = (step - warm_up) / max(1, total - warm_up)
    return settings.training.learning_rate * 0.5 * (1 + math.cos(math.pi * phase))


def training_switches(step: int, settings: Settings) -> tuple[bool, ...]:
    """Give the skip switches of a training step.

    A share `recovery.rehearsal` of the steps, evenly spread, runs with the switches of inference, so that
    the decoder has met the zeros it will be fed; 0 is the paper's rule.
    """
    share = settings.recovery.rehearsal
    rehearses = math.floor((step + 1) * share) > math.floor(step * share)
    return settings.recovery.skips("inference" if rehearses else "training")


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Choose the number format of the network's arithmetic in training.

    "auto" takes bfloat16 only where the processor multiplies it natively: there it is several times faster,
    elsewhere it is emulated and several times slower.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    return torch.bfloat16 if native else torch.float32


class _Log:
    """Metrics as JSON lines; what a killed run logged beyond its last checkpoint is dropped on resume."""

    def __init__(self, folder: Path | None, step: int) -> None:
        self._path = None if folder is None else folder / LOG
        if self._path is None:
            return
        kept = []
        if self._path.is_file() and step:
            for line in self._path.read_text("utf-8").splitlines():
                try:
                    finished = json.loads(line)["step"] <= step
                except (json.JSONDecodeError, KeyError):
                    finished = False  # the line that the kill cut short
                if finished:
                    kept.append(line)
        write_text(self._path, "".join(f"{line}\n" for line in kept))

    def add(self, step: int, figures: dict[str, float]) -> None:
        if self._path is None or step % _LOG_EVERY:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **figures}) + "\n")
