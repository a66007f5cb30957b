"""Stage 1: audio encoder, style encoder, condition encoder and decoder; the style comes from the performance itself.

Half of every batch takes its style from the clip (V2SS, as in the paper), half from the composed pose (the condition
encoder, ours); both codes of a performance are drawn together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from talkclip.engine.models.nets.losses import anchor_loss, cosine_style_loss, reconstruction_loss
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip_training.performance.conditions import Conditions
from talkclip_training.stages.batches import Batch, make_batch, weighted_lines
from talkclip_training.stages.config import StageConfig
from talkclip_training.stages.evaluate import held_out_figures
from talkclip_training.stages.judge import TemporalJudge
from talkclip_training.stages.lines import Line
from talkclip_training.stages.trainer import Place
from talkclip_training.text.corpus import Direction


class Stage1:
    """See `trainer.Task`."""

    def __init__(
        self,
        config: StageConfig,
        lines: Sequence[Line],
        held: Sequence[Line],
        directions: Sequence[Direction],
        place: Place,
        model: TalkClipModel | None = None,
    ) -> None:
        """`model`: what to go on with; None begins anew from the seed."""
        torch.manual_seed(config.run.seed)
        self.model = (TalkClipModel(config.model) if model is None else model).to(place.device)
        self._config, self._lines, self._held = config, lines, held
        self._directions, self._place = directions, place
        self._begin(0)
        self._chances = weighted_lines(lines)
        self._judge = TemporalJudge(config.model.channels, config.run.rate, place) if config.run.temporal_from else None

    def losses(self, step: int) -> dict[str, Tensor]:
        """See `trainer.Task.losses`."""
        weights, run = self._config.loss, self._config.run
        batch = self._batch()
        from_clip = self.model.style_of_clip(batch.clip, batch.padding)
        from_pose = self.model.style_of_pose(batch.pose, batch.scalars)
        half = len(batch.face) // 2
        style = torch.cat([from_clip[:half], from_pose[half:]])
        face = self.model.decode(batch.heard, style)
        terms = {
            "rec": weights.reconstruction * reconstruction_loss(face, batch.face, weights),
            "cos": weights.cosine * cosine_style_loss(from_pose, from_clip),
            "anchor": weights.anchor * anchor_loss(from_clip, batch.pose),
        }
        if self._judge is not None and step >= run.temporal_from:
            terms["tem"] = weights.temporal * self._judge.loss(face, batch.face)
        return terms

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """See `trainer.Task.evaluate`."""
        assert isinstance(model, TalkClipModel)
        return held_out_figures(model, self._held)

    def _begin(self, step: int) -> None:
        """Batches of every process and of every resumed run are others."""
        seed = self._config.run.seed
        self._rng = np.random.default_rng([seed, 1, self._place.rank] + ([step] if step else []))
        self._conditions = Conditions(self._directions, int(self._rng.integers(2**31)))

    def state(self) -> dict[str, Any]:
        """See `trainer.Task.state`."""
        return {} if self._judge is None else {"judge": self._judge.state()}

    def restore(self, state: dict[str, Any], step: int) -> None:
        """See `trainer.Task.restore`. Batches go on from a seed of the step; an unbroken run would draw others."""
        self._begin(step)
        if self._judge is not None:
            self._judge.restore(state["judge"])

    def _batch(self) -> Batch:
        run = self._config.run
        chosen = self._rng.choice(len(self._lines), size=run.batch, p=self._chances)
        return make_batch(
            [self._lines[int(k)] for k in chosen],
            [self._conditions.draw() for _ in range(run.batch)],
            run.frames,
            self._config.model.context,
            self._config.model.style_frames,
            self._rng,
        ).to(self._place.device)
