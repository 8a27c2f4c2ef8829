"""`excision inspect` in parts: several processes, several jobs, and images that lie anywhere."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from excision.cli.output import many, say, say_lines, say_notes
from excision.cli.parts_options import PartsOptions
from excision.progress import Bars
from excision.system.names import printable
from excision.system.secrets import without_secrets

if TYPE_CHECKING:
    from excision.cluster.job import PartsSummary, Ways
    from excision.cluster.run_record import RunRecord

_MOST_WORKERS = 1024
_MOST_GPUS = 16
_MOST_SOURCES = 100
"""Places that are told apart by their names; of more, a digest is kept."""


def needs_parts(model: str, places: Sequence[Path | str], out: str) -> bool:
    """Tell whether an inspection can only be done in parts: something is a URL, a manifest or a tar file."""
    from excision.cluster.listing import TAR
    from excision.storage.entry import is_url
    from excision.storage.manifest import is_manifest

    return (
        is_url(model)
        or is_url(out)
        or any(
            isinstance(place, str) or is_manifest(place) or place.name.lower().endswith(TAR)
            for place in places
        )
    )


def inspect_parts(
    model: str,
    places: Sequence[Path | str],
    out: str,
    options: PartsOptions,
    *,
    again: bool,
    also: Sequence[str],
) -> int:
    """Inspect in parts, print what was found, and give the exit status.

    Args:
        model: folder, or its URL.
        places: files and folders, or URLs.
        out: folder, or its URL.
        options: how the inspection is divided.
        again: try images again that failed.
        also: tables that are wanted in addition.

    Raises:
        SettingsError: an option is out of range, or has no meaning for results in parts.
    """
    from excision.cluster.job import inspect_in_parts
    from excision.cluster.plan import MOST_IN_A_PART
    from excision.cluster.run_record import Meter
    from excision.errors import SettingsError
    from excision.system.parquet import need_pyarrow

    if set(also) - {"parquet"}:
        raise SettingsError("--also: results in parts are Parquet where pyarrow is installed, or JSON lines")
    if also:
        need_pyarrow()
    ways = _ways(options, again=again)
    notes: list[str] = []
    meter = Meter(_price(options.cost_per_hour))
    with Bars() as bars:

        def progress(done: int, total: int) -> None:
            bars.stage("inspecting", done, total, meter.figures(done, total))

        summary = inspect_in_parts(
            model,
            places,
            out,
            ways,
            sources=_sources(places),
            pictured=options.overlays,
            size=_checked("--part-size", options.part_size, MOST_IN_A_PART),
            notes=notes,
            progress=progress,
            meter=meter,
        )
    say_notes(notes)
    _say(summary, out)
    return 0 if options.shard is not None else summary.exit_status


def _ways(options: PartsOptions, *, again: bool) -> Ways:
    from excision.cluster.job import Ways
    from excision.cluster.shard import Shard
    from excision.errors import SettingsError
    from excision.storage.ahead import BUDGET, THREADS

    if options.address is not None and options.engine != "ray":
        raise SettingsError("--address is that of a Ray cluster: add --engine ray")
    gpus = options.gpus_per_worker
    if gpus is not None and options.engine != "ray":
        raise SettingsError("--gpus-per-worker is for a Ray cluster: add --engine ray")
    if gpus is not None and not (0 < gpus <= 1 or (1 < gpus <= _MOST_GPUS and gpus == int(gpus))):
        raise SettingsError(
            f"--gpus-per-worker {gpus:g}: give a share of a GPU, such as 0.25, or a whole number"
        )
    ahead = _checked("--read-ahead", options.read_ahead, 2**20)
    return Ways(
        workers=_checked("--workers", options.workers, _MOST_WORKERS),
        shard=Shard() if options.shard is None else Shard.parse(options.shard),
        again=again,
        readers=_checked("--readers", options.readers, _MOST_WORKERS) or THREADS,
        budget=BUDGET if ahead is None else ahead * 2**20,
        engine=options.engine or "local",
        address=options.address,
        gpus=gpus or 0.0,
    )


def _price(value: float | None) -> float | None:
    from excision.errors import SettingsError

    if value is not None and not 0 <= value < math.inf:
        raise SettingsError(
            f"--cost-per-hour {value}: give the price of one worker for an hour, such as 0.40"
        )
    return value


def _checked(name: str, value: int | None, most: int) -> int | None:
    from excision.errors import SettingsError

    if value is not None and not 1 <= value <= most:
        raise SettingsError(f"{name} {value}: give a number from 1 to {most}")
    return value


def _sources(places: Sequence[Path | str]) -> list[str]:
    """Name the images by what was given, so that another job or a later run can tell that it is the same."""
    names = [place if isinstance(place, str) else os.path.abspath(place) for place in places]  # noqa: PTH100
    if len(names) <= _MOST_SOURCES:
        return list(map(printable, names))
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return [f"{len(names)} files and folders, {digest}"]


def _say(summary: PartsSummary, out: str) -> None:
    from excision.inspection.outcome import counted

    say(counted(summary.counts))
    say_lines(map(reason, summary.failures), summary.counts[None], "the column `error` gives each reason")
    parts = many(summary.parts, "part")
    say(f"Results: {without_secrets(out)}/parts, {parts}, {summary.new_parts} inspected now")
    if summary.others:
        verb = "is" if summary.others == 1 else "are"
        say(f"{many(summary.others, 'part')} of other jobs {verb} not finished.")
    if summary.run is not None:
        say(_run_words(summary.run))


def _run_words(run: RunRecord) -> str:
    """Say how fast a run was, and what it cost."""
    words = f"{many(run.images, 'image')} in {run.seconds:.1f} s with {many(run.workers, 'worker')}: "
    words += f"{run.images_per_second:.1f} images/s"
    if run.cost is None:
        return words
    million = 1e6 * run.cost / run.images if run.images else 0.0
    return f"{words}, cost {run.cost:.4g}, or {million:.4g} for a million images"


def reason(failure: tuple[str, str]) -> str:
    """Say why an image could not be inspected, with its name once."""
    image, why = failure
    return why if printable(why).startswith(printable(image)) else f"{image}: {why}"
