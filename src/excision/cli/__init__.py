"""The command line: one file a verb, imported only when it is called.

Exit statuses: 0 done, 2 an error that is explained in one line, 130 stopped by Ctrl-C. `inspect` also ends
with 1 where it found a defect.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from io import TextIOWrapper
from typing import Any

from cyclopts import App, CycloptsError

from excision import __version__
from excision.cli.arguments import split_help_all, with_new_names
from excision.cli.help import CommonOptions
from excision.errors import ExcisionError, RenamedWarning

ERROR, STOPPED = 2, 130

TRAIN_EXTRA = {"torch", "matplotlib", "onnx", "onnxscript"}
"""Packages that come with the extra `train`, and without which some verbs cannot work."""

SERVE_EXTRA = {"anyio", "fastapi", "prometheus_client", "python_multipart", "starlette", "uvicorn"}
"""The same of the extra `serve`."""

VERBS = {
    "demo": "Train, calibrate, evaluate and report on an embedded data set, in a few minutes.",
    "check": "Say what a data set holds and what training would make of it.",
    "train": "Learn what good parts look like, and set the alarm threshold.",
    "evaluate": "Measure a trained model on test images whose truth is known.",
    "benchmark": "Compare methods on data sets with several seeds, on a fair budget.",
    "inspect": "Give images a verdict, boxes and a picture of what is wrong.",
    "watch": "Inspect each image that arrives in a folder, until stopped.",
    "report": "Make the page of an evaluation or an inspection anew, with your words on its cover.",
    "export": "Write a trained model for a line: ONNX or OpenVINO, proven, without torch.",
    "verify": "Prove on this machine that an exported model says what torch said.",
    "bench": "Measure how fast an exported model is on this machine, stage by stage.",
    "calibrate": "Set the threshold of an exported model anew, on good images.",
    "info": "Say what a run folder holds: its data, settings, threshold and cost.",
    "synth": "Write the embedded data set: procedural surfaces and a part, with drawn defects.",
    "serve": "Inspect what is sent over HTTP, and keep every result.",
    "attention": "Pre-train, show and measure the attention that says where to cut.",
}
"""Each verb with the sentence that the list of verbs shows; the verb itself is `excision.cli.<verb>:app`."""


def build(everything: bool = False) -> App:
    """Give the command line with every verb named and none imported.

    Args:
        everything: help texts show every option, not only the common ones.
    """
    app = App(
        name="excision",
        version=__version__,
        help="Surface inspection that learns from good parts only (Excision And Recovery).",
        help_epilogue="`excision VERB --help` explains a verb with an example. Start with `excision demo`, "
        "or with your own images: `excision check parts/`, `excision train parts/ --out runs/parts`, "
        "`excision inspect runs/parts new/ --out results/`.",
        help_format="markdown",
        help_formatter="default" if everything else CommonOptions(),
        suppress_keyboard_interrupt=False,
    )
    for place, (verb, sentence) in enumerate(VERBS.items()):
        app.command(f"excision.cli.{verb}:app", name=verb, help=sentence, sort_key=place)
    app["--help"].sort_key = app["--version"].sort_key = len(VERBS)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status; what goes wrong is said in one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A file name need not be text, and a terminal need not know every letter.
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and give its exit status."""
    words, everything = split_help_all(arguments)
    try:
        status = build(everything)(
            with_new_names(words),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except BrokenPipeError:
        # Whoever read the output has left; Python must not fail again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except (CycloptsError, ExcisionError, OSError, ModuleNotFoundError) as error:
        message = _explain(error)
        if message is None:
            raise
        print(f"excision: error: {message}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt as stop:
        # A verb that can be continued says in the interrupt how.
        print(f"\n{stop}" if stop.args else "\nstopped", file=sys.stderr)
        return STOPPED
    return status if isinstance(status, int) else 0


def _show_warning(
    otherwise: Callable[..., None], message: Warning | str, kind: type[Warning], *place: Any
) -> None:
    """Print a warning for users as one line; any other as Python does."""
    if issubclass(kind, RenamedWarning):
        print(f"excision: note: {message}", file=sys.stderr)
    else:
        otherwise(message, kind, *place)


def _explain(error: Exception) -> str | None:
    """Say what a user can do about an error; None where it is a fault of the program."""
    if isinstance(error, CycloptsError):
        return f"{error} (excision --help explains)"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, ModuleNotFoundError):
        extras = (("train", TRAIN_EXTRA), ("serve", SERVE_EXTRA))
        extra = next((extra for extra, packages in extras if error.name in packages), None)
        return f'this needs {error.name}; install it with: pip install "excision[{extra}]"' if extra else None
    return str(error)
