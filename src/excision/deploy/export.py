"""Export of a trained detector, proven before it is handed over."""

from __future__ import annotations

import hashlib
import math
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision import __version__
from excision.calibration import calibrate
from excision.data import Dataset, load_dataset
from excision.data.images import any_full_image, any_working_image
from excision.data.training_set import Picture, prepare
from excision.deploy.backends import MODEL_FILES, BackendName, Precision
from excision.deploy.folder import Description, Golden, Tile
from excision.deploy.graph import count_operations, write_onnx
from excision.deploy.proof import DRIFT_LIMITS, Proof, replay
from excision.detector import Detector
from excision.errors import ModelError, SettingsError
from excision.run_folder import FINGERPRINT
from excision.runtime import Inspector
from excision.settings import ImageSettings
from excision.tiling.geometry import choose_tiling
from excision.tuning.defects import draw_defect

_GOLDEN = 3  # of the good images, and as many with a defect drawn on them
_DRAWN = 128  # pixels of the square that a defect is drawn in

Stage = Callable[[str, int, int], None]


def export(
    run: Path,
    dataset: Dataset | str | Path,
    out: Path,
    *,
    to: BackendName = "onnx",
    precision: Precision = "fp32",
    allow_drift: float | None = None,
    stage: Stage | None = None,
) -> Proof:
    """Write a trained run as a folder that needs no torch, and prove that it says the same.

    The decision threshold is set anew on the held-out good images with the scores of the backend that will
    run, at the false-alarm rate that the run was calibrated for.

    Args:
        run: run folder.
        dataset: what it was trained on; its held-out good images are inspected again.
        out: folder to write; it must not hold anything.
        to: backend.
        precision: that the networks compute in.
        allow_drift: largest score drift as a share of the threshold; None takes that of the precision.
        stage: called as (what, done, all).

    Returns:
        How far the exported model is from torch, on golden and held-out images.

    Raises:
        ModelError: the run is not finished, or the exported model drifts too far: nothing is left then.
        SettingsError: `out` holds something already, or backend and precision do not go together.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(f"{out} holds something already: choose another folder")
    if to == "onnx" and precision != "fp32":
        raise SettingsError(f"onnx runs in fp32 alone: choose --to openvino for {precision}")
    tell = stage or (lambda *_: None)
    detector = Detector.load(run, device="cpu")
    data = prepare(dataset if isinstance(dataset, Dataset) else load_dataset(dataset), detector.settings)
    held_out = list(data.calibration_images())
    out.mkdir(parents=True, exist_ok=True)
    try:
        tell("exporting", 0, 1)
        _write_graph(detector, out, to)
        tell("exporting", 1, 1)
        scores = _scores(detector, held_out, tell)
        golden = _golden(detector, held_out, scores)
        golden.save(out)
        _describe(detector, run, to, precision).save(out)
        return _prove(Inspector(out), golden, held_out, scores, allow_drift, tell)
    except BaseException:
        # A folder that was not proven must not be taken for one that was.
        shutil.rmtree(out, ignore_errors=True)
        raise


def _write_graph(detector: Detector, out: Path, to: BackendName) -> None:
    onnx = out / MODEL_FILES["onnx"]
    write_onnx(detector.pipeline, onnx)
    if to == "openvino":
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise ModelError("an export for OpenVINO needs that package: pip install openvino") from error
        openvino.save_model(openvino.convert_model(onnx), out / MODEL_FILES[to], compress_to_fp16=False)
        onnx.unlink()


def _scores(detector: Detector, held_out: list[Picture], tell: Stage) -> list[float]:
    scores = []
    for done, image in enumerate(held_out, start=1):
        scores.append(next(detector.predict([image])).score)
        tell("inspecting with torch", done, len(held_out))
    return scores


def _golden(detector: Detector, held_out: list[Picture], scores: list[float]) -> Golden:
    """Choose good images, and draw defects on them; with what torch says of each."""
    # The threshold is itself the score of a good image, one of the highest: its verdict hangs on the last
    # bit. The golden ones are taken from the lower half.
    lower = np.argsort(scores, kind="stable")[: (len(scores) + 1) // 2]
    places = np.linspace(0, len(lower) - 1, min(len(lower), _GOLDEN)).round().astype(int)
    chosen = [int(lower[place]) for place in places]
    image = detector.settings.image
    good = [_golden_image(held_out[index], image) for index in chosen]
    rng = np.random.default_rng(0)
    images = [*good, *(_with_defect(image, rng) for image in good)]
    found = [next(detector.predict([image])) for image in images]
    return Golden(
        np.stack(images),
        np.array([prediction.score for prediction in found]),
        np.stack([prediction.anomaly_map for prediction in found]),
    )


def _golden_image(picture: Picture, image: ImageSettings) -> NDArray[np.uint16]:
    """Give a working image; of a large one the tile in its middle, since the graph sees nothing larger."""
    assert image.size is not None and image.channels is not None  # fitting settled them
    if image.tile is None:
        return any_working_image(picture, image.size, image.channels)
    full = any_full_image(picture, image.channels)
    top, left = ((whole - side) // 2 for whole, side in zip(full.shape, image.tile, strict=False))
    return full[top : top + image.tile[0], left : left + image.tile[1]].copy()


def _with_defect(image: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    unit = image.astype(np.float32) / np.float32(65535)
    side = min(*unit.shape[:2], _DRAWN)
    top, left = ((full - side) // 2 for full in unit.shape[:2])
    square = unit[top : top + side, left : left + side]
    grey = square.mean(axis=2)
    marked, _ = draw_defect(grey, lambda: grey[::-1], rng)
    square += (marked - grey)[..., None]
    return (unit.clip(0, 1) * 65535).round().astype(np.uint16)


def _describe(detector: Detector, run: Path, to: BackendName, precision: Precision) -> Description:
    size, channels = detector.settings.image.size, detector.settings.image.channels
    assert size is not None and channels is not None  # fitting settled them
    assert detector.calibration is not None  # loading it read one
    threshold = detector.pipeline.mask_threshold
    fingerprint, tiling = run / FINGERPRINT, choose_tiling(detector.settings)
    packages = ("torch", "onnxruntime" if to == "onnx" else "openvino")
    return Description(
        backend=to,
        precision=precision,
        size=size,
        tile=None if tiling is None else Tile(tiling.grid, tiling.halo),
        channels=channels,
        mask_threshold=threshold if math.isfinite(threshold) else None,
        calibration=detector.calibration,
        review=None,
        minimum_area=1,
        operations=count_operations(detector.pipeline),
        data=hashlib.sha256(fingerprint.read_bytes()).hexdigest() if fingerprint.is_file() else None,
        versions={
            "excision": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    )


def _prove(
    inspector: Inspector,
    golden: Golden,
    held_out: list[Picture],
    before: list[float],
    allow_drift: float | None,
    tell: Stage,
) -> Proof:
    wanted = inspector.description.calibration.wanted_rate
    # Of these very scores: the image that sets the threshold would else pass or fail by its last bit, which
    # depends on how many threads torch had in training.
    torch_threshold = calibrate(before, wanted).threshold
    after = []
    for done, image in enumerate(held_out, start=1):
        after.append(inspector.inspect(image).score)
        tell("proving", done, len(held_out))
    inspector.recalibrate(after, wanted)
    proof = replay(inspector, golden, torch_threshold)
    drift = np.abs(np.subtract(before, after)).max() / max(abs(inspector.threshold), 1e-9)
    changed = np.not_equal(np.array(before) > torch_threshold, np.array(after) > inspector.threshold)
    proof = replace(
        proof,
        images=proof.images + len(held_out),
        score_drift=max(proof.score_drift, float(drift)),
        verdicts_changed=proof.verdicts_changed + int(changed.sum()),
    )
    proof.check(DRIFT_LIMITS[inspector.description.precision] if allow_drift is None else allow_drift)
    return proof
