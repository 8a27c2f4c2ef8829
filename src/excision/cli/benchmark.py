"""`excision benchmark`: compare methods on data sets with several seeds, on an equal budget."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.benchmark_options import BenchmarkEngine, PlanOptions
from excision.cli.options import SettingsFileOption
from excision.cli.output import say, say_table, say_text
from excision.cli.output_files import JSON_FILE
from excision.cli.places import Use
from excision.cli.settings_options import SettingsOptions, override
from excision.cli.speed_peers import PeerOptions, time_peers
from excision.errors import SettingsError
from excision.settings import Settings
from excision.system.files import write_json

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
    "excision benchmark parts/ fabric/ --out /shared/benchmark --engine ray --address auto\n"
    "excision benchmark --speed-peers --out runs/speed\n"
    "excision benchmark --speed-peers --peers efficientad-s,patchcore-wrn50 --engines torch --out runs/few\n"
    "```",
)


@app.default
def benchmark(
    data: Annotated[
        list[str] | None,
        Parameter(
            help='Data sets: folders or CSV files of images, or "elpv-dataset" for the package of that name. '
            "None with --speed-peers."
        ),
    ] = None,
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder to write models and results to.")],
    compared: PlanOptions | None = None,
    json: Annotated[
        Path | None,
        Parameter(name="--json", help="Also write all results as JSON to this file, or to its URL."),
        Use.WRITE_FILE,
        JSON_FILE,
    ] = None,
    settings: SettingsFileOption = None,
    engine: BenchmarkEngine | None = None,
    peers: PeerOptions | None = None,
    options: Annotated[SettingsOptions | None, Parameter(name="*")] = None,
) -> int:
    """Compare EAR with other methods, or with variants of itself."""
    from excision.benchmark.results import MARKDOWN, collect
    from excision.benchmark.study import Study

    if peers is not None and peers.speed_peers:
        if data:
            raise SettingsError("--speed-peers times drawn images: leave the data out")
        return time_peers(peers, out, json)
    (peers or PeerOptions()).check_unused()
    if not data:
        raise SettingsError("give one or more data sets, or --speed-peers to time the methods alone")
    chosen = override(Settings.load(settings) if settings is not None else Settings(), options)
    plan = (compared or PlanOptions()).plan(data, chosen)
    pool = (engine or BenchmarkEngine()).pool()
    # The processes of a cluster have another working folder.
    place = out if pool is None else out.absolute()
    study = Study(plan, place, lambda line: print(line, file=sys.stderr, flush=True))
    try:
        study.run(pool)
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
        say_text(note)
    for name, error in results.failures.items():
        say(f"Failed: {name}: {error}")
    say(f"Results: {out / MARKDOWN}")
    return FAILED if results.failures else 0
