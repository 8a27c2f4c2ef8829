"""An exported model says what torch says, proves it, and needs no torch to do so."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from excision import Detector
from excision.cli import run as command_line
from excision.data import load_dataset
from excision.errors import ImageError, ModelError, SettingsError
from excision.export import export as module
from excision.export.export import export
from excision.export.graph import write_onnx
from excision.export.triton import MOST_TOGETHER, largest_batch
from excision.inspection.batch import find_images
from excision.inspection.loading import load
from excision.method.calibration import calibrate
from excision.method.run_folder import CALIBRATION, MODEL
from excision.method.scoring.alignment import Alignment
from excision.method.scoring.appearance_search import Clusters
from excision.report.writing import inspect_and_report
from excision.runtime.backend import MODEL_FILES, BackendName
from excision.runtime.backends import open_backend
from excision.runtime.calibrated_folder import CalibratedFolder
from excision.runtime.golden_file import GOLDEN, Golden
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import DESCRIPTION, FORMAT, Description
from excision.runtime.verification import Proof, verify


@pytest.fixture(scope="module")
def inspector(exported: tuple[Path, Proof]) -> Inspector:
    """The exported model, opened once: OpenVINO takes a second; not to be changed."""
    return Inspector(exported[0], threads=1)


def test_stages_and_scores_are_those_of_torch(inspector: Inspector, run: Path, parts: Path) -> None:
    detector = Detector.load(run, device="cpu")
    distance = detector.pipeline.scorer.feature_distance
    assert distance is not None and distance.counts and float(distance.weight) > 0.1
    samples = load_dataset(parts).test
    for torch_says, found in zip(
        detector.predict([sample.image for sample in samples]),
        inspector.predict([sample.image for sample in samples]),
        strict=True,
    ):
        assert found.score == pytest.approx(torch_says.score, rel=1e-3)
        np.testing.assert_array_equal(found.image, torch_says.image)
        np.testing.assert_array_equal(found.mask, torch_says.mask)
        for plane in ("anomaly_map", "attention", "masked_image", "recovery"):
            ours, theirs = getattr(found, plane), getattr(torch_says, plane)
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-3)


def test_the_proof_covers_golden_and_held_out_images(exported: tuple[Path, Proof], run: Path) -> None:
    out, proof = exported
    held_out = json.loads((run / CALIBRATION).read_text())["scores"]
    golden = Golden.load(out)
    assert proof.images == len(golden.images) + len(held_out)
    assert 0 <= proof.score_drift < 1e-3
    assert proof.verdicts_changed == 0
    again = verify(Inspector(out))
    assert again.images == len(golden.images) == len(golden.scores) == len(golden.maps)
    # A defect was drawn on the second half.
    half = len(golden.images) // 2
    assert (golden.images[:half] != golden.images[half:]).any(axis=(1, 2, 3)).all()


def test_the_threshold_is_calibrated_on_the_scores_of_the_backend(
    exported: tuple[Path, Proof], run: Path
) -> None:
    calibration = Description.load(exported[0]).calibration
    wished = Detector.load(run).settings.calibration.false_alarm_rate
    assert calibration == calibrate(
        calibration.scores, wished, groups=calibration.groups, names=calibration.names
    )
    np.testing.assert_allclose(calibration.scores, calibrate_scores(run), rtol=1e-3)


def calibrate_scores(run: Path) -> list[float]:
    scores: list[float] = json.loads((run / CALIBRATION).read_text())["scores"]
    return scores


def test_an_image_has_one_score_alone_in_threads_and_again(inspector: Inspector) -> None:
    images = Golden.load(inspector.folder).images
    alone = [inspector.inspect_working(image).score for image in images]
    found: list[list[float]] = [[] for _ in range(4)]

    def work(place: int) -> None:
        found[place] = [inspector.inspect_working(image).score for image in images]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 4


def test_the_graph_says_nothing_of_the_machine_that_wrote_it(exported: tuple[Path, Proof]) -> None:
    files = [path for path in exported[0].iterdir() if path.suffix in (".onnx", ".xml")]
    assert len(files) == 1
    assert b"/export/graph.py" not in files[0].read_bytes()


def test_the_graph_takes_batches_of_any_size(exported: tuple[Path, Proof], inspector: Inspector) -> None:
    graph = open_backend(exported[0], Description.load(exported[0]).backend, "fp32", threads=1)
    images = Golden.load(exported[0]).images
    batch = np.ascontiguousarray((images / np.float32(65535)).astype(np.float32).transpose(0, 3, 1, 2))
    for size in (1, 2, len(batch)):
        found = graph.run(batch[:size])
        assert found["score"].shape == (size,)
        alone = [inspector.inspect_working(image).score for image in images[:size]]
        np.testing.assert_allclose(found["score"], alone, rtol=1e-4)


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 1), (31, 77), (9, 200)])
def test_arrays_are_understood_as_the_detector_understands_them(
    shape: tuple[int, ...], inspector: Inspector, run: Path
) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    (expected,) = Detector.load(run, device="cpu").predict(image)
    assert inspector.inspect(image).score == pytest.approx(expected.score, rel=1e-3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((1, 1), np.uint8),
        np.full((8, 8), np.nan),
        np.zeros((0, 8), np.uint8),
        7,
        "missing.png",
    ],
    ids=["channels", "tiny", "nan", "empty", "number", "missing"],
)
def test_what_is_no_image_is_refused(image: Any, inspector: Inspector) -> None:
    with pytest.raises(ImageError):
        inspector.inspect(image)


def test_an_exported_folder_inspects_like_a_run(
    exported: tuple[Path, Proof], parts: Path, tmp_path: Path
) -> None:
    predictor = load(exported[0])
    images = [sample.image for sample in load_dataset(parts).test]
    summary = inspect_and_report(predictor, images, tmp_path / "out")
    assert summary.n_failed == 0 and summary.n_good + summary.n_defect == len(images)
    assert (tmp_path / "out" / "report.html").is_file()


def test_recalibrating_changes_the_threshold_and_nothing_else(
    exported: tuple[Path, Proof], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported[0], tmp_path / "copy"))
    before = Description.load(folder)
    CalibratedFolder(folder).recalibrate([1.0, 2.0, 3.0], 0.3)
    after = Description.load(folder)
    assert after.calibration == calibrate([1.0, 2.0, 3.0], 0.3)
    assert dataclasses.replace(after, calibration=before.calibration) == before


def test_a_grey_zone_lies_between_the_thresholds(
    exported: tuple[Path, Proof], inspector: Inspector, parts: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported[0], tmp_path / "copy"))
    images = [sample.image for sample in load_dataset(parts).test]
    scores = sorted({prediction.score for prediction in inspector.predict(images)})
    low, middle, high = scores[0], scores[1], scores[-1]
    calibrated = CalibratedFolder(folder)
    calibrated.recalibrate([low] * 30 + [middle] * 10, 0.05, 0.5)
    verdicts = {p.score: p.verdict for p in Inspector(folder, threads=1).predict(images)}
    assert (verdicts[low], verdicts[middle], verdicts[high]) == ("good", "review", "defect")
    with pytest.raises(ValueError, match="review rate"):
        calibrated.recalibrate([1.0, 2.0, 3.0], 0.3, 0.1)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", [DESCRIPTION, GOLDEN, "model"])
@pytest.mark.parametrize("damage", [Path.unlink, _truncate, lambda path: path.write_bytes(b"")])
def test_damaged_files_are_named(
    name: str, damage: Any, exported: tuple[Path, Proof], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported[0], tmp_path / "copy"))
    file = folder / (MODEL_FILES[Description.load(folder).backend] if name == "model" else name)
    damage(file)
    with pytest.raises(ModelError, match=file.name):
        verify(Inspector(folder))


def test_a_description_of_another_format_or_backend_is_refused(
    exported: tuple[Path, Proof], tmp_path: Path
) -> None:
    content = json.loads((exported[0] / DESCRIPTION).read_text())
    for change in ({"format": FORMAT + 1}, {"backend": "abacus"}, {"size": [3]}, {"colour": 1}):
        (tmp_path / DESCRIPTION).write_text(json.dumps(content | change))
        with pytest.raises(ModelError, match=DESCRIPTION):
            Description.load(tmp_path)


def test_a_model_that_drifts_is_refused_and_nothing_is_left(
    run: Path, exported_onnx: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is that of another model: the recovery of this one is a little brighter."""
    run = Path(shutil.copytree(run, tmp_path / "run"))
    with safe_open(run / MODEL, "pt") as stream:
        weights, facts = {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata()  # noqa: SIM118
    (bias,) = [name for name in weights if name.endswith("recovery.head.bias")]
    weights[bias] += 0.05
    save_file(weights, run / MODEL, facts)

    def write_another(_: object, path: Path) -> None:
        shutil.copyfile(exported_onnx / MODEL_FILES["onnx"], path)

    monkeypatch.setattr(module, "write_onnx", write_another)
    monkeypatch.setattr(module, "branch_around_recovery", lambda _: None)  # that graph has its branch
    with pytest.raises(ModelError, match=r"drifts from torch .* than the 0\.10%.*--allow-drift"):
        export(run, parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert export(run, parts, tmp_path / "out", allow_drift=10.0).score_drift > 0.1
    with pytest.raises(SettingsError, match="holds something already"):
        export(run, parts, tmp_path / "out")
    with pytest.raises(SettingsError, match="only in fp32 or int8: choose --to openvino for bf16"):
        export(run, parts, tmp_path / "other", precision="bf16")


def test_inspecting_imports_no_torch(exported: tuple[Path, Proof]) -> None:
    code = (
        "import sys, numpy\n"
        "from excision.runtime.inspector import Inspector\n"
        f"found = Inspector({str(exported[0])!r}).inspect(numpy.zeros((40, 40), numpy.uint8))\n"
        "print(sorted({'torch', 'scipy', 'matplotlib', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_region_and_minimum_area_are_calibrated_for_and_kept(
    exported: tuple[Path, Proof], parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(exported[0], tmp_path / "copy"))
    height, width = Description.load(folder).size
    (tmp_path / "roi.toml").write_text(
        f"size = [{height}, {width}]\n"
        f"polygons = [[[0, 0], [{width // 2}, 0], [{width // 2}, {height}], [0, {height}]]]\n"
    )
    good = parts / "test" / "good"
    words = ["--roi", str(tmp_path / "roi.toml"), "--minimum-area", "9", "--review-rate", "40%", "--few"]
    assert command_line(["calibrate", str(folder), str(good), "--false-alarm-rate", "20%", *words]) == 0
    assert "Review from" in capsys.readouterr().out
    inspector, whole = Inspector(folder), Inspector(exported[0])
    assert inspector.criteria.minimum_area == 9 and inspector.criteria.region is not None
    scores = []
    for image in find_images([good]):
        found, everything = inspector.inspect(image), whole.inspect(image)
        assert found.score == inspector.criteria.score(everything.anomaly_map) <= everything.score
        assert not found.anomaly_map[:, width // 2 + 1 :].any()
        scores.append(found.score)
    assert sorted(scores) == list(inspector.description.calibration.scores)
    # The proof is that of the graph, whatever counts on the line.
    assert verify(inspector).score_drift < 1e-3


@dataclasses.dataclass(frozen=True)
class Written:
    """A graph with a feature distance, images, and the maps that torch gives them."""

    folder: Path
    images: torch.Tensor
    maps: torch.Tensor


@pytest.fixture(scope="module")
def with_distance(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A graph takes up to half a minute to write, so this one is for what no other has.

    It is for the choice of an appearance, of one of two poses, and of the statistics of each. One pose, one
    appearance and cells of the part that no image showed are in the graph of `test_features`; the distance by
    the place in the image, without a pose, is in that of `exported`.
    """
    pipeline = Detector.load(run, device="cpu").pipeline
    scorer, size = pipeline.scorer, pipeline.image_format.size
    distance = scorer.new_feature_distance(aligned=True, appearances=2)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(3, pipeline.image_format.channels, 6, 6, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)
    distance.means.copy_(torch.randn(distance.means.shape, generator=generator) / 10)
    distance.whitening.copy_(torch.randn(distance.whitening.shape, generator=generator) / 5)
    distance.explained_variance.fill_(0.5)
    assert distance.certainty is not None
    distance.certainty.copy_(torch.rand(distance.certainty.shape, generator=generator))
    distance.certainty[..., :3] = 0
    scorer.feature_distance = None
    scorer.alignment = scorer.new_appearances([1, 2])
    looks = Alignment(size).look(images[:2])
    scorer.alignment.learn_from(looks, Clusters([[0], [1]], []), [0, 1])
    # One of the parts looks alike in two poses.
    scorer.alignment.each[1].alike = torch.tensor([[0.0, 0.0, 0.0], [0.02, 1.0, -1.0]])
    distance.tail.copy_(torch.tensor([[1.0, 0.5], [2.0, 0.7]]))
    scorer.tails = scorer.tails * torch.tensor([1.0, 1.3])[:, None, None]
    images = torch.cat([images[each : each + 1].roll(each - 1, dims=3) for each in (1, 0, 1)])
    chosen = scorer.alignment.place(images)[1]
    assert chosen is not None and chosen.tolist() == [1, 0, 1]
    before = pipeline(images).anomaly_map
    scorer.feature_distance = distance
    wanted = pipeline(images).anomaly_map
    assert (wanted - before).abs().max() > 0.1
    folder = tmp_path_factory.mktemp("distance")
    write_onnx(pipeline, folder / MODEL_FILES["onnx"])
    return Written(folder, images, wanted)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_the_distance_of_features_is_in_the_graph(backend: BackendName, with_distance: Written) -> None:
    graph = open_backend(with_distance.folder, backend, "fp32", threads=1)
    for count in (1, 3):
        found = graph.run(with_distance.images[:count].numpy())["anomaly_map"]
        np.testing.assert_allclose(found, with_distance.maps[:count].numpy(), rtol=1e-3, atol=1e-3)


def test_no_image_of_a_batch_changes_the_outputs_of_another(with_distance: Written) -> None:
    """Poses are found by products and angles, whose rounding must not depend on how many there are."""
    graph = open_backend(with_distance.folder, "onnx", "fp32", threads=1)
    working = (with_distance.images * 65535).round().numpy().astype(np.uint16).transpose(0, 2, 3, 1)
    assert largest_batch(graph, working) == MOST_TOGETHER


def test_a_missing_openvino_is_named_before_the_work(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install openvino"):
        module.export(run, tmp_path / "no-data", tmp_path / "out", to="openvino")
    assert not (tmp_path / "out").exists()
