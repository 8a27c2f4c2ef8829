"""The recovery network in the form that the engines of exported graphs compute fastest.

Up to rounding, its result is that of `excision.method.recovery`. Engines take longer to join image and mask
and to convolve the two channels than for the rest of the encoder. The mask has the same value at all pixels
of a position of level 1, so that it is convolved there, with the sum of their weights.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from excision.method.recovery.unet import Block, Convolution, UNet
from excision.settings import Settings


def for_graph(network: UNet, settings: Settings) -> UNet:
    """Return the recovery network of a pipeline with these settings in the form that is exported."""
    if network.stem == 1 or settings.mask.patch % network.stem:
        return network
    unet = settings.recovery
    graph = _GraphUNet(network.channels, unet.width, unet.depth, unet.normalisation, unet.stem)
    graph.load_state_dict(network.state_dict())
    graph.separate()
    return graph.eval()


class _GraphUNet(UNet):
    """A U-Net that convolves image and mask separately."""

    of_image: Convolution
    of_mask: Convolution

    def separate(self) -> None:
        """Divide the weights of the first convolution."""
        first = self._first.first
        places, outputs = self.stem**2, len(first.weight)
        pixels, mask = first.weight[:, :-places], first.weight[:, -places:]
        has_bias = first.bias is not None
        self.of_image = Convolution(self.channels, outputs, self.stem, bias=has_bias)
        self.of_image.weight, self.of_image.bias = nn.Parameter(pixels), first.bias
        self.of_mask = Convolution(1, outputs, 1, bias=False)
        self.of_mask.weight = nn.Parameter(mask.sum(dim=1, keepdim=True))

    def enter(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Return the features of level 1, of a size padded to the stride; arguments as for `forward`."""
        right, below = self.padding(mask)[1::2]
        image = functional.pad(masked_image, self.padding(mask), mode="replicate")
        places = mask[:, :, :: self.stem, :: self.stem]
        missing = (0, right // self.stem, 0, below // self.stem)
        if any(missing):
            places = functional.pad(places, missing, mode="replicate")
        return self._first.refine((self.of_image, image), (self.of_mask, places))

    @property
    def _first(self) -> Block:
        block = self.encoders[0]
        assert isinstance(block, Block)
        return block
