"""`excision inspect`: a verdict for each image."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from excision.cli.options import AlsoOption
from excision.cli.output import say, say_lines, say_notes, say_text
from excision.cli.parts_options import PartsOptions
from excision.progress import Bars
from excision.system.names import printable

app = App(
    name="inspect",
    help_epilogue="Writes `results.csv` and `results.jsonl` (one line per image with score, verdict, and "
    "boxes in pixels of the image file), a picture of each image in `overlays/`, and `report.html`. An "
    "image that cannot be read is recorded and named with its reason; the others continue. The exit status "
    "is 0 if all images are good, 1 if a part is defective or needs a review, and 2 if an image could not be "
    "inspected.\n\n"
    "```\n"
    "excision inspect runs/parts new_images/ --out results/\n"
    "excision inspect runs/parts part_017.png part_018.png --out results/ --resume\n"
    "excision inspect runs/parts 'new/**/top_*.png' @monday.txt --out results/ --also parquet\n"
    "excision inspect line/parts new_images/ --out results/ --workers 4\n"
    "excision inspect line/parts images.parquet --out results/ --shard 1/16\n"
    "find new -mmin -60 -name '*.png' | excision inspect runs/parts - --out results/\n"
    "```",
)

# Options of `excision watch`, which used to be `excision inspect --watch`.
_WATCHING = Parameter(show=False)


@app.default
def inspect(
    model: Annotated[
        str,
        Parameter(
            help="Run folder, or a folder that `excision export` wrote, or its URL, or its address in a "
            "registry."
        ),
    ],
    /,
    *images: Annotated[
        str,
        Parameter(
            help="Image files, folders that are searched for images, quoted patterns (** for any folders), "
            "tar files, manifests, URLs of these, @LIST for a text file with one of these per line, or - for "
            "such a list on standard input.",
            required=True,
            # For the single -; other words that look like options are refused below.
            allow_leading_hyphen=True,
        ),
    ],
    out: Annotated[str, Parameter(help="Folder to write the results to, or its URL.")],
    resume: Annotated[
        bool,
        Parameter(
            help="Keep the results in --out and inspect the remaining images; images that failed are tried "
            "again.",
            negative="",
        ),
    ] = False,
    also: AlsoOption = None,
    options: PartsOptions | None = None,
    watch: Annotated[bool, Parameter(negative=""), _WATCHING] = False,
    after: Annotated[Literal["leave", "move"] | None, _WATCHING] = None,
    settle: Annotated[float | None, _WATCHING] = None,
    stop_after: Annotated[int | None, _WATCHING] = None,
    idle_exit: Annotated[float | None, _WATCHING] = None,
) -> int:
    """Give each image a verdict and store it at once."""
    from excision.errors import SettingsError
    from excision.registry.address import is_address
    from excision.registry.registry import local_version

    if is_address(model):
        model = str(local_version(model))
    for word in images:
        if word.startswith("-") and word != "-":
            raise SettingsError(f"there is no option {word}; write ./{word} for a file of that name")
    given = {"after": after, "settle": settle, "stop_after": stop_after, "idle_exit": idle_exit}
    chosen = {name: value for name, value in given.items() if value is not None}
    if watch:
        return _watch(
            Path(model),
            images,
            Path(out),
            {**chosen, "also": tuple(dict.fromkeys(also or ()))},
            resume=resume,
        )
    for name in chosen:
        raise SettingsError(f"--{name.replace('_', '-')} is an option of `excision watch`")
    return _inspect(model, images, out, options or PartsOptions(), resume=resume, also=also or ())


def _inspect(
    model: str, images: Sequence[str], out: str, options: PartsOptions, *, resume: bool, also: Sequence[str]
) -> int:
    from excision.cli.parts import inspect_parts, needs_parts
    from excision.inspection.inputs import expand

    places = expand(images)
    if options.given or needs_parts(model, places, out):
        return inspect_parts(model, places, out, options, again=resume, also=also)
    return _inspect_plainly(
        Path(model), [Path(place) for place in places], Path(out), resume=resume, parquet="parquet" in also
    )


def _inspect_plainly(model: Path, paths: Sequence[Path], out: Path, *, resume: bool, parquet: bool) -> int:
    from excision.cli.parts import reason
    from excision.cluster.plan import PLAN
    from excision.errors import SettingsError
    from excision.inspection.batch import find_images
    from excision.inspection.loading import load
    from excision.inspection.outcome import counted
    from excision.inspection.table import PARQUET, write_inspection_table
    from excision.report.writing import inspect_and_report
    from excision.system.cores import cores
    from excision.system.parquet import need_pyarrow

    if parquet:
        need_pyarrow()
    if (out / PLAN).exists():
        raise SettingsError(f"{out} holds results in parts: add --workers 1, or choose another folder")
    # One thread each on as many images as there are cores: they need not wait for each other, and the
    # score of an image does not depend on the number of cores.
    workers = cores()
    predictor = load(model, threads=1, workers=workers)
    notes: list[str] = []
    found = find_images(paths, leave_out=out, notes=notes)
    say_notes(notes)
    try:
        with Bars() as bars:
            progress = bars.part("inspecting")
            summary = inspect_and_report(
                predictor,
                found,
                out,
                resume=resume,
                progress=progress,
                workers=workers,
                has_tiles=predictor.image_format.tiling is not None,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; finished results are kept, and --resume continues") from None
    say(counted(summary.counts))
    say_lines(map(reason, summary.failures), summary.n_failed, "`error` in results.csv gives each reason")
    if summary.drift is not None:
        say_text(f"Drift: {printable(summary.drift_words)}")
    say(f"Results: {out / 'results.csv'}")
    if parquet:
        write_inspection_table(out)
        say(f"Table:   {out / PARQUET}")
    say(f"Report:  {out / 'report.html'}")
    return summary.exit_status


def _watch(model: Path, images: Sequence[str], out: Path, chosen: dict[str, Any], *, resume: bool) -> int:
    from excision.cli.watch import follow
    from excision.errors import SettingsError
    from excision.station.hot_folder.settings import WatchSettings

    if resume:
        raise SettingsError("--watch always continues where it was: leave out --resume")
    if len(images) != 1:
        raise SettingsError(f"--watch takes one folder, but {len(images)} were given")
    settings = WatchSettings(**chosen)
    print("excision: note: `excision inspect --watch` is now `excision watch`", file=sys.stderr, flush=True)
    return follow(model, Path(images[0]), out, settings)
