"""Short forms of the studies by simulation."""

from __future__ import annotations

import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest


def load(name: str) -> ModuleType:
    """Import a script of the experiments, which are no package."""
    spec = util.spec_from_file_location(name, Path(__file__).parents[2] / "experiments" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SIMULATED, BOUNDS = load("false_alarms_simulated"), load("group_bounds")
FITTED = load("fitted_tail")


@pytest.mark.parametrize(
    "case",
    [
        (40, 1, 0.0, "exponential", 0.05),
        (200, 1, 0.0, "Pareto", 0.02),
        (300, 5, 1.0, "soiled", 0.05),
        (600, 10, 0.5, "log-normal", 0.05),
        (400, 0, 0.9, "uniform", 0.1),
    ],
)
def test_the_promise_is_kept_as_often_as_it_says(case: tuple[int, int, float, str, float]) -> None:
    """The short form of the study."""
    found = SIMULATED.simulate(SIMULATED.Case(*case), 120, seed=1)
    assert max(found.failed_images, found.failed_groups) <= found.allowed
    assert found.true <= found.promised


def test_groups_of_images_that_are_alike_break_the_promise_that_takes_them_as_independent() -> None:
    found = SIMULATED.simulate(SIMULATED.Case(300, 10, 1.0, "exponential", 0.05), 100)
    assert found.failed_before > found.allowed >= found.failed_images


def test_no_distribution_of_shares_was_found_that_breaks_the_bound() -> None:
    for groups, level in ((3, 0.1), (8, 0.1), (14, 0.05), (5, 0.005), (6, 0.5)):
        assert BOUNDS.worst_failure(groups, level, 40) <= level * (1 + 1e-9)


def test_the_bound_is_that_of_one_image_where_groups_are_alike_and_lower_elsewhere() -> None:
    alike, mixed = BOUNDS.compare("alike", 50, 60), BOUNDS.compare("independent", 200, 60)
    assert alike["Stringer"][1] == pytest.approx(alike["one image"][1], rel=0.2)
    assert mixed["Stringer"][1] < mixed["one image"][1] < mixed["Hoeffding-Bentkus"][1]


def test_a_fitted_tail_breaks_the_promise_where_scores_are_normal() -> None:
    failed, true = FITTED.failures("normal", 40, 20)
    assert failed > 0.1 and true > 0.005
