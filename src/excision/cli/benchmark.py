"""`excision benchmark`: compare methods on data sets with several seeds, on an equal budget."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.options import LayoutOption, LeaveOutOption
from excision.cli.output import say, say_table
from excision.cli.settings_options import SettingsOptions, override
from excision.errors import SettingsError
from excision.settings import Settings
from excision.system.files import write_json

if TYPE_CHECKING:
    from excision.benchmark.plan import Plan

SEEDS = 3

FAILED = 2
"""Exit status where a cell failed."""

app = App(
    name="benchmark",
    help_epilogue="Every method is trained and measured on every data set with every seed, each in a "
    "process of its own. EAR runs first. Each baseline that is trained by gradient descent then gets as "
    "many seconds of training as EAR took, or `--minutes`. Finally the methods take turns on the same "
    "images, to compare their speed. Finished work is not repeated: after an interruption, run the same "
    "command again to continue. If a method fails, the failure is reported, the others continue, and the "
    "exit status is 2.\n\n"
    "`--out` receives `benchmark.md`, `accuracy.png`, `auroc_speed.png`, and a folder for each data set, "
    "method and seed with the trained model and `cell.json`. The folders of EAR are run folders: `excision "
    "evaluate` gives the same figures for them.\n\n"
    "Every setting is an option; `excision benchmark --help-all` shows them all.\n\n"
    "```\n"
    "excision benchmark parts/ --out runs/benchmark\n"
    "excision benchmark parts/ fabric/ --methods ear,riad,padim --seeds 5 --out runs/two --json all.json\n"
    "excision benchmark parts/ --methods ear,unet --steps 300 --minutes 2 --size 256 256 --out runs/quick\n"
    "excision benchmark parts/ --ablations attention,budget,skips --out runs/ablations\n"
    "excision benchmark plates/ --methods ear,patchcore --tile 256 256 --out runs/plates\n"
    "excision benchmark KolektorSDD2/ --preset paper --out runs/paper\n"
    "```",
)


@app.default
def benchmark(
    data: Annotated[
        list[str],
        Parameter(
            help='Data sets: folders or CSV files of images, or "elpv-dataset" for the package of that name.'
        ),
    ],
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write models and results to.")],
    methods: Annotated[
        str | None,
        Parameter(
            help="Methods, separated by commas: ear, riad, unet, unet-no-skips, ae, draem, patchcore, padim. "
            "By default all but unet-no-skips, or none with --ablations."
        ),
    ] = None,
    ablations: Annotated[
        str | None,
        Parameter(
            help="Parts of EAR to vary, one at a time and one table each, separated by commas: attention, "
            "budget, fill, skips, loss, map, evidence."
        ),
    ] = None,
    preset: Annotated[
        Literal["paper"] | None,
        Parameter(
            help='"paper": KolektorSDD2 in its official layout and split, every method, and EAR also without '
            "its mask and with all skip connections on at inference."
        ),
    ] = None,
    seeds: Annotated[int, Parameter(help="Number of seeds, starting with --seed.")] = SEEDS,
    minutes: Annotated[
        float | None,
        Parameter(
            help="Training time of each baseline. By default that of EAR, which always trains --steps."
        ),
    ] = None,
    layout: LayoutOption = None,
    leave_out: LeaveOutOption = False,
    json: Annotated[
        Path | None, Parameter(name="--json", help="Also write all results as JSON to this file.")
    ] = None,
    settings: Annotated[
        Path | None, Parameter(help="TOML file of settings; options given beside it take precedence.")
    ] = None,
    options: Annotated[SettingsOptions | None, Parameter(name="*")] = None,
) -> int:
    """Compare EAR with other methods, or with variants of itself."""
    from excision.benchmark.results import MARKDOWN, collect
    from excision.benchmark.study import Study

    chosen = override(Settings.load(settings) if settings is not None else Settings(), options)
    plan = _plan(data, layout, leave_out, chosen, methods, ablations, preset, seeds, minutes)
    study = Study(plan, out, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        study.run()
    except KeyboardInterrupt:
        again = shlex.join(["excision", *sys.argv[1:]])
        raise KeyboardInterrupt(f"stopped; continue with the same command: {again}") from None
    results = collect(study)
    results.write(out)
    if json is not None:
        write_json(json, results.to_json())
    for title, head, rows in results.tables():
        say_table(title, head, rows)
    for note in results.notes:
        say(note)
    for name, error in results.failures.items():
        say(f"Failed: {name}: {error}")
    say(f"Results: {out / MARKDOWN}")
    return FAILED if results.failures else 0


def _plan(
    data: list[str],
    layout: str | None,
    leave_out: bool,
    settings: Settings,
    methods: str | None,
    ablations: str | None,
    preset: str | None,
    seeds: int,
    minutes: float | None,
) -> Plan:
    """Plan what to run from the options.

    Raises:
        ExcisionError: an option or a data set is not valid.
    """
    from excision import baselines
    from excision.benchmark.plan import EAR, METHODS, Plan, choose_methods, describe, method_row
    from excision.benchmark.variants import ablation, paper_rows
    from excision.data import load_dataset

    if seeds < 1:
        raise SettingsError(f"--seeds is {seeds}: it must be at least 1")
    if minutes is not None and not minutes > 0:
        raise SettingsError(f"--minutes is {minutes}: it must be above 0")
    if preset == "paper":
        layout = layout or "kolektorsdd2"
        names = (EAR, *baselines.BASELINES)
    else:
        names = METHODS if ablations is None else ()
    if methods is not None:
        names = choose_methods(methods)
    rows = [method_row(name, settings) for name in names]
    if preset == "paper":
        place = names.index(EAR) + 1 if EAR in names else 0
        rows[place:place] = paper_rows(settings) if place else ()
    wanted = [name.strip() for name in (ablations or "").split(",") if name.strip()]
    tables = {name: ablation(name, settings) for name in wanted}
    sources = describe([(path, load_dataset(path, layout, leave_out=leave_out)) for path in data])
    first = settings.training.seed
    return Plan(sources, tuple(rows), tables, tuple(range(first, first + seeds)), minutes)
