"""Exports a module with torch's own exporter: the way for what is not recorded."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from excision.export.quiet import errors_alone
from excision.system.garbage import without_searches


def save_traced(
    module: nn.Module,
    example: Callable[[int], Tensor],
    path: Path,
    given: str,
    outputs: Sequence[str],
    opset: int,
) -> None:
    """Write a module as an ONNX model for batches of any size.

    Args:
        module: takes a tensor and returns a tuple of tensors.
        example: returns a batch of so many images.
        path: path of the file.
        given: name of the input of the model.
        outputs: names of its outputs.
        opset: version of ONNX's operators.
    """
    batch = torch.export.Dim("batch", min=1, max=1024)
    with torch.no_grad(), _quiet(), _quick():
        program = torch.onnx.export(
            module,
            (example(2),),  # with one image, the exporter would fix the batch size to 1
            input_names=[given],
            output_names=list(outputs),
            dynamic_shapes=({0: batch},),
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
        assert program is not None  # always returned with `dynamo`
        # Nobody needs to know where the sources lie on this machine, and equal models give equal files.
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()
        program.save(path, external_data=False)


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    """Spare the exporter two searches that find nothing: for garbage among its nodes, and for splits."""
    with without_searches(), _without_search_for_splits():
        yield


@contextlib.contextmanager
def _without_search_for_splits() -> Iterator[None]:
    """Have onnxscript's optimiser not look for pairs of slices that halve an array, of which there are none.

    For each of the thousands of nodes this rule goes through all nodes, in which the optimiser spent three
    quarters of its time.
    """
    try:
        from onnxscript.rewriter.rules.common import slice_split_rule
    except ImportError:  # of another version: it takes longer
        yield
        return
    own = vars(slice_split_rule)
    own["try_rewrite"] = lambda *_, **__: None
    try:
        yield
    finally:
        del own["try_rewrite"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress torch's messages about its internals, on which a user cannot act."""
    with errors_alone("torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
