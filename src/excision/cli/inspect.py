"""`excision inspect`: a verdict on each image."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from excision.cli.output import say
from excision.progress import Bars

app = App(
    name="inspect",
    help_epilogue="Writes `results.csv` and `results.jsonl` (a line an image: score, verdict, boxes in "
    "pixels of the image file), a picture of each image in `overlays/`, and `report.html`. What cannot be "
    "read is recorded, and the rest go on. The exit status is 0 if all are good, 1 if a defect was found, 2 "
    "if something could not be inspected.\n\n"
    "```\n"
    "excision inspect runs/parts new_images/ --out results/\n"
    "excision inspect runs/parts part_017.png part_018.png --out results/ --resume\n"
    "excision inspect runs/parts 'new/**/top_*.png' @monday.txt --out results/ --also parquet\n"
    "find new -mmin -60 -name '*.png' | excision inspect runs/parts - --out results/\n"
    "```",
)

# Options of `excision watch`, from the time when it was an option itself.
_WATCHING = Parameter(show=False)


@app.default
def inspect(
    model: Annotated[Path, Parameter(help="Run folder, or a folder that `excision export` wrote.")],
    /,
    *images: Annotated[
        str,
        Parameter(
            help="Image files, folders that are searched for them, quoted patterns (** for any folders), "
            "@LIST for a text file with one of these a line, or - for such a list on standard input.",
            required=True,
            # For the - alone; what looks like an option is refused below.
            allow_leading_hyphen=True,
        ),
    ],
    out: Annotated[Path, Parameter(help="Folder for the results.")],
    resume: Annotated[
        bool, Parameter(help="Keep the results that are in --out and inspect the rest.", negative="")
    ] = False,
    also: Annotated[
        list[Literal["csv", "jsonl", "parquet"]] | None,
        Parameter(
            help="Tables to write beside what is written always; parquet needs the extra of that name.",
            consume_multiple=True,
            negative="",
        ),
    ] = None,
    watch: Annotated[bool, Parameter(negative=""), _WATCHING] = False,
    after: Annotated[Literal["leave", "move"] | None, _WATCHING] = None,
    settle: Annotated[float | None, _WATCHING] = None,
    stop_after: Annotated[int | None, _WATCHING] = None,
    idle_exit: Annotated[float | None, _WATCHING] = None,
) -> int:
    """Give each image a verdict and keep it at once."""
    from excision.errors import SettingsError

    for word in images:
        if word.startswith("-") and word != "-":
            raise SettingsError(f"there is no option {word}; a file of that name is given as ./{word}")
    given = {"after": after, "settle": settle, "stop_after": stop_after, "idle_exit": idle_exit}
    chosen = {name: value for name, value in given.items() if value is not None}
    if watch:
        return _watch(model, images, out, {**chosen, "also": tuple(dict.fromkeys(also or ()))}, resume=resume)
    for name in chosen:
        raise SettingsError(f"--{name.replace('_', '-')} is an option of `excision watch`")
    return _inspect(model, images, out, resume=resume, parquet="parquet" in (also or ()))


def _inspect(model: Path, images: Sequence[str], out: Path, *, resume: bool, parquet: bool) -> int:
    from excision.inspection.batch import find_images, inspect_images
    from excision.inspection.inputs import expand
    from excision.inspection.loading import load
    from excision.inspection.table import PARQUET, write_inspection_table
    from excision.system.parquet import need_pyarrow

    if parquet:
        need_pyarrow()
    predictor = load(model)
    found = find_images(expand(images), leave_out=out)
    try:
        with Bars() as bars:
            summary = inspect_images(predictor, found, out, resume=resume, progress=bars.part("inspecting"))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; every finished result is kept, and --resume continues") from None
    review = f"{summary.n_review} to review, " if summary.n_review else ""
    say(f"{summary.n_good} good, {review}{summary.n_defect} defective, {summary.n_failed} not inspected")
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
        raise SettingsError("--watch always goes on where it was: leave out --resume")
    if len(images) != 1:
        raise SettingsError(f"--watch takes one folder, and {len(images)} were given")
    settings = WatchSettings(**chosen)
    print("excision: note: `excision inspect --watch` is now `excision watch`", file=sys.stderr, flush=True)
    return follow(model, Path(images[0]), out, settings)
