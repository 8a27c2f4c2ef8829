"""The rules of the plan: which room may know which, and what an inspection must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

import excision
from tools.structure import MOST_IN_ROOT, Import, find_circles, find_modules, module_circles, read_imports

PACKAGE = Path(excision.__file__).parent
MODULES = find_modules(PACKAGE)

WITHOUT_TORCH = ("excision.runtime", "excision.inspection", "excision.storage", "excision.cluster")
LOADING = "excision.inspection.loading"
"""The one module that may open a run folder, and so reach the detector, inside a function."""


@cache
def imports_of_all() -> list[Import]:
    """Read them once, in the process that tests them: every one that collects has seconds to save."""
    return read_imports(MODULES, outside=["torch"])


def inside(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def reached(start: str, imports: Iterable[Import]) -> set[str]:
    """Modules that one module imports, directly or through others, now or later."""
    targets: dict[str, set[str]] = {}
    for one in imports:
        if not one.for_types:
            targets.setdefault(one.source, set()).add(one.target)
    found, waiting = set[str](), [start]
    while waiting:
        new = targets.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def torch_faults(imports: Iterable[Import]) -> list[str]:
    """Ways from the torch-free rooms to torch.

    A module that itself imports torch inside one function is no such way: `system.files` writes tensors, and
    nobody without a tensor calls that.
    """
    imports = [one for one in imports if not one.for_types]
    direct = [one for one in imports if one.target == "torch" and inside_any(one.source)]
    faults = [f"{one.source}:{one.line} imports torch" for one in direct]
    heads = [one for one in imports if not (one.target == "torch" and one.lazy)]
    allowed = [
        one for one in heads if one.source == LOADING and one.lazy and one.target == "excision.detector"
    ]
    for module in MODULES:
        if inside_any(module) and "torch" in reached(module, [one for one in heads if one not in allowed]):
            faults.append(f"{module} reaches torch")
    return faults


def inside_any(module: str) -> bool:
    return any(inside(module, room) for room in WITHOUT_TORCH)


def test_no_module_imports_itself_through_others() -> None:
    assert len(MODULES) > 200
    assert module_circles(imports_of_all()) == []


def test_a_circle_is_found_through_a_function(tmp_path: Path) -> None:
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from house import b")
    (package / "b.py").write_text("def later() -> None:\n    from .c import d\n")
    (package / "c.py").write_text("from house.a import anything\nd = 1")
    (package / "e.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.f import g\n"
    )
    (package / "f.py").write_text("import house.e\ng = 1")
    found = read_imports(find_modules(package))
    assert module_circles(found) == [["house.a", "house.b", "house.c"]]
    assert [(one.source, one.target) for one in found if one.lazy] == [("house.b", "house.c")]
    assert [(one.source, one.target) for one in found if one.for_types] == [("house.e", "house.f")]
    script = [sys.executable, "tools/structure.py", str(package)]
    done = subprocess.run(script, cwd=PACKAGE.parent.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "circle: house.a, house.b, house.c" in done.stderr


@pytest.mark.parametrize(
    ("arrows", "circles"),
    [
        ({"a": "b", "b": "c", "c": ""}, []),
        ({"a": "b", "b": "a", "c": "ad", "d": "e", "e": "c"}, [["a", "b"], ["c", "d", "e"]]),
        ({"a": "bc", "b": "d", "c": "d", "d": "a"}, [["a", "b", "c", "d"]]),
    ],
)
def test_circles_are_strongly_connected_components(
    arrows: dict[str, Iterable[str]], circles: list[list[str]]
) -> None:
    assert find_circles(arrows) == circles


def test_inspecting_reaches_no_torch() -> None:
    assert torch_faults(imports_of_all()) == []


@pytest.mark.parametrize(
    "fault",
    [
        Import("excision.runtime.inspector", "torch", 1, lazy=True, for_types=False),
        Import("excision.inspection.table", "excision.ops.resampling", 1, lazy=True, for_types=False),
        Import("excision.inspection.batch", "excision.detector", 1, lazy=True, for_types=False),
        Import("excision.inspection.batch", LOADING, 1, lazy=False, for_types=False),
        Import(LOADING, "excision.detector", 1, lazy=False, for_types=False),
    ],
    ids=lambda fault: f"{fault.source}-{fault.target}",
)
def test_a_way_to_torch_is_found(fault: Import) -> None:
    found = torch_faults([*imports_of_all(), fault])
    # Whoever imports the loading module may go no further than it does itself: inside a function.
    assert bool(found) is (fault.target != LOADING)


@pytest.mark.parametrize(
    "code",
    [
        "from excision.runtime import Inspector",
        "".join(f"import {module}\n" for module in MODULES if inside_any(module)),
    ],
    ids=["Inspector", "every module"],
)
def test_importing_what_inspects_loads_no_torch(code: str) -> None:
    code += "\nimport sys; assert 'excision.runtime' in sys.modules; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_data_knows_no_settings() -> None:
    knowing = [
        module
        for module in MODULES
        if inside(module, "excision.data")
        and any(inside(one, "excision.settings") for one in reached(module, imports_of_all()))
    ]
    assert knowing == []


@pytest.mark.parametrize("room", ["method", "ops"])
def test_a_room_that_inspecting_enters_imports_nothing_by_itself(room: str) -> None:
    """Inspecting imports `method.calibration` and `ops.connected_components`: their package is free."""
    body = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(body) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_few_modules_stand_in_the_root() -> None:
    in_root = [path.name for path in PACKAGE.glob("*.py")]
    assert "__init__.py" in in_root
    assert len(in_root) <= MOST_IN_ROOT
