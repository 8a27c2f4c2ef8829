"""The station as one object, which the service and its pages share; it knows nothing of HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from excision.data.pixels import MAX_PIXELS
from excision.errors import SettingsError
from excision.predictions import Predictor
from excision.station.alarms.alarms import Alarms
from excision.station.alarms.settings import AlarmSettings
from excision.station.drift import Drift
from excision.station.improve.settings import ImproveSettings
from excision.station.improve.shadow import Shadows
from excision.station.improve.workshop import Workshop
from excision.station.lock import SERVICE_LOCK, only_one, only_parts
from excision.station.models.live import Live
from excision.station.models.registry import ModelRegistry
from excision.station.outbox.sender import Sender
from excision.station.outbox.settings import OutboxSettings
from excision.station.parts.parts import Parts
from excision.station.parts.settings import PartsSettings
from excision.station.people.people import People
from excision.station.people.settings import PeopleSettings
from excision.station.quality.settings import ShiftsSettings
from excision.station.station_file.file import StationFile
from excision.station.station_file.serving import StationTable
from excision.station.store.connection import RESULTS
from excision.station.store.records import UNKNOWN, Origin, StoredResult
from excision.station.store.settings_trail import note_settings
from excision.station.store.store import Store
from excision.station.work.guard import Guard
from excision.station.work.kept_images import INCOMING, Images, Keep
from excision.station.work.quarantine import tidy
from excision.station.work.queue import Job, JobQueue, Outcome
from excision.station.work.renderings import Renderings
from excision.station.work.retention import Rules, Upkeep
from excision.station.work.tables import remove_tables
from excision.station.work.upload import Limits, inspect_upload
from excision.station.work.workers import Observer, Workers
from excision.system.cores import cores

_LONGEST_SOURCE = 500


@dataclass(frozen=True, slots=True)
class StationSettings:
    """How a station is set up.

    Attributes:
        data: folder of results and images.
        models: folder of each model, by name; the first is the default.
        models_below: folder whose sub-folders clients may load by name; None allows none.
        folders: folder whose sub-folders a model may be measured on, by name; None allows none.
        keep: which images are kept: "all", "flagged" (those not good) or "none".
        retention: how long kept images stay; without rules, for ever.
        queue: largest number of images that are accepted and not yet answered.
        workers: images that are inspected at the same time; None takes the number of cores.
        threads: of one inspection; None divides the cores among the workers.
        max_bytes: of one request.
        max_pixels: of one image; the decoder refuses more than 150 million in any case.
        outbox: hub that results are sent to; None for none.
        file: what the file of the station says of everything else.
        name: of the station, which its results carry; None takes the one that a hub knows it by.
    """

    data: Path
    models: Mapping[str, Path]
    models_below: Path | None = None
    folders: Path | None = None
    keep: Keep = "all"
    retention: Rules = field(default_factory=Rules)
    queue: int = 64
    workers: int | None = None
    threads: int | None = None
    max_bytes: int = 64 * 2**20
    max_pixels: int = MAX_PIXELS
    outbox: OutboxSettings | None = None
    file: StationFile = field(default_factory=StationFile)
    name: str | None = None

    def __post_init__(self) -> None:
        for name in ("queue", "workers", "threads", "max_bytes", "max_pixels"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise SettingsError(f"{name.replace('_', '-')} is {number}: it must be at least 1")

    @property
    def threading(self) -> tuple[int, int]:
        """Number of workers, and of threads of one inspection.

        One thread each on as many images as there are cores: networks of this size lose more by sharing one
        image among cores than they gain.
        """
        available = cores()
        workers = self.workers or max(1, available // (self.threads or 1))
        return workers, self.threads or max(1, available // workers)


@dataclass
class Station:
    """Models, queue, workers, results and images of one folder.

    Creating one loads and verifies the models, and sets aside what a killed process left; `close` finishes
    the accepted images.

    Args:
        settings: how it is set up.
        observer: is called with every result that is on disk.

    Attributes:
        store: results, labels and events.
        models: by name.
        images: kept uploads.
        quarantined: what the start set aside.
        upkeep: removes images whose time has come.
        guard: knows why nothing can be stored, if so.
        parts: puts results together to parts; None where its file has no table `[parts]`.
        drift: monitors whether the line is still the line.
        outbox: sends results to a hub; None where there is none.
        people: who may do what.
        alarms: what a person has to know of; `listen` passes changes on.
        renderings: pictures and maps of results.
        queue: what is accepted.
        limits: of what is taken.
        workshop: improves models and trains new ones.
        shadows: challengers that run beside the models.
        started: seconds since 1970 in UTC.

    Raises:
        ModelError: a folder holds no model, or one that does not say what it should.
        ResultsError: the results cannot be opened.
        SettingsError: another process has the folder, or a setting is wrong.
    """

    settings: StationSettings
    observer: Observer | None = None
    started: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        settings = self.settings
        workers, threads = settings.threading
        with ExitStack() as opened:
            self._open_folder(opened, threads, workers)
            self._begin_watching(opened)
            self.parts = self._begin_parts(opened)
            self.outbox = self._begin_sending(opened)
            self._opened = opened.pop_all()
        self.renderings = Renderings(self.images, self.models)
        self.queue = JobQueue(settings.queue)
        self.limits = Limits(settings.max_bytes, settings.max_pixels, min(settings.queue, 100))
        improving = settings.file.one(ImproveSettings) or ImproveSettings()
        self.workshop = Workshop(improving.threads)
        self.shadows = Shadows(self.store, self.images, settings.data, lambda: self.queue.unanswered > 0)
        self._workers = Workers(
            self.queue, self._inspect, self.store, self.images, workers, self.guard.explain, self, self.parts
        )

    def _open_folder(self, opened: ExitStack, threads: int, workers: int) -> None:
        """Take the folder, load the models, and set aside what a killed process left."""
        settings = self.settings
        opened.enter_context(
            only_one(settings.data, SERVICE_LOCK, "excision serve", "another service runs", "--data")
        )
        self.store = Store(settings.data / RESULTS)
        opened.callback(self.store.close)
        note_settings(self.store, settings.file.given)
        self.people = People(self.store, settings.file.one(PeopleSettings))
        live = Live(settings.data)
        self.models = ModelRegistry(
            settings.models, self.store, settings.models_below, threads, live, workers
        )
        self.images = Images(settings.data, settings.keep)
        self.quarantined = tidy(settings.data, self.store)
        remove_tables(settings.data)

    def _begin_watching(self, opened: ExitStack) -> None:
        """Watch over the disk, the kept images, and the line."""
        settings = self.settings
        self.guard = Guard(self.store, settings.data / INCOMING)
        opened.callback(self.guard.close)
        self.upkeep = Upkeep(settings.data / RESULTS, settings.retention)
        opened.callback(self.upkeep.close)
        self.alarms = Alarms(self.store, settings.file.one(AlarmSettings), lambda: self.guard.fault)
        opened.callback(self.alarms.close)
        self.drift = Drift(
            self.store,
            self._predictor_of,
            lambda model, warning: self.alarms.drifted(model, warning.words),
        )
        opened.callback(self.drift.close)
        for name in self.models.names:
            self.drift.begin(name, self.models.current(name).weights_id)

    def _begin_parts(self, opened: ExitStack) -> Parts | None:
        settings = self.settings.file.one(PartsSettings)
        if settings is None:
            return None
        opened.enter_context(only_parts(self.settings.data, "--data"))
        parts = Parts(self.store, settings)
        opened.callback(parts.close)
        return parts

    def _begin_sending(self, opened: ExitStack) -> Sender | None:
        if self.settings.outbox is None:
            return None
        shifts = self.settings.file.one(ShiftsSettings)
        outbox = Sender(self.store, self.settings.outbox, None if shifts is None else asdict(shifts))
        opened.callback(outbox.close)
        return outbox

    @property
    def is_alive(self) -> bool:
        """Tell whether every thread that is needed runs."""
        return self._workers.are_alive

    @property
    def name(self) -> str | None:
        """Give the name that results carry, or None."""
        outbox, table = self.settings.outbox, self.settings.file.one(StationTable)
        named = self.settings.name or (None if table is None else table.name)
        return named or (None if outbox is None else outbox.station)

    def submit(
        self,
        uploads: Sequence[tuple[Path, str]],
        model: str | None = None,
        origin: Origin = UNKNOWN,
        content: bytes | bytearray | None = None,
    ) -> list[Future[Outcome]]:
        """Accept images, all of them or none.

        Args:
            uploads: of each the file, made at `images.arriving()`, and the name that the client gave it. From
                here on the files are the station's.
            model: name of the model; None takes the default.
            origin: what is known of the part that the images show.
            content: of an only upload, where it is still to be written to its file.

        Returns:
            For each the answer, once its result is on disk; where it could not be written, the future raises
            StoreError or BusyError.

        Raises:
            BusyError: there is no room for all of them now; nothing is accepted.
            StoreError: the disk or the file of results is at fault; nothing is accepted.
            KeyError: there is no such model.
        """
        self.guard.check()
        name = self.models.default if model is None else model
        self.models.slot(name)
        jobs = [Job(path, source[:_LONGEST_SOURCE], name, origin, content) for path, source in uploads]
        self.queue.offer(jobs)
        return [job.answer for job in jobs]

    def result(self, number: int) -> StoredResult | None:
        """Give a result by its number, or None."""
        return self.store.get(number)

    def answered(self, outcomes: Sequence[Outcome], storing: float) -> None:
        """Note results that are on disk: look for drift and alarms, and tell the observer."""
        results = [outcome.result for outcome in outcomes]
        self.alarms.count(results)
        if self.parts is not None:
            self.parts.count(results)
        self.drift.count(results)
        self.shadows.answered(results)
        if self.observer is not None:
            self.observer.answered(outcomes, storing)

    def close(self) -> None:
        """Accept nothing more, finish and answer what is accepted, and let go of the folder."""
        self.queue.close()
        self._workers.finish()
        self.shadows.close()
        self.workshop.close()
        self._opened.close()

    def _predictor_of(self, model: str, weights: str) -> Predictor | None:
        version = self.models.holding(model, weights)
        return None if version is None else version.predictor

    def _inspect(self, job: Job) -> Outcome:
        code = None if self.parts is None else self.parts.read_code(job.path, job.origin.view)
        version = self.models.current(job.model)
        found = inspect_upload(job, version, self.images, self.limits, self.name)
        return found if code is None else replace(found, code=code)
