"""The temporal discriminator D_tem with its own optimiser: it learns to tell performances from predictions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from talkclip.engine.models.nets.discriminators import TemporalDiscriminator
from talkclip.engine.models.nets.losses import hinge_discriminator_loss, hinge_generator_loss
from talkclip_training.stages.trainer import Place, share_gradients

# A quarter of the paper's: the default model's motion is simpler, and the judge must not take the most time.
_WIDTH = 64


class TemporalJudge:
    """One step of its own training at every call, then its opinion of the prediction."""

    def __init__(self, channels: int, rate: float, place: Place) -> None:
        self._net = TemporalDiscriminator(channels, _WIDTH).to(place.device)
        self._world = place.world
        self._optimiser = torch.optim.Adam(self._net.parameters(), lr=0.3 * rate, betas=(0.5, 0.999))

    def loss(self, predicted: Tensor, true: Tensor) -> Tensor:
        """L_tem of the generator; (B, T, C) each -> scalar."""
        loss = hinge_discriminator_loss(self._net(true), self._net(predicted.detach()))
        self._optimiser.zero_grad()
        loss.backward()
        share_gradients(list(self._net.parameters()), self._world)
        self._optimiser.step()
        for parameter in self._net.parameters():
            parameter.requires_grad_(False)
        opinion = hinge_generator_loss(self._net(predicted))
        for parameter in self._net.parameters():
            parameter.requires_grad_(True)
        return opinion

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"net": self._net.state_dict(), "optimiser": self._optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._net.load_state_dict(state["net"])
        self._optimiser.load_state_dict(state["optimiser"])
