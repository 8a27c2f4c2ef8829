"""A model that compares the features of a network is exported into one graph, with its record beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from excision import Detector
from excision.errors import ModelError
from excision.export.export import export
from excision.features.efficientnet import weights_file
from excision.features.record import FEATURES, FeatureRecord
from excision.runtime import Inspector
from excision.runtime.backend import Backend, BackendName
from excision.runtime.backends import open_backend
from excision.runtime.calibrated_folder import CalibratedFolder
from excision.runtime.golden_file import Golden
from excision.runtime.model_folder import DESCRIPTION
from excision.settings import (
    AttentionSettings,
    CalibrationSettings,
    RecoverySettings,
    ScoreSettings,
    Settings,
    TrainingSettings,
)
from excision.synthetic.parts import machined_part


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        weights_file()
    except ModelError as error:
        pytest.skip(str(error))
    base = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    (base / "parts" / "train" / "good").mkdir(parents=True)
    for number in range(14):
        pixels = (machined_part(rng, (96, 96)) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(base / "parts" / "train" / "good" / f"{number:03}.png")
    settings = Settings(
        recovery=RecoverySettings(width=4, depth=2),
        score=ScoreSettings(features="efficientnet-lite0", distance="memory"),
        attention=AttentionSettings(tuning=2),
        training=TrainingSettings(steps=2),
        calibration=CalibrationSettings(unfit_rate=0.0),
    )
    detector = Detector(settings, device="cpu").fit(base / "parts")
    scorer = detector.pipeline.scorer
    assert len(scorer.distances) == 2 and scorer.alignment is not None
    # Cells of the part that no image showed.
    assert scorer.feature_distance is not None and scorer.feature_distance.certainty is not None
    scorer.feature_distance.certainty[..., :3] = 0
    detector.save(base / "run")
    assert export(base / "run", base / "parts", base / "out").score_drift < 1e-4
    return base / "out"


def test_the_record_lies_beside_the_graph_and_is_guarded(exported: Path, tmp_path: Path) -> None:
    record = FeatureRecord.load(exported / FEATURES)
    assert record.kind == "efficientnet-lite0" and record.licence == "Apache-2.0"
    description = json.loads((exported / DESCRIPTION).read_text("utf-8"))
    assert FEATURES in description["files"] and description["operations"]["features"] > 1e6
    folder = shutil.copytree(exported, tmp_path / "out")
    (folder / FEATURES).write_text("{}")
    with pytest.raises(ModelError, match=r"features\.json: this is not the file"):
        Inspector(folder)


@pytest.fixture(scope="module")
def graphs(exported: Path) -> dict[BackendName, Backend]:
    """The graph in each backend, opened once: OpenVINO takes seconds."""
    backends: tuple[BackendName, ...] = ("onnx", "openvino")
    return {name: open_backend(exported, name, "fp32", threads=1) for name in backends}


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_the_part_is_judged_in_its_own_frame_wherever_it_lies(
    exported: Path, graphs: dict[BackendName, Backend], backend: BackendName
) -> None:
    pipeline = Detector.load(exported.parent / "run", device="cpu").pipeline
    part = torch.from_numpy(Golden.load(exported).images[:1].astype(np.float32) / 65535).permute(0, 3, 1, 2)
    images = torch.cat([part.roll((3, shift), dims=(2, 3)) for shift in (-3, 1, 5)])
    wanted = pipeline(images).anomaly_map
    pipeline.scorer.feature_distance = None
    assert (pipeline(images).anomaly_map - wanted).abs().max() > 0.1
    graph = graphs[backend]
    for count in (1, 3):
        found = graph.run(images[:count].numpy())["anomaly_map"]
        np.testing.assert_allclose(found, wanted[:count].numpy(), rtol=1e-3, atol=1e-3)


def test_both_backends_give_the_maps_of_torch(exported: Path, graphs: dict[BackendName, Backend]) -> None:
    golden, threshold = Golden.load(exported), CalibratedFolder(exported).threshold
    images = (golden.images.astype(np.float32) / 65535).transpose(0, 3, 1, 2)
    for graph in graphs.values():
        maps = graph.run(np.ascontiguousarray(images))["anomaly_map"][:, 0]
        np.testing.assert_allclose(maps, golden.maps, atol=1e-3 * threshold)


def test_inspecting_needs_no_torch(exported: Path) -> None:
    code = (
        "import sys; from excision import Inspector; import numpy as np; "
        f"found = Inspector({str(exported)!r}).inspect(np.zeros((96, 96), np.uint8)); "
        "print(found.score, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    score, torch_loaded = done.stdout.split()
    assert float(score) >= 0 and torch_loaded == "False"
