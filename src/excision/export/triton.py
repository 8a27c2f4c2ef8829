"""Export to a model of Triton Inference Server: an exported folder as its version, and `config.pbtxt`.

The layout and the entries of the file are those of "Model Repository" and "Model Configuration" in the
documentation of Triton Inference Server, NVIDIA, 2024.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset
from excision.export.export import check_wish, export
from excision.ops.unit_range import to_unit
from excision.progress import Progress, StageProgress, of_stage
from excision.runtime.backend import INPUT, OUTPUTS, Backend, Precision
from excision.runtime.backends import open_backend
from excision.runtime.golden_file import Golden
from excision.runtime.model_folder import Description
from excision.runtime.verification import Proof
from excision.system.files import write_text

CONFIGURATION = "config.pbtxt"
VERSION = "1"
MOST_TOGETHER = 8
"""Images in one batch at most."""

_HEAD = """\
# A model of Triton Inference Server. The folder {version} beside this file is one of `excision export`: its
# model.json holds the thresholds.
backend: "onnxruntime"
# In batches of up to so many images, each was proven to have the scores that it has alone.
max_batch_size: {together}
"""

_TAIL = """\
# The server makes batches of requests that wait; none waits for another one.
dynamic_batching { }
# Images that are inspected at once: as many as the server may use cores, with one thread each.
instance_group [ { count: 2 kind: KIND_CPU } ]
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


class Repository(NamedTuple):
    """What was written.

    Attributes:
        proof: how far the model differs from torch.
        together: images in one batch at most.
    """

    proof: Proof
    together: int


def export_triton(
    run: Path,
    dataset: Dataset | str | Path,
    out: Path,
    *,
    precision: Precision = "fp32",
    allow_drift: float | None = None,
    stage: StageProgress | None = None,
) -> Repository:
    """Export a trained run as a model in the model repository of a Triton Inference Server.

    Args:
        run: run folder.
        dataset: data set that the run was trained on.
        out: folder of the model to write; the repository is the folder around it. It must be empty or not
            exist.
        precision: "fp32" or "int8".
        allow_drift: as for `export`.
        stage: called with (stage, done, total).

    Raises:
        ModelError: the run is not finished, or the exported model drifts too far; `out` is then removed.
        SettingsError: `out` is not empty, or the precision is another one.
    """
    check_wish(out, "onnx", precision)
    try:
        version = out / VERSION
        proof = export(run, dataset, version, precision=precision, allow_drift=allow_drift, stage=stage)
        graph = open_backend(version, "onnx", precision, threads=1)
        together = largest_batch(graph, Golden.load(version).images, of_stage(stage, "proving batches"))
        write_text(out / CONFIGURATION, configuration(Description.load(version), together))
        return Repository(proof, together)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def largest_batch(graph: Backend, images: NDArray[np.uint16], tell: Progress | None = None) -> int:
    """Find up to which size of a batch every image has the outputs that it has alone, bit for bit.

    Args:
        graph: the exported graph.
        images: (N, H, W, C) working images, which are repeated where a batch is larger.
        tell: called with (done, total).

    Returns:
        1 to `MOST_TOGETHER`; every smaller batch has the same outputs, too.
    """
    units = np.ascontiguousarray(to_unit(images).transpose(0, 3, 1, 2))
    alone = [graph.run(units[number : number + 1]) for number in range(len(units))]
    for size in range(2, MOST_TOGETHER + 1):
        # Begins with another image each time, so that an image has several places in batches.
        chosen = [(number + size) % len(units) for number in range(size)]
        found = graph.run(np.ascontiguousarray(units[chosen]))
        for place, number in enumerate(chosen):
            if any(found[name][place].tobytes() != alone[number][name][0].tobytes() for name in OUTPUTS):
                return size - 1
        if tell is not None:
            tell(size, MOST_TOGETHER)
    return MOST_TOGETHER


def configuration(description: Description, together: int) -> str:
    """Give the text of `config.pbtxt`; the model has the name of its folder.

    Args:
        description: of its exported folder.
        together: images in one batch at most.
    """
    height, width = description.size
    image, plane = (description.channels, height, width), (1, height, width)
    whole = (INPUT, "masked_image", "recovery")
    ports = [_port("input", INPUT, image)]
    for output in OUTPUTS:
        shape = (1,) if output == "score" else image if output in whole else plane
        # The graph gives one number for each image; Triton has no arrays without a dimension.
        ports.append(_port("output", output, shape, " reshape { shape: [ ] }" if output == "score" else ""))
    head = _HEAD.format(together=together, version=VERSION)
    return head + "".join(ports) + _TAIL


def _port(kind: str, name: str, shape: tuple[int, ...], more: str = "") -> str:
    sides = ", ".join(map(str, shape))
    return f'{kind} [ {{ name: "{name}" data_type: TYPE_FP32 dims: [ {sides} ]{more} }} ]\n'
