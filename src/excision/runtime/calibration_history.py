"""The earlier thresholds of an exported folder, so that a calibration can be undone step by step."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.errors import ExcisionError, ModelError, SettingsError
from excision.method.calibration import Calibration
from excision.method.fitness import Fitness
from excision.method.fitness.stored import from_json as fitness_from_json
from excision.method.fitness.stored import to_json as fitness_to_json
from excision.method.stored_calibration import require, stored_calibration
from excision.runtime import description_checks as checks
from excision.runtime.defect_criteria import DefectCriteria
from excision.runtime.model_folder import Description
from excision.system.files import write_json
from excision.system.strict_json import read_json

HISTORY = "calibrations.json"

_LARGEST = 256 * 2**20  # bytes of a history that is read
_MOST_PIXELS = 2**30  # of a region
_ADVICE = "move this file away to calibrate without the earlier thresholds"


@dataclass(frozen=True, slots=True)
class State:
    """What a calibration sets.

    Attributes:
        calibration: decision threshold and its promised false-alarm rate.
        review: lower limit of the grey zone; None for none.
        criteria: region of interest and minimum area of a defect.
        fitness: what training images are like; None if no image is judged as unfit.
    """

    calibration: Calibration
    review: Calibration | None
    criteria: DefectCriteria
    fitness: Fitness | None = None

    @classmethod
    def of(cls, description: Description, criteria: DefectCriteria, fitness: Fitness | None = None) -> State:
        """Return the state that an exported folder is in."""
        return cls(description.calibration, description.review, criteria, fitness)

    def to_json(self) -> dict[str, Any]:
        """Return the state as the history holds it."""
        return {
            "calibration": dataclasses.asdict(self.calibration),
            "review": None if self.review is None else dataclasses.asdict(self.review),
            "minimum_area": self.criteria.minimum_area,
            "region": _pack(self.criteria.region),
            "fitness": None if self.fitness is None else fitness_to_json(self.fitness),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> State:
        """Return the state of an entry.

        Raises:
            KeyError, TypeError, ValueError, ExcisionError: it is none.
        """
        # Entries written before fitness existed have none.
        review, fitness = content["review"], content.get("fitness")
        return cls(
            stored_calibration(content["calibration"], "calibration"),
            None if review is None else stored_calibration(review, "review"),
            DefectCriteria(
                _unpack(content["region"]),
                checks.whole(content["minimum_area"], "minimum_area", 1, _MOST_PIXELS),
            ),
            None if fitness is None else fitness_from_json(fitness),
        )


@dataclass(frozen=True, slots=True)
class Earlier:
    """A state that was replaced.

    Attributes:
        state: what was in force.
        replaced: when it was replaced, UTC in ISO 8601.
        left: number of states before it.
    """

    state: State
    replaced: str
    left: int


def remember(folder: Path, state: State) -> None:
    """Add the state in force to the history, before another one takes its place.

    Raises:
        ModelError: the history is damaged.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"replaced": now, "images": len(state.calibration.scores), **state.to_json()}
    write_json(folder / HISTORY, [*_read(folder), entry])


def last(folder: Path, now: State) -> Earlier:
    """Return the state to which an undo leads.

    Args:
        folder: exported folder.
        now: state in force. A calibration or an undo that was killed leaves it at the end of the history.

    Raises:
        SettingsError: there is none.
        ModelError: the history is damaged.
    """
    entries, present = _read(folder), now.to_json()
    while entries:
        entry = entries.pop()
        try:
            state = State.from_json(entry)
        except (KeyError, TypeError, ValueError, ExcisionError) as error:
            path = folder / HISTORY
            raise ModelError(f"{path}: this is not a history of calibrations ({error}): {_ADVICE}") from error
        if state.to_json() != present:
            return Earlier(state, str(entry.get("replaced", "an unknown time")), len(entries))
    raise SettingsError(f"{folder}: there is no earlier calibration to return to")


def keep(folder: Path, count: int) -> None:
    """Shorten the history to its first entries.

    An undo keeps the state that it leads to until that is in force: a kill before leaves the way back, and a
    kill after leaves an entry that `last` passes over.
    """
    entries = _read(folder)
    if len(entries) > count:
        write_json(folder / HISTORY, entries[:count])


def _read(folder: Path) -> list[dict[str, Any]]:
    path = folder / HISTORY
    if not path.exists():
        return []
    try:
        content = read_json(path, _LARGEST)
    except ModelError as error:
        raise ModelError(f"{error}: {_ADVICE}") from error
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise ModelError(f"{path}: this is not a history of calibrations: {_ADVICE}")
    return content


def _pack(region: NDArray[np.bool_] | None) -> dict[str, Any] | None:
    if region is None:
        return None
    packed = base64.b64encode(zlib.compress(np.packbits(region).tobytes())).decode("ascii")
    return {"size": list(region.shape), "bits": packed}


def _unpack(content: Any) -> NDArray[np.bool_] | None:
    if content is None:
        return None
    height, width = (checks.whole(side, "region.size", 1, _MOST_PIXELS) for side in content["size"])
    require(height * width <= _MOST_PIXELS, "the region is too large")
    size = (height * width + 7) // 8
    try:
        bits = zlib.decompressobj().decompress(base64.b64decode(content["bits"], validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    require(len(bits) == size, "the region has another size than it says")
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=height * width)
    return flat.reshape(height, width).astype(bool)
