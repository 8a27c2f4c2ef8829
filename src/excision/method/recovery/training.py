"""Training of the U-Net: seeded, resumable at any step, safe to interrupt."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import torch

from excision.method.masking import excise
from excision.method.recovery.batches import Batch, BatchSource
from excision.method.recovery.losses import training_loss
from excision.method.recovery.unet import UNet
from excision.method.run_folder import CHECKPOINT, LOG
from excision.ops.memory_format import channels_last
from excision.progress import TrainingProgress
from excision.settings import Precision, Settings
from excision.system.files import write_text
from excision.training.adamw import AdamW
from excision.training.checkpoint import load_checkpoint, save_checkpoint
from excision.training.loop import optimise, run_steps, warm_cosine

_LOG_EVERY = 10


def train(
    network: UNet,
    source: BatchSource,
    settings: Settings,
    device: torch.device,
    folder: Path | None = None,
    progress: TrainingProgress | None = None,
) -> None:
    """Train the network in place.

    Training continues from a checkpoint in `folder`; on the same machine, the final weights are bit-identical
    to those of uninterrupted training. On an interrupt (Ctrl-C), the current step is finished, a checkpoint
    is saved, and the interrupt is raised again; a second interrupt takes effect at once.

    Args:
        network: network to train; its initial weights matter only if there is no checkpoint.
        source: draws the batches.
        settings: settings of skips, mask, loss and training.
        device: device to train on.
        folder: folder for checkpoints and log; None writes neither.
        progress: called with (finished steps, total steps, figures) after each step.

    Raises:
        ModelError: the checkpoint is damaged or belongs to other settings, or the loss is not finite.
    """
    channels_last(network.to(device))
    optimiser = AdamW(network.parameters(), lr=settings.training.learning_rate, weight_decay=1e-4)
    begin = 0
    if folder is not None and (folder / CHECKPOINT).is_file():
        begin = load_checkpoint(folder / CHECKPOINT, network, optimiser)
    log = _Log(folder, begin)

    def save(finished: int) -> None:
        if folder is not None:
            save_checkpoint(folder / CHECKPOINT, network, optimiser, finished)

    def done(finished: int, total: int, figures: dict[str, float]) -> None:
        log.add(finished, figures)
        if progress is not None:
            progress(finished, total, figures)

    loop = _Loop(network, optimiser, settings, device, begin)
    run_steps(loop, source.batch, settings.training.steps, settings.training.checkpoint_every, save, done)
    network.eval()


class _Loop:
    """One optimiser step at a time.

    Attributes:
        finished: number of steps that the weights have been through; None during a step.
    """

    def __init__(
        self,
        network: UNet,
        optimiser: AdamW,
        settings: Settings,
        device: torch.device,
        finished: int,
    ) -> None:
        self.finished: int | None = finished
        self._network = network
        self._optimiser = optimiser
        self._settings = settings
        self._device = device
        self._dtype = compute_dtype(settings.training.precision, device)

    def run(self, step: int, batch: Batch) -> dict[str, float]:
        """Take one step and return its figures: loss, learning rate, and images per second.

        Raises:
            ModelError: the loss is not finite.
        """
        start = time.perf_counter()
        # From here on the state is incomplete: a forward pass already changes the running statistics.
        self.finished = None
        self._network.train()
        rate = learning_rate(step, self._settings)
        images = batch.images.to(self._device, memory_format=torch.channels_last)
        mask = batch.mask.to(self._device)
        masked_image = excise(images, mask, self._settings.mask.fill, self._settings.mask.patch)
        skips = training_switches(step, self._settings)
        # bfloat16 only inside the network, since the loss divides by small variances.
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            recovery = self._network(masked_image, mask.to(masked_image.dtype), skips)
        recovery = type(recovery)(*(part.float() for part in recovery))
        loss = training_loss(recovery, images, mask, self._settings.loss)
        value = optimise(loss, self._network, self._optimiser, rate, f"the training at step {step + 1}")
        self.finished = step + 1
        seconds = time.perf_counter() - start
        return {"loss": value, "learning_rate": rate, "images_per_second": len(images) / seconds}


def learning_rate(step: int, settings: Settings) -> float:
    """Return the rate of a step: linear warm-up over the first tenth, then cosine decay to zero."""
    return warm_cosine(step, settings.training.steps, settings.training.learning_rate)


def training_switches(step: int, settings: Settings) -> tuple[bool, ...]:
    """Return the skip switches of a training step.

    An evenly spread share `recovery.replay` of the steps uses the switches of inference, so that the decoder
    is trained on the zeros it gets there; 0 is the paper's rule.
    """
    share = settings.recovery.replay
    replays = math.floor((step + 1) * share) > math.floor(step * share)
    return settings.recovery.skips("inference" if replays else "training")


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Choose the number format for the network's arithmetic in training.

    "auto" takes bfloat16 only if the processor multiplies it natively, which is several times faster;
    emulation is several times slower.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    return torch.bfloat16 if native else torch.float32


class _Log:
    """Metrics as JSON lines; on resume, lines logged after the last checkpoint are dropped."""

    def __init__(self, folder: Path | None, step: int) -> None:
        self._path = None if folder is None else folder / LOG
        if self._path is None:
            return
        kept = []
        if self._path.is_file() and step:
            for line in self._path.read_text("utf-8", errors="replace").splitlines():
                try:
                    finished = json.loads(line)["step"] <= step
                except (json.JSONDecodeError, KeyError, TypeError):
                    finished = False  # a line cut short when the run was killed
                if finished:
                    kept.append(line)
        write_text(self._path, "".join(f"{line}\n" for line in kept))

    def add(self, step: int, figures: dict[str, float]) -> None:
        if self._path is None or step % _LOG_EVERY:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **figures}) + "\n")
