"""Exports the whole method as one graph, from the image to the anomaly map, the score and every stage."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.export import attention_graph, edge_graph, recovery_graph
from excision.export.early_exit import ADDED
from excision.export.recording.model import record_model
from excision.export.recording.recorder import UnrecordableError
from excision.export.traced import save_traced
from excision.method.attention.networks import InstanceNorm
from excision.method.pipeline import Pipeline
from excision.runtime.backend import INPUT, OUTPUTS
from excision.system.files import atomic_path

OPSET = 20


class Graph(nn.Module):
    """The pipeline in the form that is exported.

    Args:
        pipeline: trained pipeline; it is copied.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = copy.deepcopy(pipeline).cpu().eval()
        size, settings = pipeline.image_format.size, pipeline.settings
        self.pipeline.attention = attention_graph.for_graph(self.pipeline.attention, size)
        self.pipeline.recovery = recovery_graph.for_graph(self.pipeline.recovery, settings)
        self.pipeline.scorer.describe_edges = edge_graph.edge_features
        for module in list(self.pipeline.modules()):
            for name, child in module.named_children():
                if isinstance(child, InstanceNorm):
                    setattr(module, name, _InstanceNorm(child))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Inspect images (B, C, H, W) in [0, 1].

        Returns:
            `OUTPUTS` in their order, the mask as 0 and 1; and `ADDED`.
        """
        stages, added = self.pipeline.inspect_in_parts(image)
        shown = stages._replace(mask=stages.mask.to(image.dtype))._asdict()
        return *(shown[name] for name in OUTPUTS), added


class _InstanceNorm(nn.Module):
    """Instance normalisation for a batch of any size, without the loop that a graph cannot express."""

    def __init__(self, norm: InstanceNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, features: Tensor) -> Tensor:
        return functional.instance_norm(features, weight=self.weight, bias=self.bias)


def write_onnx(pipeline: Pipeline, path: Path) -> None:
    """Write the graph as ONNX, for batches of any size and images of the size of the model.

    Args:
        pipeline: trained pipeline.
        path: path of the file; `ADDED` is among its outputs.
    """
    image_format, generator = pipeline.image_format, torch.Generator().manual_seed(0)
    graph, outputs = Graph(pipeline).eval(), [*OUTPUTS, ADDED]

    def example(images: int) -> Tensor:
        return torch.rand(images, image_format.channels, *image_format.size, generator=generator)

    with atomic_path(path) as temporary:
        try:
            recorded = record_model(graph, example, INPUT, outputs, OPSET)
        except UnrecordableError:
            save_traced(graph, example, temporary, INPUT, outputs, OPSET)
        else:
            temporary.write_bytes(recorded.SerializeToString())
