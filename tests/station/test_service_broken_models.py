"""Folders that are not as described never take over a running station, whatever is wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from excision.errors import ModelError
from excision.runtime.golden_file import GOLDEN, Golden
from excision.runtime.model_folder import DESCRIPTION, Description
from excision.runtime.trial import try_out
from tests.station.conftest import Service, Start, serve
from tests.station.lines import until

GRAPH = "model.onnx"


def described(**change: Any) -> Callable[[Path], None]:
    """Change the description as a forger would: without hashes, as in earlier releases."""

    def apply(folder: Path) -> None:
        content = json.loads((folder / DESCRIPTION).read_text())
        del content["files"], content["checksum"]
        content |= {"format": 2, **change}
        (folder / DESCRIPTION).write_text(json.dumps(content))

    return apply


def edited(folder: Path) -> None:
    content = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**content, "minimum_area": 7}))


def golden(change: Callable[[Golden], Golden]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        change(Golden.load(folder)).save(folder)
        Description.load(folder).sealed(folder).save(folder)

    return apply


def hungry(folder: Path) -> None:
    """Have the graph compute with 400 TB of zeros."""
    model = onnx.load(folder / GRAPH)
    model.graph.initializer.append(numpy_helper.from_array(np.array([10**7, 10**7]), "shape_of_zeros"))
    for node in model.graph.node:
        node.output[:] = ["part_of_score" if name == "score" else name for name in node.output]
    model.graph.node.extend(
        [
            helper.make_node("ConstantOfShape", ["shape_of_zeros"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum_of_zeros"], keepdims=0),
            helper.make_node("Add", ["part_of_score", "sum_of_zeros"], ["score"]),
        ]
    )
    (folder / GRAPH).write_bytes(model.SerializeToString())
    Description.load(folder).sealed(folder).save(folder)


def elsewhere(folder: Path) -> None:
    shutil.move(folder / GRAPH, folder.parent.parent / GRAPH)
    (folder / GRAPH).symlink_to(folder.parent.parent / GRAPH)


def linked(folder: Path) -> None:
    shutil.move(folder, folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


def resized(folder: Path) -> None:
    Image.new("L", (7, 5), 255).save(folder / "region.png")
    described()(folder)


def replaced_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


def flat(value: float) -> Callable[[Golden], Golden]:
    return lambda known: Golden(known.images, known.scores, np.full_like(known.maps, value))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "huge": (described(size=[100_000, 100_000]), "no model has more than"),
    "other_size": (described(size=[32, 32]), "do not belong together"),
    "other_channels": (described(channels=3), "its images have not 3 channels"),
    "no_size": (described(size=None), "model.json"),
    "area": (described(minimum_area=10**9), "minimum_area"),
    "backend": (described(backend="x"), "model.json"),
    "later": (described(format=99), "later than"),
    "calibration": (described(calibration={"threshold": 1e-9}), "calibration"),
    "edited": (edited, "checksum"),
    "region": (resized, "region.png"),
    "graph": (lambda folder: (folder / GRAPH).write_bytes(b"x"), GRAPH),
    "no_graph": (lambda folder: (folder / GRAPH).unlink(), GRAPH),
    "no_golden": (lambda folder: (folder / GOLDEN).unlink(), GOLDEN),
    "maps": (golden(flat(9.0)), "differ from torch"),
    "not_finite": (golden(flat(np.nan)), "not finite"),
    "sizes": (golden(lambda g: Golden(g.images[:, 1:], g.scores, g.maps[:, 1:])), GOLDEN),
    "hungry": (hungry, "the backend failed"),
    "outside": (elsewhere, "leads out of the model's folder"),
    "linked": (linked, "leads out of the station's folder"),
    "a_file": (replaced_by_a_file, "no model 'a_file'"),
}


def in_use(service: Service) -> Any:
    return service.json("GET", "/v1/models/fabric")[1]


def test_no_broken_folder_takes_over(start: Start, line: Path, pictures: list[Path], tmp_path: Path) -> None:
    below = tmp_path / "models"
    for name, (damage, _) in BROKEN.items():
        shutil.copytree(line, below / name)
        damage(below / name)
    service = start("--models", below)
    before, found = in_use(service), service.client.inspect(pictures[0])
    for name, (_, reason) in BROKEN.items():
        status, answer = service.json("POST", "/v1/models/fabric/load", {"folder": name})
        assert (status, reason in answer.get("detail", "")) == (422, True), (name, answer)
        assert "\n" not in answer["detail"] and "Traceback" not in answer["detail"]
        assert in_use(service) == before
    again = service.client.inspect(pictures[0])
    assert (again.score, again.model_version) == (found.score, found.model_version)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_no_broken_folder_takes_over_in_place_or_starts(start: Start, line: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fabric"
    shutil.copytree(line, folder)
    log = tmp_path / "log"
    service = start(model=folder, log=log)
    before = in_use(service)
    for count, name in enumerate(("huge", "maps", "edited", "no_golden"), start=1):
        BROKEN[name][0](folder)
        service.process.send_signal(signal.SIGHUP)
        until(lambda count=count: log.read_text("utf-8").count("fabric is unchanged") == count)  # type: ignore[misc]  # mypy infers no type here
        assert in_use(service) == before
        done = serve(folder, "--data", tmp_path / name, "--port", 0)
        assert done.returncode == 2 and BROKEN[name][1] in done.stderr.replace("\n", " "), (name, done.stderr)
        shutil.copytree(line, folder, dirs_exist_ok=True)


def test_a_graph_that_crashes_or_never_ends_is_named(line: Path) -> None:
    try_out(line, 1)
    for code, seconds, reason in (
        (f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", 600.0, "crashed"),
        ("import time; time.sleep(600)", 0.5, "longer than 0.5 seconds"),
        ("raise MemoryError('no room')", 600.0, "no room"),
    ):
        begin = time.monotonic()
        with pytest.raises(ModelError, match=reason):
            try_out(line, 1, seconds, [sys.executable, "-c", code])
        assert time.monotonic() - begin < 300
    with pytest.raises(ModelError, match="no process could be started"):
        try_out(line, 1, 1.0, [os.devnull])
