"""The methods that are timed, by their names; nothing here imports torch before a network is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from excision.errors import SettingsError

if TYPE_CHECKING:
    from torch import nn

SIZE = (256, 256)
"""Height and width of the images, the size for which EfficientAD is defined."""

EAR = "ear"

_GOOD = 200  # images whose patches fill the memories

Build = Callable[[], "nn.Module"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A method at the size at which people use it.

    Attributes:
        label: in tables.
        note: what the size stands for.
        build: gives its network, with random weights.
        exports: whether its weights fit into one ONNX file.
    """

    label: str
    note: str
    build: Build
    exports: bool = True


def _efficient_ad(size: str) -> nn.Module:
    from excision.benchmark.peers.efficient_ad import EfficientAD

    return EfficientAD("S" if size == "S" else "M")


def _patchcore(kind: str, bank: int) -> nn.Module:
    from excision.benchmark.peers.memory import PatchCore

    return PatchCore(kind, bank)


def _padim(kind: str, dimensions: int) -> nn.Module:
    from excision.benchmark.peers.memory import PaDiM

    return PaDiM(kind, dimensions, SIZE)


def _stfpm() -> nn.Module:
    from excision.benchmark.peers.trained_networks import Stfpm

    return Stfpm()


def _fastflow() -> nn.Module:
    from excision.benchmark.peers.trained_networks import FastFlow

    return FastFlow(SIZE)


def _anomaly_dino() -> nn.Module:
    from excision.benchmark.peers.memory import AnomalyDino

    return AnomalyDino(_GOOD * (SIZE[0] // 14) * (SIZE[1] // 14), SIZE)


SUBJECTS = {
    "efficientad-s": Subject("EfficientAD-S", "256 x 256", partial(_efficient_ad, "S")),
    "efficientad-m": Subject("EfficientAD-M", "256 x 256", partial(_efficient_ad, "M")),
    "patchcore-wrn50": Subject(
        "PatchCore, WideResNet-50",
        "20,480 patches, a tenth of 200 images",
        partial(_patchcore, "wide_resnet50_2", 20_480),
    ),
    "patchcore-wrn50-small": Subject(
        "PatchCore, WideResNet-50, small", "6,272 patches", partial(_patchcore, "wide_resnet50_2", 6_272)
    ),
    "patchcore-resnet18": Subject(
        "PatchCore, ResNet-18", "20,480 patches", partial(_patchcore, "resnet18", 20_480)
    ),
    "padim-wrn50": Subject(
        "PaDiM, WideResNet-50", "550 features", partial(_padim, "wide_resnet50_2", 550), exports=False
    ),
    "padim-resnet18": Subject("PaDiM, ResNet-18", "100 features", partial(_padim, "resnet18", 100)),
    "fastflow": Subject("FastFlow, ResNet-18", "8 steps", _fastflow),
    "stfpm": Subject("STFPM, ResNet-18", "3 layers", _stfpm),
    "anomalydino-s": Subject("AnomalyDINO, DINOv2-S", "64,800 patches, all of 200 images", _anomaly_dino),
}
"""Each method beside EAR by its name."""


def names_of(given: str | None) -> tuple[str, ...]:
    """Read names of methods, separated by commas; EAR always comes first.

    Raises:
        SettingsError: there is no such method.
    """
    chosen = tuple(SUBJECTS) if given is None else tuple(part.strip() for part in given.split(","))
    for name in chosen:
        if name != EAR and name not in SUBJECTS:
            raise SettingsError(f'"{name}" is not a speed peer: choose from {", ".join((EAR, *SUBJECTS))}')
    return (EAR, *(name for name in dict.fromkeys(chosen) if name != EAR))


def label_of(name: str) -> str:
    """Give the name of a method in tables."""
    return "EAR" if name == EAR else SUBJECTS[name].label


def build(name: str, run: Path) -> nn.Module:
    """Build a method's network for images (1, C, 256, 256), in inference mode.

    Args:
        name: of the method.
        run: run folder of EAR.

    Raises:
        ModelError: the run is not finished, or is for other images.
    """
    import torch

    from excision.benchmark.peers.own import load_own

    torch.manual_seed(0)
    network: nn.Module = load_own(run, SIZE) if name == EAR else SUBJECTS[name].build()
    return network.eval().requires_grad_(False)
