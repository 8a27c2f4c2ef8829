"""DINOv2's vision transformers with the names of weights of its authors, which timm shares.

Oquab et al., "DINOv2: learning robust visual features without supervision", TMLR 2024. The network is that
of Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, with a scale for each residual (Touvron et
al., "Going deeper with image transformers", ICCV 2021). The names of Hugging Face are understood as well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.features.choice import FeatureChoice
from excision.features.network import Normalise
from excision.features.record import FeatureRecord
from excision.features.weights_file import Names, describe_file, load_file

PATCH = 14
_HEAD = 64  # channels of an attention head
_EPSILON = 1e-6
_BLOCKS = 12
_LEAST_ATTENTION = 1e-6
WIDTHS = {"dinov2_vits14": 384, "dinov2_vitb14": 768}

_LAYER = r"^(?:dinov2\.)?encoder\.layer\.(\d+)\."
_HUGGING_FACE = {
    r"^(?:dinov2\.)?embeddings\.(cls_token|mask_token)$": r"\1",
    r"^(?:dinov2\.)?embeddings\.position_embeddings$": "pos_embed",
    r"^(?:dinov2\.)?embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    rf"{_LAYER}attention\.output\.dense\.": r"blocks.\1.attn.proj.",
    rf"{_LAYER}layer_scale([12])\.lambda1$": r"blocks.\1.ls\2.gamma",
    rf"{_LAYER}(norm[12]|mlp\.fc[12])\.": r"blocks.\1.\2.",
    r"^(?:dinov2\.)?layernorm\.": "norm.",
}
_JOINED = {
    rf"{_LAYER}attention\.attention\.{part}\.": (r"blocks.\1.attn.qkv.", place, 3)
    for place, part in enumerate(("query", "key", "value"))
}
_NAMES = Names(_HUGGING_FACE, r"^(mask_token$|head\.|classifier\.)", _JOINED)


class DinoV2(nn.Module):
    """The transformer; one map, the patches after the last block.

    Args:
        kind: "dinov2_vits14" or "dinov2_vitb14".
        normalise: brings images to the range of the network.
        size: (H, W) of the images, which are resized to whole patches of 14 pixels.

    Attributes:
        strides: of the map.
        channels: of the map.
        grid: number of patches (h, w).
    """

    def __init__(self, kind: str, normalise: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        width = WIDTHS[kind]
        self.normalise = normalise
        self.grid = (max(1, round(size[0] / PATCH)), max(1, round(size[1] / PATCH)))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.Sequential(*(_Block(width) for _ in range(_BLOCKS)))
        self.norm = nn.LayerNorm(width, _EPSILON)
        self.strides, self.channels = (PATCH,), (width,)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, C, H, W) in [0, 1] into the map (B, width, h, w)."""
        found = self.norm(self.blocks(self._tokens(images)))[:, 1:]
        return [found.transpose(1, 2).reshape(-1, self.channels[0], *self.grid)]

    def attend(self, images: Tensor) -> Tensor:
        """Compute where the network looks: the attention of the class token to the patches in the last block.

        Args:
            images: (B, C, H, W) in [0, 1].

        Returns:
            (B, 1, h, w), logarithm of the mean over the heads, relative to attention that is spread evenly.
        """
        tokens = self._tokens(images)
        for block in list(self.blocks)[:-1]:
            tokens = block(tokens)
        last = self.blocks[-1]
        assert isinstance(last, _Block)
        looked = last.attn.of_class_token(last.norm1(tokens)).mean(dim=1)[:, 1:]
        return (looked * looked.shape[1]).clamp_min(_LEAST_ATTENTION).log().view(-1, 1, *self.grid)

    def _tokens(self, images: Tensor) -> Tensor:
        """Return the class token and the patches of images, (B, 1 + h * w, width)."""
        height, width = self.grid
        resized = functional.interpolate(
            self.normalise(images), (height * PATCH, width * PATCH), mode="bilinear", align_corners=False
        )
        patches = self.patch_embed["proj"](resized).flatten(2).transpose(1, 2)
        return torch.cat((self.cls_token.expand(patches.shape[0], -1, -1), patches), dim=1) + self.pos_embed

    def placed(self, name: str, tensor: Tensor) -> Tensor:
        """Interpolate the position embeddings of a file to the grid of these images, as the authors do."""
        if name != "pos_embed" or tensor.ndim != 3 or tensor.shape[1] == self.pos_embed.shape[1]:
            return tensor
        side = round((tensor.shape[1] - 1) ** 0.5)
        if side == 0 or side * side != tensor.shape[1] - 1:
            return tensor
        plane = tensor[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        resized = functional.interpolate(plane, self.grid, mode="bicubic", align_corners=False)
        return torch.cat((tensor[:, :1], resized.flatten(2).transpose(1, 2)), dim=1)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, _EPSILON)
        self.attn = _Attention(width)
        self.ls1 = _Scale(width)
        self.norm2 = nn.LayerNorm(width, _EPSILON)
        self.mlp = _Mlp(width)
        self.ls2 = _Scale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        found: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return found


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // _HEAD
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        split = self.qkv(tokens).view(batch, count, 3, self.heads, _HEAD).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(split[0], split[1], split[2])
        found: Tensor = self.proj(seen.transpose(1, 2).reshape(batch, count, width))
        return found

    def of_class_token(self, tokens: Tensor) -> Tensor:
        """Return the attention (B, heads, N) of the first token to all N."""
        batch, count, _ = tokens.shape
        split = self.qkv(tokens).view(batch, count, 3, self.heads, _HEAD).permute(2, 0, 3, 1, 4)
        first, keys = split[0][:, :, :1], split[1]
        weights: Tensor = (first @ keys.transpose(2, 3) / _HEAD**0.5).softmax(dim=3)
        return weights[:, :, 0]


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return found


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma


def describe(choice: FeatureChoice) -> FeatureRecord:
    """Describe the network of a file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return describe_file(choice, (PATCH,), (WIDTHS[choice.kind],))


def build(record: FeatureRecord) -> DinoV2:
    """Build the network of a record without its weights."""
    return DinoV2(record.kind, Normalise(record.mean, record.std), record.size)


def load(network: DinoV2, choice: FeatureChoice) -> None:
    """Load the weights of a file.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    load_file(network, choice, _NAMES, network.placed)
