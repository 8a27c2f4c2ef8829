"""What is recorded computes what torch computes, for batches of any size, and says what it cannot record."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import checker
from torch import Tensor, nn
from torch.nn import functional

from excision.export.graph import OPSET
from excision.export.recording.model import record_model
from excision.export.recording.recorder import UnrecordableError
from excision.export.traced import save_traced

Compute = Callable[[Tensor], Tensor]
_SHAPE = (4, 6, 8)
_WEIGHT = torch.linspace(-1, 1, 6 * 4 * 9).view(6, 4, 3, 3)
_ROW = torch.linspace(0.5, 2, 8)


def _joined(one: Tensor, other: Tensor) -> Tensor:
    joined = torch.cat((one, other, one + 1), dim=1)
    # What was joined does not change with what it was joined of.
    other.add_(1)
    return other + joined[:, 4:8, 0:, :8] * joined[:, :4] - joined[:, 8:] + joined[:, 1:5]


COMPUTED: dict[str, Compute] = {
    "scalars and types": lambda x: (2 - x * 3 + 1) / (x.abs() + 1) - 1 / (x + 3) + (x > 0.2) * 2 + (x <= 0.5),
    "two values": lambda x: torch.maximum(x, 1 - x) + torch.minimum(x, x * x),
    "powers": lambda x: x**2 + x.abs() ** 1.5 + x.square() + (x + 1).sqrt() + (x + 1).rsqrt(),
    "functions": lambda x: (
        x.exp() + (x + 1).log() + x.sin() + x.cos() + x.tanh() + x.sigmoid() + x.reciprocal()
    ),
    "activations": lambda x: (
        functional.silu(x)
        + functional.softsign(x - 0.5)
        + functional.gelu(x)
        + functional.relu6(8 * x)
        + functional.hardswish(4 * x)
    ),
    "limits": lambda x: x.clamp(0.2, 0.8) + x.clamp_min(0.3) + x.clamp_max(0.6) + x.clamp(min=_ROW - 1),
    "choice": lambda x: torch.where((x > 0.3) & ~(x > 0.7) | (x == 0), x, -x).masked_fill(x >= 0.9, 3.0),
    "in place": lambda x: (x * 1).add_(1).mul_(2).sub_(0.5).div_(3).clamp_(0.1, 0.9).sqrt_().relu_(),
    "reductions": lambda x: (
        x.mean(dim=(2, 3), keepdim=True)
        + x.sum(1, keepdim=True)
        + x.amax((1,), keepdim=True)
        + x.amin(-1, True)
    ),
    "all of an image": lambda x: x.flatten(1).sum(dim=1),
    "counted": lambda x: (x > 0.5).sum(dim=1).float() + (x > 0.5).cumsum(2).amax(1),
    "ordered": lambda x: x.flatten(1).topk(5, dim=1).values,
    "gathered": lambda x: x.gather(1, x.argmin(dim=1, keepdim=True)) + x.argmax(1, keepdim=True),
    "smallest": lambda x: x.min(dim=1).values + x.min(2, keepdim=True)[1][:, 0] + torch.min(x, 1 - x)[:, 0],
    "largest": lambda x: x.max(dim=1).values + x.max(2, keepdim=True)[1][:, 0] + torch.max(x, x * x)[:, 1],
    "chosen rows": lambda x: _WEIGHT[x[:, 0, 0, :6].argmin(1)] + x[:, 0, 0, 0, None, None, None],
    "layout": lambda x: x.permute(0, 2, 3, 1).reshape(-1, 6 * 8, 4).transpose(1, 2).contiguous() + 0,
    "views": lambda x: x.unsqueeze(1).squeeze(1).view(x.shape[0], 4, 48).view_as(x).flatten(2) * 2,
    "slices": lambda x: torch.cat(
        (x[:, 1:3], x[:, :, ::2].repeat(1, 1, 2, 1)[:, -2:], x[:, -1][:, None]), dim=1
    ),
    "dots and numbers": lambda x: (
        x[..., 2:-1][:, 0, 1] + x.narrow(3, 3, 5)[:, 1, 2] + x[:, :, None, 0, :5][:, 0, 0]
    ),
    "parts": lambda x: (
        sum(x.chunk(2, dim=1), start=torch.zeros(()))
        + torch.cat(torch.split(x, [1, 3], dim=1)[::-1], 1)[:, :2]
    ),
    "stacked": lambda x: torch.stack((x, x + 1, x * 2)).mean(dim=0) + torch.stack([x, x], dim=-1)[..., 0],
    "expanded": lambda x: x[:, :1].expand(-1, 5, -1, -1) * x[:, :1].expand(x.shape[0], 5, 6, 8),
    "turned": lambda x: x[:, 0, 0, :, None].mT @ x[:, :, 1].mT,
    "padded": lambda x: (
        functional.pad(x, (1, 2, 0, 1), value=0.5)
        + functional.pad(x, (1, 2, 0, 1), mode="reflect")
        + functional.pad(x, (1, 2, 0, 1), mode="replicate")
        + functional.pad(functional.pad(x, (0, 0)), (1, 2, 0, 1))
    ),
    "convolutions": lambda x: functional.conv2d(x, _WEIGHT, _ROW[:6], stride=2, padding=(1, 2), dilation=2),
    "depthwise": lambda x: functional.conv2d(x, _WEIGHT[:4, :1], padding=1, groups=4),
    "linear": lambda x: (
        functional.linear(x, torch.eye(8)[:5] * 2, _ROW[:5]) + functional.linear(x, torch.eye(8)[:5])
    ),
    "products": lambda x: x @ x.transpose(2, 3) + torch.ones(6, 8) @ x.mT,
    "product and sum": lambda x: torch.addmm(_ROW, x[:, 0, 0], torch.eye(8) + 1, alpha=-2, beta=3),
    "norms": lambda x: (
        functional.instance_norm(x, weight=_ROW[:4], bias=_ROW[4:])
        + functional.batch_norm(x, _ROW[:4], _ROW[4:], _ROW[2:6], _ROW[:4])
        + functional.layer_norm(x, (8,), _ROW, _ROW)
    ),
    "lengths": lambda x: functional.normalize(x) + functional.normalize(x * 1e-4, dim=-1, eps=1e-3),
    "attention": lambda x: (
        functional.scaled_dot_product_attention(x, x * 2, x + 1)
        + functional.scaled_dot_product_attention(x, x, x, scale=0.1)
    ),
    "softmax": lambda x: functional.softmax(x, dim=1) + x.softmax(-1),
    "pooled": lambda x: (
        functional.avg_pool2d(x, 4, ceil_mode=True)[..., :1, :1]
        + functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        + functional.avg_pool2d(x, 3, 1, 1)
        + functional.max_pool2d(x, 3, 1, 1)
        + functional.adaptive_avg_pool2d(x, 1)
    ),
    "resized": lambda x: (
        functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        + functional.interpolate(x, (12, 16), mode="nearest")
        + functional.interpolate(x, scale_factor=2.0, mode="bicubic", align_corners=False)
    ),
    "resized to any size": lambda x: functional.interpolate(
        x, (11, 13), mode="bilinear", align_corners=False
    ),
    "shuffled": lambda x: functional.pixel_shuffle(x, 2),
    "sampled": lambda x: functional.grid_sample(
        x, (x[:, :2].permute(0, 2, 3, 1) - 0.3) * 2, padding_mode="border", align_corners=False
    ),
    "sampled square": lambda x: functional.grid_sample(
        x[..., :6], (x[:, :2].permute(0, 2, 3, 1) - 0.3) * 3, padding_mode="border", align_corners=False
    ),
    "joined parts": lambda x: _joined(x, x * 2),
    "constants of the batch": lambda x: (
        x + torch.ones(len(x), 1, 1, 8) + torch.zeros_like(x)[:, :1] + x.new_zeros(1)
    ),
    "rows for each image": lambda x: (
        x[:, 0, 0, :3].reshape(-1, 3, 1)
        @ torch.arange(6.0).view(1, 3, 2)[:, :1].expand(len(x), 1, 2).contiguous()
    ),
    "constants are computed once": lambda x: x * (_ROW.square().sum() + _WEIGHT.mean()),
}


def _cut(x: Tensor) -> Tensor:
    left, right = x * 2, x + 1
    joined = torch.cat((left, right), dim=3)
    return joined[..., :8] + joined[..., 8:][:, :, 0:6] + x.narrow(2, 0, 6)


class _Module(nn.Module):
    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.compute(images),)


def _example(count: int) -> Tensor:
    return torch.rand(count, *_SHAPE, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("compute", COMPUTED.values(), ids=COMPUTED.keys())
def test_a_recording_computes_what_torch_computes(compute: Compute) -> None:
    model = record_model(_Module(compute), _example, "image", ["out"], OPSET)
    checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 2, 5):
        images = _example(count)
        (found,) = session.run(None, {"image": images.numpy()})
        expected = compute(images).numpy()
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_constants_are_folded_and_nothing_unused_is_kept() -> None:
    def compute(x: Tensor) -> Tensor:
        _ = x.exp() + 1
        return x * (_ROW + 1).sqrt() + (_ROW + 1).sqrt()

    model = record_model(_Module(compute), _example, "image", ["out"], OPSET)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Add"]
    assert len(model.graph.initializer) == 1


def _view_changed_later(x: Tensor) -> Tensor:
    whole = x * 1
    row = whole[:, :, :1]
    whole.add_(1)
    return row + 0


def _depends_on_values(x: Tensor) -> Tensor:
    return x * 2 if x.sum() > 0 else x


UNRECORDABLE: dict[str, tuple[Compute, str]] = {
    "unknown": (lambda x: x.erfinv(), "erfinv"),
    "another argument": (lambda x: torch.add(x, x, alpha=2), "alpha"),
    "a decision by values": (_depends_on_values, "bool"),
    "a number from values": (lambda x: x * float(x.mean()), "float"),
    "numbers from values": (lambda x: x * x.flatten().tolist()[0], "tolist"),
    "a view that changes": (_view_changed_later, "another view"),
    "a step for each image": (
        lambda x: torch.stack([x[i] * 2 for i in range(len(x))]),
        "another computation",
    ),
    "a number by the batch": (lambda x: x * len(x), "size of the batch"),
    "images mixed up": (lambda x: x.mean(dim=0), "an output of the shape"),
    "a selection": (lambda x: x[x > 0.5], "an index"),
    "nothing of the input": (lambda x: torch.zeros(len(x), 1), "does not depend"),
    "a result in another place": (lambda x: x.view(torch.int32), "another type"),
}


@pytest.mark.parametrize(("compute", "why"), UNRECORDABLE.values(), ids=UNRECORDABLE.keys())
def test_what_cannot_be_recorded_says_so(compute: Compute, why: str) -> None:
    with pytest.raises(UnrecordableError, match=why):
        record_model(_Module(compute), _example, "image", ["out"], OPSET)


def test_what_is_not_recorded_is_traced(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("traced") / "model.onnx"
    module = _Module(lambda x: x.erf() + x.shape[0])
    save_traced(module, _example, path, "image", ["out"], OPSET)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        (found,) = session.run(None, {"image": _example(count).numpy()})
        np.testing.assert_allclose(found, module(_example(count))[0].numpy(), rtol=1e-5)


def test_what_was_just_joined_is_not_cut_apart_again() -> None:
    model = record_model(_Module(_cut), _example, "image", ["out"], OPSET)
    assert "Slice" not in {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = _example(3)
    (found,) = session.run(None, {"image": images.numpy()})
    np.testing.assert_allclose(found, _cut(images).numpy(), rtol=1e-6)
