"""Pictures and maps of a result, computed again from the kept image by the version that gave the result."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.errors import ExcisionError, GoneError
from excision.inspection.findings import findings
from excision.predictions import Prediction
from excision.station.models.registry import ModelRegistry
from excision.station.store.records import StoredResult
from excision.station.work.kept_images import Images
from excision.visualization.overlays import draw_overlay
from excision.visualization.pictures import Picture, attention_map, heat_map, show_image, show_mask

Stage = Literal["attention", "mask", "masked_image", "recovery", "map"]
View = Literal["overlay", "attention", "mask", "masked_image", "recovery", "map", "tiff"]
"""A stage as a picture, the map laid over the image, or the map itself as a TIFF of 32-bit floats."""

STAGES: tuple[Stage, ...] = get_args(Stage)

_BUDGET = 256 * 2**20


class Renderings:
    """Renderings of results, with a cache of the last predictions.

    One view is computed at a time, so rendering takes at most one core from inspecting.

    Args:
        images: the kept images.
        models: the loaded models.
        budget: bytes of predictions in the cache.
    """

    def __init__(self, images: Images, models: ModelRegistry, budget: int = _BUDGET) -> None:
        self._images = images
        self._models = models
        self._budget = budget
        self._kept: OrderedDict[int, Prediction] = OrderedDict()
        self._lock = threading.Lock()

    def prediction(self, result: StoredResult) -> Prediction:
        """Give every stage of a result again, bit for bit; thresholds are those of the result.

        Raises:
            GoneError: the image is not kept, or the version that gave the result is not loaded any more.
        """
        with self._lock:
            if result.id not in self._kept:
                self._kept[result.id] = self._compute(result)
                while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > self._budget:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(result.id)
            return self._kept[result.id]

    def render(self, result: StoredResult, view: View) -> bytes:
        """Give a view of a result: a PNG of the working size, or for "tiff" the anomaly map itself.

        Raises:
            GoneError: as `prediction`.
        """
        prediction = self.prediction(result)
        return draw(prediction, view)

    def _compute(self, result: StoredResult) -> Prediction:
        path = self._images.find(result.image)
        if path is None:
            why = "could not be inspected" if result.verdict is None else "is not kept"
            raise GoneError(f"the image of result {result.id} {why}: there is nothing to draw its maps from")
        version = self._models.holding(result.model, result.model_version)
        if version is None:
            raise GoneError(
                f"result {result.id} was given by version {result.model_version} of {result.model}, which is "
                "not loaded any more: its maps cannot be computed"
            )
        try:
            return version.with_thresholds(result.threshold, result.review_threshold).inspect(path)
        except ExcisionError as error:
            raise GoneError(f"the image of result {result.id} cannot be read any more: {error}") from error


def draw(prediction: Prediction, view: View) -> bytes:
    """Give a view of a prediction: a PNG of the working size, or for "tiff" the anomaly map itself."""
    if view == "tiff":
        return _tiff(prediction.anomaly_map)
    if view == "overlay":
        return _png(draw_overlay(prediction, findings(prediction).shown_boxes))
    return _png(_DRAW[view](prediction.overview()))


_DRAW: dict[str, Callable[[Prediction], Picture]] = {
    "map": lambda prediction: heat_map(prediction.anomaly_map, prediction.threshold),
    "attention": lambda prediction: attention_map(prediction.attention),
    "mask": lambda prediction: show_mask(prediction.image, prediction.mask),
    "masked_image": lambda prediction: show_image(prediction.masked_image),
    "recovery": lambda prediction: show_image(prediction.recovery),
}


def _png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def _tiff(anomaly_map: NDArray[np.float32]) -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, anomaly_map.astype(np.float32), photometric="minisblack", metadata=None)
    return stream.getvalue()


def _bytes(prediction: Prediction) -> int:
    stages = (prediction.image, prediction.anomaly_map, prediction.attention, prediction.mask)
    return sum(array.nbytes for array in (*stages, prediction.masked_image, prediction.recovery))
