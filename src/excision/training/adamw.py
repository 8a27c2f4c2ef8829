"""AdamW, the optimiser of every training of a detector or a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

_BETA_1, _BETA_2 = 0.9, 0.999  # decay of the running means of the gradient and of its square
_EPSILON = 1e-8


class Optimiser(Protocol):
    """Changes parameters by their gradients.

    Attributes:
        param_groups: groups of parameters, each with its learning rate as "lr".
    """

    param_groups: list[dict[str, Any]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        ...

    def step(self) -> Any:
        """Change the parameters."""
        ...


class AdamW:
    """Adam with weight decay apart from the gradient.

    Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019. torch's own gives the same
    weights, bit for bit, but creating one imports torch's compiler, which takes seconds and 70 MB.

    Args:
        parameters: to be trained; those without a gradient in a step stay as they are.
        lr: learning rate.
        weight_decay: share of a parameter that it loses in a step, relative to the learning rate.

    Attributes:
        param_groups: one group, with the parameters as "params", and the learning rate as "lr".
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._decay = weight_decay
        self._state: dict[int, dict[str, Tensor]] = {}
        self.param_groups: list[dict[str, Any]] = [{"params": self._parameters, "lr": lr}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero."""
        for parameter in self._parameters:
            parameter.grad = None if set_to_none or parameter.grad is None else parameter.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters."""
        moved = {number: each for number, each in enumerate(self._parameters) if each.grad is not None}
        if not moved:
            return
        states = [self._of(number) for number in moved]
        for state in states:
            state["step"] += 1
        counts = [state["step"].item() for state in states]
        means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
        weights: list[Tensor] = [*moved.values()]
        gradients = [each.grad for each in weights if each.grad is not None]
        rate = self.param_groups[0]["lr"]
        torch._foreach_mul_(weights, 1 - rate * self._decay)
        torch._foreach_lerp_(means, gradients, 1 - _BETA_1)
        torch._foreach_mul_(squares, _BETA_2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - _BETA_2)
        # Bias correction: both means begin with zero, and are too small by these factors.
        divisors = torch._foreach_sqrt(squares)
        torch._foreach_div_(divisors, [(1 - _BETA_2**count) ** 0.5 for count in counts])
        torch._foreach_add_(divisors, _EPSILON)
        torch._foreach_addcdiv_(
            weights, means, divisors, [-(rate / (1 - _BETA_1**count)) for count in counts]
        )

    def state(self) -> dict[int, dict[str, Tensor]]:
        """Return what is remembered of each parameter, by its number: "step", "exp_avg" and "exp_avg_sq"."""
        return self._state

    def restore(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take over what another optimiser of the same parameters remembered.

        Each tensor gets the memory layout of its parameter: with another one, sums would be rounded in a
        different order, and resumed training would drift from uninterrupted training.

        Raises:
            IndexError: there is no such parameter.
            KeyError: something is missing.
            ValueError: a tensor does not have the shape of its parameter.
        """
        for number, content in state.items():
            own = self._of(number)
            for name, value in own.items():
                if content[name].shape != value.shape:
                    raise ValueError(f"{name} of parameter {number} has another shape")
                value.copy_(content[name])

    def _of(self, number: int) -> dict[str, Tensor]:
        """Return what is remembered of a parameter, from now on if nothing is yet."""
        if number not in self._state:
            like = self._parameters[number]
            self._state[number] = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(like, requires_grad=False),
                "exp_avg_sq": torch.zeros_like(like, requires_grad=False),
            }
        return self._state[number]
