"""When images were taken: from their names, from EXIF, and from nothing else unless asked for."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

_DAY = r"(?P<y>(?:19|20)\d\d)[-_.]?(?P<m>0[1-9]|1[0-2])[-_.]?(?P<d>0[1-9]|[12]\d|3[01])"
_CLOCK = (
    r"(?P<H>[01]\d|2[0-3])[-_.:hH]?(?P<M>[0-5]\d)[-_.:mM]?(?P<S>[0-5]\d)"
    r"(?:[.,](?P<f>\d{1,6})|[_-](?P<g>\d{3}))?"
)
_STAMPS = (
    re.compile(rf"(?<!\d){_DAY}(?:[-_./ T]{{0,3}}|.*?[/\D]){_CLOCK}(?!\d)"),
    re.compile(rf"(?<!\d){_DAY.replace('(?:19|20)', '')}{_CLOCK}(?!\d)"),
)
_UNIX = re.compile(r"(?<!\d)(1\d{9})(?:[._]?(\d{3}))?(?:\d{3}){0,2}(?!\d)")
_EXIF, _TAKEN, _FRACTION = 0x8769, 36867, 37521


def time_in_name(name: str) -> float | None:
    """Read a time from a name, as seconds since 1970 without regard to time zones; None if there is none.

    Reads 2023-11-27_14-05-33, 20231127140533 and 231127140533, a day in a folder with a time in the file's
    name, and seconds or milliseconds since 1970.
    """
    for stamp in _STAMPS:
        found = stamp.search(name)
        if found is not None:
            with suppress(ValueError):
                return _seconds(found)
    unix = _UNIX.search(name)
    return int(unix[1]) + int(unix[2] or 0) / 1000 if unix is not None else None


def _seconds(found: re.Match[str]) -> float:
    part = found.groupdict()
    year = int(part["y"]) + (2000 if len(part["y"]) == 2 else 0)
    month, day, hour, minute, second = (int(part[name]) for name in ("m", "d", "H", "M", "S"))
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return moment.timestamp() + float(f"0.{part['f'] or part['g'] or 0}")


def time_in_exif(path: Path) -> float | None:
    """Read EXIF DateTimeOriginal from the header of a photograph; None if it does not say."""
    with suppress(Exception), warnings.catch_warnings():
        # Whatever is wrong with this file is reported when it is decoded.
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            fields = image.getexif().get_ifd(_EXIF)
        taken = datetime.strptime(str(fields[_TAKEN])[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        fraction = str(fields.get(_FRACTION, "")).strip("\0 ")
        return taken.timestamp() + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)
    return None


def times_of(images: Mapping[str, Path], *, files: bool = False) -> tuple[dict[str, float], str] | None:
    """Find when images were taken.

    Args:
        images: the file of each image, by name.
        files: whether the time of the files may be used in the end; copying can change it.

    Returns:
        The time of each image in seconds, and what it was read from; None if it is not known of each.
    """

    def by_name(name: str, _: Path) -> float | None:
        return time_in_name(name)

    def by_exif(_: str, path: Path) -> float | None:
        return time_in_exif(path)

    def by_file(_: str, path: Path) -> float | None:
        return path.stat().st_mtime

    sources = [
        (by_name, "the time in the names"),
        (by_exif, "the time in EXIF"),
        (by_file, "the time of the files, which copying can change"),
    ]
    for read, what in sources[: 3 if files else 2]:
        found: dict[str, float] = {}
        for name, path in images.items():
            seconds = read(name, path)
            if seconds is None:
                break
            found[name] = seconds
        if len(found) == len(images) and len(set(found.values())) > 1:
            return found, what
    return None


def windows(times: Mapping[str, float], seconds: float) -> dict[str, str]:
    """Group images by time: a group takes the images of so many seconds from its first one."""
    groups: dict[str, str] = {}
    start = -np.inf
    for name in sorted(times, key=lambda name: (times[name], name)):
        if times[name] - start > seconds:
            start = times[name]
        groups[name] = stamp(start)
    return groups


def stamp(seconds: float) -> str:
    """Write a time as the name of a group."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")


def pauses(times: Sequence[float]) -> list[float]:
    """Find the lengths of pauses that divide ascending times into bursts: where gaps differ most in length.

    Returns:
        Up to two lengths, the shorter first: gaps above it are several times as long as those below.
    """
    gaps = np.sort(np.diff(np.asarray(times, dtype=np.float64)))
    gaps = np.maximum(gaps, 0.001)
    if len(gaps) < 4:
        return []
    ratios = gaps[1:] / gaps[:-1]
    # A burst has more than one image on average, and there are at least two.
    allowed = [
        place for place in range(len(ratios)) if ratios[place] >= 3 and len(gaps) - place - 1 <= len(gaps) / 2
    ]
    best = sorted(sorted(allowed, key=lambda place: -ratios[place])[:2])
    return [float(np.sqrt(gaps[place] * gaps[place + 1])) for place in best]
