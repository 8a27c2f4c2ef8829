"""The ONNX operators that a feature network may use, on tensors.

Each function takes the inputs, None for one that is left out, and the attributes, and follows the definition
of its operator at https://onnx.ai/onnx/operators. What ONNX gives as an input but must be known before the
graph runs, such as the axes of a mean, is an attribute here.
"""

from __future__ import annotations

from importlib import import_module

from excision.features.graph.operators.registry import CONSTANT_INPUTS, OPERATORS

__all__ = ["CONSTANT_INPUTS", "OPERATORS"]

for _name in ("arithmetic", "layers", "layout"):
    import_module(f"{__name__}.{_name}")
