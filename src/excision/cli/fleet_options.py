"""The options of work on many models at once, and what is printed of it."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from excision.cli.output import figure, say, say_table
from excision.errors import SettingsError
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.fleet.plan import FleetModel
    from excision.fleet.record import Record, Step
    from excision.fleet.steps import Engine
    from excision.fleet.table import FleetRow

FAILED = 2
"""Exit status where a model failed."""

_MOST_ROWS = 100

FleetArgument = Annotated[Path, Parameter(help="Folder that `excision fleet train` wrote.")]
FleetAlsoOption = Annotated[
    Literal["parquet"] | None,
    Parameter(help="Write the table as `fleet.parquet`, too; this needs the extra of that name."),
]
FleetDeviceOption = Annotated[
    str, Parameter(help='Where to work: "cpu", "cuda", or "auto", which uses a GPU if there is one.')
]


@Parameter(name="*")
@dataclass
class EngineOptions:
    """Where the models are worked on."""

    engine: Annotated[
        Literal["local", "ray"], Parameter(help="Work in processes of this machine, or on a Ray cluster.")
    ] = "local"
    workers: Annotated[
        int | None,
        Parameter(
            help="Models at once, each with its share of the cores. By default as many as there are cores, "
            "and room in memory."
        ),
    ] = None
    address: Annotated[
        str | None,
        Parameter(help="Address of the Ray cluster, such as auto. By default one is begun on this machine."),
    ] = None
    gpus: Annotated[
        float | None, Parameter(help="GPUs for each model on a Ray cluster, such as 0.25. By default none.")
    ] = None
    memory: Annotated[float | None, Parameter(help="GiB of memory for each model. By default 3.")] = None

    def chosen(self) -> Engine:
        """Return what the options say, checked.

        Raises:
            SettingsError: an option is out of range, or is one of Ray alone.
        """
        from excision.fleet.steps import Engine
        from excision.jobs.shares import MEMORY_GIB

        for name, value in (("workers", self.workers), ("memory", self.memory)):
            if value is not None and not 0 < value < math.inf:
                raise SettingsError(f"--{name} is {value}: it must be above 0 and finite")
        if self.gpus is not None and not 0 <= self.gpus < math.inf:
            raise SettingsError(f"--gpus is {self.gpus}: it must not be below 0, and finite")
        for name, given in (("address", self.address), ("gpus", self.gpus)):
            if given is not None and self.engine != "ray":
                raise SettingsError(f"--{name} is an option of a Ray cluster: add --engine ray")
        return Engine(self.engine, self.workers, self.address, self.gpus or 0.0, self.memory or MEMORY_GIB)


@contextmanager
def continued() -> Iterator[None]:
    """Say how an interrupted command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(["excision", *sys.argv[1:]])
        raise KeyboardInterrupt(f"stopped; continue with the same command: {again}") from None


class Worked(NamedTuple):
    """A step that was done.

    Attributes:
        models: the models of the fleet.
        failures: reason by the name of each model that failed.
    """

    models: Sequence[FleetModel]
    failures: dict[str, str]


def work(
    step: Step,
    out: Path,
    read: Callable[[], Sequence[FleetModel]],
    options: EngineOptions | None,
    also: str | None,
    /,
    **more: Any,
) -> Worked:
    """Do a step for every model of the fleet in `out`, and write its tables and its report.

    Args:
        step: what is done.
        out: folder of the fleet.
        read: reads the models, once the options are known to be right.
        options: where the models are worked on.
        also: further form of the table.
        more: what the step takes besides, as in `FleetRun.run`.
    """
    from excision.fleet.steps import FleetRun, records_of
    from excision.system.parquet import need_pyarrow

    if also == "parquet":
        need_pyarrow()
    engine, models = (options or EngineOptions()).chosen(), read()
    with continued(), Bars() as bars:
        run = FleetRun(step, out, bars)
        try:
            run.run(models, engine, **more)
        finally:
            if out.is_dir():
                write_results(out, records_of(out, models), also)
    return Worked(models, run.failures)


def write_results(out: Path, records: Sequence[Record], also: str | None) -> None:
    """Write the tables and the report of a fleet."""
    from excision.fleet.page import write_report
    from excision.fleet.table import write_tables

    write_tables(out, records, parquet=also == "parquet")
    write_report(out, records)


def say_fleet(out: Path, done: Worked) -> int:
    """Print the table of a fleet, its failures and where the results are, and give the exit status."""
    from excision.fleet.page import REPORT
    from excision.fleet.steps import records_of
    from excision.fleet.table import CSV, row_of

    rows = [row_of(record) for record in records_of(out, done.models)]
    # Those that need a person come first; the table on the disk has all.
    rows.sort(key=lambda row: not row.needs)
    say_table(f"{len(rows)} models", _HEAD, [_cells(row) for row in rows[:_MOST_ROWS]])
    if len(rows) > _MOST_ROWS:
        say(f"... and {len(rows) - _MOST_ROWS} more")
    needing = sum(bool(row.needs) for row in rows)
    say(f"{sum(row.state == 'finished' for row in rows)} of {len(rows)} trained, {needing} need a person")
    for name, reason in done.failures.items():
        say(f"Failed: {name}: {reason}")
    say(f"Table:  {out / CSV}")
    say(f"Report: {out / REPORT}")
    return FAILED if done.failures else 0


_HEAD = ("model", "training", "promise", "confidence", "groups", "image AUROC", "needs a person")


def _cells(row: FleetRow) -> list[str]:
    from excision.method.calibration.words import at_most, percent

    promise = "-" if row.promised_rate is None else f"at most {at_most(row.promised_rate)}"
    confidence = "-" if row.confidence is None else percent(row.confidence)
    return [
        row.name,
        row.state,
        promise,
        confidence,
        figure(row.groups),
        figure(row.image_auroc),
        row.needs or "-",
    ]
