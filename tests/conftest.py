"""Small images, settings for networks that train in a second, and one fitted detector."""

from __future__ import annotations

import gc
import os
import signal

# Before torch is imported: these networks are far too small to gain from more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    RecoverySettings,
    Settings,
    TrainingSettings,
)
from tests.browser import browser  # noqa: F401 - a fixture for every test
from tests.sharing import export_once, full_lessons, import_own_share, small_lessons  # noqa: F401 - the same

if TYPE_CHECKING:
    from excision import Detector

SIZE = (48, 40)


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell that runs tests in the background has them ignore it, and what they start too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # until the tests are collected: of what that makes, next to nothing is garbage


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let the workers share the compiling of the tests."""
    import_own_share(session.config)


def pytest_collection_finish() -> None:
    """Keep what is there for good, half a million objects, out of every later search for garbage."""
    gc.freeze()
    gc.enable()


_UMASK = os.umask(0o022)
os.umask(_UMASK)


def pytest_runtest_teardown() -> None:
    """Undo what commands of a station do for good to the process that they are run in: it is this one."""
    os.umask(_UMASK)


LONGEST = (
    "cli/test_benchmark.py",
    "station/test_whole_line.py",
    "station/test_watch.py",
    "station/improve/test_new_model_browser.py",
    "tiling/test_command_line.py",
    "cluster/test_ray_head.py",
    "station/test_pages_browser.py",
    "cluster/test_ray_actors.py",
    "documents/test_notebooks.py",
    "station/improve/test_improve.py",
    "station/test_drift_browser.py",
    "cluster/test_job.py",
    "method/test_features_in_tiles.py",
    "station/test_service_models.py",
    "method/test_network_features.py",
    "tiling/test_inspecting.py",
    "cli/test_train.py",
    "station/test_faults.py",
    "cli/test_suspects.py",
)
"""Files that take longest: begun first, no process waits for one of them at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, with those that may run OpenVINO last: training with torch after it can crash."""
    places = {name: place for place, name in enumerate(LONGEST)}

    def order(item: pytest.Item) -> tuple[bool, int]:
        parts = item.path.relative_to(Path(__file__).parent).parts
        return parts[0] == "export", places.get("/".join(parts), len(places))

    items.sort(key=order)


@pytest.fixture(scope="session")
def tiny() -> Settings:
    """Settings of a training that takes about a second."""
    return Settings(
        attention=AttentionSettings(tuning=2),
        calibration=CalibrationSettings(cross_fit=False),
        recovery=RecoverySettings(width=4, depth=3),
        training=TrainingSettings(steps=4, batch=2, crop=32, precision="float32", checkpoint_every=100),
    )


def draw_surface(number: int, size: tuple[int, int] = SIZE, channels: int = 1) -> NDArray[np.uint8]:
    """Draw a brushed grey or colour surface; each number gives another."""
    rng = np.random.default_rng(number)
    rows = rng.normal(120, 10, (size[0], 1, channels)) + rng.normal(0, 4, (*size, channels))
    pixels = rows.clip(0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


@pytest.fixture(scope="session")
def surfaces() -> list[NDArray[Any]]:
    """Eight good grey images."""
    return [draw_surface(number) for number in range(8)]


@pytest.fixture(scope="session")
def scratched() -> NDArray[Any]:
    """An image with a defect: a short bright scratch across the grain."""
    pixels = draw_surface(100)
    pixels[19:27, 18:21] = 230
    return pixels


@pytest.fixture(scope="session")
def fitted(tiny: Settings, surfaces: list[NDArray[Any]]) -> Detector:
    """A detector trained for a few steps: its figures mean little, its rules all hold."""
    from excision import Detector

    longer = replace(tiny, training=replace(tiny.training, steps=12))
    return Detector(longer, device="cpu").fit(surfaces)


@pytest.fixture(scope="session")
def run(fitted: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished model; tests must not change it."""
    folder = tmp_path_factory.mktemp("model") / "run"
    fitted.save(folder)
    return folder


# How long an example takes says nothing on a busy machine.
settings.register_profile("excision", deadline=None)
settings.load_profile("excision")
