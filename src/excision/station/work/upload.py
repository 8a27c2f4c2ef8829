"""One uploaded image to what is kept of it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

from excision.data.decode import probe_image
from excision.errors import ImageError
from excision.inspection.findings import findings
from excision.station.models.version import Version
from excision.station.store.records import StoredResult
from excision.station.work.kept_images import Images
from excision.station.work.queue import Job, Outcome

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a station takes.

    Attributes:
        max_bytes: of one request.
        max_pixels: of one image, by its header.
        max_files: images in one request.
    """

    max_bytes: int
    max_pixels: int
    max_files: int


def inspect_upload(
    job: Job, version: Version, images: Images, limits: Limits, station: str | None = None
) -> Outcome:
    """Inspect an upload; whatever goes wrong becomes a result that says so.

    Args:
        job: whose answer is not set here.
        version: that inspects.
        images: say where the upload is to be kept; it is not moved yet.
        limits: of its size.
        station: name of the station, which the result carries.
    """
    start = time.perf_counter()
    blank = _blank(job, version, station, start)
    try:
        size = _size(job.path, limits.max_pixels)
        prediction = version.inspect(job.path)
    except ImageError as error:
        return Outcome(replace(blank, error=_reason(job, error)))
    except Exception as error:
        # The image was accepted, so it must get a result. The log has the cause, for the operator.
        _LOG.exception("inspecting %s failed", job.source)
        reason = f"the station could not inspect this image ({type(error).__name__})"
        return Outcome(replace(blank, error=f"{job.source}: {reason}"), station_fault=True)
    seconds = time.perf_counter() - start
    timings = {
        "decode": round(max(seconds - prediction.seconds, 0.0), 6),
        "model": round(prediction.seconds, 6),
    }
    found = findings(prediction, size)
    result = replace(
        blank,
        image=images.place(job.path, found.verdict, blank.time, job.content),
        seconds=blank.seconds | timings,
        score=found.score,
        verdict=found.verdict,
        defect_area_share=found.defect_area_share,
        boxes=found.boxes,
        p_value=found.p_value,
        unfit=found.unfit,
        image_statistics=found.image_statistics or {},
        width=size[1],
        height=size[0],
    )
    return Outcome(result)


def _blank(job: Job, version: Version, station: str | None, start: float) -> StoredResult:
    """Give what is known of a result before its inspection, which begins at `start`, by the counter."""
    return StoredResult(
        # Microseconds are what an answer shows: asking for results since the time of one must find that one.
        time=round(time.time(), 6),
        source=job.source,
        model=job.model,
        model_version=version.version,
        threshold=version.threshold,
        review_threshold=version.review_threshold,
        seconds={"queue": round(start - job.accepted, 6)},
        station=station,
        **job.origin.columns(),
    )


def _size(path: Path, max_pixels: int) -> tuple[int, int]:
    """Read (H, W) from the header: a small file may unpack to any size."""
    height, width = probe_image(path).size
    if height * width > max_pixels:
        raise ImageError(
            f"{path}: {width} x {height} pixels exceed this station's limit of {max_pixels} (--max-pixels)"
        )
    return height, width


def _reason(job: Job, error: ImageError) -> str:
    """Give the reason without the station's own paths, which clients must not see."""
    return str(error).replace(str(job.path), job.source)
