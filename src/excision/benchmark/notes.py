"""Notes on how the figures of a benchmark were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from excision.benchmark.plan import EAR, SEEDLESS, Plan
from excision.benchmark.tables import machine_lines

_RATES = (
    "At the calibrated threshold: the false-alarm rate that the calibration promises if 1 % or 5 % "
    "are wanted, the rate observed on the good test images, and the share of the defective ones that "
    "are found. EAR may calibrate on training images, too; a baseline calibrates on held-out images "
    "alone, so it often has to promise a higher rate."
)
_SEEDLESS = (
    "PaDiM is measured once: the seed decides nothing in it but which tiles it learns from, where "
    "images are inspected in tiles."
)
_SPEEDS = (
    "Images per second: the methods take turns on the same test images. Figures are the median over "
    "the rounds and, in brackets, the median ratio to EAR in the same round. Each method runs in the "
    "fastest precision that the processor computes natively. The mean over data sets is geometric."
)


def notes_on(
    plan: Plan, cells: Sequence[dict[str, Any]], throughput: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Return the notes, each a paragraph.

    Args:
        plan: of the benchmark.
        cells: every finished cell.
        throughput: content of `throughput.json` by data set; empty where speed was not measured.
    """
    return list(_notes(plan, cells, throughput))


def _notes(
    plan: Plan, cells: Sequence[dict[str, Any]], throughput: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    machines = [*(cell["machine"] for cell in cells), *(t["machine"] for t in throughput.values() if t)]
    yield _over(plan.seeds)
    yield from (f"Machine: {machine}." for machine in machine_lines(machines))
    methods = {row.variant.method for row in plan.rows}
    if methods - {EAR}:
        yield f"Every baseline that is trained by gradient descent was given {_given(plan)}."
    if cells:
        yield _RATES
    if methods & set(SEEDLESS):
        yield _SEEDLESS
    taken = [f"{cell['dataset']} {cell['seed']}" for cell in cells if cell.get("trained_on") is not None]
    if taken:
        yield (
            "Finished runs stand for the training of EAR, for these data sets and seeds: "
            f"{', '.join(taken)}. Their networks are taken, and all normal statistics and the threshold are "
            "learnt again. Training minutes are those of the whole run, on its machine."
        )
    if any(throughput.values()):
        yield _SPEEDS
    in_tiles = dict.fromkeys(cell["dataset"] for cell in cells if cell["image"].get("tile"))
    if in_tiles:
        yield f"Inspected in tiles at full resolution, so images per second are tiles: {', '.join(in_tiles)}."


def _over(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"One seed: {seeds[0]}."
    return f"Mean ± sample standard deviation over the seeds {', '.join(map(str, seeds))}."


def _given(plan: Plan) -> str:
    """Say how long the baselines were trained."""
    (budget,) = {cell.budget for cell in plan.cells() if cell.variant.method != EAR}
    given = {
        EAR: "as many seconds of training as EAR took with the same data and seed",
        "steps": f"{plan.rows[0].variant.settings.training.steps} training steps",
    }
    return given[budget] if isinstance(budget, str) else f"{budget:g} minutes of training"
