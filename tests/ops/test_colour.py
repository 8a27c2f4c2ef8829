"""Grey from colour, against the sum over the axis."""

from __future__ import annotations

import pytest
import torch

from excision.method.scoring.residuals import _mean_channel
from excision.ops.colour import LUMA, to_grey


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_channels_add_up_to_the_bits_of_a_sum_over_the_axis(memory_format: torch.memory_format) -> None:
    images = torch.rand(2, 3, 33, 41, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=memory_format)
    weights = torch.tensor(LUMA).view(1, 3, 1, 1)
    assert torch.equal(to_grey(images), (images * weights).sum(dim=1, keepdim=True))
    assert torch.equal(_mean_channel(images), images.mean(dim=1, keepdim=True))


def test_grey_stays_grey() -> None:
    grey = torch.rand(1, 1, 5, 6)
    assert to_grey(grey) is grey and _mean_channel(grey) is grey
