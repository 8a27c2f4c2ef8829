"""How long images are kept, and the clean-up that removes them: results stay, and what has a label does."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError, SettingsError
from excision.station.store.query import VERDICTS
from excision.station.store.removals import Kept, finish, kept, take, unfinished
from excision.station.store.store import Store
from excision.station.work.kept_images import is_inside

_LOG = logging.getLogger(__name__)

CLEANED = "images removed"
"""Event in the history of a model."""

_STEP = 100  # images in one transaction, which takes milliseconds
_PAUSE = 0.02  # seconds between two, in which the line writes its results
_EVERY = 3600.0  # seconds between two clean-ups of a running station


@dataclass(frozen=True, slots=True)
class Rules:
    """How long images are kept.

    Attributes:
        days: by verdict, "failed" for none; a verdict that is not there is kept for ever.
        gigabytes: that the images may take in all, in units of 10^9 bytes; None for no limit.
    """

    days: Mapping[str, float] = field(default_factory=dict)
    gigabytes: float | None = None

    def __bool__(self) -> bool:
        return bool(self.days) or self.gigabytes is not None

    @classmethod
    def read(cls, days: Sequence[str], gigabytes: float | None) -> Rules:
        """Read rules as the command line gives them: `30`, or `good=7` for one verdict.

        Raises:
            SettingsError: one cannot be read.
        """
        found: dict[str, float] = {}
        for word in days:
            verdict, equals, text = word.rpartition("=")
            if equals and verdict not in VERDICTS:
                raise SettingsError(f"--keep-days {word}: the verdict must be one of {', '.join(VERDICTS)}")
            try:
                number = float(text)
            except ValueError:
                number = -1.0
            if not 0 <= number < 1e6:
                raise SettingsError(f"--keep-days {word}: give days as in 30, or as in good=7 for a verdict")
            for name in [verdict] if equals else VERDICTS:
                if equals or name not in found:
                    found[name] = number
        if gigabytes is not None and not 0 <= gigabytes < 1e9:
            raise SettingsError(f"--keep-gigabytes {gigabytes:g}: give a number from 0")
        return cls(found, gigabytes)


@dataclass
class Cleaned:
    """What a clean-up has done so far.

    Attributes:
        images: removed, or with `dry_run` to be removed.
        bytes: of them.
        labelled: images that stay because a person labelled them, though the rules would remove them.
        stopped: whether it was asked to stop.
    """

    images: int = 0
    bytes: int = 0
    labelled: int = 0
    stopped: bool = False


class Cleanup:
    """One clean-up, in small steps: each takes images from their results and then removes the files.

    After a kill between the two, the next clean-up removes the files.

    Args:
        folder: of the database.
        store: with the results.
        rules: how long images are kept.
        dry_run: only count.
        now: seconds since 1970 in UTC; None for now.
        asked: tells whether to stop after the step under way.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        rules: Rules,
        dry_run: bool = False,
        now: float | None = None,
        asked: Callable[[], bool] = bool,
    ) -> None:
        self._folder, self._store, self._rules, self._dry_run = folder, store, rules, dry_run
        now = time.time() if now is None else now
        self._before = {verdict: now - 86400 * days for verdict, days in rules.days.items()}
        self._models: Counter[str] = Counter()
        self._asked = asked
        self.done = Cleaned()

    def run(self) -> Cleaned:
        """Clean up; what is removed is noted in the history of each model.

        Raises:
            StoreError: the disk or the file of results is at fault; what was done stays done.
            StoreBusyError: another process has locked the file of results.
        """
        try:
            if not self._dry_run:
                self._remove(unfinished(self._store))
            batch: list[Kept] = []
            for image in self._chosen():
                batch.append(image)
                if len(batch) == _STEP:
                    self._step(batch)
                    batch = []
                if self._asked():
                    self.done.stopped = True
                    return self.done
            self._step(batch)
        finally:
            self._note()
        return self.done

    def _chosen(self) -> Iterator[Kept]:
        """Give the images that the rules remove, the oldest first where they are too many."""
        for verdict in self._before:
            for image in kept(self._store, verdict):
                if not self._is_old(image):
                    break
                if self._may_go(image):
                    yield image
        if self._rules.gigabytes is None:
            return
        allowed = self._rules.gigabytes * 1e9
        total = sum(self._size(i) for v in VERDICTS for i in kept(self._store, v) if not self._goes_by_age(i))
        if total <= allowed:
            return
        for image in heapq.merge(*(kept(self._store, v) for v in VERDICTS), key=lambda found: found.time):
            if total <= allowed:
                return
            if not self._goes_by_age(image) and self._may_go(image):
                total -= self._size(image)
                yield image

    def _is_old(self, image: Kept) -> bool:
        return image.time < self._before.get(image.verdict, float("-inf"))

    def _goes_by_age(self, image: Kept) -> bool:
        return self._is_old(image) and not image.labelled

    def _may_go(self, image: Kept) -> bool:
        self.done.labelled += image.labelled
        return not image.labelled

    def _step(self, images: list[Kept]) -> None:
        if not images:
            return
        sizes = {image.id: self._size(image) for image in images}
        taken = images if self._dry_run else take(self._store, images)
        if not self._dry_run:
            self._remove([image.image for image in taken])
            time.sleep(_PAUSE)
        for image in taken:
            self.done.images += 1
            self.done.bytes += sizes[image.id]
            self._models[image.model] += 1

    def _remove(self, images: Sequence[str]) -> None:
        for image in images:
            path = self._place(image)
            if path is not None:
                path.unlink(missing_ok=True)
        if images:
            finish(self._store, images)

    def _size(self, image: Kept) -> int:
        path = self._place(image.image)
        try:
            return 0 if path is None else path.stat().st_size
        except OSError:
            return 0

    def _place(self, image: str) -> Path | None:
        """Give where an image lies; None where that is not inside the folder, whatever the database says."""
        path = self._folder / image
        return path if is_inside(image) and not path.is_dir() else None

    def _note(self) -> None:
        if self._dry_run:
            return
        rules = {"days": dict(self._rules.days), "gigabytes": self._rules.gigabytes}
        for model, count in self._models.items():
            details = {"images": count, "note": f"{count} images", **rules}
            self._store.note(model, CLEANED, details, who="clean-up")


class Upkeep:
    """Cleans up every hour in a thread of its own, beside a station that runs.

    Args:
        path: of the file of results.
        rules: how long images are kept; without any, nothing is done.
    """

    def __init__(self, path: Path, rules: Rules) -> None:
        self._path, self._rules = path, rules
        self._end, self._stop = threading.Event(), threading.Event()
        self._current: Cleanup | None = None
        self._removed = Cleaned()
        self.trouble: str | None = None
        self._thread: threading.Thread | None = None
        if rules:
            self._thread = threading.Thread(target=self._run, name="clean-up", daemon=True)
            self._thread.start()

    def state(self) -> dict[str, Any] | None:
        """Give how the clean-ups are: what was removed since the start, and what went wrong."""
        if not self._rules:
            return None
        current = self._current
        now = Cleaned() if current is None else current.done
        return {
            "running": current is not None,
            "stopped": self._stop.is_set(),
            "images": self._removed.images + now.images,
            "bytes": self._removed.bytes + now.bytes,
            "trouble": self.trouble,
        }

    def stop(self) -> None:
        """Stop the clean-up after the step under way; the next one comes at its time."""
        self._stop.set()

    def close(self) -> None:
        """End after the step under way."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        wait = 1.0
        while not self._end.wait(wait):
            # A hot folder makes its file of results with its first look.
            if self._path.exists():
                self._clean()
                wait = _EVERY

    def _asked(self) -> bool:
        return self._end.is_set() or self._stop.is_set()

    def _clean(self) -> None:
        self._stop.clear()
        try:
            store = Store(self._path)
            try:
                self._current = Cleanup(self._path.parent, store, self._rules, asked=self._asked)
                done = self._current.run()
                self.trouble = None
            finally:
                store.close()
            if done.images:
                _LOG.warning("clean-up: %d images of %.1f MB removed", done.images, done.bytes / 1e6)
            if done.stopped:
                _LOG.warning("clean-up: stopped")
        except (ExcisionError, OSError) as error:
            self.trouble = str(error)
            _LOG.error("the clean-up could not go on: %s", error)
        except Exception as error:
            # Without this thread there would never be another clean-up.
            self.trouble = f"{type(error).__name__}: {error}"
            _LOG.exception("the clean-up could not go on")
        finally:
            current, self._current = self._current, None
            if current is not None:
                self._removed.images += current.done.images
                self._removed.bytes += current.done.bytes
