"""`excision fleet`: many models, trained, evaluated, exported and compared."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="fleet",
    help_epilogue="`fleet.toml` names the models. `[defaults]` holds what they share, `[models.NAME]` what "
    "one has for itself: `data`, `test`, `defects`, `few`, `drop_suspects`, and every setting of `excision "
    "train`. Paths are relative to the file. A pattern makes one model for each folder.\n\n"
    "```toml\n"
    "[defaults]\n"
    "false_alarm_rate = 0.005\n\n"
    "[models.bracket]\n"
    'data = "bracket"\n'
    'groups = "time:60s"\n\n'
    "[models.line]\n"
    'data = "plants/*/good"\n'
    "size = [256, 256]\n"
    "```\n\n"
    "Each model is trained by a process of its own, in a run folder of its own. One that fails does not stop "
    "the others. After Ctrl-C, a kill or a power cut the same command continues, to the same weights.\n\n"
    "```\n"
    "excision fleet train fleet.toml --out runs/fleet --workers 4\n"
    "excision fleet evaluate runs/fleet\n"
    "excision fleet export runs/fleet --out line/\n"
    "excision fleet compare runs/fleet runs/fleet_new\n"
    "```",
)
app.command(
    "excision.cli.fleet_train:app", name="train", help="Train every model of a fleet, and calibrate it."
)
app.command(
    "excision.cli.fleet_evaluate:app", name="evaluate", help="Measure every model on its test images."
)
app.command("excision.cli.fleet_export:app", name="export", help="Export every model for the line.")
app.command(
    "excision.cli.fleet_compare:app",
    name="compare",
    help="Tell which models got worse from one fleet to another.",
)
