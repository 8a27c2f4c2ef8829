"""Export of a trained detector, verified before the folder appears."""

from __future__ import annotations

import contextlib
import hashlib
import math
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, load_dataset
from excision.detector import Detector
from excision.errors import ModelError, SettingsError
from excision.export.early_exit import branch_around_recovery, without_parts
from excision.export.examples import graph_image, graph_input, with_defect
from excision.export.graph import write_onnx
from excision.export.operations import count_operations
from excision.export.proof import Calibrating, prove
from excision.export.quantise import quantise
from excision.features.record import FEATURES
from excision.method.calibration import Calibration
from excision.method.fitness import FITNESS, save_fitness
from excision.method.folder_kinds import ODD_IMAGE, RUN_SETTINGS
from excision.method.run_folder import FINGERPRINT
from excision.method.run_start import dropped_images, recorded_groups, recorded_images, recorded_warm_start
from excision.ops.spread import evenly_spread
from excision.progress import StageProgress, of_stage
from excision.runtime.backend import MODEL_FILES, PRECISIONS, BackendName, Precision
from excision.runtime.golden_file import Golden
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import TRAINING_SETTINGS, Description, Tile
from excision.runtime.trained_on import TrainedOn, image_key
from excision.runtime.verification import Proof
from excision.system.cores import cores
from excision.system.files import sha256
from excision.system.in_order import in_order
from excision.training import KNOWN_DEFECTS
from excision.training.preparing import prepare
from excision.training.side_by_side import one_thread_each
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture
from excision.version import __version__

_GOLDEN = 3  # normal images, and as many with a defect drawn on them
_EXAMPLES = 32  # training images, and as many with a defect drawn on them


def export(
    run: Path,
    dataset: Dataset | str | Path,
    out: Path,
    *,
    to: BackendName = "onnx",
    precision: Precision = "fp32",
    allow_drift: float | None = None,
    stage: StageProgress | None = None,
) -> Proof:
    """Export a trained run to a folder that needs no torch, and prove that it agrees with torch.

    The decision threshold is set again from the backend's scores of the held-out normal images, at the
    false-alarm rate that the run was calibrated for.

    Args:
        run: run folder.
        dataset: data set that the run was trained on; its held-out normal images are inspected again.
        out: folder to write; it must be empty or not exist.
        to: backend to export for.
        precision: precision of the networks. For int8, up to 32 training images, unchanged and with defects
            drawn on them, determine the value ranges.
        allow_drift: largest score drift as a share of the threshold; None takes the default of the precision.
        stage: called with (stage, done, total).

    Returns:
        How far the exported model differs from torch, on golden and held-out images.

    Raises:
        ModelError: the run is not finished, the package of the backend is not installed, or the exported
            model drifts too far; `out` is then removed.
        SettingsError: `out` is not empty, or the backend does not support the precision.
    """
    check_wish(out, to, precision)
    tell = stage or (lambda *_: None)
    detector = Detector.load(run, device="cpu")
    data = _training_data(detector, run, dataset, stage)
    calibrating = Calibrating.of(detector, data)
    out.mkdir(parents=True, exist_ok=True)
    try:
        _write_graph(detector, out, to, data if precision == "int8" else None, tell)
        _trained_on(detector, run, data, tell).save(out)
        shutil.copyfile(run / RUN_SETTINGS, out / TRAINING_SETTINGS)
        scores = _scores(detector, calibrating.images, tell)
        golden = _golden(detector, calibrating.images, scores)
        golden.save(out)
        save_fitness(out / FITNESS, detector.fitness_)
        if detector.pipeline.scorer.network is not None:
            # The graph contains the network: how it was read is of no use there.
            replace(detector.pipeline.scorer.network.record, graph=None).save(out / FEATURES)
        _describe(detector, run, to, precision).sealed(out).save(out)
        inspector = Inspector(out, threads=1, workers=cores())
        proof = prove(inspector, golden, calibrating, np.array(scores), allow_drift, tell)
        _copy_odd_image(run, out, detector.calibration, inspector.calibration)
        return proof
    except BaseException:
        # A folder that failed verification must not be mistaken for a verified one.
        shutil.rmtree(out, ignore_errors=True)
        raise


def check_wish(out: Path, to: BackendName, precision: Precision) -> None:
    """Check what can be known before the work.

    Raises:
        ModelError: the package of the backend is not installed.
        SettingsError: `out` is not empty, or the backend does not support the precision.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(f"{out} holds something already: choose another folder")
    if precision not in PRECISIONS[to]:
        raise SettingsError(
            f"{to} computes only in {' or '.join(PRECISIONS[to])}: choose --to openvino for {precision}"
        )
    if to == "openvino" and find_spec("openvino") is None:
        raise ModelError("an export for OpenVINO needs that package: pip install openvino")


def _training_data(
    detector: Detector, run: Path, dataset: Dataset | str | Path, stage: StageProgress | None
) -> TrainingSet:
    """Prepare the data as the run used them."""
    given = dataset if isinstance(dataset, Dataset) else load_dataset(dataset, leave_out=True)
    data = prepare(
        given.without(dropped_images(run)),
        detector.settings.settled(detector.image_format),
        of_stage(stage, "reading"),
        recorded_groups(run),
        warm=recorded_warm_start(run),
    )
    return replace(data, cross_fits=detector.calibration.cross_fitted > 0)


def _write_graph(
    detector: Detector, out: Path, to: BackendName, quantised: TrainingSet | None, tell: StageProgress
) -> None:
    """Write the graph; if a training set is given, its images quantise the convolutions."""
    onnx = out / MODEL_FILES["onnx"]
    with _one_step(tell, "writing the graph"):
        write_onnx(detector.pipeline, onnx)
    if quantised is not None:
        with _one_step(tell, "quantising"):
            quantise(onnx, [graph_input(image) for image in _examples(detector, quantised)])
    # In OpenVINO a branch costs more than it saves.
    exits = to == "onnx" and detector.pipeline.scorer.counts_inside_alone
    (branch_around_recovery if exits else without_parts)(onnx)
    if to == "openvino":
        import openvino

        with _one_step(tell, "converting"):
            openvino.save_model(openvino.convert_model(onnx), out / MODEL_FILES[to], compress_to_fp16=False)
            onnx.unlink()


@contextmanager
def _one_step(tell: StageProgress, stage: str) -> Iterator[None]:
    tell(stage, 0, 1)
    yield
    tell(stage, 1, 1)


def _trained_on(detector: Detector, run: Path, data: TrainingSet, tell: StageProgress) -> TrainedOn:
    """Hash the training images of the run; the data may hold others, which took no part."""
    recorded = recorded_images(run) or {}
    known, defects = recorded.get("training", {}), recorded.get(KNOWN_DEFECTS, {})
    files = set(known.values())

    def working() -> Iterator[NDArray[np.uint16]]:
        for done, picture in enumerate(data.training_images(), start=1):
            digest = sha256(picture) if isinstance(picture, Path) else None
            if digest is not None and (not known or digest in files):
                files.add(digest)
                yield detector.image_format.read(picture)
            tell("hashing", done, len(data.sources))

    images = frozenset(map(image_key, working()))
    return TrainedOn.of(files, images, defects.values(), recorded.get("calibration", {}).values())


def _examples(detector: Detector, data: TrainingSet) -> list[NDArray[np.uint16]]:
    """Return evenly spread training images, unchanged and with defects drawn on them."""
    pictures, rng = list(data.training_images()), np.random.default_rng(0)
    places = evenly_spread(len(pictures), _EXAMPLES)
    good = [graph_image(pictures[place], detector.image_format) for place in places]
    return [*good, *(with_defect(image, rng) for image in good)]


def _scores(detector: Detector, held_out: list[Picture], tell: StageProgress) -> list[float]:
    """Give torch's score of each image: as many at once as there are cores, with one thread each."""
    scores = []
    with one_thread_each():
        for score in in_order(lambda image: next(detector.predict([image])).score, held_out, cores()):
            scores.append(score)
            tell("inspecting with torch", len(scores), len(held_out))
    return scores


def _golden(detector: Detector, held_out: list[Picture], scores: list[float]) -> Golden:
    """Choose normal images, draw defects on them, and compute torch's score and map of each."""
    # The threshold is itself the score of a normal image, one of the highest, whose verdict depends on the
    # last bit. So the golden images are taken from the lower half.
    lower = np.argsort(scores, kind="stable")[: (len(scores) + 1) // 2]
    chosen = [int(lower[place]) for place in evenly_spread(len(lower), _GOLDEN)]
    good = [graph_image(held_out[index], detector.image_format) for index in chosen]
    rng = np.random.default_rng(0)
    images = [*good, *(with_defect(image, rng) for image in good)]
    found = [next(detector.predict([image])) for image in images]
    return Golden(
        np.stack(images),
        np.array([prediction.score for prediction in found]),
        np.stack([prediction.anomaly_map for prediction in found]),
    )


def _describe(detector: Detector, run: Path, to: BackendName, precision: Precision) -> Description:
    image_format, threshold = detector.image_format, float(detector.pipeline.masking.threshold)
    fingerprint, tiling = run / FINGERPRINT, image_format.tiling
    packages = ("torch", "onnxruntime" if to == "onnx" else "openvino")
    return Description(
        backend=to,
        precision=precision,
        size=image_format.size,
        tile=None if tiling is None else Tile(tiling.grid, tiling.halo),
        channels=image_format.channels,
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


def _copy_odd_image(run: Path, out: Path, before: Calibration, after: Calibration) -> None:
    """Take over the picture of the odd image, where it is the same one."""
    if before.odd is not None and after.odd is not None and before.odd.name == after.odd.name:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(run / ODD_IMAGE, out / ODD_IMAGE)
