"""The sections of the settings for the recovery network and its training losses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from excision.errors import SettingsError
from excision.settings.audience import ADVANCED, FOR_EXPERIMENTS
from excision.settings.checks import require

Normalisation = Literal["batch", "instance", "none"]


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """Recovery: the U-Net that inpaints the excised cells, and its skip connections.

    Skip connections are numbered from 1, the shallowest.

    Attributes:
        width: channels of the first level; each further level has twice as many.
        stem: side in pixels of the patch that becomes one position of the first level: 1, 2 or 4; larger is
            faster.
        depth: number of levels, 2 to 7; there is one skip connection fewer.
        normalisation: normalisation layers: "batch", "instance" or "none".
        training_skips: skip connections that are on during training: "all", "none", "deep" (all but the two
            shallowest; the deepest is always on), or numbers such as "2,3".
        inference_skips: skip connections that are on at inference, written the same way.
        replay: share of the training steps that use the skip connections of inference; 0 as in the paper.
    """

    width: int = 16
    stem: int = 4
    depth: int = 3
    normalisation: Normalisation = field(default="batch", metadata=FOR_EXPERIMENTS)
    training_skips: str = field(default="all", metadata=FOR_EXPERIMENTS)
    inference_skips: str = field(default="deep", metadata=FOR_EXPERIMENTS)
    replay: float = field(default=0.5, metadata=ADVANCED)

    def __post_init__(self) -> None:
        require(self.width >= 1, f"recovery.width is {self.width}: it must be at least 1 channel")
        require(self.stem in (1, 2, 4), f"recovery.stem is {self.stem}: it must be 1, 2 or 4 pixels")
        require(2 <= self.depth <= 7, f"recovery.depth is {self.depth}: it must lie between 2 and 7")
        require(0 <= self.replay <= 1, f"recovery.replay is {self.replay}: it must lie between 0 and 1")
        self.skips("training")
        self.skips("inference")

    def skips(self, phase: Literal["training", "inference"]) -> tuple[bool, ...]:
        """Give the switch of each skip connection, shallowest first.

        Raises:
            SettingsError: the text is not a known choice, or names a skip connection that does not exist.
        """
        text = self.training_skips if phase == "training" else self.inference_skips
        count = self.depth - 1
        named = {
            "all": range(1, count + 1),
            "none": range(0),
            "deep": range(min(3, count), count + 1),
        }
        try:
            levels = set(named[text] if text in named else map(int, text.split(",")))
        except ValueError:
            levels = {0}
        if not levels <= set(range(1, count + 1)):
            raise SettingsError(
                f'recovery.{phase}_skips is "{text}": write "all", "none", "deep", '
                f'or numbers from 1 to {count} such as "{count}"'
            )
        return tuple(level in levels for level in range(1, count + 1))


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Weights of the training losses; a weight of 0 leaves a loss out.

    Attributes:
        nll: weight of the Gaussian negative log-likelihood with predicted variance.
        l2: weight of the squared error.
        ssim: weight of the structural dissimilarity, 1 - SSIM.
        msgms: weight of the multi-scale gradient magnitude dissimilarity, 1 - MSGMS.
        hole_weight: weight of an excised pixel; a pixel outside the mask has weight 1.
    """

    nll: float = field(default=1.0, metadata=FOR_EXPERIMENTS)
    l2: float = field(default=0.0, metadata=FOR_EXPERIMENTS)
    ssim: float = field(default=0.0, metadata=FOR_EXPERIMENTS)
    msgms: float = field(default=0.0, metadata=FOR_EXPERIMENTS)
    hole_weight: float = field(default=10.0, metadata=ADVANCED)

    def __post_init__(self) -> None:
        weights = (self.nll, self.l2, self.ssim, self.msgms)
        require(
            min(weights) >= 0 and max(weights) > 0,
            "loss: at least one weight must be above 0, and none may be negative",
        )
        require(self.hole_weight >= 1, f"loss.hole_weight is {self.hole_weight}: it must be at least 1")
