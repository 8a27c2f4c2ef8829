"""The notebooks run from the first cell to the last, with fewer steps, and are kept without outputs."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed = run(path, tmp_path, monkeypatch)
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


def run(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Execute a notebook in a kernel of its own, which sees the sources of this checkout."""
    import nbformat
    from nbclient import NotebookClient

    # The kernel must not find what a developer has configured, nor a window to draw in.
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    sources = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sources))
    begin = folder / "ipython" / "profile_default" / "startup" / "small.py"
    begin.parent.mkdir(parents=True)
    begin.write_text("import tests.small_lessons")
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    (cell,) = [cell for cell in notebook["cells"] if "steps=100" in cell["source"]]
    cell["source"] = cell["source"].replace("steps=100", "steps=10")
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    asyncio.run(client.async_execute())
    return notebook
