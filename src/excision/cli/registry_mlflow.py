"""`excision registry mlflow`: a model as a run of MLflow."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.options import ModelArgument
from excision.cli.output import say
from excision.cli.places import name_of

app = App(
    name="mlflow",
    help_epilogue="Parameters are the settings, metrics the threshold, the promise and the figures of "
    "MODEL/evaluation. The model inspects as a `pyfunc`: `mlflow models serve` and "
    "`mlflow.pyfunc.load_model` take it. MLFLOW_TRACKING_URI says where MLflow is. Needs the extra "
    "`mlflow`.\n\n"
    "```\n"
    "excision registry mlflow line/bracket --experiment plant\n"
    "excision registry mlflow runs/bracket --experiment plant --register bracket\n"
    "```",
)


@app.default
def log(
    model: ModelArgument,
    /,
    *,
    experiment: Annotated[str | None, Parameter(help="Experiment of MLflow.")] = None,
    register: Annotated[
        str | None, Parameter(help="Name in MLflow's registry of models. By default it is not registered.")
    ] = None,
) -> None:
    """Log a model to MLflow, with its parameters and figures."""
    from excision.tracking.mlflow_log import log_to_mlflow

    logged = log_to_mlflow(model, experiment=experiment, register=register, name=name_of(model))
    say(f"Run: {logged.run}")
    say(f"Model: {logged.uri}")
    if logged.version is not None:
        say(f"Registered: {register}, version {logged.version}")
