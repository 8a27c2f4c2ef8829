"""Inspection with an exported model, without torch.

>>> from excision.runtime.inspector import Inspector
>>> inspector = Inspector("exported/parts")
>>> inspector.inspect("part_017.png").verdict
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from excision.data.inputs import ColorOrder, InputImage, OneImage, input_image, input_images
from excision.errors import ModelError
from excision.method.calibration import Calibration
from excision.method.fitness import Fitness
from excision.ops.unit_range import to_unit
from excision.predictions import Prediction
from excision.runtime.backend import Device
from excision.runtime.backends import one_line, open_backend
from excision.runtime.calibrated_folder import CalibratedFolder
from excision.runtime.defect_criteria import DefectCriteria
from excision.runtime.graph_checks import check_graph, check_results
from excision.system.aside import begin_aside
from excision.system.cores import checked_count
from excision.tiling.assembly import inspect_working
from excision.tiling.tile_threads import TileThreads

Judged: TypeAlias = tuple[dict[str, float] | None, tuple[str, ...]]


class Inspector(CalibratedFolder):
    """An exported model, loaded once and used any number of times, from any number of threads.

    It can be pickled, for example for the workers of a process pool: each opens the folder again, and uses
    the thresholds and criteria of the pickled inspector.

    Args:
        folder: folder that `excision export` wrote.
        threads: number of threads per inspection; None leaves it to the backend.
        device: "cpu", or "cuda" for an NVIDIA GPU, which needs the package onnxruntime-gpu.
        workers: inspections that are computed at once, when as many threads ask for them, and tiles of a
            large image. ONNX Runtime computes any number at once, OpenVINO no more than these.

    Attributes:
        folder: as given.
        threads: as given.
        device: as given.
        workers: as given.
        image_format: size, channels and tiling of the images.
        criteria: which defects count in an anomaly map.
        fitness: what training images are like, which decides which images are unfit to be inspected; None if
            no image is judged as unfit.

    Raises:
        ModelError: the folder is not an exported folder, a file in it is missing or damaged, or the graph is
            not as described.
        SettingsError: `threads` or `workers` is not a whole number of at least 1.
    """

    def __init__(
        self, folder: str | Path, threads: int | None = None, device: Device = "cpu", workers: int = 1
    ) -> None:
        threads = None if threads is None else checked_count("threads", threads)
        workers = checked_count("workers", workers)
        super().__init__(folder)
        self.threads, self.device, self.workers = threads, device, workers
        self._tile_threads = TileThreads(workers)
        told = self.description
        self._backend = open_backend(self.folder, told.backend, told.precision, threads, device, workers)
        check_graph(self._backend.signature, self.image_format, self.folder)

    def __repr__(self) -> str:
        model = self.description
        zone = "" if self.review_threshold is None else f", review_threshold={self.review_threshold:.4g}"
        return (
            f"{type(self).__name__}({str(self.folder)!r}, backend={model.backend!r}, "
            f"precision={model.precision!r}, size={model.size}, threshold={self.threshold:.4g}{zone})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The working folder of a worker may differ from that of the process that pickled the inspector.
        folder, told = self.folder.absolute(), self.description
        return _reopen, (
            type(self),
            folder,
            self.threads,
            told.calibration,
            told.review,
            self.criteria,
            self.fitness,
            self.device,
            self.workers,
        )

    def __copy__(self) -> Self:
        # Shares the loaded graph: unlike a pickled inspector, a copy need not load it again.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def inspect(self, image: OneImage, *, color: ColorOrder = "rgb") -> Prediction:
        """Inspect one image and return its verdict with the output of every stage.

        Args:
            image: a path, an array (H, W) or (H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a
                torch tensor (C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: the image cannot be read or has no defined meaning.
            ModelError: the backend cannot compute it.
        """
        return self._inspect_input(input_image(image, color))

    def predict(
        self, images: Iterable[OneImage] | OneImage, *, color: ColorOrder = "rgb"
    ) -> Iterator[Prediction]:
        """Inspect images one after another, lazily; the score of an image does not depend on the others.

        Args:
            images: one of these, or an iterable of them: a path, a folder, a glob pattern, an array (H, W),
                (H, W, C) or (N, H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a torch tensor
                (C, H, W) or (N, C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: an image cannot be read or has no defined meaning.
            ModelError: the backend cannot compute it.
        """
        for given in input_images(images, color):
            yield self._inspect_input(given)

    def working(self, image: OneImage, *, color: ColorOrder = "rgb") -> NDArray[np.uint16]:
        """Return the working image (H, W, C) of an image; with a tiling, it has full size.

        Raises:
            ImageError: the image cannot be read or has no defined meaning.
        """
        return self.image_format.read(input_image(image, color).image)

    def _inspect_input(self, given: InputImage) -> Prediction:
        prediction = self.inspect_working(self.image_format.read(given.image))
        return replace(prediction, source=given.source, size=given.size())

    def inspect_working(
        self, working: NDArray[np.uint16], criteria: DefectCriteria | None = None
    ) -> Prediction:
        """Inspect a working image.

        Args:
            working: (H, W, C); inspected in tiles if the model has a tiling.
            criteria: which defects count; None takes the criteria that the folder is calibrated for, and
                with others the p-value is unknown, and the image is not judged as unfit.

        Raises:
            ImageError: the image is smaller than a tile.
            ModelError: the backend cannot compute it.
        """
        criteria = self.criteria if criteria is None else criteria
        judged = self._begin_to_judge(working) if criteria is self.criteria else None
        found = inspect_working(working, self.image_format.tiling, self._compute, threads=self._tile_threads)
        score = found.score
        if not criteria.is_everything:
            score = criteria.apply(found.anomaly_map, found.lowest_threshold)
        if criteria is not self.criteria:
            return replace(found, score=score)
        statistics, reasons = (None, ()) if judged is None else judged()
        return replace(
            found,
            score=score,
            p_value=self.calibration.p_value(score),
            image_statistics=statistics,
            unfit=reasons,
        )

    def _begin_to_judge(self, working: NDArray[np.uint16]) -> Callable[[], Judged] | None:
        """Give what returns whether the image is fit, while the graph computes if a core may be left."""
        if (fitness := self.fitness) is None:
            return None
        # Where several images are inspected at once, or one thread is wanted, a second one gains nothing.
        if self.threads == 1 or self.workers > 1:
            return lambda: fitness.judge(working)
        return begin_aside(lambda: fitness.judge(working)).result

    def _compute(self, working: NDArray[np.uint16]) -> Prediction:
        """Inspect one working image, without criteria."""
        pixels = to_unit(working)
        start = time.perf_counter()
        try:
            found = self._backend.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
        except Exception as error:
            # Each backend raises its own types of error.
            raise ModelError(f"{self.folder}: the backend failed: {one_line(error)}") from error
        seconds = time.perf_counter() - start
        check_results(found, self.image_format, self.folder)
        score, anomaly_map = float(found["score"][0]), found["anomaly_map"][0, 0]
        return Prediction(
            score=score,
            threshold=self.threshold,
            anomaly_map=anomaly_map,
            attention=found["attention"][0, 0],
            mask=found["mask"][0, 0] > 0,
            image=pixels,
            masked_image=found["masked_image"][0].transpose(1, 2, 0),
            recovery=found["recovery"][0].transpose(1, 2, 0),
            seconds=seconds,
            review_threshold=self.review_threshold,
        )


def _reopen(
    kind: type[Inspector],
    folder: Path,
    threads: int | None,
    calibration: Calibration,
    review: Calibration | None,
    criteria: DefectCriteria,
    fitness: Fitness | None,
    device: Device = "cpu",
    workers: int = 1,
) -> Inspector:
    inspector = kind(folder, threads, device, workers)
    inspector.description = replace(inspector.description, calibration=calibration, review=review)
    inspector.criteria, inspector.fitness = criteria, fitness
    return inspector
