"""A graph in OpenVINO: one image at a time, and bfloat16 where it does no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from excision.runtime.backend import MODEL_FILES, OUTPUTS, BackendName
from excision.runtime.model_folder import Description
from excision.runtime.openvino_backend import OpenVinoBackend
from excision.runtime.verification import Proof

Exports = dict[BackendName, tuple[Path, Proof]]


def surface(folder: Path, contrast: float, count: int = 1) -> NDArray[np.float32]:
    description = Description.load(folder)
    shape = (count, description.channels, *description.size)
    noise = np.random.default_rng(0).normal(size=shape)
    images: NDArray[np.float32] = (0.7 + contrast * noise).clip(0, 1).astype(np.float32)
    return images


Graphs = dict[Literal["fp32", "bf16"], OpenVinoBackend]


@pytest.fixture(scope="module")
def graphs(exports: Exports) -> Graphs:
    """The graph in each precision, computed by one thread: OpenVINO takes a second to compile each."""
    path = exports["openvino"][0] / MODEL_FILES["openvino"]
    return {
        "fp32": OpenVinoBackend(path, "fp32", threads=1),
        "bf16": OpenVinoBackend(path, "bf16", threads=1),
    }


def test_an_image_is_the_same_to_the_last_bit_in_any_batch(exports: Exports, graphs: Graphs) -> None:
    folder, graph = exports["openvino"][0], graphs["fp32"]
    images = surface(folder, 0.1, count=5)
    together = graph.run(images)
    assert set(together) == set(OUTPUTS)
    for place in range(5):
        alone = graph.run(images[place : place + 1])
        for name in OUTPUTS:
            np.testing.assert_array_equal(together[name][place], alone[name][0])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_part_of_the_graph_says_what_the_whole_says(
    exports: Exports, graphs: Graphs, precision: Literal["fp32", "bf16"]
) -> None:
    graph, images = graphs[precision], surface(exports["openvino"][0], 0.1)
    whole = graph.run(images)
    outputs: tuple[str, ...]
    for outputs in (("attention",), ("masked_image",), ("score", "anomaly_map")):
        part = graph.run(images, outputs)
        assert tuple(part) == outputs
        for name in outputs:
            np.testing.assert_allclose(part[name], whole[name], rtol=2e-2, atol=2e-2)


def test_in_bfloat16_an_even_surface_keeps_its_attention(exports: Exports, graphs: Graphs) -> None:
    """Eight bits hold hardly anything of one grey level, so the local normalisation must not use them."""
    for contrast in (0.004, 0.02):
        images = surface(exports["openvino"][0], contrast)
        full, half = (graph.run(images, ("attention",)) for graph in (graphs["fp32"], graphs["bf16"]))
        np.testing.assert_allclose(half["attention"], full["attention"], atol=0.08)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_several_at_once_give_what_one_gives(
    exports: Exports, graphs: Graphs, precision: Literal["fp32", "bf16"]
) -> None:
    folder, alone = exports["openvino"][0], graphs[precision]
    several = OpenVinoBackend(folder / MODEL_FILES["openvino"], precision, 1, workers=3)
    images = [surface(folder, contrast) for contrast in (0.01, 0.03, 0.1, 0.2) * 3]
    expected = [alone.run(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for found, each in zip(pool.map(several.run, images), expected, strict=True):
            for name in OUTPUTS:
                np.testing.assert_array_equal(found[name], each[name])


def test_as_many_are_computed_at_once_as_there_are_workers(exports: Exports) -> None:
    graph = OpenVinoBackend(exports["openvino"][0] / MODEL_FILES["openvino"], "fp32", 1, workers=3)
    for part in graph._compiled(OUTPUTS):
        # OpenVINO computes no more at once than there are cores.
        assert part.compiled.get_property("NUM_STREAMS") == min(3, os.cpu_count() or 1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_results_stay_as_they_are_when_another_image_is_inspected(
    exports: Exports, graphs: Graphs, precision: Literal["fp32", "bf16"]
) -> None:
    folder, graph = exports["openvino"][0], graphs[precision]
    found = graph.run(surface(folder, 0.02))
    before = {name: values.copy() for name, values in found.items()}
    other = graph.run(surface(folder, 0.2))
    assert not np.array_equal(other["anomaly_map"], found["anomaly_map"])
    for name in OUTPUTS:
        np.testing.assert_array_equal(found[name], before[name])


def test_threads_that_infer_first_at_once_do_not_wait_forever(exports: Exports) -> None:
    """In a process of its own, where nothing has been inferred yet."""
    graph, images = exports["openvino"][0] / MODEL_FILES["openvino"], surface(exports["openvino"][0], 0.1)
    code = f"""
import sys, threading
from pathlib import Path
import numpy as np
from excision.runtime.openvino_backend import OpenVinoBackend

graph = OpenVinoBackend(Path({str(graph)!r}), "fp32", threads=1)
images, together = np.zeros({images.shape}, np.float32), threading.Barrier(8)
sys.setswitchinterval(1e-6)

def infer():
    together.wait()
    graph.run(images)

threads = [threading.Thread(target=infer) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
