"""The endless strip of a line-scan camera, cut into overlapping images."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from functools import partial

import numpy as np

from excision.cameras.camera import Pixels
from excision.cameras.source import Shot, Source
from excision.errors import CameraEndError, CameraError, DamagedFrameError


class StripCutter:
    """Cuts rows, as they come, into images of `height` rows, of which neighbours have `overlap` in common.

    Every row is in an image. Where the strip ends, the last image reaches back so far that it is whole too.
    Rows are never put beside others that were not their neighbours: after a gap a new strip begins.

    Args:
        height: rows of one image.
        overlap: rows that two neighbouring images share; less than `height`.
    """

    def __init__(self, height: int, overlap: int) -> None:
        self._height, self._overlap = height, overlap
        self._blocks: list[Pixels] = []
        self._held = 0
        self._first = 0
        self._before: Pixels | None = None

    def push(self, rows: Pixels) -> list[tuple[int, Pixels]]:
        """Take the next rows, and give the images that are whole now.

        Args:
            rows: (h, W) or (h, W, 3), of the width and the type of those before, or else a new strip begins.

        Returns:
            (first row, image) of each; rows are numbered from 0 since the first `push`.
        """
        cut = self.gap() if self._blocks and not _fit(self._blocks[0], rows) else []
        self._blocks.append(rows)
        self._held += len(rows)
        if self._held < self._height:
            return cut
        whole, step = np.concatenate(self._blocks), self._height - self._overlap
        while len(whole) >= self._height:
            self._before = whole[: self._height]
            cut.append((self._first, self._before))
            whole, self._first = whole[step:], self._first + step
        # A copy, because a view would keep all that was cut.
        self._blocks, self._held = [whole.copy()], len(whole)
        return cut

    def gap(self, lost: int = 0) -> list[tuple[int, Pixels]]:
        """End the strip, and give the image of its last rows if they are in none yet.

        Args:
            lost: rows that are missing before the next ones, as far as it is known.
        """
        blocks, held, before, first = self._blocks, self._held, self._before, self._first
        self._blocks, self._held, self._before = [], 0, None
        self._first += held + lost
        if held <= (self._overlap if before is not None else 0):
            return []
        rows = np.concatenate(blocks)
        if before is None:
            return [(first, rows)]
        last = np.concatenate([before, rows[self._overlap :]])[-self._height :]
        return [(first + held - len(last), last)]


def _fit(above: Pixels, below: Pixels) -> bool:
    return above.shape[1:] == below.shape[1:] and above.dtype == below.dtype


class StripSource:
    """Gives the images of a strip instead of the pictures of a line-scan camera; see `Source`.

    The strip begins with the first rows. Its rows are counted on when the camera is lost and comes back.

    Args:
        source: of blocks of rows.
        height: rows of one image.
        overlap: rows that two neighbouring images share.
        row_mm: millimetres from one row to the next; None where it is unknown.
    """

    on_demand = False

    def __init__(self, source: Source, height: int, overlap: int, row_mm: float | None = None) -> None:
        self._source, self._row_mm = source, row_mm
        self._strip: int | None = None
        self._cutter = StripCutter(height, overlap)
        self._ready: deque[Shot] = deque()
        self._block = self._lost = 0
        self._end: CameraError | None = None

    @property
    def where(self) -> str:
        """Address of the camera."""
        return self._source.where

    @property
    def patient(self) -> bool:
        """Whether the rows wait to be read."""
        return self._source.patient

    def open(self) -> None:
        """Connect to the camera; rows from before are another strip."""
        self._end = None
        self._source.open()

    def trigger(self) -> None:
        """Nothing: a strip is never asked for."""

    def read(self, timeout: float) -> Shot | None:
        """Wait for rows, and give the next image if it is whole."""
        if not self._ready and self._end is None:
            self._read_rows(timeout)
        if self._ready:
            return self._ready.popleft()
        if self._end is not None:
            end, self._end = self._end, None
            raise end
        return None

    def close(self) -> None:
        """Let go of the camera."""
        self._source.close()

    def _read_rows(self, timeout: float) -> None:
        try:
            shot = self._source.read(timeout)
            if shot is None:
                return
            rows = shot.make()
        except DamagedFrameError as error:
            self._cut(self._cutter.gap(self._block * (1 + error.lost)), None)
            self._end = error
            return
        except (CameraEndError, CameraError) as error:
            # Nobody knows how many rows will be missing: one at least, so that nothing is joined across.
            self._cut(self._cutter.gap(1), None)
            self._end = error
            return
        if shot.lost:
            self._cut(self._cutter.gap(self._block * shot.lost), shot)
            self._lost += shot.lost
        self._block = len(rows)
        if self._strip is None:
            self._strip = round(1e6 * shot.time)
        self._cut(self._cutter.push(rows), shot)

    def _cut(self, images: Iterable[tuple[int, Pixels]], shot: Shot | None) -> None:
        for row, image in images:
            lost, self._lost = self._lost, 0
            taken, source = (time.time(), None) if shot is None else (shot.time, shot.source)
            make = partial(_as_it_is, image)
            self._ready.append(Shot(make, taken, lost, source, row, self._strip, self._row_mm))


def _as_it_is(image: Pixels) -> Pixels:
    return image
