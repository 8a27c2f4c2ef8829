"""What `import excision` promises."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import excision

HEAVY = {"torch", "scipy", "matplotlib", "onnxruntime", "jinja2", "sklearn", "PIL", "numpy"}

PUBLIC = [
    "Detector",
    "ExcisionError",
    "Inspector",
    "Prediction",
    "Settings",
    "__version__",
    "load",
    "load_dataset",
]


def python(code: str) -> str:
    """Run code in an interpreter of its own and give what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_public_names() -> None:
    assert excision.__all__ == PUBLIC
    for name in excision.__all__:
        assert getattr(excision, name) is not None
    assert excision.Dataset is excision.data.Dataset
    with pytest.raises(AttributeError, match="Detektor"):
        _ = excision.Detektor


@pytest.mark.parametrize("before", ["", "excision.Settings; excision.ExcisionError; "])
def test_completion_shows_the_public_names_alone(before: str) -> None:
    """Whatever has been used before: submodules that were imported on the way stay out."""
    assert python(f"import excision; {before}print(dir(excision))").strip() == str(PUBLIC)


def test_signatures() -> None:
    """A change here is a change for every user: say so in the change log."""
    signatures = {
        name: list(inspect.signature(getattr(excision.Detector, name)).parameters)
        for name in ("__init__", "fit", "predict", "recalibrate", "save", "load", "with_inference")
    }
    assert signatures == {
        "__init__": ["self", "settings", "device"],
        "fit": ["self", "dataset", "run", "resume", "progress", "stage"],
        "predict": ["self", "images", "color"],
        "recalibrate": ["self", "dataset", "stage"],
        "save": ["self", "folder"],
        "load": ["folder", "device"],
        "with_inference": ["self", "mask", "skips"],
    }
    assert list(inspect.signature(excision.load).parameters) == ["folder"]
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
        "source",
        "size",
    ]


@pytest.mark.parametrize("module", ["excision", "excision.cli", "excision.settings"])
def test_imports_are_light(module: str) -> None:
    loaded = python(f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})")
    assert not HEAVY & set(loaded.split())


def test_the_package_alone_imports_nothing_but_itself_and_the_standard_library() -> None:
    """Which is how its import stays under 50 ms: a clock would tell of the machine's other work too."""
    code = "import sys; before = set(sys.modules); import excision; print(*set(sys.modules) - before)"
    loaded = set(python(code).split())
    assert {name for name in loaded if name.startswith("excision")} == {"excision"}
    assert {name.split(".")[0] for name in loaded} - {"excision"} <= sys.stdlib_module_names
