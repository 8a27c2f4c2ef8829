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
    "results_table",
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


def signature(value: object) -> str:
    """Give a signature without its annotations: names, order, kinds and defaults."""
    found = inspect.signature(value)  # type: ignore[arg-type]
    bare = [one.replace(annotation=one.empty) for one in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=found.empty))


def members(kind: type) -> dict[str, str]:
    """Give what a class offers: each method with its signature, and the names of properties and fields."""
    found = {"": signature(kind)}
    for name in dir(kind):
        if not name.startswith("_"):
            value = getattr(kind, name)
            found[name] = signature(value) if callable(value) else ""
    return found


PREDICTION_FIELDS = [
    "score",
    "threshold",
    "anomaly_map",
    "image",
    "seconds",
    "attention",
    "mask",
    "masked_image",
    "recovery",
]


def test_prediction() -> None:
    """A change here, and in the tests below, is a change for every user: say so in the change log."""
    optional = "review_threshold=None, reduction=1, source=None, size=None"
    optional += ", p_value=None, unfit=(), image_statistics=None"
    assert members(excision.Prediction) == {
        "": f"({', '.join(PREDICTION_FIELDS)}, *, {optional})",
        **dict.fromkeys(PREDICTION_FIELDS, ""),
        **dict.fromkeys(["review_threshold", "reduction", "source", "size"], ""),
        **dict.fromkeys(["p_value", "unfit", "image_statistics"], ""),
        **dict.fromkeys(["boxes", "defect_area_share", "full_size", "lowest_threshold"], ""),
        **dict.fromkeys(["shown_boxes", "shown_size", "verdict"], ""),
        "map_boxes": "(self)",
        "overview": "(self)",
        "plot": "(self, axes=None)",
        "save": "(self, path)",
        "to_dict": "(self)",
    }


def test_inspector() -> None:
    assert members(excision.Inspector) == {
        "": "(folder, threads=None, device='cpu', workers=1)",
        "calibration": "",
        "inspect": "(self, image, *, color='rgb')",
        "inspect_working": "(self, working, criteria=None)",
        "predict": "(self, images, *, color='rgb')",
        "recalibrate": "(self, scores, false_alarm_rate, review_rate=None, *, "
        "confidence=None, groups=None, names=None, odd_image=None, fitness='keep')",
        "region_size": "",
        "review_threshold": "",
        "threshold": "",
        "set_calibration": "(self, calibration, review=None, *, fitness='keep')",
        "undo_calibration": "(self)",
        "with_thresholds": "(self, threshold, review_threshold=None)",
        "working": "(self, image, *, color='rgb')",
    }


def test_detector() -> None:
    assert members(excision.Detector) == {
        "": "(settings=None, device='auto', *, size=None, tile=None, steps=None, seed=None, "
        "false_alarm_rate=None)",
        "calibration": "",
        "decision_function": "(self, images, *, color='rgb')",
        "get_params": "(self, deep=True)",
        "image_format": "",
        "inspect": "(self, image, *, color='rgb')",
        "offset_": "",
        "score_samples": "(self, images, *, color='rgb')",
        "set_params": "(self, **parameters)",
        "fit": "(self, dataset, run=None, resume=False, progress=None, stage=None, *, groups=None, "
        "defects=None, warm_start=None, for_suspects=False)",
        "load": "(folder, device='auto')",
        "pipeline": "",
        "predict": "(self, images, *, color='rgb')",
        "recalibrate": "(self, dataset, stage=None, *, groups=None)",
        "review_threshold": "",
        "save": "(self, folder)",
        "suspects": "(self, dataset, stage=None, run=None, *, groups=None)",
        "threshold": "",
        "with_features": "(self, features, distance='gaussian', *, attention_features=True)",
        "with_inference": "(self, *, mask=True, skips=None, kind=None)",
        "with_thresholds": "(self, threshold, review_threshold=None)",
    }


def test_functions() -> None:
    assert signature(excision.load) == "(folder, threads=None, device=None, workers=1)"
    assert signature(excision.load_dataset) == "(path, layout=None, *, leave_out=False)"
    assert signature(excision.results_table) == "(predictions)"


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
