"""The methods that are timed beside EAR compute what they say, and their figures are counted right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from excision.benchmark.peers.asked import Asked
from excision.benchmark.peers.costs import Cost
from excision.benchmark.peers.efficient_ad import EfficientAD
from excision.benchmark.peers.energy import Energy
from excision.benchmark.peers.engines import ENGINES, Engine, engines_of
from excision.benchmark.peers.memory import PaDiM, PatchCore
from excision.benchmark.peers.roofline import roofline
from excision.benchmark.peers.subjects import EAR, SUBJECTS, names_of
from excision.benchmark.peers.tables import HEAD, cells, failures, markdown, short_cells
from excision.benchmark.peers.trained_networks import FlowStep
from excision.errors import ModelError, SettingsError


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        yield


def test_operations_parameters_and_bytes_of_a_convolution() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU())
    cost = Cost.of(network, torch.zeros(1, 3, 10, 12))
    outputs = 8 * 8 * 10
    assert cost.operations == 2 * 3 * 9 * outputs
    assert cost.parameters == 3 * 8 * 9
    assert cost.weight_bytes == 4 * cost.parameters
    assert cost.traffic == 4 * (3 * 10 * 12 + cost.parameters + outputs + 2 * outputs)


def test_efficient_ad_is_of_the_published_size() -> None:
    """Table 6 of the paper: four valid convolutions and two poolings; the student's last is twice as wide."""
    small = EfficientAD("S").to("meta")
    widths = [(3, 128, 4, 253), (128, 256, 4, 123), (256, 256, 3, 59)]
    shared = sum(2 * i * o * k * k * side * side for i, o, k, side in widths)
    last = 2 * 256 * 16 * 56 * 56
    autoencoder = Cost.of(small.autoencoder, torch.zeros(1, 3, 256, 256, device="meta")).operations
    image = torch.zeros(1, 3, 256, 256, device="meta")
    assert Cost.of(small, image).operations == 2 * shared + last * (384 + 768) + autoencoder
    assert small(image).maps.shape == (1, 1, 256, 256)


def test_patchcore_finds_the_nearest_patch_of_its_memory() -> None:
    network = PatchCore("resnet18", 50).eval()
    image = torch.rand(1, 3, 64, 64)
    fine, coarse = network.backbone(image)[1:]
    pooled = [nn.functional.avg_pool2d(part, 3, 1, 1) for part in (fine, coarse)]
    coarse = nn.functional.interpolate(pooled[1], fine.shape[2:], mode="bilinear")
    queries = torch.cat((pooled[0], coarse), dim=1)[0].flatten(1).T
    nearest = torch.cdist(queries, network.bank).min(dim=1).values
    distances = torch.cdist(queries, network.bank)
    place = int(nearest.argmax())
    patch = network.bank[distances[place].argmin()]
    around = network.bank[torch.cdist(patch[None], network.bank)[0].topk(9, largest=False).indices]
    others = torch.cdist(queries[place][None], around)[0]
    exponentials = np.exp((others - others.max()).double().numpy())
    weight = float(1 - exponentials[0] / exponentials.sum())
    torch.testing.assert_close(network(image).scores[0], weight * nearest[place], rtol=1e-3, atol=1e-3)


def test_padim_gives_mahalanobis_distances() -> None:
    network = PaDiM("resnet18", 20, (32, 32)).eval()
    roots = torch.randn(64, 20, 20)
    network.inverse.copy_(roots @ roots.transpose(1, 2))
    image = torch.rand(1, 3, 32, 32)
    maps = network.backbone(image)
    enlarged = [nn.functional.interpolate(part, (8, 8), mode="nearest") for part in maps]
    features = torch.cat(enlarged, dim=1)[0, network.chosen].flatten(1).T.double().numpy()
    inverse = network.inverse.double().numpy()
    slow = np.sqrt([row @ matrix @ row for row, matrix in zip(features, inverse, strict=True)])
    from excision.benchmark.peers.scored import smoothed

    expected = smoothed(torch.from_numpy(slow).float().view(1, 1, 8, 8), image)
    torch.testing.assert_close(network(image).maps, expected, rtol=1e-3, atol=1e-3)


def test_a_step_of_the_flow_can_be_undone() -> None:
    step = FlowStep(64, 3).eval()
    features = torch.rand(1, 64, 8, 8)
    mixed = torch.empty_like(features)
    mixed[:, step.order] = step(features)
    kept, changed = mixed.chunk(2, dim=1)
    scale, shift = step.inner(kept).chunk(2, dim=1)
    back = (changed - shift) / (2.0 * torch.tanh(0.1 * scale)).exp()
    torch.testing.assert_close(torch.cat((kept, back), dim=1), features, rtol=1e-4, atol=1e-4)


def test_a_worker_times_a_method_in_a_process_of_its_own(tmp_path: Path) -> None:
    job = {"name": "stfpm", "engine": ["torch", "fp32"], "threads": 1, "run": str(tmp_path), "graph": None}
    with closing(Asked(job | {"channels": 3}, 1)) as asked:
        assert asked.seconds(2) > 0
        assert asked.peak_rate > 1e8
        assert 0 < asked.first_result < 600
        assert asked.peak_memory_mb > 50
    missing = {"engine": ["onnx", "fp32"], "graph": str(tmp_path / "gone.onnx")}
    with pytest.raises(ModelError, match="gone"):
        Asked(job | missing | {"channels": 3}, 1)


def test_energy_is_read_where_the_kernel_tells_and_counters_begin_again(tmp_path: Path) -> None:
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "energy_uj").write_text("90")
    (package / "max_energy_range_uj").write_text("99")
    with Energy(tmp_path).measuring(2) as spent:
        (package / "energy_uj").write_text("10")
    assert spent.joules == pytest.approx(20e-6 / 2)
    with Energy(tmp_path / "none").measuring(2) as spent:
        pass
    assert spent.joules is None


def test_names_of_methods_and_engines() -> None:
    assert names_of("stfpm, ear,stfpm") == (EAR, "stfpm")
    assert names_of(None) == (EAR, *SUBJECTS)
    assert engines_of("torch-fp32,onnx") == (ENGINES[0], ENGINES[2], ENGINES[3])
    with pytest.raises(SettingsError, match="choose from ear, efficientad-s"):
        names_of("yolo")
    with pytest.raises(SettingsError, match="choose from torch"):
        engines_of("tensorrt")


def content() -> dict[str, Any]:
    cost = {"operations": 2 * 10**9, "parameters": 10**6, "weight_bytes": 4 * 10**6, "traffic": 10**8}
    figures = {
        "milliseconds": 20.0,
        "ratio_to_ear": 1.0,
        "gflops": 100.0,
        "peak_gflops": 130.0,
        "first_result": 1.5,
        "peak_memory_mb": 300.0,
        "model_mb": 4.0,
        "joules": None,
    }
    slower = figures | {"milliseconds": 400.0, "ratio_to_ear": 20.0}
    machine = {"processor": "P", "cores": 2, "threads": 1, "python": "3", "torch": "2", "excision": "1"}
    return {
        "identity": {"machine": machine | {"accelerator": None}},
        "costs": {EAR: cost, "stfpm": cost, "padim-wrn50": cost},
        "timings": {
            "stfpm torch-fp32 1": slower,
            "ear torch-fp32 1": figures,
            "stfpm onnx-int8 1": {"error": "ModelError: no room"},
        },
    }


def test_tables_put_ear_first_and_name_what_failed() -> None:
    lines = cells(content())
    assert [line[0] for line in lines] == ["EAR", "STFPM, ResNet-18"]
    assert dict(zip(HEAD, lines[1], strict=True)) | {"x EAR": "20", "images/s": "2.5", "GFLOP": "2"} == dict(
        zip(HEAD, lines[1], strict=True)
    )
    assert len(short_cells(content())[0]) < len(HEAD)
    assert failures(content()) == {
        "STFPM, ResNet-18, ONNX Runtime int8, 1 threads": "ModelError: no room",
        "PaDiM, WideResNet-50, exported": "its weights exceed one ONNX file",
    }
    page = markdown(content())
    assert "random weights" in page
    assert "| STFPM, ResNet-18 | torch fp32 | 1 | 400 |" in page


def test_the_roofline_is_a_picture_of_what_was_timed() -> None:
    drawn = roofline(content(), 1)
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert roofline(content(), 2) is None
    assert Engine("onnx", "int8").graph == "int8.onnx"
