"""Images of parts that a person marked as defective: found and scored, to weigh costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from excision.data import load_dataset
from excision.data.layouts import LAYOUTS
from excision.errors import DatasetError, ImageError
from excision.inspection.batch import find_images
from excision.progress import Progress
from excision.runtime.inspector import Inspector
from excision.runtime.trained_on import TrainedOn, image_key


def find_defective_images(paths: Sequence[Path]) -> list[Path]:
    """Find given files, all images of plain folders, and the defective images of labelled data sets.

    Raises:
        DatasetError: there is no image, or a labelled data set has no defective one.
    """
    found: dict[Path, None] = {}
    for path in paths:
        table = path.is_dir() or path.suffix.lower() == ".csv"
        if not (table and any(layout.recognise(path) for layout in LAYOUTS.values())):
            found |= dict.fromkeys(find_images([path]))
            continue
        samples = load_dataset(path).samples
        defective = [sample.image for sample in samples if sample.defective]
        if not defective and all(sample.image.parent == path for sample in samples):
            # A folder of images without any label: a person says that they are defective.
            defective = [sample.image for sample in samples]
        if not defective:
            raise DatasetError(
                f"{path}: this data set has no defective image; name images of defective parts, or a folder "
                "of such images alone, with --defects"
            )
        found |= dict.fromkeys(defective)
    return list(found)


def score_defective_images(
    inspector: Inspector, images: Sequence[Path], progress: Progress
) -> tuple[list[float], list[str]]:
    """Score images, each content once, except known defects that the model was trained with.

    Args:
        inspector: exported model.
        images: image files.
        progress: called with (done, total).

    Returns:
        The scores, and why images do not count.

    Raises:
        ModelError: the model cannot compute, or the hashes of its training images are damaged.
    """
    known = TrainedOn.load(inspector.folder)
    scores: dict[str, float] = {}
    unreadable = []
    for done, path in enumerate(images, start=1):
        try:
            if known is not None and known.has_defect(path):
                unreadable.append(
                    f"{path}: the model was trained with this known defect: its score is too high"
                )
            else:
                working = inspector.working(path)
                scores.setdefault(image_key(working), inspector.inspect_working(working).score)
        except ImageError as error:
            unreadable.append(str(error))
        except OSError as error:
            unreadable.append(f"{path}: {error.strerror}")
        progress(done, len(images))
    return list(scores.values()), unreadable
