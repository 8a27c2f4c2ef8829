"""Inspects batches of images of a data pipeline: a class for `map_batches` of Ray Data, and for Spark."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.cluster.model import local_model
from excision.errors import SettingsError
from excision.inspection.batch import failed, inspect_file
from excision.inspection.loading import load
from excision.inspection.log import InspectionRecord
from excision.runtime.backend import Device
from excision.storage.ahead import Reader
from excision.storage.entry import Entry
from excision.system.secrets import without_secrets

_TEXTS = ("verdict", "error")
_NUMBERS = ("score", "threshold", "p_value", "defect_area_share")
_LISTS = ("boxes", "unfit")

RESULT_SCHEMA = ", ".join(
    [*(f"{name} double" for name in _NUMBERS), *(f"{name} string" for name in (*_TEXTS, *_LISTS))]
)
"""The columns of results with their types, in the language of Spark."""


class BatchInspector:
    """Inspects the images of batches, with a model that is opened once for each instance.

    An image that cannot be inspected has no verdict, and `error` says why; the others go on.

    >>> images = ray.data.read_binary_files("s3://bucket/images")  # doctest: +SKIP
    >>> images.map_batches(BatchInspector, fn_constructor_args=["line/parts"])  # doctest: +SKIP

    Args:
        model: run folder or exported folder, or its URL, as the machine sees it that inspects.
        column: column of the images: encoded files as bytes, structures with `bytes`, or paths or URLs as
            text.
        threads: of one inspection with an exported model.
        device: "cpu" or "cuda"; None takes the processor for an exported model, and a GPU if there is one
            for a run folder.

    Raises:
        ModelError: the model cannot be opened.
    """

    def __init__(
        self, model: Path | str, column: str = "bytes", threads: int = 1, device: Device | None = None
    ) -> None:
        self._column, self._reader = column, Reader()
        with local_model(model) as folder:
            self._predictor = load(folder, threads, device)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Inspect a batch.

        Args:
            batch: columns of equal length by name, one of them with the images.

        Returns:
            The columns without that of encoded images, and `score`, `threshold`, `p_value` and
            `defect_area_share` (NaN where there is none), `verdict` and `error` (None where there is none),
            and `boxes` and `unfit` as JSON.

        Raises:
            SettingsError: the batch has no such column, or it holds other values than bytes, text and None.
        """
        if self._column not in batch:
            raise SettingsError(f"there is no column {self._column!r}; there are {', '.join(batch)}")
        images = list(batch[self._column])
        kept = {name: values for name, values in batch.items() if name != self._column or _are_text(images)}
        return {**kept, **self.inspect(images)}

    def inspect(self, images: Sequence[Any]) -> dict[str, Any]:
        """Inspect the images of one column, as `predict_batch_udf` of Spark gives it.

        Args:
            images: values of the column.

        Returns:
            The columns of the results alone, as `__call__` gives them, with the names and types of
            `RESULT_SCHEMA`.

        Raises:
            SettingsError: the column holds other values than bytes, structures, text and None.
        """
        return _columns([self._inspect(image) for image in images])

    def _inspect(self, image: Any) -> InspectionRecord:
        if isinstance(image, Mapping):
            # As the package `datasets` of Hugging Face stores an image.
            image = image.get("bytes") or image.get("path")
        if isinstance(image, bytes | bytearray | memoryview):
            with tempfile.TemporaryDirectory(prefix="excision-") as made:
                path = Path(made) / "image"
                path.write_bytes(image)
                return inspect_file(self._predictor, path, Path(), name="image", pictured=())
        if image is None:
            return failed("image", self._predictor.threshold, "there is no image")
        if not isinstance(image, str):
            raise SettingsError(
                f"the column {self._column!r} holds {type(image).__name__}: give bytes or text"
            )
        for found in self._reader.read([Entry(image)]):
            if isinstance(found, Path) and found.is_file():
                name = without_secrets(image)
                return inspect_file(self._predictor, found, Path(), name=name, pictured=())
            reason = found if isinstance(found, str) else f"{image}: no such file"
            return failed(image, self._predictor.threshold, without_secrets(reason))
        raise AssertionError  # the reader gives a file or a reason for each image


def _are_text(images: Sequence[Any]) -> bool:
    return all(image is None or isinstance(image, str) for image in images)


def _columns(records: Sequence[InspectionRecord]) -> dict[str, Any]:
    rows = [dataclasses.asdict(record) for record in records]
    numbers: dict[str, NDArray[np.float64]] = {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)
        for name in _NUMBERS
    }
    texts = {name: np.array([row[name] for row in rows], object) for name in _TEXTS}
    lists = {name: np.array([json.dumps(row[name]) for row in rows], object) for name in _LISTS}
    return {**numbers, **texts, **lists}
