"""`fitness.json`: what training images are like, as run folders and exported folders hold it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.method.fitness.cells import LARGEST_GRID
from excision.method.fitness.fitness import MOST_REFERENCES, Fitness
from excision.method.fitness.image_statistics import COLOUR_NAMES, GREY_NAMES
from excision.method.fitness.limits import promised_at
from excision.method.fitness.norm import NORM_NAMES, Norm, distance_names
from excision.method.fitness.ranges import Range
from excision.method.stored_calibration import check_entries, is_number, require, stored_calibration
from excision.system.files import write_json
from excision.system.strict_json import read_json

_VERSION = 2
"""In version 1 the limit followed from the deviations, and was the same for all statistics."""

_RANGE = tuple(field.name for field in dataclasses.fields(Range))


def save_fitness(path: Path, fitness: Fitness | None) -> None:
    """Write the file; None removes it, since the model then judges nothing as unfit."""
    if fitness is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, to_json(fitness))


def load_fitness(path: Path, channels: int) -> Fitness | None:
    """Read the file; None if there is none, as in folders written before fitness existed.

    Args:
        path: the file.
        channels: of the model's images, 1 or 3.

    Raises:
        ModelError: the file is damaged, or of a model for other images.
    """
    if not path.is_file():
        return None
    try:
        found = from_json(read_json(path))
        require(found.norm.channels == channels, f"its images have not {channels} channels, as the model's")
        return found
    except ValueError as error:
        raise ModelError(f"{path}: this does not describe training images: {error}") from error


def to_json(fitness: Fitness) -> dict[str, Any]:
    """Return the content of the file; what was read from version 1 keeps its promise, and its version."""
    norm, first = fitness.norm, _promises_as_first(fitness)
    widened = {name: list(limits) for name, limits in fitness.widened.items()}
    return {
        "version": 1 if first else _VERSION,
        "limit": fitness.limit,
        **({} if first else {"widened": widened}),
        "wanted_rate": fitness.wanted_rate,
        "calibration": dataclasses.asdict(fitness.calibration),
        "grid": list(norm.grid),
        "ranges": {name: dataclasses.asdict(each) for name, each in norm.ranges.items()},
        "cell_centres": norm.cell_centres.tolist(),
        "cell_units": norm.cell_units.tolist(),
        "view": norm.view.tolist(),
        "means": norm.means.tolist(),
        "precision": norm.precision.tolist(),
        "reference": {name: list(values) for name, values in fitness.reference.items()},
    }


def _promises_as_first(fitness: Fitness) -> bool:
    found = fitness.calibration
    return found.confidence is None or promised_at(found).promised_rate != found.promised_rate


def from_json(content: Any) -> Fitness:
    """Read the content of the file.

    Raises:
        ValueError: an entry is missing, unknown or wrong.
    """
    names = [*("version", "limit", "wanted_rate", "calibration", "grid", "ranges")]
    names += ["cell_centres", "cell_units", "view", "means", "precision"]
    require(isinstance(content, dict) and "version" in content, "it has no version")
    require(content["version"] in (1, _VERSION), "it is of a later version: update this installation")
    first = content["version"] == 1
    check_entries(content, names if first else [*names, "widened"], ("reference",), "it")
    limit, wanted = content["limit"], content["wanted_rate"]
    require(is_number(limit) and limit > 0, "limit must be a number above 0")
    require(is_number(wanted) and 0 < wanted < 1, "wanted_rate is not a rate")
    norm = _norm(content)
    calibration = stored_calibration(content["calibration"], "calibration", None if first else promised_at)
    require(calibration.threshold == limit, "the limit is not that of the calibration")
    widened = {} if first else _widened(content["widened"], norm, limit)
    reference = _reference(content.get("reference", {}))
    return Fitness(norm, float(limit), float(wanted), calibration, widened, reference)


def _widened(content: Any, norm: Norm, limit: float) -> dict[str, tuple[float, float]]:
    require(isinstance(content, dict), "widened must be an object")
    for name, limits in content.items():
        require(name in norm.ranges, f"widened: there is no statistic {name!r}")
        is_pair = isinstance(limits, list) and len(limits) == 2
        require(
            is_pair and all(is_number(each) and each >= limit for each in limits),
            f"widened limits of {name} must be two numbers from the limit on",
        )
    return {name: (float(below), float(above)) for name, (below, above) in content.items()}


def _reference(content: Any) -> dict[str, tuple[float, ...]]:
    require(isinstance(content, dict), "reference must be an object")
    for name, values in content.items():
        require(name in (*GREY_NAMES, *COLOUR_NAMES), f"reference: there is no statistic {name!r}")
        is_list = isinstance(values, list) and len(values) <= MOST_REFERENCES
        require(is_list and all(map(is_number, values)), f"reference of {name} must be numbers")
    return {name: tuple(map(float, values)) for name, values in content.items()}


def _norm(content: dict[str, Any]) -> Norm:
    grid = content["grid"]
    is_grid = isinstance(grid, list) and len(grid) == 2
    require(
        is_grid and all(type(side) is int and 1 <= side <= LARGEST_GRID for side in grid),
        f"grid must be two whole numbers up to {LARGEST_GRID}",
    )
    rows, columns = grid
    ranges = _ranges(content["ranges"])
    size = len(distance_names(ranges))
    units = _array(content["cell_units"], (3, rows * columns), "cell_units")
    require(bool((units > 0).all()), "cell_units must be above 0")
    return Norm(
        grid=(rows, columns),
        ranges=ranges,
        cell_centres=_array(content["cell_centres"], (3, rows * columns), "cell_centres"),
        cell_units=units,
        view=_array(content["view"], (2 * rows, 2 * columns), "view"),
        means=_array(content["means"], (size,), "means"),
        precision=_array(content["precision"], (size, size), "precision"),
    )


def _ranges(content: Any) -> dict[str, Range]:
    require(isinstance(content, dict), "ranges must be an object")
    known = {*GREY_NAMES, *NORM_NAMES}
    require(set(content) in (known, known | {*COLOUR_NAMES}), "ranges are not those of the statistics")
    found = {}
    for name, each in content.items():
        check_entries(each, _RANGE, (), name)
        require(all(map(is_number, each.values())), f"{name} must hold finite numbers")
        found[name] = Range(**{key: float(value) for key, value in each.items()})
        require(min(found[name].below, found[name].above) > 0, f"the units of {name} must be above 0")
    return found


def _array(content: Any, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    rows = content if len(shape) == 2 else [content]
    is_table = isinstance(rows, list) and len(rows) == (shape[0] if len(shape) > 1 else 1)
    require(
        is_table
        and all(isinstance(row, list) and len(row) == shape[-1] and all(map(is_number, row)) for row in rows),
        f"{name} must be {' x '.join(map(str, shape))} finite numbers",
    )
    return np.array(content, dtype=np.float64)
