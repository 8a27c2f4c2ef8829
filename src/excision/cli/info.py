"""`excision info`: what a run folder holds."""

from __future__ import annotations

import dataclasses

from cyclopts import App

from excision.cli.options import JsonOption, RunArgument
from excision.cli.output import say, say_facts
from excision.errors import ModelError
from excision.files import write_json
from excision.run_folder import CALIBRATION, FINGERPRINT, MODEL, SETTINGS, TRAINING, read_json
from excision.settings import Settings

app = App(
    name="info",
    help_epilogue="Reads what training wrote; needs neither the images nor a GPU.\n\n"
    "```\nexcision info runs/parts\nexcision info runs/parts --json run.json\n```",
)


@app.default
def info(run: RunArgument, /, *, json: JsonOption = None) -> None:
    """Print data, settings, threshold and cost of a run."""
    from excision.calibration import Calibration

    if not (run / SETTINGS).is_file():
        raise ModelError(f"{run}: this is no run folder ({SETTINGS} is missing)")
    settings = Settings.load(run / SETTINGS)
    data = read_json(run / FINGERPRINT)
    if not (run / MODEL).is_file():
        say(f"{run}: the training is not finished; `excision train DATA --out {run} --resume` continues it.")
        return
    calibration, training = read_json(run / CALIBRATION), read_json(run / TRAINING)
    explained = Calibration(
        calibration["threshold"],
        calibration["wanted_rate"],
        calibration["promised_rate"],
        tuple(calibration["scores"]),
    )
    say_facts(
        [
            ("Data", f"{data['root']} (layout {data['layout']})"),
            ("Trained on", f"{training['n_training']} good images"),
            ("Calibrated with", f"{training['n_calibration']} good images"),
            ("Skipped", f"{len(training['skipped'])} images"),
            ("Threshold", f"{explained.threshold:.6g}"),
            ("Promise", explained.explain()),
            (
                "Training took",
                f"{training['seconds']:.0f} s, peak memory {training['peak_memory_mb']:.0f} MB",
            ),
            ("Machine", f"{training['processor']}, {training['cores']} cores"),
            ("Made with", f"excision {training['excision']}, torch {training['torch']}"),
        ]
    )
    _say_settings(settings)
    if json is not None:
        content = {"settings": dataclasses.asdict(settings), "calibration": calibration, "training": training}
        write_json(json, {**content, "data": data})


def _say_settings(settings: Settings) -> None:
    """Print every setting by the name it has on the command line; a star marks what is no default."""
    default = Settings()
    say("\nSettings (* differs from the default)")
    for section, values in dataclasses.asdict(settings).items():
        for name, value in values.items():
            changed = value != getattr(getattr(default, section), name)
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            say(f"{'*' if changed else ' '} {section}.{name} = {shown}")
