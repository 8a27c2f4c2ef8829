"""Inspects images in parts: all of them, or the share of one job among several."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from excision.cluster.listing import list_entries
from excision.cluster.model import local_model
from excision.cluster.parts import finished_parts, read_part
from excision.cluster.plan import PARTS, Form, Pictured, Plan, agree, new_plan
from excision.cluster.processes import Processes
from excision.cluster.ray_actors import RayActors
from excision.cluster.run_record import Meter, RunRecord
from excision.cluster.shard import Shard
from excision.cluster.summary import SUMMARY, count_parts, write_summary
from excision.errors import ExcisionError
from excision.inspection.fingerprint import fingerprint
from excision.inspection.outcome import exit_status
from excision.predictions import Verdict
from excision.progress import Progress
from excision.storage.ahead import BUDGET, THREADS
from excision.storage.entry import local_path
from excision.storage.folder import Folder
from excision.storage.manifest import Manifest, is_manifest, open_manifest, write_manifest
from excision.storage.opening import open_folder
from excision.system.cores import cores
from excision.system.secrets import without_secrets

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class Ways:
    """How the images are inspected; nothing of it changes a result.

    Attributes:
        workers: processes; None takes one, or with Ray one for each core of the cluster.
        shard: share of this job.
        again: try images again that failed in finished parts.
        readers: images that each process reads at once from storage.
        budget: bytes that each process reads ahead at most.
        engine: "local" inspects in processes of this machine, "ray" in actors of a Ray cluster.
        address: of the Ray cluster; None begins one on this machine.
        gpus: of the cluster that each actor takes, such as 0.25; above 0, the networks are computed on a GPU.
    """

    workers: int | None = None
    shard: Shard = field(default_factory=Shard)
    again: bool = False
    readers: int = THREADS
    budget: int = BUDGET
    engine: Engine = "local"
    address: str | None = None
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class PartsSummary:
    """The results of the parts of one job.

    Attributes:
        counts: number of images of each verdict; None is that of images that could not be inspected.
        failures: (image, reason) of the first of these.
        parts: number of parts of this job.
        new_parts: number of parts that this run inspected.
        others: number of parts of other jobs that are not finished.
        run: what this run took; None if there was nothing left to do.
    """

    counts: Counter[Verdict | None]
    failures: tuple[tuple[str, str], ...]
    parts: int
    new_parts: int
    others: int
    run: RunRecord | None = None

    @property
    def exit_status(self) -> int:
        """As `excision.inspection.outcome.exit_status`."""
        return exit_status(self.counts)


def inspect_in_parts(
    model: Path | str,
    images: Sequence[Path | str],
    out: Path | str,
    ways: Ways,
    *,
    sources: Sequence[str] | None = None,
    pictured: Pictured | None = None,
    size: int | None = None,
    notes: list[str] | None = None,
    progress: Progress | None = None,
    meter: Meter | None = None,
) -> PartsSummary:
    """Inspect images in parts, and write the results of each part to a file of its own.

    The first run lists the images and writes `inspection.json`; every later run, and every other job with the
    same folder, reads it. Finished parts are not inspected again.

    Args:
        model: run folder or exported folder, or its URL.
        images: files, folders, tar files and manifests, or URLs of these; a single manifest is used in place.
        out: folder for the results, or its URL.
        ways: how the images are inspected.
        sources: what tells these images from others; None takes `images` as they are written.
        pictured: images that get an overlay; by default none.
        size: images in a part; None chooses it by their number.
        notes: receives sentences on how the images were understood.
        progress: called with (done, all) for the images that this run inspects.
        meter: measures the time and the cost of the run, with the price that it has.

    Raises:
        SettingsError: the folder holds the results of another inspection.
        DatasetError: there is no image, or a manifest is damaged.
        ModelError: the model cannot be opened.
        ResultsError: results in the folder are damaged.
    """
    folder = open_folder(out)
    told = list(map(without_secrets, map(str, images) if sources is None else sources))
    with local_model(model) as path:
        known = fingerprint(path)

        def make() -> Plan:
            place, manifest = _list(folder, images, notes)
            form: Form = "parquet" if find_spec("pyarrow") is not None else "jsonl"
            return new_plan(
                manifest, place, model=known, sources=told, form=form, pictured=pictured or "none", size=size
            )

        plan, before = agree(folder, known, told, make, pictured, size)
        if before and notes is not None:
            notes.append(
                f"The {plan.images} images are those of {plan.date}; for later ones name another --out."
            )
        return _run(path, folder, plan, ways, progress, meter or Meter())


def _run(
    model: Path, folder: Folder, plan: Plan, ways: Ways, progress: Progress | None, meter: Meter
) -> PartsSummary:
    """Inspect the parts of this job that are not finished, and count all of its results."""
    mine = ways.shard.parts(plan.parts)
    folder.tidy(PARTS)
    finished = finished_parts(folder, plan)
    wanted = [part for part in mine if part not in finished or (ways.again and _failed(folder, plan, part))]
    record = None
    if wanted:
        job = {
            "model": str(model.resolve()),
            "out": folder.name if folder.local is None else str(folder.local.resolve()),
            "threads": max(1, cores() // (ways.workers or 1)) if ways.engine == "local" else 1,
            "device": "cuda" if ways.gpus else None,
            "readers": ways.readers,
            "budget": ways.budget,
        }
        engine = _engine(job, plan, ways)
        record = _measured(engine, wanted, folder, ways, progress, meter)
    tally = count_parts(folder, plan, mine)
    if len(mine) == plan.parts and (wanted or not folder.exists(SUMMARY)):
        write_summary(folder, tally)
    others = plan.parts - len(finished | set(mine))
    return PartsSummary(tally.counts, tuple(tally.failures), len(mine), len(wanted), others, record)


def _measured(
    engine: Processes | RayActors,
    parts: Sequence[int],
    folder: Folder,
    ways: Ways,
    progress: Progress | None,
    meter: Meter,
) -> RunRecord:
    """Do the parts, and write what that took, even if it is interrupted."""

    def tell(done: int, total: int) -> None:
        meter.count(done)
        if progress is not None:
            progress(done, total)

    engine.progress, engine.started = tell, meter.start
    try:
        engine.run(parts)
    except BaseException:
        if meter.done:
            # What stopped the run is what the user must read.
            with suppress(ExcisionError, OSError):
                meter.record(str(ways.shard), ways.engine, complete=False).write(folder)
        raise
    record = meter.record(str(ways.shard), ways.engine, complete=True)
    record.write(folder)
    return record


def _engine(job: dict[str, Any], plan: Plan, ways: Ways) -> Processes | RayActors:
    if ways.engine == "local":
        return Processes(job, plan, ways.workers or 1, ways.again)
    return RayActors(job, plan, ways.workers, ways.address, ways.gpus, ways.again)


def _list(folder: Folder, images: Sequence[Path | str], notes: list[str] | None) -> tuple[str, Manifest]:
    # The plan names a manifest that is used in place, and must not hold what gives access to it.
    if len(images) == 1 and is_manifest(images[0]) and without_secrets(str(images[0])) == str(images[0]):
        local = local_path(str(images[0]))
        place = str(images[0]) if local is None else str(local.resolve())
        return place, open_manifest(place)
    ending = ".parquet" if find_spec("pyarrow") is not None else ".jsonl"
    with tempfile.TemporaryDirectory(prefix="excision-") as made:
        path = Path(made) / f"manifest{ending}"
        write_manifest(path, list_entries(images, notes, folder.name))
        manifest = open_manifest(path)
        # Another job may be listing the same images; each list has a name of its own.
        name = f"manifest-{manifest.digest}{ending}"
        with folder.writing(name) as target:
            shutil.copyfile(path, target)
        return name, manifest


def _failed(folder: Folder, plan: Plan, part: int) -> bool:
    return any(row.record.verdict is None for row in read_part(folder, plan, part))
