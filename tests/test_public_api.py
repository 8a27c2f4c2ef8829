"""What `import excision` promises."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import excision

HEAVY = {"torch", "scipy", "matplotlib", "onnxruntime", "jinja2", "sklearn", "PIL", "numpy"}


def test_public_names() -> None:
    assert excision.__all__ == [
        "Dataset",
        "Detector",
        "Prediction",
        "Settings",
        "__version__",
        "load_dataset",
    ]
    for name in excision.__all__:
        assert getattr(excision, name) is not None
    with pytest.raises(AttributeError, match="Detektor"):
        _ = excision.Detektor


def test_signatures() -> None:
    """A change here is a change for every user: say so in the change log."""
    signatures = {
        name: list(inspect.signature(getattr(excision.Detector, name)).parameters)
        for name in ("__init__", "fit", "predict", "recalibrate", "save", "load", "with_inference")
    }
    assert signatures == {
        "__init__": ["self", "settings", "device"],
        "fit": ["self", "dataset", "run", "resume", "progress", "stage"],
        "predict": ["self", "images"],
        "recalibrate": ["self", "dataset", "stage"],
        "save": ["self", "folder"],
        "load": ["folder", "device"],
        "with_inference": ["self", "mask", "skips"],
    }
    assert list(inspect.signature(excision.load_dataset).parameters) == ["path", "layout"]
    assert list(inspect.signature(excision.Prediction).parameters) == [
        "score",
        "threshold",
        "anomaly_map",
        "image",
        "seconds",
        "attention",
        "mask",
        "masked_image",
        "recovery",
        "review_threshold",
        "reduction",
    ]


@pytest.mark.parametrize(
    ("module", "allowed"), [("excision", set()), ("excision.cli", set()), ("excision.settings", set())]
)
def test_imports_are_light(module: str, allowed: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split()) - allowed
