"""What a line PC gets: the wheel alone, in an environment of its own without torch."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from excision import Detector
from excision.runtime.golden_file import Golden
from excision.runtime.inspector import Inspector

ROOT = Path(__file__).parents[2]

_CODE = """
import importlib.util, sys, numpy
from excision.runtime import Inspector
assert importlib.util.find_spec("torch") is None
found = Inspector(sys.argv[1]).inspect(numpy.load(sys.argv[2]))
print(repr(found.score), found.verdict)
"""


def _needed(own: Distribution) -> list[Distribution]:
    """Give all that a package needs, without extras, of what is installed here."""
    found: dict[str, Distribution] = {}
    looked_at = [own]
    while looked_at:
        for line in looked_at.pop().requires or ():
            need = Requirement(line)
            name = canonicalize_name(need.name)
            if name not in found and (need.marker is None or need.marker.evaluate({"extra": ""})):
                found[name] = distribution(name)
                looked_at.append(found[name])
    return list(found.values())


def _installed(line_pc: Path) -> tuple[Path, Distribution]:
    """Give the folder of packages, and the wheel that was installed there."""
    (site,) = line_pc.glob("lib/python*/site-packages")
    (own,) = distributions(name="excision", path=[str(site)])
    return site, own


@pytest.fixture(scope="module")
def line_pc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of an environment that holds what `pip install excision` brings, and nothing else.

    Only the wheel is installed: what it needs is linked from here, which takes a tenth of the time.
    """
    folder = tmp_path_factory.mktemp("line_pc")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(ROOT)], check=True, timeout=300)
    (wheel,) = folder.glob("excision-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    install = ["install", "--no-deps", "--no-compile", str(wheel)]
    subprocess.run([*pip, "--python", str(python), *install], check=True, timeout=300)
    site, own = _installed(folder / "venv")
    for each in _needed(own):
        for name in {file.parts[0] for file in each.files or ()} - {"..", "__pycache__"}:
            if not (site / name).exists():
                (site / name).symlink_to(Path(str(each.locate_file(name))))
    return folder / "venv"


def _excision(line_pc: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(line_pc / "bin" / "excision"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=120)


def test_the_wheel_inspects_without_torch(
    line_pc: Path, run: Path, exported_onnx: Path, parts: Path, tmp_path: Path
) -> None:
    image = Golden.load(exported_onnx).images[-1][..., 0]
    np.save(tmp_path / "image.npy", image)
    code = [str(line_pc / "bin" / "python"), "-c", _CODE, str(exported_onnx), str(tmp_path / "image.npy")]
    done = subprocess.run(code, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    here = Inspector(exported_onnx).inspect(image)
    assert done.stdout.split() == [repr(here.score), here.verdict]
    (torch_says,) = Detector.load(run, device="cpu").predict([image])
    assert here.score == pytest.approx(torch_says.score, rel=1e-3)

    normals = next(path for path in parts.rglob("good") if path.is_dir())
    for verb in (
        ["verify", str(exported_onnx)],
        ["inspect", str(exported_onnx), str(normals), "--out", str(tmp_path / "results")],
    ):
        done = _excision(line_pc, tmp_path, *verb)
        assert done.returncode in (0, 1), done.stderr
    assert (tmp_path / "results" / "report.html").is_file()
    refused = _excision(line_pc, tmp_path, "train", str(parts), "--out", str(tmp_path / "run"))
    assert refused.returncode == 2
    assert "excision[train]" in refused.stderr


def test_the_install_stays_small(line_pc: Path) -> None:
    _, own = _installed(line_pc)
    files = [Path(str(file.locate())) for each in (own, *_needed(own)) for file in each.files or ()]
    # onnxruntime, numpy and what it brings take most of it.
    assert sum(file.stat().st_size for file in files if file.exists()) < 320e6
