"""`excision train`: from good images to a run folder with a model and its threshold."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from excision.cli import suspects
from excision.cli.advice import advise_tiles
from excision.cli.info import feature_distance, known_defects
from excision.cli.options import DataArgument, FewOption, LayoutOption, LeaveOutOption, SettingsFileOption
from excision.cli.output import say, say_facts, say_notes, say_text
from excision.cli.places import Use
from excision.cli.settings_options import SettingsOptions, override
from excision.cli.smallest_defect import explain_smallest
from excision.errors import (
    DatasetError,
    FewGroupsWarning,
    FewImagesWarning,
    NetworkMemoryWarning,
    RareAppearanceWarning,
    UnusedFeaturesWarning,
)
from excision.method.run_folder import SETTINGS, TRAINING, read_json
from excision.method.run_start import check_free
from excision.progress import Bars
from excision.settings import ImageSettings, Settings
from excision.training import KNOWN_DEFECTS

if TYPE_CHECKING:
    from excision.data import Dataset
    from excision.data.known_defects import FoundDefects
    from excision.detector import Detector
    from excision.method.calibration import Calibration
    from excision.tiling.image_format import ImageFormat

_SHOWN = 10
"""Number of skipped images that are printed; training.json lists all of them."""

app = App(
    name="train",
    help_epilogue="Training uses good images only. It holds out a part of them to set the decision "
    "threshold, so that at most the share `--false-alarm-rate` of good parts is called defective. If they "
    "cannot promise that rate, the training images set the threshold as well, unless you pass "
    "`--calibration.no-cross-fit`. Fewer than 19 images that set the threshold are refused unless they "
    "promise that rate on average, or you pass `--few`. You can stop the training at any time; `--resume` "
    "continues it and gives the same weights.\n\n"
    "Images of real defects, given with `--defects`, sharpen the attention beside drawn defects. They set no "
    "threshold, and `excision evaluate` leaves them out.\n\n"
    "Images are resized to one working size, except strips. `--smallest-defect` chooses a size, or tiles, at "
    "which defects of that diameter can be seen. With `--tile`, and for strips, training cuts "
    "tiles out of the images at full resolution, and the model then inspects images of any size tile by "
    "tile.\n\n"
    "Every setting is an option; `excision train --help-all` shows them all.\n\n"
    "```\n"
    "excision train parts/ --out runs/parts\n"
    "excision train parts/ --out runs/parts --resume\n"
    "excision train parts/ --defects known/ --out runs/parts\n"
    "excision train parts/ --out runs/fine --size 512 512 --steps 3000 --false-alarm-rate 0.5%\n"
    "excision train plates/ --tile 256 256 --out runs/plates\n"
    "excision train screws/ --smallest-defect 0.5mm --mm-per-pixel 0.02 --out runs/screws\n"
    "excision train parts/ --out runs/mosaic --settings runs/fine/settings.toml --mask.fill mosaic\n"
    "```",
)


@app.default
def train(
    data: DataArgument,
    /,
    *,
    out: Annotated[Path, Parameter(help="Run folder to write, or its URL."), Use.WRITE],
    resume: Annotated[bool, Parameter(help="Continue the training in this run folder.", negative="")] = False,
    options: Annotated[SettingsOptions | None, Parameter(name="*")] = None,
    settings: SettingsFileOption = None,
    layout: LayoutOption = None,
    leave_out: LeaveOutOption = False,
    device: Annotated[
        str, Parameter(help='Where to train: "cpu", "cuda", or "auto", which uses a GPU if there is one.')
    ] = "auto",
    few: FewOption = False,
    defects: Annotated[
        list[Path] | None,
        Parameter(
            help="Images of known defects, folders of such images, or labelled data sets whose defective "
            "images are meant, with masks where there are any. They sharpen the attention alone.",
            negative="",
            consume_multiple=True,
        ),
    ] = None,
    drop_suspects: Annotated[
        bool,
        Parameter(
            help="Leave out the good images that look defective: train once with them, find them, and train "
            "again without them.",
            negative="",
        ),
    ] = False,
) -> None:
    """Train a detector and calibrate its threshold."""
    from excision.data import load_dataset
    from excision.data.mask_check import doubtful_masks

    check_free(out, resume=resume)
    chosen = override(_base(settings, out, resume), options)
    dataset = load_dataset(data, layout, leave_out=leave_out)
    known = _find_defects(defects, chosen)
    say_notes([*dataset.notes, *doubtful_masks(dataset), *(known.notes if known is not None else ())])
    _say_cost(chosen.calibration.folds)
    _say_smallest_defect(chosen, dataset)
    # Errors in settings and data are found before torch is imported, which takes seconds.
    from excision.detector import Detector
    from excision.report.training import train_run

    detector = Detector(chosen, device=device)
    try:
        with few_images_refused(unless=few), Bars() as bars:
            dataset, found = train_run(
                detector,
                dataset,
                out,
                bars,
                resume=resume,
                drop_suspects=drop_suspects,
                defects=known,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; continue with: {_resuming()}") from None
    show_pictures(detector, out, dataset)
    report(detector, out, _origin(chosen.image, detector.image_format))
    suspects.say_suspects(out, found, len(dataset.dropped))
    say(f"\nNext: excision inspect {shlex.quote(str(out))} NEW_IMAGES --out results")
    if any(sample.defective for sample in dataset.test):
        say(f"  or: excision evaluate {shlex.quote(str(out))} {shlex.quote(data)}")


def show_pictures(detector: Detector, out: Path, dataset: Dataset) -> None:
    """Draw the pictures of a training, and say where that of an odd image is, if there is one."""
    from excision.report.training import keep_pictures

    picture = keep_pictures(detector, dataset, out)
    if picture is not None:
        say(f"Odd image: {picture}")


def report(detector: Detector, out: Path, origin: str) -> None:
    """Print what a training used, its result and its cost."""
    facts = read_json(out / TRAINING)
    size, channels = detector.image_format.size, detector.image_format.channels
    calibration, fitness = detector.calibration, detector.fitness_
    say_facts(
        [
            ("Trained on", f"{_sources(facts)}; {_calibrated(facts, calibration)}"),
            *_groups(facts),
            *known_defects(facts),
            ("Skipped", f"{len(facts['skipped'])} images" if facts["skipped"] else "none"),
            ("Image size", f"{size[0]} x {size[1]} pixels (height x width), {origin}"),
            ("Channels", "1 (grey)" if channels == 1 else "3 (colour)"),
            *feature_distance(out),
            ("Threshold", f"{calibration.threshold:.6g}"),
            ("Promise", calibration.explain()),
            ("Unfit images", "none is judged as unfit" if fitness is None else fitness.explain()),
            ("Peak memory", f"{facts['peak_memory_mb']:.0f} MB"),
            ("Time", f"{facts['seconds']:.0f} s on {facts['threads']} threads, {facts['processor']}"),
            ("Run folder", out),
        ]
    )
    skipped = {**facts["skipped"], **facts.get(KNOWN_DEFECTS, {}).get("skipped", {})}
    for name, reason in list(skipped.items())[:_SHOWN]:
        say(f"  skipped {name}: {reason}")
    if len(skipped) > _SHOWN:
        say(f"  ... and {len(skipped) - _SHOWN} more, listed in {out / TRAINING}")
    wanted = facts.get("smallest_defect", {}).get("wanted")
    advice = advise_tiles(**facts["reduction"]) if "reduction" in facts and wanted is None else ""
    if advice:
        say_text(f"\n{advice}")


def _origin(given: ImageSettings, settled: ImageFormat) -> str:
    """Say how the size of the working image was chosen."""
    if given.tile is not None:
        return "a tile at full resolution"
    if given.smallest_defect is not None:
        tile = "a tile at full resolution, " if settled.tile is not None else ""
        return f"{tile}chosen for a smallest defect of {given.smallest_defect}"
    if settled.tile is not None:
        return "a tile at full resolution, because the images are strips; --size resizes them instead"
    return "as given" if given.size else "derived from the images; --size changes it"


def _groups(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Say how many groups were found and from what; runs of older versions do not record it."""
    found = facts.get("groups")
    if not isinstance(found, dict):
        return []
    doubt = "" if found["sure"] else ". This is not sure: if you know better, say it with --groups"
    told = f"{found['training']} trained on, {found['calibration']} calibrated on; {found['basis']}{doubt}"
    return [("Groups", told)]


def _sources(facts: dict[str, Any]) -> str:
    cut = f" in {facts['n_tiles']} tiles" if "n_tiles" in facts else ""
    return f"{facts['n_training']} good images{cut}"


def _calibrated(facts: dict[str, Any], calibration: Calibration) -> str:
    folds, held_out = calibration.folds, len(calibration.scores) - calibration.cross_fitted
    if calibration.cross_fitted:
        return f"calibrated on the same images, cross-fitted, and on {held_out} held out"
    if not folds:
        return f"calibrated on {facts['n_calibration']} more"
    return f"calibrated on the same images, in {folds} folds that {folds} other models did not see"


def _say_cost(folds: int) -> None:
    if folds:
        say_text(
            f"Note: {folds} models are trained for the threshold, and then the model itself on all good "
            f"images: this takes about {folds + 1} times as long as one training."
        )


def _find_defects(defects: list[Path] | None, chosen: Settings) -> FoundDefects | None:
    """Find the images of known defects; None if none are given."""
    from excision.data.known_defects import find_known_defects
    from excision.training.given_defects import check_tuned

    if not defects:
        return None
    check_tuned(chosen)
    return find_known_defects(defects)


def _say_smallest_defect(chosen: Settings, dataset: Dataset) -> None:
    """Say how small a defect can be seen at the working size that training will choose."""
    from statistics import median

    from excision.data.preparation import readable_headers
    from excision.data.working_size import WorkingSize
    from excision.training.sizing import choose_size, choose_tiling, relative_time, smallest_defect

    sizes = [header.size for header in readable_headers(dataset.train)]
    if not sizes:
        return  # training itself says what is wrong
    tiling = choose_tiling(chosen, sizes)
    size = WorkingSize(choose_size(chosen, tiling, sizes), tiling is not None)
    defect = smallest_defect(chosen, sizes, size.size, size.tiles)
    image = (round(median(h for h, _ in sizes)), round(median(w for _, w in sizes)))
    time = relative_time(chosen, image, size, defect.default)
    say_text(explain_smallest(defect, size, time, chosen.image.mm_per_pixel))


def _base(file: Path | None, out: Path, resume: bool) -> Settings:
    """Give the settings that the options change: of a file, of the resumed run, or the defaults."""
    if file is not None:
        return Settings.load(file)
    if resume and (out / SETTINGS).is_file():
        return Settings.load(out / SETTINGS, warn_of_old_names=False)
    return Settings()


@contextmanager
def few_images_refused(*, unless: bool) -> Iterator[None]:
    """Turn the warning of too few images into an error that names `--few`, unless that was given.

    Raises:
        DatasetError: there are too few images.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _say_warning(warnings.showwarning)
        if not unless:
            warnings.simplefilter("error", FewImagesWarning)
        try:
            yield
        except FewImagesWarning as warning:
            raise DatasetError(
                f"{warning}. Add good images, or accept what so few can promise with --few"
            ) from None


def _say_warning(usual: Callable[..., None]) -> Callable[..., None]:
    """Return a function that prints warnings that are meant for the user of the command line as notes."""
    notes = (FewGroupsWarning, NetworkMemoryWarning, RareAppearanceWarning, UnusedFeaturesWarning)

    def shown(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, notes):
            say_text(f"Note: {message}.")
        else:
            usual(message, category, *where, **more)

    return shown


def _resuming() -> str:
    """Give the command line that resumes this training."""
    words = sys.argv[1:]
    return shlex.join(["excision", *words] if "--resume" in words else ["excision", *words, "--resume"])
