"""The notebooks run from the first cell to the last, with fewer steps, and are kept without outputs."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FEWER = {
    "steps=100": "steps=2",
    "tuning=50": "tuning=1",
    "Detector(size=": "Detector(few, size=",
    "train=45": "train=24",
    "(128, 128)": "(64, 64)",
}
"""What a notebook says, and what is run in its place: each training takes its time."""

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


BEGIN = """%reset -f
import tests.small_lessons
from excision.settings import AttentionSettings, Settings
few = Settings(attention=AttentionSettings(tuning=1))
"""


def test_each_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat

    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]  # type: ignore[no-untyped-call]
    for notebook in notebooks:
        assert sum("steps=100" in cell["source"] for cell in notebook["cells"]) == 1
        for cell in notebook["cells"]:
            for usual, fewer in FEWER.items():
                cell["source"] = cell["source"].replace(usual, fewer)
    run(notebooks, tmp_path, monkeypatch)
    for notebook in notebooks:
        outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
        assert any("image/png" in output.get("data", {}) for output in outputs)
        assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


def run(notebooks: list[Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute notebooks in one kernel, which sees the sources of this checkout; each begins without names."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    # The kernel must not find what a developer has configured, nor a window to draw in.
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    sources = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sources))
    whole = new_notebook(metadata=notebooks[0]["metadata"])  # type: ignore[no-untyped-call]
    for notebook in notebooks:
        whole["cells"] += [new_code_cell(BEGIN), *notebook["cells"]]  # type: ignore[no-untyped-call]
    client = NotebookClient(whole, timeout=120, resources={"metadata": {"path": str(folder)}})
    asyncio.run(client.async_execute())
