"""Which files of a hot folder are whole and still to be dealt with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from excision.station.hot_folder.scan import Found, Unreadable, scan
from excision.system.names import printable

Phase = Literal["settling", "moving", "done"]


@dataclass(slots=True)
class HotFile:
    """A file as it was when it was last seen to change.

    Attributes:
        path: resolved, as `Found.path`.
        shown: relative to the hot folder; empty once the file is done.
        size: in bytes.
        mtime_ns: when it was last written, nanoseconds since 1970.
        phase: "settling" until it is complete and inspected, "moving" if only the move is left,
            otherwise "done".
        ready_at: when it may be dealt with, in seconds of the monotonic clock.
        came: when it was last written, or first seen so, whichever is earlier, in seconds since 1970.
        tries: how often it could not be read.
    """

    path: str
    shown: str
    size: int
    mtime_ns: int
    phase: Phase
    ready_at: float
    came: float
    tries: int = 0

    def waited(self, settle: float) -> float:
        """Return for how many seconds it has waited for a result, by its time or since it was first seen."""
        if self.phase != "settling" or self.tries:
            return 0.0
        return max(time.time() - self.mtime_ns / 1e9, time.monotonic() - (self.ready_at - settle))

    def finish(self) -> None:
        """Say that nothing is left to do; of a hundred thousand such files little should be kept."""
        self.phase, self.shown = "done", ""


class HotFolder:
    """A hot folder, looked at again and again. What is kept of it grows with what lies in it now, not before.

    Args:
        folder: hot folder, resolved.
        leave_out: folder whose content is passed over, resolved.
        settle: seconds over which size and time of a file must stay the same.
        phase_of: tells what is left to do of a file that this object has not met as it is now.
        note: called with a sentence that a person should read.

    Attributes:
        waiting: files that were not dealt with when the folder was last looked at.
        settling: those of them that have no result yet.
        complete_until: time, in seconds since 1970, up to which every file that came has a result, or was
            among those that the last look gave.
    """

    def __init__(
        self,
        folder: Path,
        leave_out: Path,
        settle: float,
        phase_of: Callable[[Found], Phase],
        note: Callable[[str], None],
    ) -> None:
        self._folder, self._leave_out, self._settle = folder, leave_out, settle
        self._phase_of, self._note = phase_of, note
        self._files: dict[str, HotFile] = {}
        self._unreadable: set[str] = set()
        self._passed_over: set[str] = set()
        self.waiting = self.settling = 0
        self.complete_until = 0.0

    def look(self) -> list[HotFile]:
        """Look at every file once, and give those that are ready, in the order they were written."""
        start, before, unreadable = time.monotonic(), self._files, set[str]()
        self._files, complete = {}, time.time()
        ready, waiting, settling = list[HotFile](), 0, 0
        for found in scan(self._folder, self._leave_out, self._noting(unreadable), self._pass_over):
            file = self._followed(before.get(found.path), found)
            self._files[file.path] = file
            if file.phase != "done":
                waiting += 1
                settling += file.phase == "settling"
                if file.ready_at <= start:
                    ready.append(file)
                elif file.phase == "settling":
                    complete = min(complete, file.came)
        self.waiting, self.settling, self._unreadable = waiting, settling, unreadable
        if str(self._folder) not in unreadable:
            # While the folder is out of reach, nobody knows what lies in it.
            self.complete_until = complete
        return sorted(ready, key=lambda file: (file.mtime_ns, file.path))

    def _followed(self, known: HotFile | None, found: Found) -> HotFile:
        if known is not None and (known.size, known.mtime_ns) == (found.size, found.mtime_ns):
            return known
        phase = self._phase_of(found)
        # The clock is read after the file: whatever is seen later was seen at least `settle` later.
        ready_at = time.monotonic() + self._settle if phase == "settling" else 0.0
        came = min(found.mtime_ns / 1e9, time.time())
        file = HotFile(found.path, found.shown, found.size, found.mtime_ns, phase, ready_at, came)
        if phase == "done":
            file.finish()
        return file

    def _pass_over(self, path: str) -> None:
        if path not in self._passed_over:
            self._passed_over.add(path)
            self._note(f"{printable(path)}: holds results or a model of Excision, and is passed over")

    def _noting(self, now: set[str]) -> Unreadable:
        def note(path: str, error: OSError) -> None:
            # Said once, until it can be read again.
            if path not in self._unreadable and path not in now:
                self._note(f"{printable(path)}: cannot be read ({error.strerror}); it is tried again")
            now.add(path)

        return note
