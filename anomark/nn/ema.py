"""Average of a network's weights over the last part of a training, however long it is."""

from __future__ import annotations

import copy

import torch
from torch import nn

#: Exponent of the profile. The average is over about the last tenth of a training: its relative standard deviation is
#: .09, as equation 123 of Karras et al. 2024 defines it.
GAMMA = 8


class EMA:
    """A frozen copy of `network` that averages its weights over time with the profile t^GAMMA.

    The t-th update is w <- d w + (1 - d) w_network with d = (1 - 1/t)^(GAMMA + 1), the power function profile of
    Karras et al.: Analyzing and Improving the Training Dynamics of Diffusion Models, CVPR 2024. It forgets the initial
    weights at once, and at every t it is what a training of t steps ends with.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.updates += 1
        decay = (1 - 1 / self.updates) ** (GAMMA + 1)
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, object]:
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        self.updates = state_dict["updates"]
        self.network.load_state_dict(state_dict["network"])
