"""Inference: one working image through a pipeline."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.method.pipeline import Pipeline
from excision.ops.memory_format import image_tensor
from excision.ops.unit_range import to_unit
from excision.predictions import Prediction
from excision.settings import AnomalyMapKind, Settings


def infer(
    pipeline: Pipeline, working: NDArray[np.uint16], threshold: float, device: torch.device
) -> Prediction:
    """Inspect a working image.

    Args:
        pipeline: trained pipeline on the device.
        working: (H, W, C) of the size of the pipeline.
        threshold: decision threshold of the verdict.
        device: device to compute on.

    Raises:
        ModelError: the anomaly score is not finite.
    """
    start = time.perf_counter()
    stages = pipeline(image_tensor(working, device))
    score = float(stages.score[0])
    seconds = time.perf_counter() - start
    if not math.isfinite(score):
        raise ModelError("the anomaly score is not finite: the weights are damaged")
    planes = {
        name: getattr(stages, name)[0].permute(1, 2, 0).cpu().numpy()
        for name in ("masked_image", "recovery", "attention", "mask", "anomaly_map")
    }
    return Prediction(
        score=score,
        threshold=threshold,
        anomaly_map=planes["anomaly_map"][..., 0],
        attention=planes["attention"][..., 0],
        mask=planes["mask"][..., 0],
        image=to_unit(working),
        masked_image=planes["masked_image"],
        recovery=planes["recovery"],
        seconds=seconds,
    )


def ablated(settings: Settings, *, mask: bool, skips: str | None, kind: AnomalyMapKind | None) -> Settings:
    """Change what inference does, for ablation studies; arguments as in `Detector.with_inference`."""
    if not mask:
        settings = replace(settings, mask=replace(settings.mask, enabled=False))
    if skips is not None:
        settings = replace(settings, recovery=replace(settings.recovery, inference_skips=skips))
    if kind is not None:
        settings = replace(settings, score=replace(settings.score, map=kind))
    return settings
