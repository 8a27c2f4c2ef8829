"""A baseline that learns in no time: what is far from the mean training image is an anomaly."""

from __future__ import annotations

import os
import signal
import time
from typing import ClassVar

import torch
from torch import Tensor, nn

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.errors import ModelError
from excision.tiling.image_format import ImageFormat

NAME = "fake"


class MeanNetwork(BaselineNetwork):
    """One parameter a pixel, so that the count is known."""

    passes = 3

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1, channels, *size))

    def forward(self, images: Tensor) -> Found:
        maps = (images - self.mean).abs().amax(dim=1, keepdim=True)
        return Found(maps, maps.flatten(1).amax(dim=1))


class FakeBaseline(Baseline):
    """Takes the time it is given; fails or is killed where the environment says so."""

    name: ClassVar[str] = NAME

    def build(self, image_format: ImageFormat) -> BaselineNetwork:
        return MeanNetwork(image_format.channels, image_format.size)

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        assert isinstance(network, MeanNetwork)
        fault = os.environ.get("FAKE_FAULT", "")
        if fault == "error":
            raise ModelError("it went astray")
        if fault == "crash":
            raise ZeroDivisionError("a fault of the baseline")
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hang":
            time.sleep(60)
        count = len(job.data.training)
        with torch.no_grad():
            for index in range(count):
                network.mean.add_(job.image(index) / count)
                job.progress(index + 1, count, {})
        # A quarter of the time it may take, so that a test can tell the two apart.
        time.sleep((job.seconds or 0) / 4)
