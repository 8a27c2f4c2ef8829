"""Collecting what images look like while they are decoded anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from excision.data.decode import decoded
from excision.data.groups.appearance import Looks, Sketch, appearance
from excision.data.groups.rule import GroupRule
from excision.data.records import Sample
from excision.errors import ImageError
from excision.progress import Progress

_MOST = 4000
"""Images that are looked at; of more, stretches of neighbours are, so that time and memory stay bounded."""

_STRETCH = 500


class Collector:
    """Notes what images look like, if that is needed to find their groups.

    Attributes:
        looks: what each image looks like, by the path of its file.

    Args:
        samples: normal images whose groups will be found.
        rule: how a person says that the groups are to be formed.
    """

    def __init__(self, samples: Iterable[Sample], rule: GroupRule | None) -> None:
        samples = list(samples)
        stated = {sample.name: sample.group for sample in samples}
        looked_at = stretches(samples) if to_be_found(rule, stated) else []
        self._wanted = dict.fromkeys(sample.image for sample in looked_at)
        self._names = {sample.image: sample.name for sample in samples}
        self.looks: dict[str, Looks] = {}

    def sketch(self, path: Path, size: tuple[int, int]) -> Sketch | None:
        """Give what takes the bands of an image; None if it is not needed."""
        return Sketch(size) if path in self._wanted else None

    def keep(self, path: Path, sketch: Sketch | None) -> None:
        """Keep the description of an image whose bands were taken."""
        if sketch is not None:
            self.looks[self._names[path]] = sketch.looks()

    def add(self, sample: Sample, image: NDArray[Any]) -> None:
        """Look at an image (H, W) or (H, W, C) in memory; raises ImageError if it is none."""
        if sample.image in self._wanted:
            self.looks[sample.name] = appearance(image)

    def decode(self, path: Path) -> None:
        """Decode an image and keep nothing but its description; raises ImageError as `decoded` does."""
        with decoded(path) as image:
            sketch = self.sketch(path, image.upright)
            for rows, band in image.bands():
                if sketch is not None:
                    sketch.add(rows, band)
            self.keep(path, sketch)

    def read(self, progress: Progress | None = None) -> None:
        """Decode all images that are needed; those that cannot be read are left out."""
        for done, path in enumerate(self._wanted, start=1):
            with suppress(ImageError):
                self.decode(path)
            if progress is not None:
                progress(done, len(self._wanted))


def to_be_found(rule: GroupRule | None, stated: Mapping[str, str]) -> bool:
    """Tell whether groups are to be found, because neither a rule nor the data set states them."""
    return (rule is None or rule.kind == "auto") and all(name == group for name, group in stated.items())


def stretches(samples: list[Sample]) -> list[Sample]:
    """Give all samples or, of very many, stretches of neighbours that are spread evenly."""
    if len(samples) <= _MOST:
        return samples
    count = _MOST // _STRETCH
    starts = [round(place * (len(samples) - _STRETCH) / (count - 1)) for place in range(count)]
    return [sample for start in starts for sample in samples[start : start + _STRETCH]]
