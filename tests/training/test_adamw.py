"""AdamW: the weights of torch's own optimiser, bit for bit, and what it remembers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from excision.ops.memory_format import channels_last
from excision.training.adamw import AdamW

STEPS = 8


def network() -> nn.Module:
    torch.manual_seed(3)
    layers = (nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 1, bias=False), nn.Conv2d(4, 2, 1))
    return channels_last(nn.Sequential(*layers))


def gradients(step: int, of: nn.Module) -> list[Tensor | None]:
    """Draw gradients, with none for another parameter in each step, as a skip connection that is off has."""
    draw = torch.Generator().manual_seed(step)
    drawn = [torch.randn(each.shape, generator=draw) * 10.0 ** (step % 3 - 1) for each in of.parameters()]
    return [None if step % 4 == number else each for number, each in enumerate(drawn)]


def go(of: nn.Module, optimiser: AdamW | torch.optim.AdamW, first: int, end: int) -> None:
    for step in range(first, end):
        optimiser.zero_grad()
        for parameter, gradient in zip(of.parameters(), gradients(step, of), strict=True):
            parameter.grad = gradient
        optimiser.param_groups[0]["lr"] = 0.01 / (step + 1)
        optimiser.step()


def test_weights_and_memory_are_those_of_torch_bit_for_bit() -> None:
    ours, theirs = network(), network()
    own, reference = AdamW(ours.parameters(), 0.01, 1e-2), torch.optim.AdamW(theirs.parameters(), 0.01)
    go(ours, own, 0, STEPS)
    go(theirs, reference, 0, STEPS)
    for number, (mine, other) in enumerate(zip(ours.parameters(), theirs.parameters(), strict=True)):
        assert torch.equal(mine, other)
        assert own.state()[number].keys() == reference.state[other].keys()
        for name, value in own.state()[number].items():
            assert torch.equal(value, reference.state[other][name])


def test_what_is_restored_goes_on_as_if_nothing_had_happened() -> None:
    whole, half = network(), network()
    go(whole, AdamW(whole.parameters(), 0.01, 1e-2), 0, STEPS)
    first, second = (AdamW(half.parameters(), 0.01, 1e-2) for _ in range(2))
    go(half, first, 0, 3)
    # As a checkpoint gives it: in another memory layout.
    second.restore({n: {k: v.contiguous() for k, v in s.items()} for n, s in first.state().items()})
    go(half, second, 3, STEPS)
    assert all(torch.equal(*pair) for pair in zip(whole.parameters(), half.parameters(), strict=True))


def test_zero_sets_gradients_to_zero_if_they_are_to_be_kept() -> None:
    line = nn.Linear(1, 1)
    line.weight.grad = torch.ones(1, 1)
    AdamW(line.parameters(), 0.01, 0).zero_grad(set_to_none=False)
    assert line.weight.grad is not None
    assert line.weight.grad.item() == 0
    assert line.bias.grad is None


def test_nothing_moves_without_a_gradient() -> None:
    line = nn.Linear(1, 1)
    before = line.weight.item()
    AdamW(line.parameters(), 0.01, 0.5).step()
    assert line.weight.item() == before


def test_a_memory_of_another_network_is_refused() -> None:
    other = AdamW(nn.Linear(2, 1).parameters(), 0.01, 0)
    zero = torch.zeros(())
    with pytest.raises(ValueError, match="another shape"):
        other.restore({0: {"step": zero, "exp_avg": zero, "exp_avg_sq": zero}})
    with pytest.raises(KeyError):
        other.restore({1: {"step": zero}})
    with pytest.raises(IndexError):
        other.restore({2: {"step": zero}})


def test_a_step_imports_no_compiler() -> None:
    script = """
import sys, torch
from excision.training.adamw import AdamW
from excision.training.loop import optimise

line = torch.nn.Linear(2, 1)
optimise(line(torch.ones(1, 2)).sum(), line, AdamW(line.parameters(), 0.01, 0.1), 0.01, "the test")
print([name for name in ("torch._dynamo", "sympy", "matplotlib", "scipy") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
