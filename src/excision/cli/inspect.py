"""`excision inspect`: a verdict on each image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Group, Parameter

from excision.cli.output import say
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.station.hot_folder.settings import WatchSettings

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
    "```\n\n"
    "With `--watch` one folder is watched instead, until Ctrl-C or SIGTERM: each file is inspected once it "
    "is whole, and its result kept in `results.sqlite`. Started again after any kind of end, it goes on "
    "where it was. The exit status is then 0.\n\n"
    "```\n"
    "excision inspect line/parts incoming/ --watch --out station/\n"
    "excision inspect line/parts incoming/ --watch --out station/ --after move --also csv\n"
    "```",
)

_WATCHING = Group("Watching", sort_key=1)


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
    watch: Annotated[
        bool, Parameter(help="Watch the one folder that is given.", negative="", group=_WATCHING)
    ] = False,
    after: Annotated[
        Literal["leave", "move"] | None,
        Parameter(
            help="Leave inspected files, or move them to good, review, defect or failed in --out. Leave "
            "where not given.",
            group=_WATCHING,
        ),
    ] = None,
    settle: Annotated[
        float | None,
        Parameter(
            help="Seconds over which a file must not change before it is taken for whole; 1 where not given.",
            group=_WATCHING,
        ),
    ] = None,
    stop_after: Annotated[int | None, Parameter(help="End after so many results.", group=_WATCHING)] = None,
    idle_exit: Annotated[
        float | None, Parameter(help="End after so many seconds without work.", group=_WATCHING)
    ] = None,
) -> int:
    """Give each image a verdict and keep it at once."""
    from excision.errors import SettingsError

    for word in images:
        if word.startswith("-") and word != "-":
            raise SettingsError(f"there is no option {word}; a file of that name is given as ./{word}")
    if watch:
        from excision.station.hot_folder.settings import WatchSettings

        if resume:
            raise SettingsError("--watch always goes on where it was: leave out --resume")
        if len(images) != 1:
            raise SettingsError(f"--watch takes one folder, and {len(images)} were given")
        settings = WatchSettings(
            after=after or "leave",
            settle=1.0 if settle is None else settle,
            stop_after=stop_after,
            idle_exit=idle_exit,
            also=tuple(dict.fromkeys(also or ())),
        )
        return _watch(model, Path(images[0]), out, settings)
    given = {"--after": after, "--settle": settle, "--stop-after": stop_after, "--idle-exit": idle_exit}
    for name, value in given.items():
        if value is not None:
            raise SettingsError(f"{name} is an option of --watch")
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


def _watch(model: Path, folder: Path, out: Path, settings: WatchSettings) -> int:
    from excision.cli.watching import WatchLine, counted
    from excision.inspection.loading import load
    from excision.station.hot_folder.settings import Listeners
    from excision.station.hot_folder.watcher import STORE, watch
    from excision.station.models.version import fingerprint
    from excision.system.interrupts import requests_to_stop
    from excision.system.parquet import need_pyarrow

    with requests_to_stop() as request, WatchLine() as line:
        if "parquet" in settings.also:
            need_pyarrow()
        predictor = load(model)
        identity = model.resolve().name, fingerprint(model)
        line.note(f"Watching {folder}; Ctrl-C ends")
        listeners = Listeners(lambda: request.asked, line.show, line.note)
        counts = watch(predictor, identity, folder, out, settings, listeners)
    say(counted(counts))
    say(f"Results: {out / STORE}")
    return 0
