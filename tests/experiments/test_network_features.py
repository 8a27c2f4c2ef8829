"""The comparisons of features, kinds of defect and early exits run on a small run and a drawn set."""

from __future__ import annotations

from pathlib import Path

import pytest

from excision.errors import ModelError
from excision.features.efficientnet import weights_file
from excision.synthetic.dataset import write_synthetic
from excision.synthetic.defects import PART_DEFECTS
from tests import nursery
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import run as run  # noqa: PLC0414  as above

SCRIPT = Path(__file__).parents[2] / "experiments" / "network_features.py"


@pytest.fixture(scope="module")
def finished(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a drawn set of parts and a small run, whose normal statistics are learnt again from it."""
    data = tmp_path_factory.mktemp("finished") / "data"
    write_synthetic(
        data, size=(64, 64), train=14, test_good=3, per_defect=1, surfaces=["machined_part"], seed=1
    )
    return data, run


def test_the_experiment_prints_its_table(finished: tuple[Path, Path]) -> None:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))
    choices = ("edges:gaussian:alone", "edges:gaussian", "efficientnet-lite0:memory")
    printed = nursery.printed(SCRIPT, *finished, *choices)
    lines = [line for line in printed.splitlines() if line.startswith(("| edges", "| efficientnet"))]
    assert len(lines) == 3 and " and " not in lines[0] and " and " in lines[1]
    assert "edges:gaussian:alone: " in printed and ", 1.00 times" in printed


def test_each_kind_of_defect_is_counted(finished: tuple[Path, Path]) -> None:
    line = nursery.printed(SCRIPT.with_name("varying_parts.py"), *finished).strip()
    assert line.startswith("edges:gaussian, ") and "false alarms" in line
    assert line.count("of 1)") == len(PART_DEFECTS)


def test_the_early_exit_is_measured(finished: tuple[Path, Path]) -> None:
    script = SCRIPT.with_name("early_exit.py")
    rows = nursery.printed(script, *finished, "--most", "2", "--no-times").splitlines()
    cases = ["nothing excised", "bound", "bound, favourable", "early_exit = 0.25", "early_exit = 0.5"]
    assert [row.split("|")[1].strip() for row in rows] == ["exit", "---", *cases]
