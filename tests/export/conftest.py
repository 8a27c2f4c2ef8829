"""A tiny trained run and its exports, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from excision import Detector
from excision.data import load_dataset
from excision.runtime.backend import BackendName
from excision.runtime.verification import Proof
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.method.recovery.test_training import TINY

BACKENDS: tuple[BackendName, ...] = ("onnx", "openvino")


@pytest.fixture(scope="session")
def run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deploy") / "run"
    Detector(TINY, device="cpu").fit(load_dataset(parts), folder)
    return folder


@pytest.fixture(scope="session")
def exports(
    run: Path, parts: Path, tmp_path_factory: pytest.TempPathFactory, export_once: Callable[..., Proof]
) -> dict[BackendName, tuple[Path, Proof]]:
    out = tmp_path_factory.mktemp("exported")
    return {name: (out / name, export_once(run, parts, out / name, to=name)) for name in BACKENDS}


@pytest.fixture(scope="session", params=BACKENDS)
def exported(
    request: pytest.FixtureRequest, exports: dict[BackendName, tuple[Path, Proof]]
) -> tuple[Path, Proof]:
    return exports[request.param]


@pytest.fixture(scope="session")
def exported_onnx(exports: dict[BackendName, tuple[Path, Proof]]) -> Path:
    return exports["onnx"][0]
