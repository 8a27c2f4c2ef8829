"""Standard streams whose loss does not end the work: a closed pipe, a full disk, a closed descriptor."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.FileIO):
    """A descriptor that takes everything; after the first error the rest is discarded.

    Attributes:
        lost: why output was lost; None if nothing was, or if its reader closed the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._open = True
        self.lost: OSError | None = None

    def write(self, content: ReadableBuffer, /) -> int:
        size = memoryview(content).nbytes
        if not self._open:
            return size
        try:
            return super().write(content)
        except OSError as error:
            self._open = False
            # A reader such as `head` has seen enough: that is no loss.
            self.lost = None if error.errno == errno.EPIPE else error
            return size


class Streams:
    """Standard input, output and error, made safe for the rest of the process."""

    def __init__(self) -> None:
        _open_missing()
        self._output, sys.stdout = _guarded(sys.stdout)
        _, sys.stderr = _guarded(sys.stderr)

    def finish(self) -> OSError | None:
        """Write what is left, and return why output was lost; None if it was not.

        A reader that closed its end, such as `head`, loses nothing that it wanted.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return None if self._output is None else self._output.lost


def _guarded(stream: TextIO) -> tuple[_Output | None, TextIO]:
    """Return a stream to the same descriptor that no error of writing ends; any other stream is kept."""
    if not isinstance(stream, io.TextIOWrapper):
        return None, stream
    stream.flush()
    output = _Output(stream.fileno())
    # A file name may not be valid text, and a terminal may not support every character.
    text = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )
    return output, text


def _open_missing() -> None:
    """Open the null device where a standard stream is closed.

    Otherwise the next file that is opened would take its number, and receive what is meant for the stream.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115  stays
