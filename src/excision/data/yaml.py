"""YAML files of other programs, without what makes YAML dangerous: objects, aliases, and repeated keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from excision.data.text import read_text
from excision.errors import DatasetError

_MOST_BYTES = 2**18
"""A file of folders and class names has a few kilobytes."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        DatasetError: it cannot be read, is no YAML, or uses aliases or repeated keys.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """A loader that refuses what a person would not write."""

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            if self.check_event(yaml.AliasEvent):
                raise DatasetError(
                    f"{path}: uses YAML aliases (*name), which are not read; write the values out"
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(names)) < len(names):
                raise DatasetError(f"{path}: a key occurs twice in the YAML; keep one of the two")
            return super().construct_mapping(node, deep)

    text = read_text(path, _MOST_BYTES)
    try:
        return yaml.load(text, Loader)
    except RecursionError as error:
        raise DatasetError(f"{path}: the YAML is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DatasetError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from error
