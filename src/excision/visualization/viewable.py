"""What can be drawn: the part of a detection that pictures, plots and notebooks need."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from excision.ops.boxes import Box


class Viewable(Protocol):
    """A detection as `excision.predictions.Detection` defines it, for drawing."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def score(self) -> float:
        """Anomaly score."""

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the score."""

    @property
    def review_threshold(self) -> float | None:
        """Where the grey zone begins; None for no such zone."""

    @property
    def verdict(self) -> str:
        """The verdict: "good", "review", "defect" or "unfit"."""

    @property
    def unfit(self) -> tuple[str, ...]:
        """Why the image is not fit to be inspected, one reason each; empty if it is."""

    @property
    def p_value(self) -> float | None:
        """Conformal p-value of the score; None where it is unknown."""

    @property
    def image(self) -> NDArray[np.float32]:
        """(h, w, C) in [0, 1], reduced if the image is large."""

    @property
    def anomaly_map(self) -> NDArray[np.float32]:
        """(H, W) >= 0 at full size."""

    @property
    def reduction(self) -> int:
        """Pixels of the anomaly map along the side of a pixel of the image."""

    @property
    def source(self) -> str | None:
        """Path of the image file; None for an image in memory."""

    @property
    def full_size(self) -> tuple[int, int]:
        """(H, W) in pixels of the given image."""

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Boxes around the defects, in pixels of the given image."""

    @property
    def shown_boxes(self) -> tuple[Box, ...]:
        """Boxes around the defects, in pixels of the reduced picture."""

    def overview(self) -> Self:
        """Return the same with the anomaly map reduced to the size of the image."""
