"""The stages of the example images of a report, on disk, so that it can be rebuilt without the model."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from PIL import Image

from excision.errors import ResultsError
from excision.evaluation.examples import Example, Outcome, outcome
from excision.predictions import Prediction, Verdict
from excision.system.files import write_bytes, write_json
from excision.system.in_order import in_order
from excision.visualization import pictures
from excision.visualization.overlays import readable
from excision.visualization.pictures import Picture

EXAMPLES = "examples"
_INDEX = "examples.json"

# A report embeds no more than this, whatever an index says.
MOST_EXAMPLES, _MOST_STAGES, _MOST_BOXES = 32, 8, 50

# A screen shows no more detail than this; it is the largest size of a default working image.
_PIXELS = 163_840
# 24 examples of 7 stages with this many bytes, as base64, and the rest of the page stay below 8 MB.
_BYTES = 32_000
_QUALITIES = (84, 70, 50, 30, 10)
_FILE = re.compile(r"\d+-[a-z-]+\.webp")


@dataclass(frozen=True, slots=True)
class StagePicture:
    """One picture of an example: its caption, its file in `examples/`, width and height in pixels."""

    caption: str
    file: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class StagedExample:
    """An image whose stages are on disk.

    Attributes:
        name: name of the image.
        label: "good", the kind of defect, or None if unknown.
        verdict: "good", "review", "defect" or "unfit".
        score: anomaly score.
        threshold: decision threshold, in the same unit; None if it is not finite.
        stages: from the input to the anomaly map, and the ground truth if known.
        p_value: conformal p-value of the score; None if it is unknown.
        unfit: why the image is not fit to be inspected; empty if it is.
        boxes: boxes (x, y, width, height) around what is above the threshold, strongest first, as shares of
            width and height of the picture.
    """

    name: str
    label: str | None
    verdict: Verdict
    score: float
    threshold: float | None
    stages: tuple[StagePicture, ...]
    # Results of earlier versions lack these.
    p_value: float | None = None
    unfit: tuple[str, ...] = ()
    boxes: tuple[tuple[float, ...], ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What label and verdict together mean."""
        return outcome(self.label, self.verdict)


def write_examples(folder: Path, examples: Iterable[Example]) -> None:
    """Write `examples/` in a folder of results, replacing earlier ones.

    Examples are processed one by one and not kept, so memory stays flat with a generator.
    """
    target = _emptied(folder)
    entries = [_write(target, number, example) for number, example in enumerate(examples, start=1)]
    write_json(target / _INDEX, [asdict(entry) for entry in entries])


def write_examples_of(
    folder: Path, images: Iterable[str], example: Callable[[str], Example | None], workers: int
) -> None:
    """Write `examples/` as `write_examples` does, for several images at once.

    Args:
        folder: of results.
        images: names of the images.
        example: gives the example of an image, or None to leave it out; is called from several threads.
        workers: images at once; no more examples are in memory.
    """
    target = _emptied(folder)

    def write(numbered: tuple[int, str]) -> StagedExample | None:
        found = example(numbered[1])
        return None if found is None else _write(target, numbered[0], found)

    entries = list(in_order(write, enumerate(images, start=1), workers))
    write_json(target / _INDEX, [asdict(entry) for entry in entries if entry is not None])


def _emptied(folder: Path) -> Path:
    target = folder / EXAMPLES
    if target.is_dir():
        for path in target.iterdir():
            if path.name == _INDEX or _FILE.fullmatch(path.name):
                path.unlink()
    return target


def read_examples(folder: Path) -> list[StagedExample]:
    """Read what `write_examples` wrote; nothing if a folder of results has no examples.

    Raises:
        ResultsError: the index is damaged.
    """
    path = folder / EXAMPLES / _INDEX
    if not path.is_file():
        return []
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        return [_entry(content) for content in entries[:MOST_EXAMPLES]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: is damaged ({error!r}); inspect or evaluate again") from error


def _entry(content: dict[str, Any]) -> StagedExample:
    stages = tuple(StagePicture(**stage) for stage in content.pop("stages"))[:_MOST_STAGES]
    unfit = tuple(map(str, content.pop("unfit", ())))
    boxes = tuple(tuple(map(float, box)) for box in content.pop("boxes", ())[:_MOST_BOXES])
    example = StagedExample(**content, stages=stages, unfit=unfit, boxes=boxes)
    # Files of other folders must never get into a report, which may be given to others.
    if not all(_FILE.fullmatch(stage.file) and stage.width > 0 and stage.height > 0 for stage in stages):
        raise ValueError("a stage refers to a file outside this folder")
    if example.verdict not in get_args(Verdict) or not isinstance(example.score, float):
        raise ValueError("an example has no verdict or score")
    if not (example.p_value is None or (isinstance(example.p_value, float) and 0 < example.p_value <= 1)):
        raise ValueError("an example has a p-value that is none")
    if not all(len(box) == 4 and all(0 <= share <= 1 for share in box) for box in boxes):
        raise ValueError("an example has a box that is outside its picture")
    return example


def _write(target: Path, number: int, example: Example) -> StagedExample:
    stages = []
    for caption, picture in _stages(example):
        image = _fitted(Image.fromarray(picture))
        file = f"{number:02d}-{caption.lower().replace(' ', '-')}.webp"
        write_bytes(target / file, _compressed(image))
        stages.append(StagePicture(caption, file, image.width, image.height))
    p = example.prediction
    threshold = p.threshold if abs(p.threshold) < float("inf") else None
    return StagedExample(
        readable(example.name),
        example.label,
        p.verdict,
        float(p.score),
        threshold,
        tuple(stages),
        p.p_value,
        p.unfit,
        _boxes(p),
    )


def _boxes(prediction: Prediction) -> tuple[tuple[float, ...], ...]:
    height, width = prediction.anomaly_map.shape
    sides = (width, height, width, height)
    found = prediction.map_boxes()[:_MOST_BOXES]
    return tuple(tuple(round(part / side, 5) for part, side in zip(box, sides, strict=True)) for box in found)


def _stages(example: Example) -> Iterator[tuple[str, Picture]]:
    p = example.prediction
    yield "Input", pictures.show_image(p.image)
    yield "Attention", pictures.attention_map(p.attention)
    yield "Mask", pictures.show_mask(p.image, p.mask)
    yield "Masked image", pictures.show_image(p.masked_image)
    yield "Recovery", pictures.show_image(p.recovery)
    yield "Anomaly map", pictures.heat_map(p.anomaly_map, p.threshold)
    if example.ground_truth is not None:
        yield "Ground truth", pictures.show_ground_truth(p.image, example.ground_truth)


def _fitted(image: Image.Image) -> Image.Image:
    excess = (image.width * image.height / _PIXELS) ** 0.5
    if excess <= 1:
        return image
    size = max(1, round(image.width / excess)), max(1, round(image.height / excess))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2)


def _compressed(image: Image.Image) -> bytes:
    """Encode as WebP with the best quality that stays within the size of one stage."""
    content = b""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        image.save(stream, format="WEBP", quality=quality, method=2)
        content = stream.getvalue()
        if len(content) <= _BYTES:
            break
    return content
