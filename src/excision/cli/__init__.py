"""The command line: one file per verb, imported only when it is called.

Exit statuses: 0 success, 2 an error explained in one line, 130 stopped by Ctrl-C. `inspect` also exits with 1
if it found a defect. A reader that closes the output early changes none of them.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cyclopts import App, CycloptsError

from excision.cli import places
from excision.cli.arguments import split_help_all, with_new_names
from excision.cli.help import CommonOptions
from excision.cli.output import red
from excision.cli.output_files import check_output_files
from excision.errors import (
    ExcisionError,
    FewImagesWarning,
    PassedOverWarning,
    RareAppearanceWarning,
    RenamedWarning,
)
from excision.system.extras import needed_extra
from excision.system.files import DISK_FULL, is_disk_full
from excision.system.names import printable
from excision.system.secrets import without_secrets
from excision.system.streams import Streams
from excision.system.waiting import wait_asleep
from excision.version import __version__

ERROR, STOPPED = 2, 130

VERBS = {
    "demo": "Train, calibrate, evaluate and report on a built-in data set, in a few minutes.",
    "capture": "Collect a first training set from a camera, with hints on light and focus.",
    "check": "Report what a data set contains and what training would use.",
    "train": "Learn what good parts look like, and set the decision threshold.",
    "evaluate": "Measure a model on labelled test images.",
    "capability": "Measure which defects a model is sure to find, with defects drawn on good parts.",
    "fleet": "Train, evaluate, export and compare many models, each in a process of its own.",
    "benchmark": "Compare methods on data sets with several seeds, on an equal budget.",
    "inspect": "Give each image a verdict, boxes, and a picture of its anomalies.",
    "manifest": "List images once, wherever they lie, for inspections that read the list in shares.",
    "watch": "Inspect each image that arrives in a folder, until stopped.",
    "report": "Rebuild the report of an evaluation or inspection, with your own words on its cover.",
    "export": "Export a trained model to ONNX or OpenVINO, verified, to run without torch.",
    "registry": "Keep versions of models in a folder or bucket, with stages such as production.",
    "verify": "Verify on this machine that an exported model gives the scores that torch gave.",
    "bench": "Measure the speed of an exported model on this machine, stage by stage.",
    "calibrate": "Recalibrate the threshold of an exported model on good images.",
    "info": "Show what a run folder contains: data, settings, threshold and cost.",
    "synth": "Write the built-in data set: procedural surfaces and a part, with drawn defects.",
    "serve": "Inspect images that are sent over HTTP, and store every result.",
    "station": "Check the file of a station, set up its users, and verify its audit trail.",
    "improve": "Make a better model from the labels of a station, and compare it with the one in use.",
    "cleanup": "Remove kept images of a station by age or size; results and labelled images stay.",
    "backup": "Copy a station as a whole, while it runs or not, and verify the copy.",
    "restore": "Make a station from a backup, and verify every file of it.",
    "attention": "Pre-train, show and measure the attention, which decides what is excised.",
}
"""Each verb with its sentence in the list of verbs; the verb itself is `excision.cli.<verb>:app`."""


_EPILOGUE = """excision VERB --help explains a verb with an example. Start with the
built-in data set:

  excision demo

or with your own images:

  excision check parts/
  excision train parts/ --out runs/parts
  excision inspect runs/parts new/ --out results/"""


def build(everything: bool = False, list_only: bool = False) -> App:
    """Build the command line with every verb named and none imported.

    Args:
        everything: help texts show every option, not only the common ones.
        list_only: nothing is shown but the list of verbs. It needs no Markdown, whose import takes a third
            of the time.
    """
    app = App(
        name="excision",
        version=__version__,
        help="Surface inspection that learns from good parts only (Excision And Recovery).",
        help_epilogue=_EPILOGUE,
        help_format="plaintext" if list_only else "markdown",
        help_formatter="default" if everything else CommonOptions(),
        suppress_keyboard_interrupt=False,
    )
    for place, (verb, sentence) in enumerate(VERBS.items()):
        app.command(f"excision.cli.{verb}:app", name=verb, help=sentence, sort_key=place)
    app["--help"].sort_key = app["--version"].sort_key = len(VERBS)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status; an error is one line on stderr."""
    wait_asleep()
    streams = Streams()
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    status = run(sys.argv[1:] if arguments is None else arguments)
    lost = streams.finish()
    if lost is not None:
        print(f"excision: error: standard output: {lost.strerror}; results were lost", file=sys.stderr)
        status = ERROR
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status."""
    words, everything = split_help_all(arguments)
    try:
        list_only = words in ([], ["--help"], ["-h"])
        call, bound, _ = build(everything, list_only).parse_args(
            with_new_names(words), exit_on_error=False, print_error=False
        )
        with places.brought(call, bound):
            check_output_files(call, bound)
            status = call(*bound.args, **bound.kwargs)
    except (CycloptsError, ExcisionError, OSError, ModuleNotFoundError) as error:
        message = _explain(error)
        if message is None:
            raise
        if is_disk_full(error) and "resume" in bound.signature.parameters:
            message += ", then continue with the same command and --resume"
        line = f"excision: error: {printable(without_secrets(message), lines=True)}"
        print(red(line, sys.stderr), file=sys.stderr)
        return ERROR
    except KeyboardInterrupt as stop:
        # The interrupt of a verb that can be continued says how.
        print(f"\n{stop}" if stop.args else "\nstopped", file=sys.stderr)
        return STOPPED
    return status if isinstance(status, int) else 0


def _show_warning(
    otherwise: Callable[..., None], message: Warning | str, kind: type[Warning], *place: Any
) -> None:
    """Print a warning for users as one line; any other as Python does."""
    if issubclass(kind, (RenamedWarning, FewImagesWarning, PassedOverWarning, RareAppearanceWarning)):
        print(f"excision: note: {message}", file=sys.stderr)
    else:
        otherwise(message, kind, *place)


def _explain(error: Exception) -> str | None:
    """Explain an error to the user; None if it is a fault of the program."""
    if isinstance(error, CycloptsError):
        verb = " ".join(["excision", *(error.command_chain or ())])
        return f"{error} (see {verb} --help)"
    if isinstance(error, OSError):
        if is_disk_full(error):
            return f"{error.filename}: {DISK_FULL}" if error.filename else DISK_FULL
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, ModuleNotFoundError):
        extra = needed_extra(error.name)
        return (
            f'this command needs {error.name}; install it with: pip install "excision[{extra}]"'
            if extra
            else None
        )
    return str(error)
