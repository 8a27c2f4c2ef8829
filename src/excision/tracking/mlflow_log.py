"""Logs a model to MLflow: what it was trained with, what it promises, its figures, and the model itself."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import fingerprint
from excision.method.calibration import Calibration
from excision.method.folder_kinds import folder_kind, wrong_folder
from excision.method.run_folder import SETTINGS, TRAINING, load_calibration, read_json
from excision.registry.files import model_files
from excision.runtime.model_folder import Description
from excision.settings import Settings
from excision.version import __version__

_CODE = Path(__file__).with_name("mlflow_model.py")
_EVALUATION = "evaluation"
_SHOWN = ("report.html", "evaluation.json", "scores.csv")
_FIGURES = (
    "image_auroc",
    "image_ap",
    "pixel_auroc",
    "pixel_ap",
    "aupro",
    "false_alarm_rate",
    "detection_rate",
    "n_normal",
    "n_defect",
    "ms_per_image",
)


class Logged(NamedTuple):
    """What MLflow calls a model that was logged.

    Attributes:
        run: id of its run.
        uri: of the model, as `mlflow.pyfunc.load_model` takes it.
        version: of the registered model; None if it was not registered.
    """

    run: str
    uri: str
    version: str | None


def log_to_mlflow(
    model: Path, *, experiment: str | None = None, register: str | None = None, name: str | None = None
) -> Logged:
    """Log a run folder or an exported folder as a run of MLflow.

    The parameters are the settings, or backend and precision; the metrics are the threshold, the promise and
    the figures of the folder `evaluation` in it; the artefacts are the report of that evaluation. The model
    is of the flavour `pyfunc` and made from code, so that nothing of it is unpickled.

    Args:
        model: the folder.
        experiment: of MLflow; None takes the one in force.
        register: name in MLflow's registry of models; None does not register it.
        name: of the run; None takes that of the folder.

    Raises:
        ModelError: the folder holds no model.
        SettingsError: MLflow is missing.
    """
    kind = folder_kind(model)
    if kind not in ("run", "exported"):
        raise ModelError(wrong_folder(model, "model"))
    try:
        import mlflow
    except ModuleNotFoundError as error:
        raise SettingsError('this needs MLflow; install it with: pip install "excision[mlflow]"') from error
    if experiment is not None:
        mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=name or model.resolve().name) as run, _own_files(model) as files:
        mlflow.set_tags(_tags(model, kind))
        mlflow.log_params(_parameters(model, kind))
        mlflow.log_metrics(_metrics(model, kind))
        for shown in _SHOWN:
            if (model / _EVALUATION / shown).is_file():
                mlflow.log_artifact(str(model / _EVALUATION / shown), _EVALUATION)
        extra = "[train]" if kind == "run" else ""
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(_CODE),
            artifacts={"model": files},
            signature=_signature(),
            pip_requirements=[f"excision{extra}=={__version__}", "pandas"],
            registered_model_name=register,
        )
        version = logged.registered_model_version
        return Logged(run.info.run_id, logged.model_uri, None if version is None else str(version))


@contextmanager
def _own_files(model: Path) -> Iterator[str]:
    """Give a folder with the files of a model alone, without its reports, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="excision-") as made:
        # MLflow keeps the name of the folder.
        folder = Path(made) / "model"
        folder.mkdir()
        for file in model_files(model):
            shutil.copyfile(file, folder / file.name)
        yield str(folder)


def _calibration(model: Path, kind: str) -> Calibration:
    return load_calibration(model) if kind == "run" else Description.load(model).calibration


def _tags(model: Path, kind: str) -> dict[str, str]:
    return {
        "excision.model": fingerprint(model),
        "excision.version": __version__,
        "excision.kind": kind,
        "excision.promise": _calibration(model, kind).explain(),
    }


def _parameters(model: Path, kind: str) -> dict[str, Any]:
    if kind == "exported":
        found = Description.load(model)
        return {
            "backend": found.backend,
            "precision": found.precision,
            "size": "x".join(map(str, found.size)),
        }
    settings = Settings.load(model / SETTINGS, warn_of_old_names=False)
    return {
        f"{section}.{name}": value
        for section, values in dataclasses.asdict(settings).items()
        for name, value in values.items()
    }


def _metrics(model: Path, kind: str) -> dict[str, float]:
    calibration = _calibration(model, kind)
    found: dict[str, float | None] = {
        "threshold": calibration.threshold,
        "wanted_rate": calibration.wanted_rate,
        "promised_rate": calibration.promised_rate,
        "confidence": calibration.confidence,
        "calibration_images": len(calibration.scores),
        "groups": calibration.count_groups,
    }
    if (model / TRAINING).is_file():
        facts = read_json(model / TRAINING)
        found |= {name: facts.get(name) for name in ("seconds", "peak_memory_mb", "n_training")}
    file = model / _EVALUATION / "evaluation.json"
    if file.is_file():
        figures = read_json(file)
        found |= {name: figures.get(name) for name in _FIGURES}
    return {name: float(value) for name, value in found.items() if value is not None}


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    numbers = ("score", "threshold", "p_value", "defect_area_share")
    outputs = [*(ColSpec("double", name) for name in numbers)]
    outputs += [ColSpec("string", name, required=False) for name in ("verdict", "error")]
    outputs += [ColSpec("string", name) for name in ("boxes", "unfit")]
    return ModelSignature(Schema([ColSpec("binary", "image")]), Schema(outputs))
