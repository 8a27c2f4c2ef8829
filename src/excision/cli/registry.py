"""`excision registry`: versions of models that never change, and stages that point to them."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="registry",
    help_epilogue="A registry is a folder or a bucket. Each model in it has versions 0001, 0002 and so on, "
    "which are written once. A stage, such as `production`, points to a version, and can be rolled back. "
    "Wherever a verb reads a model, `REGISTRY/NAME@STAGE` stands for that version, `@latest` for the last "
    "one, and `@0002` for a version by its number.\n\n"
    "```\n"
    "excision registry add line/bracket models/ --stage production\n"
    "excision registry list models/\n"
    "excision registry stage models/ bracket production --version 0001\n"
    "excision registry stage models/ bracket production --back\n"
    "excision registry get models/bracket@production --out line/bracket\n"
    "excision registry mlflow line/bracket --experiment plant\n"
    "excision inspect models/bracket@production new_images/ --out results/\n"
    "```",
)
app.command("excision.cli.registry_add:app", name="add", help="Add a model as a new version.")
app.command("excision.cli.registry_list:app", name="list", help="List models, versions and stages.")
app.command(
    "excision.cli.registry_stage:app", name="stage", help="Let a stage point to a version, or roll it back."
)
app.command("excision.cli.registry_mlflow:app", name="mlflow", help="Log a model to MLflow.")
app.command("excision.cli.registry_get:app", name="get", help="Copy a version to this machine, checked.")
