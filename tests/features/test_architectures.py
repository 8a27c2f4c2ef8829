"""Networks whose weights are a file: numbers of weights as published, and slow versions of what they compute.

No published weights are at hand, so that the weights are random. torchvision and timm do not import beside
this build of torch. With transformers 5.24, which tests do without, DINOv2, ConvNeXt and ResNet-18 were
compared once: with the same random weights, the first two agreed bit for bit, the last to 1e-5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from excision.errors import ModelError
from excision.export.graph import OPSET
from excision.export.recording.model import record_model
from excision.features.choice import ARCHITECTURES, FeatureChoice
from excision.features.convnext import ConvNeXt
from excision.features.dinov2 import DinoV2
from excision.features.network import Normalise
from excision.features.record import FeatureRecord
from excision.features.registry import build_network, open_network
from excision.features.resnet import ResNet
from excision.features.weights_file import Names, load_file

PLAIN = Normalise((0.0,), (1.0,))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = (64, 80)


def made(kind: str, stages: int = 3, size: tuple[int, int] = SIZE) -> nn.Module:
    if kind == "convnext_tiny":
        return ConvNeXt(PLAIN, stages)
    if kind.startswith("dinov2"):
        return DinoV2(kind, PLAIN, size)
    return ResNet(kind, PLAIN, stages)


def with_weights(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every weight a random value of a size that keeps features finite."""
    draw = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in network.state_dict().items():
        drawn = torch.randn(tensor.shape, generator=draw)
        if name.endswith("running_var") or (tensor.ndim == 1 and not name.endswith(("bias", "mean"))):
            state[name] = drawn.abs() * 0.2 + 0.5
        else:
            state[name] = drawn * (0.1 if tensor.ndim == 1 else tensor[0].numel() ** -0.5)
    network.load_state_dict(state)
    return network.eval()


# Published with the classifier, and in ResNets without the statistics of normalisation layers.
@pytest.mark.parametrize(
    ("kind", "published", "classifier"),
    [
        ("resnet18", 11_689_512, 512 * 1000 + 1000),
        ("wide_resnet50_2", 68_883_240, 2048 * 1000 + 1000),
        ("convnext_tiny", 28_589_128, 768 * 1000 + 1000 + 2 * 768),
        ("dinov2_vits14", 22_056_576, 384),  # the token of masked patches
        ("dinov2_vitb14", 86_580_480, 768),
    ],
)
def test_there_are_as_many_weights_as_published(kind: str, published: int, classifier: int) -> None:
    with torch.device("meta"):
        state = made(kind, stages=4, size=(518, 518)).state_dict()
    counted = sum(
        t.numel() for name, t in state.items() if not name.endswith(("running_mean", "running_var"))
    )
    assert counted == published - classifier


def _resnet18(w: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Torchvision's definition, layer by layer by its names."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        mean, variance, weight, bias = parts
        return functional.batch_norm(x, mean, variance, weight, bias, eps=1e-5)

    x = functional.conv2d(x, w["conv1.weight"], stride=2, padding=3)
    x = functional.max_pool2d(norm(x, "bn1").relu(), 3, 2, 1)
    found = []
    for layer in (1, 2, 3):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            y = norm(functional.conv2d(x, w[f"{name}.conv1.weight"], stride=stride, padding=1), f"{name}.bn1")
            y = norm(functional.conv2d(y.relu(), w[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if f"{name}.downsample.0.weight" in w:
                x = norm(
                    functional.conv2d(x, w[f"{name}.downsample.0.weight"], stride=stride),
                    f"{name}.downsample.1",
                )
            x = (x + y).relu()
        found.append(x)
    return found[1:]


def _wide_resnet(w: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    def norm(x: Tensor, name: str) -> Tensor:
        scale = w[f"{name}.weight"] / (w[f"{name}.running_var"] + 1e-5).sqrt()
        return (x - w[f"{name}.running_mean"][:, None, None]) * scale[:, None, None] + w[f"{name}.bias"][
            :, None, None
        ]

    x = functional.conv2d(x, w["conv1.weight"], stride=2, padding=3)
    x = functional.max_pool2d(norm(x, "bn1").relu(), 3, 2, 1)
    found = []
    for layer, blocks in ((1, 3), (2, 4), (3, 6)):
        for block in range(blocks):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = norm(functional.conv2d(x, w[f"{name}.conv1.weight"]), f"{name}.bn1").relu()
            # The stride is that of the 3 x 3 convolution, as in version 1.5.
            y = functional.conv2d(y, w[f"{name}.conv2.weight"], stride=stride, padding=1)
            y = functional.conv2d(norm(y, f"{name}.bn2").relu(), w[f"{name}.conv3.weight"])
            if block == 0:
                x = functional.conv2d(x, w[f"{name}.downsample.0.weight"], stride=stride)
                x = norm(x, f"{name}.downsample.1")
            x = (x + norm(y, f"{name}.bn3")).relu()
        found.append(x)
    return found[1:]


def _layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Over the last axis."""
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt() * weight + bias


def _gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def _convnext(w: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Positions as the first axes, channels last."""

    def norm(x: Tensor, name: str) -> Tensor:
        normal = _layer_norm(x.movedim(1, -1), w[f"{name}.weight"], w[f"{name}.bias"])
        return normal.movedim(-1, 1)

    x = norm(functional.conv2d(x, w["stem.0.weight"], w["stem.0.bias"], stride=4), "stem.1")
    found = []
    for stage, blocks in enumerate((3, 3, 9)):
        if stage:
            name = f"stages.{stage}.downsample"
            x = functional.conv2d(norm(x, f"{name}.0"), w[f"{name}.1.weight"], w[f"{name}.1.bias"], stride=2)
        for block in range(blocks):
            name = f"stages.{stage}.blocks.{block}"
            y = functional.conv2d(
                x, w[f"{name}.conv_dw.weight"], w[f"{name}.conv_dw.bias"], padding=3, groups=x.shape[1]
            )
            y = norm(y, f"{name}.norm").movedim(1, -1)
            y = _gelu(y @ w[f"{name}.mlp.fc1.weight"].T + w[f"{name}.mlp.fc1.bias"])
            y = (y @ w[f"{name}.mlp.fc2.weight"].T + w[f"{name}.mlp.fc2.bias"]) * w[f"{name}.gamma"]
            x = x + y.movedim(-1, 1)
        found.append(x)
    return found[1:]


def _dinov2(w: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """One head after the other."""
    x = functional.interpolate(x, (70, 84), mode="bilinear")  # the nearest multiples of 14 to 64 and 80
    x = functional.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=14)
    tokens = torch.cat((w["cls_token"].expand(len(x), 1, -1), x.flatten(2).transpose(1, 2)), dim=1)
    tokens = tokens + w["pos_embed"]
    for block in range(12):
        name = f"blocks.{block}"
        y = _layer_norm(tokens, w[f"{name}.norm1.weight"], w[f"{name}.norm1.bias"])
        qkv = y @ w[f"{name}.attn.qkv.weight"].T + w[f"{name}.attn.qkv.bias"]
        query, key, value = qkv.chunk(3, dim=2)
        seen = []
        for head in range(query.shape[2] // 64):
            part = slice(64 * head, 64 * head + 64)
            weights = (query[..., part] @ key[..., part].transpose(1, 2) / 8).softmax(dim=2)
            seen.append(weights @ value[..., part])
        y = torch.cat(seen, dim=2) @ w[f"{name}.attn.proj.weight"].T + w[f"{name}.attn.proj.bias"]
        tokens = tokens + y * w[f"{name}.ls1.gamma"]
        y = _layer_norm(tokens, w[f"{name}.norm2.weight"], w[f"{name}.norm2.bias"])
        y = _gelu(y @ w[f"{name}.mlp.fc1.weight"].T + w[f"{name}.mlp.fc1.bias"])
        y = y @ w[f"{name}.mlp.fc2.weight"].T + w[f"{name}.mlp.fc2.bias"]
        tokens = tokens + y * w[f"{name}.ls2.gamma"]
    tokens = _layer_norm(tokens, w["norm.weight"], w["norm.bias"])[:, 1:]
    return [tokens.transpose(1, 2).reshape(len(x), -1, 5, 6)]


SLOW: dict[str, Callable[[dict[str, Tensor], Tensor], list[Tensor]]] = {
    "resnet18": _resnet18,
    "wide_resnet50_2": _wide_resnet,
    "convnext_tiny": _convnext,
    "dinov2_vits14": _dinov2,
}


@pytest.mark.parametrize("kind", SLOW)
def test_maps_are_those_of_the_slow_version(kind: str) -> None:
    network = made(kind).eval()
    network.load_state_dict(weights(kind))
    images = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    found = network(images)
    wanted = SLOW[kind](network.state_dict(), images)
    assert [each.shape[1] for each in found] == list(network.channels)  # type: ignore[arg-type]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(other.std()))


@cache
def weights(kind: str) -> dict[str, Tensor]:
    """Give random weights, not to be changed: to draw millions of them takes longer than all else here."""
    return with_weights(made(kind)).state_dict()


def saved(
    path: Path, kind: str, change: Callable[[dict[str, Tensor]], Any] = lambda _: None
) -> FeatureChoice:
    state = {name: tensor.clone() for name, tensor in weights(kind).items()}
    if kind.startswith("dinov2"):
        state["pos_embed"] = torch.randn(1, 1 + 37 * 37, state["pos_embed"].shape[2])
        state["mask_token"] = torch.zeros(1, state["pos_embed"].shape[2])
    change(state)
    save_file(state, path, {"license": "MIT"})
    return FeatureChoice(str(path), SIZE, kind)


@pytest.mark.parametrize("kind", ["resnet18", "convnext_tiny", "dinov2_vits14"])
def test_a_file_is_read_recorded_and_built_again(kind: str, tmp_path: Path) -> None:
    network = open_network(saved(tmp_path / "weights.safetensors", kind))
    network.record.save(tmp_path / "features.json")
    record = FeatureRecord.load(tmp_path / "features.json")
    assert record == network.record
    assert (record.kind, record.source, record.licence) == (kind, "weights.safetensors", "MIT")
    assert record.mean == MEAN and record.std == STD
    twin = build_network(record)
    twin.load_state_dict(network.state_dict())
    for channels in (1, 3):
        images = torch.rand(2, channels, *SIZE)
        assert [tuple(each.shape) for each in network(images)] == [(2, 100, 8, 10)]
        assert all(map(torch.equal, twin(images), network(images)))


def test_images_are_brought_to_the_range_of_the_network(tmp_path: Path) -> None:
    choice = saved(tmp_path / "weights.safetensors", "resnet18")
    network, images = open_network(choice), torch.rand(1, 3, *SIZE)
    scaled = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    state = network.backbone.state_dict()
    for found, wanted in zip(network.backbone(images), _resnet18(state, scaled), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def _to_torchvision(name: str) -> str:
    name = re.sub(r"^stem\.", "features.0.", name)
    name = re.sub(r"^stages\.(\d)\.downsample", lambda m: f"features.{2 * int(m[1])}", name)
    name = re.sub(r"^stages\.(\d)\.blocks", lambda m: f"features.{2 * int(m[1]) + 1}", name)
    for ours, theirs in (
        ("conv_dw", "block.0"), ("norm", "block.2"), ("mlp.fc1", "block.3"), ("mlp.fc2", "block.5"),
        ("gamma", "layer_scale"),
    ):  # fmt: skip
        name = name.replace(f".{ours}", f".{theirs}") if "features.0" not in name else name
    return name


def test_torchvisions_names_of_convnext_are_understood(tmp_path: Path) -> None:
    def change(state: dict[str, Tensor]) -> None:
        renamed = {_to_torchvision(name): tensor for name, tensor in state.items()}
        for name in renamed:
            if name.endswith("layer_scale"):
                renamed[name] = renamed[name][:, None, None].contiguous()
        renamed["classifier.2.weight"] = torch.zeros(2, 2)
        state.clear()
        state.update(renamed)

    plain = open_network(saved(tmp_path / "timm.safetensors", "convnext_tiny"))
    other = open_network(saved(tmp_path / "torchvision.safetensors", "convnext_tiny", change))
    assert "features.5.8.block.3.weight" in "".join(
        map(_to_torchvision, ["stages.2.blocks.8.mlp.fc1.weight"])
    )
    for name, tensor in plain.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_hugging_faces_names_of_dinov2_are_understood(tmp_path: Path) -> None:
    positions = torch.randn(1, 1 + 37 * 37, 384)

    def change(state: dict[str, Tensor]) -> None:
        found: dict[str, Tensor] = {}
        for name, tensor in state.items():
            new = re.sub(r"^blocks\.(\d+)\.", r"encoder.layer.\1.", name)
            new = new.replace("attn.proj", "attention.output.dense")
            new = re.sub(r"ls([12])\.gamma", r"layer_scale\1.lambda1", new)
            new = re.sub(r"^(cls_token|mask_token)$", r"embeddings.\1", new)
            new = new.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")
            new = re.sub(r"^norm\.", "layernorm.", new)
            if "attn.qkv" in new:
                parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
                found |= {new.replace("attn.qkv", f"attention.attention.{p}"): t.clone() for p, t in parts}
            else:
                found[new] = tensor
        del found["pos_embed"]
        state.clear()
        state.update(found, **{"embeddings.position_embeddings": positions})

    def same_positions(state: dict[str, Tensor]) -> None:
        state["pos_embed"] = positions

    plain = open_network(saved(tmp_path / "hub.safetensors", "dinov2_vits14", same_positions))
    other = open_network(saved(tmp_path / "hugging_face.safetensors", "dinov2_vits14", change))
    for name, tensor in plain.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_positions_are_interpolated_between_those_of_the_file(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:37, :37]

    def slopes(state: dict[str, Tensor]) -> None:
        plane = torch.from_numpy(np.stack((rows, columns), axis=2).astype(np.float32)).reshape(1, -1, 2)
        state["pos_embed"] = torch.cat((torch.zeros(1, 1, 2), plane), dim=1).repeat(1, 1, 192)

    network = open_network(saved(tmp_path / "weights.safetensors", "dinov2_vits14", slopes))
    found = network.backbone.state_dict()["pos_embed"][0, 1:, :2].reshape(5, 6, 2).numpy()
    wanted = [(np.arange(count) + 0.5) * 37 / count - 0.5 for count in (5, 6)]
    np.testing.assert_allclose(found[..., 0], np.tile(wanted[0][:, None], (1, 6)), atol=0.3)
    np.testing.assert_allclose(found[..., 1], np.tile(wanted[1], (5, 1)), atol=0.3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("layer3.0.conv2.weight"), "lacks layer3.0.conv2.weight"),
        (lambda state: state.update({"layer1.2.conv1.weight": torch.zeros(1)}), "unknown tensors layer1.2"),
        (lambda state: state.update({"conv1.weight": torch.zeros(64, 3, 3, 3)}), r"shape \(64, 3, 3, 3\)"),
        (lambda state: state.update({"bn1.weight": torch.tensor(1.0)}), r"shape \(1,\), not \(64,\)"),
        (lambda state: state.update({"conv1.weight": torch.full((64, 3, 7, 7), np.nan)}), "not finite"),
        (lambda state: state.update({"bn1.weight": torch.zeros(2**21)}), "too large"),
    ],
)
def test_weights_of_another_network_are_refused(change: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=told):
        open_network(saved(tmp_path / "weights.safetensors", "resnet18", change))


def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight.a": torch.zeros(1, 2), "weight.b": torch.zeros(2, 5), "bias": torch.zeros(3)}, path)
    names = Names(joined={r"weight\.a": ("weight", 0, 2), r"weight\.b": ("weight", 1, 2)})
    with pytest.raises(ModelError, match=r"weights\.safetensors: the tensors of weight do not fit together"):
        load_file(nn.Linear(2, 3), FeatureChoice(str(path), SIZE, "dinov2_vits14"), names)


def test_what_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for kind in ARCHITECTURES:
        choice = FeatureChoice(str(path), SIZE, kind)
        path.unlink(missing_ok=True)
        with pytest.raises(ModelError, match=r"weights\.safetensors: cannot be read as safetensors"):
            open_network(choice)
        path.write_bytes(b"no weights")
        with pytest.raises(ModelError, match=r"weights\.safetensors: cannot be read as safetensors"):
            open_network(choice)


def test_a_transformer_becomes_a_graph_for_any_number_of_images(tmp_path: Path) -> None:
    network = open_network(saved(tmp_path / "weights.safetensors", "dinov2_vits14"))
    images = torch.rand(3, 1, *SIZE)
    wanted = [each.numpy() for each in network(images)]
    outputs = [f"grid_{place}" for place in range(len(wanted))]
    model = record_model(network, lambda count: torch.rand(count, 1, *SIZE), "images", outputs, OPSET)
    (tmp_path / "graph.onnx").write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        for found, each in zip(session.run(None, {"images": images[:count].numpy()}), wanted, strict=True):
            np.testing.assert_allclose(found, each[:count], atol=1e-4 * each.std())


def test_dinov2_looks_where_the_class_token_of_its_last_block_does() -> None:
    network = made("dinov2_vits14").eval()
    network.load_state_dict(weights("dinov2_vits14"))
    assert isinstance(network, DinoV2)
    images = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    w, tokens = network.state_dict(), network._tokens(images)
    for block in list(network.blocks)[:-1]:
        tokens = block(tokens)
    y = _layer_norm(tokens, w["blocks.11.norm1.weight"], w["blocks.11.norm1.bias"])
    query, key, _ = (y @ w["blocks.11.attn.qkv.weight"].T + w["blocks.11.attn.qkv.bias"]).chunk(3, dim=2)
    heads = []
    for head in range(6):
        part = slice(64 * head, 64 * head + 64)
        heads.append((query[:, :1, part] @ key[..., part].transpose(1, 2) / 8).softmax(dim=2)[:, 0, 1:])
    wanted = (30 * torch.stack(heads).mean(dim=0)).log().view(2, 1, 5, 6)
    torch.testing.assert_close(network.attend(images), wanted, rtol=1e-3, atol=1e-3)
