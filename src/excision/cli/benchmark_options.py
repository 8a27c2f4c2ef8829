"""The options of a benchmark: what is compared, with how many seeds, and on which budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from excision.cli.options import LayoutOption, LeaveOutOption
from excision.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from excision.benchmark.plan import Plan, Row
    from excision.jobs.pool import Pool
    from excision.settings import Settings

SEEDS = 3

_THREADS = 4


@Parameter(name="*")
@dataclass
class PlanOptions:
    """What is compared, with how many seeds, and on which budget."""

    methods: Annotated[
        str | None,
        Parameter(
            help="Methods, separated by commas: ear, ear-features, riad, unet, unet-no-skips, ae, draem, "
            "patchcore, padim, patchcore-aligned, padim-aligned. By default all but unet-no-skips and the "
            "aligned ones, or none with --ablations."
        ),
    ] = None
    ablations: Annotated[
        str | None,
        Parameter(
            help="Parts of EAR to vary, one at a time and one table each, separated by commas: attention, "
            "budget, fill, skips, loss, map, evidence."
        ),
    ] = None
    preset: Annotated[
        Literal["paper"] | None,
        Parameter(
            help='"paper": KolektorSDD2 in its official layout and split, every method, and EAR also without '
            "its mask and with all skip connections on at inference."
        ),
    ] = None
    seeds: Annotated[int, Parameter(help="Number of seeds, starting with --seed.")] = SEEDS
    minutes: Annotated[
        float | None,
        Parameter(
            help="Training time of each baseline. By default that of EAR, which always trains --steps."
        ),
    ] = None
    runs: Annotated[
        Path | None,
        Parameter(
            help="Folder of finished runs of EAR, named DATA-SEED as in `parts-0`. Where it has one, EAR is "
            "not trained: its networks are taken, and what is normal is learnt again."
        ),
    ] = None
    layout: LayoutOption = None
    leave_out: LeaveOutOption = False

    def plan(self, data: Sequence[str], settings: Settings) -> Plan:
        """Plan what to run on data sets.

        Raises:
            ExcisionError: an option or a data set is not valid.
        """
        from excision.benchmark.plan import Plan
        from excision.benchmark.sources import describe
        from excision.benchmark.variants import ablation
        from excision.data import load_dataset

        if self.seeds < 1:
            raise SettingsError(f"--seeds is {self.seeds}: it must be at least 1")
        if self.minutes is not None and not self.minutes > 0:
            raise SettingsError(f"--minutes is {self.minutes}: it must be above 0")
        if self.runs is not None and not self.runs.is_dir():
            raise SettingsError(f"--runs: there is no folder {self.runs}")
        rows = self._rows(settings)
        wanted = [name.strip() for name in (self.ablations or "").split(",") if name.strip()]
        tables = {name: ablation(name, settings) for name in wanted}
        layout = self.layout or ("kolektorsdd2" if self.preset == "paper" else None)
        sources = describe([(path, load_dataset(path, layout, leave_out=self.leave_out)) for path in data])
        first = settings.training.seed
        return Plan(sources, rows, tables, tuple(range(first, first + self.seeds)), self.minutes, self.runs)

    def _rows(self, settings: Settings) -> tuple[Row, ...]:
        from excision import baselines
        from excision.benchmark.plan import EAR, EAR_FEATURES, METHODS, choose_methods, method_row
        from excision.benchmark.variants import paper_rows

        if self.methods is not None:
            names = choose_methods(self.methods)
        elif self.preset == "paper":
            names = (EAR, EAR_FEATURES, *baselines.BASELINES)
        else:
            names = METHODS if self.ablations is None else ()
        rows = [method_row(name, settings) for name in names]
        if self.preset == "paper" and EAR in names:
            place = names.index(EAR) + 1
            rows[place:place] = paper_rows(settings)
        return tuple(rows)


@Parameter(name="*")
@dataclass
class BenchmarkEngine:
    """Where the cells are run."""

    engine: Annotated[
        Literal["local", "ray"],
        Parameter(
            help="Run one cell after another on this machine, or several at once on a Ray cluster, where the "
            "speed is measured alone on a machine."
        ),
    ] = "local"
    address: Annotated[
        str | None,
        Parameter(help="Address of the Ray cluster, such as auto. By default one is begun on this machine."),
    ] = None
    threads: Annotated[
        int | None,
        Parameter(
            help="Cores and threads of each cell on a Ray cluster. By default 4, if a machine has them."
        ),
    ] = None
    gpus: Annotated[
        float | None, Parameter(help="GPUs for each cell on a Ray cluster, such as 0.5. By default none.")
    ] = None

    def pool(self) -> Pool | None:
        """Return what runs the cells; None runs one after another here.

        Raises:
            SettingsError: an option is out of range, or is one of Ray alone.
        """
        given = {"address": self.address, "threads": self.threads, "gpus": self.gpus}
        if self.engine == "local":
            for name, value in given.items():
                if value is not None:
                    raise SettingsError(f"--{name} is an option of a Ray cluster: add --engine ray")
            return None
        if self.threads is not None and self.threads < 1:
            raise SettingsError(f"--threads is {self.threads}: it must be at least 1")
        if self.gpus is not None and not self.gpus >= 0:
            raise SettingsError(f"--gpus is {self.gpus}: it must not be below 0")
        from excision.jobs.on_ray import RayPool

        return RayPool(self.address, threads=self.threads or _THREADS, gpus=self.gpus or 0.0)
