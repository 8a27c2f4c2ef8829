"""Print the rooms of the package, the import arrows between them, and the circles.

    python tools/structure.py [SOURCES]

A room is a folder or a module directly in the package, or directly in a large room. An arrow is one room
importing from another, at the head of a module or inside a function. Imports under `if TYPE_CHECKING` never
run: they are counted, but make no circle. The few modules that are named in a string and imported by
`import_module` are not seen.

Ends with 1 if modules or rooms import each other in a circle, if a room imports from a floor above its own,
or if the root holds too many modules.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FACE = "__init__"
"""The room of a package's own `__init__.py`: it holds the version, so all may import it."""

FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "": (
        ("version", "errors"),
        ("system", "ops", "progress"),
        ("storage",),
        ("data", "predictions", "visualization"),
        ("features", "synthetic", "tiling"),
        ("settings",),
        ("training",),
        ("method",),
        ("estimator", "runtime"),
        ("detector", "baselines"),
        ("export", "evaluation"),
        ("inspection",),
        ("registry",),
        ("cluster",),
        ("jobs", "tracking"),
        ("capability",),
        ("report",),
        ("cameras", "signals"),
        ("station", "benchmark", "fleet"),
        ("cli",),
        ("__main__",),
    ),
    "method": (
        ("calibration", "folder_kinds", "format_1", "parameters", "suspects"),
        ("stored_calibration",),
        ("few_images", "fitness", "unused_features"),
        ("masking", "run_folder", "run_record", "run_start", "warm_start", "model_facts"),
        ("recovery",),
        ("attention", "scoring"),
        ("pipeline",),
        ("normal_images", "normal_statistics", "calibration_scores", "cross_fitting", "cross_calibration"),
        ("suspect_search", "inference"),
        ("fitting", "fold_training", "stored_weights"),
    ),
    "station": (
        ("lock", "client", "store"),
        ("models", "drift", "outbox", "people", "alarms"),
        ("station_file",),
        ("parts", "quality"),
        ("work", "hot_folder", "hub"),
        ("improve",),
        ("station",),
        ("line",),
        ("api",),
        ("pages",),
    ),
}
"""The rooms of the package and of its large rooms, from the ground up.

A room imports from its own floor and from those below."""

MOST_IN_ROOT = 8
"""Modules directly in the package."""


_HOLDING = (ast.stmt, ast.excepthandler, ast.match_case)
"""Nodes that are statements, or hold some."""


@dataclass(frozen=True, order=True)
class Import:
    """One module imports another."""

    source: str
    target: str
    line: int
    lazy: bool
    for_types: bool


def find_modules(package: Path) -> dict[str, Path]:
    """Give the modules of the package in a folder by their dotted names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == FACE else parts)] = path
    return found


def _statements(
    nodes: Iterable[ast.AST], lazy: bool = False, for_types: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """Walk through import statements, and say whether a function runs them and whether they are for types."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, lazy, for_types
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from _statements(node.body, lazy, True)
            yield from _statements(node.orelse, lazy, for_types)
        else:
            inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            # No expression holds a statement, and nearly all nodes are of expressions.
            parts = (part for part in ast.iter_child_nodes(node) if isinstance(part, _HOLDING))
            yield from _statements(parts, inside, for_types)


def _targets(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
        return
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, base]).rstrip(".")
    yield from (f"{base}.{name.name}" for name in node.names)


def read_imports(modules: Mapping[str, Path], outside: Iterable[str] = ()) -> list[Import]:
    """Read which modules import each other; a name imported from a module counts as that module.

    Args:
        modules: of the package.
        outside: other packages whose imports are wanted as well, as a whole.
    """
    found = set()
    for module, path in modules.items():
        package = module if path.stem == FACE else module.rpartition(".")[0]
        for node, lazy, for_types in _statements([ast.parse(path.read_text(encoding="utf-8"))]):
            for name in _targets(node, package):
                above = name.rpartition(".")[0], name.partition(".")[0]
                target = next((one for one in (name, above[0]) if one in modules), above[1])
                if target != module and (target in modules or target in outside):
                    found.add(Import(module, target, node.lineno, lazy, for_types))
    return sorted(found)


def find_circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Find the strongly connected components of two or more members, by Tarjan's algorithm."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles = []

    def visit(one: str) -> None:
        number[one] = lowest[one] = len(number)
        stack.append(one)
        for other in sorted(arrows.get(one, ())):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[one] = min(lowest[one], lowest[other])
        if lowest[one] == number[one]:
            at = stack.index(one)
            if len(stack) - at > 1:
                circles.append(sorted(stack[at:]))
            del stack[at:]

    for one in sorted(arrows):
        if one not in number:
            visit(one)
    return circles


class House:
    """The rooms of one package, or of one large room in it, and what they import from each other."""

    def __init__(self, name: str, modules: Mapping[str, Path], imports: Iterable[Import]) -> None:
        self.name = name
        self._depth = name.count(".") + 1
        self.rooms: dict[str, list[str]] = defaultdict(list)
        for module in modules:
            if self._inside(module):
                self.rooms[self.room(module)].append(module)
        self.arrows: dict[tuple[str, str], list[Import]] = defaultdict(list)
        self._for_types: set[tuple[str, str]] = set()
        for one in imports:
            if self._inside(one.source) and self._inside(one.target):
                ends = self.room(one.source), self.room(one.target)
                if ends[0] != ends[1] and one.for_types:
                    self._for_types.add(ends)
                elif ends[0] != ends[1]:
                    self.arrows[ends].append(one)
        self.floors = {
            room: floor
            for floor, rooms in enumerate(FLOORS.get(name.partition(".")[2], ()))
            for room in rooms
        }

    def _inside(self, module: str) -> bool:
        return module == self.name or module.startswith(f"{self.name}.")

    def room(self, module: str) -> str:
        """Give the room of a module."""
        return ([*module.split("."), FACE])[self._depth]

    @property
    def homeless(self) -> list[str]:
        """Rooms that FLOORS does not name."""
        return sorted(room for room in self.rooms if room not in self.floors and room != FACE)

    @property
    def upwards(self) -> list[Import]:
        """Imports from a floor above."""
        return [
            one
            for (source, target), imports in sorted(self.arrows.items())
            for one in imports
            if self.floors.get(target, 0) > self.floors.get(source, len(self.floors))
        ]

    @property
    def loops(self) -> list[list[str]]:
        """Rooms that import each other in a circle, though no module of theirs need do so."""
        targets: dict[str, set[str]] = defaultdict(set)
        for source, target in self.arrows:
            targets[source].add(target)
        return find_circles(targets)

    def table(self) -> str:
        """Write the rooms from the top floor to the ground, with the rooms that each imports from."""
        lines = [f"{'floor':>5}  {'room':<18}{'modules':>7}  imports from"]
        for room in sorted(self.rooms, key=lambda one: (-self.floors.get(one, -1), one)):
            floor = str(self.floors.get(room, "0" if room == FACE else "?"))
            below = " ".join(sorted(target for source, target in self.arrows if source == room))
            lines.append(f"{floor:>5}  {room:<18}{len(self.rooms[room]):>7}  {below}".rstrip())
        return "\n".join(lines)

    def summary(self) -> str:
        """Count rooms and arrows."""
        upwards = {(self.room(one.source), self.room(one.target)) for one in self.upwards}
        counts = (
            f"{len(self.rooms)} rooms, {len(self.arrows)} arrows "
            f"and {len(self._for_types - set(self.arrows))} for types alone, {len(upwards)} upwards"
        )
        loops = "".join(f"\n  rooms that import each other: {', '.join(loop)}" for loop in self.loops)
        return f"{self.name}: {counts}{loops}"


def module_circles(imports: Iterable[Import]) -> list[list[str]]:
    """Find modules that import each other in a circle."""
    targets: dict[str, set[str]] = defaultdict(set)
    for one in imports:
        if not one.for_types:
            targets[one.source].add(one.target)
    return find_circles(targets)


def find_faults(package: Path, modules: Mapping[str, Path], imports: list[Import]) -> list[str]:
    """Say what breaks the rules, one line each."""
    faults = [f"circle: {', '.join(circle)}" for circle in module_circles(imports)]
    for name in FLOORS:
        house = House(".".join([package.name, name]).rstrip("."), modules, imports)
        faults += [f"upwards: {one.source}:{one.line} imports {one.target}" for one in house.upwards]
        faults += [f"rooms in a circle: {', '.join(loop)}" for loop in house.loops]
        faults += [f"no floor: {house.name}.{room}; give it one in FLOORS" for room in house.homeless]
    in_root = [path for path in modules.values() if path.parent == package]
    if len(in_root) > MOST_IN_ROOT:
        faults.append(f"{len(in_root)} modules in the package's root: at most {MOST_IN_ROOT} are allowed")
    return faults


def main(sources: str | None = None) -> int:
    """Print the structure and give the exit code."""
    package = Path(sources) if sources else Path(__file__).parent.parent / "src" / "excision"
    modules = find_modules(package)
    imports = read_imports(modules)
    for name in FLOORS:
        house = House(".".join([package.name, name]).rstrip("."), modules, imports)
        if house.rooms:
            print(f"{house.table()}\n{house.summary()}\n")
    in_root = sum(path.parent == package for path in modules.values())
    print(f"{len(modules)} modules, {in_root} of them in the root; {len(module_circles(imports))} circles")
    faults = find_faults(package, modules, imports)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
