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
from excision.cli.options import DataArgument, FewOption, LayoutOption, LeaveOutOption, SettingsFileOption
from excision.cli.output import say, say_notes, say_text
from excision.cli.places import Use
from excision.cli.settings_options import SettingsOptions, override
from excision.cli.smallest_defect import explain_smallest
from excision.cli.trained import report, show_pictures, size_origin
from excision.errors import (
    DatasetError,
    FewGroupsWarning,
    FewImagesWarning,
    NetworkMemoryWarning,
    RareAppearanceWarning,
    UnusedFeaturesWarning,
)
from excision.method.run_folder import SETTINGS
from excision.method.run_start import check_apart, check_free
from excision.progress import Bars
from excision.settings import Settings

if TYPE_CHECKING:
    from excision.data import Dataset
    from excision.data.known_defects import FoundDefects

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
        Use.READ_ANY,
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
    check_apart(out, dataset)
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
    report(detector, out, size_origin(chosen.image, detector.image_format))
    suspects.say_suspects(out, found, len(dataset.dropped))
    say(f"\nNext: excision inspect {shlex.quote(str(out))} NEW_IMAGES --out results")
    if any(sample.defective for sample in dataset.test):
        say(f"  or: excision evaluate {shlex.quote(str(out))} {shlex.quote(data)}")


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
