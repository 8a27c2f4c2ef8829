"""What is done with one file of a hot folder: it is inspected, its result is kept, and it is moved."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from excision.data.decode import probe_image
from excision.errors import ImageError, ModelError
from excision.inspection.batch import inspect_file
from excision.inspection.drift import DriftWarning
from excision.inspection.log import InspectionRecord
from excision.predictions import Predictor
from excision.station.drift import Drift
from excision.station.hot_folder.folder import HotFile, Phase
from excision.station.hot_folder.moving import free_path, move_file
from excision.station.hot_folder.names import Named
from excision.station.hot_folder.scan import Found, state_of
from excision.station.hot_folder.settings import Listeners, WatchCounts, WatchSettings
from excision.station.parts.codes import Reading
from excision.station.parts.parts import Parts
from excision.station.store.faults import DISK
from excision.station.store.records import StoredResult, as_text
from excision.station.store.store import Store
from excision.station.store.tables import LiveTable
from excision.system.names import printable

_TRIES = 2  # of a file that cannot be read
_MOVE_AGAIN = 30.0  # seconds until a move that failed is tried again
_IN_VAIN = 6  # failures of the model after which it counts as damaged, if no image succeeded


class FileWork:
    """Deals with the files of a hot folder, one at a time.

    Args:
        predictor: what inspects.
        identity: name and version of the model.
        out: folder of the results, resolved.
        settings: how the folder is watched.
        listeners: whom to tell.
        store: of the results.
        tables: written beside it.
        counts: of what was done so far.
        parts: puts the results together to parts; None where each stands alone.
    """

    def __init__(
        self,
        predictor: Predictor,
        identity: tuple[str, str],
        out: Path,
        settings: WatchSettings,
        listeners: Listeners,
        store: Store,
        tables: Sequence[LiveTable],
        counts: WatchCounts,
        parts: Parts | None = None,
    ) -> None:
        self._predictor, self._identity = predictor, identity
        self._out, self._settings, self._listeners = out, settings, listeners
        self._store, self._tables, self._parts = store, tables, parts
        self._pattern = settings.pattern
        self.counts = counts
        self._in_vain = 0
        self._drift = Drift(store, self._known, lambda _, warning: self._warn_of_drift(warning))

    def close(self) -> None:
        """Keep what was learnt of the drift."""
        self._drift.close()

    def _known(self, model: str, weights: str) -> Predictor | None:
        return self._predictor if (model, weights) == self._identity else None

    def _warn_of_drift(self, warning: DriftWarning) -> None:
        self._listeners.note(f"drift: {printable(warning.words)}")

    def phase_of(self, found: Found) -> Phase:
        """Tell what is left to do of a file that was found."""
        if not self._store.has_file(found.path, found.size, found.mtime_ns):
            return "settling"
        return "moving" if self._settings.after == "move" else "done"

    def deal_with(self, file: HotFile) -> None:
        """Inspect a file that is complete, keep its result, and move it; or what of this is left to do.

        Raises:
            ModelError: the model has not computed a single image so far, and not the last few either.
            OSError: the disk is full or at fault.
            ResultsError: the result cannot be kept.
        """
        if file.phase == "moving":
            result = self._store.of_file(file.path, file.size, file.mtime_ns)
        else:
            result = self._inspect(file)
        if result is None:
            return
        if self._settings.after == "move":
            file.phase = "moving"
            self._move(file, result)
        else:
            file.finish()

    def _inspect(self, file: HotFile) -> StoredResult | None:
        """Inspect a file and keep the result; None where it changed meanwhile or is to be tried again."""
        path = Path(file.path)
        named = Named() if self._pattern is None else self._pattern.read(file.shown)
        code = None if self._parts is None else self._parts.read_code(path, named.origin.view)
        line = self._line(path, f"{file.size} {file.mtime_ns}")
        size = _size_of(path)
        if state_of(file.path) != (file.size, file.mtime_ns):
            # Still being written, or gone: the next look shows which.
            return None
        if line.verdict is None:
            file.tries += 1
            if file.tries < _TRIES:
                file.ready_at = time.monotonic() + self._settings.settle
                return None
        result = self._stored(self._result(file, line, size, named), code)
        if result is None:
            return self._store.of_file(file.path, file.size, file.mtime_ns)
        for table in self._tables:
            self._add_to(table, result)
        self._count(file, result)
        self._drift.count([result])
        if self._parts is not None:
            self._parts.count([result])
        self._note_name(file, named, result)
        return result

    def _stored(self, result: StoredResult, code: Reading | None) -> StoredResult | None:
        """Store a result, and give it with its number and its part; None where the file has one already."""
        if self._parts is not None:
            return self._parts.add([result], [code])[0]
        (number,) = self._store.add([result])
        return None if number is None else dataclasses.replace(result, id=number)

    def _note_name(self, file: HotFile, named: Named, result: StoredResult) -> None:
        """Say what a person should know of a file's name: nobody would miss a part that no name tells of."""
        expected = () if self._parts is None else self._parts.settings.views
        no_part = (
            f"it belongs to no part of {', '.join(expected)}" if expected and result.part is None else ""
        )
        if self._pattern is None or not (no_part or (named.fault and self._pattern.is_template)):
            return
        fault = named.fault or f"shows the view {named.origin.view}"
        self._listeners.note(printable("; ".join(filter(None, (f"{file.path}: {fault}", no_part)))))

    def _line(self, path: Path, state: str) -> InspectionRecord:
        """Inspect a file; whatever is wrong with it becomes the error of its record, and stops nothing.

        Raises:
            ModelError: the model has not computed a single image so far, and not the last few either.
            OSError: the overlay cannot be written, because of the disk.
        """
        try:
            return inspect_file(self._predictor, path, self._out, state)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK:
                raise
            if isinstance(error, ModelError):
                self._in_vain += 1
                if self._in_vain >= _IN_VAIN and self.counts.results == self.counts.failed:
                    raise
            reason = f"{path}: cannot be inspected ({type(error).__name__}: {error})"
            self._listeners.note(printable(reason))
            return InspectionRecord(
                str(path), None, self._predictor.threshold, None, None, (), 0.0, overlay=None, error=reason
            )

    def _add_to(self, table: LiveTable, result: StoredResult) -> None:
        try:
            table.add(result)
        except OSError as error:
            # The result is in the store, and the row is written with a later one.
            self._listeners.note(f"a table cannot be written now ({error.strerror}); its rows follow later")

    def _result(
        self, file: HotFile, line: InspectionRecord, size: tuple[int, int] | None, named: Named
    ) -> StoredResult:
        moved = self._settings.after == "move"
        return StoredResult(
            time=time.time(),
            source=as_text(file.path),
            model=self._identity[0],
            model_version=self._identity[1],
            threshold=line.threshold,
            score=line.score,
            verdict=line.verdict,
            error=line.error,
            review_threshold=self._predictor.review_threshold,
            defect_area_share=line.defect_area_share,
            boxes=line.boxes,
            p_value=line.p_value,
            unfit=line.unfit,
            image_statistics=line.image_statistics or {},
            seconds={"total": line.seconds},
            width=None if size is None else size[1],
            height=None if size is None else size[0],
            image=self._free_image(file, line.verdict) if moved else None,
            file_size=file.size,
            file_mtime_ns=file.mtime_ns,
            station=self._settings.station,
            **named.origin.columns(),
        )

    def _count(self, file: HotFile, result: StoredResult) -> None:
        kind = result.verdict or "failed"
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        found = kind if result.score is None else f"{kind}, score {result.score:.4g}"
        self.counts.last = f"{printable(file.shown)}: {found}"

    def _free_image(self, file: HotFile, verdict: str | None) -> str:
        """Choose where a file is to go, relative to the folder of results."""
        # The store holds text alone, and what it says must be the name of the file.
        target = free_path(self._out / (verdict or "failed"), as_text(file.shown), file.mtime_ns)
        return str(target.relative_to(self._out))

    def _move(self, file: HotFile, result: StoredResult) -> None:
        if state_of(file.path) != (file.size, file.mtime_ns):
            # Another file has taken its path: it is inspected on its own.
            return
        try:
            if result.image is None or not self._moved_to(file, result.image):
                image = self._free_image(file, result.verdict)
                self._store.set_image(result.id, image)
                move_file(Path(file.path), self._out / image)
        except FileNotFoundError:
            # Somebody else took it; its result stays.
            return
        except OSError as error:
            file.ready_at = time.monotonic() + _MOVE_AGAIN
            reason = f"{error.strerror}: {printable(str(error.filename2 or error.filename))}"
            self._listeners.note(f"{printable(file.path)}: cannot be moved ({reason}); it is tried again")
            return
        self.counts.moved += 1
        file.finish()

    def _moved_to(self, file: HotFile, image: str) -> bool:
        """Move a file to the place that its result names; False where another file is there."""
        try:
            move_file(Path(file.path), self._out / image)
        except FileExistsError:
            return False
        return True


def _size_of(path: Path) -> tuple[int, int] | None:
    """Give (height, width) in pixels, or None where the file is no image."""
    try:
        return probe_image(path).size
    except ImageError:
        return None
