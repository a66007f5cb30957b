"""Stage 2: T2SS learns from written directions; style from text more and more often, the rest goes on learning.

Every crop plays a written direction. Its style code comes from the text with a rising probability, else from the clip
(V2SS) or the composed pose; the cosine loss ties the text's code to the clip's, always (Ma et al., arXiv 2304.00334).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from talkclip.engine.models.nets.losses import anchor_loss, cosine_style_loss, reconstruction_loss
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip_training.stages.batches import make_batch
from talkclip_training.stages.config import RunConfig, StageConfig
from talkclip_training.stages.evaluate import held_out_figures
from talkclip_training.stages.lines import Line
from talkclip_training.stages.stage1 import Stage1
from talkclip_training.stages.texts import Texts
from talkclip_training.stages.trainer import Place
from talkclip_training.text.corpus import Direction

# Crops of stage 1's kind go on, so that the decoder does not forget what no text says.
_OTHER_SHARE = 0.25


class Stage2(Stage1):
    """See `trainer.Task`. Begins with the model of stage 1."""

    def __init__(
        self,
        config: StageConfig,
        model: TalkClipModel,
        lines: Sequence[Line],
        held: Sequence[Line],
        directions: Sequence[Direction],
        texts: Texts,
        held_texts: Texts,
        place: Place,
    ) -> None:
        super().__init__(config, lines, held, directions, place, model)
        self._texts, self._held_texts = texts, held_texts

    def losses(self, step: int) -> dict[str, Tensor]:
        """See `trainer.Task.losses`."""
        weights, run, rng = self._config.loss, self._config.run, self._rng
        n_others = int(run.batch * _OTHER_SHARE)
        n_texts = run.batch - n_others
        vectors, played = self._texts.draw(n_texts, rng)
        chosen = [self._lines[int(k)] for k in rng.choice(len(self._lines), size=run.batch, p=self._chances)]
        others = [self._conditions.draw() for _ in range(n_others)]
        model = self._config.model
        batch = make_batch(chosen, [*played, *others], run.frames, model.context, model.style_frames, rng).to(
            self._place.device
        )
        from_clip = self.model.style_of_clip(batch.clip, batch.padding)
        from_pose = self.model.style_of_pose(batch.pose, batch.scalars)
        from_text = self.model.style_of_text(torch.from_numpy(vectors).to(from_clip))
        by_text = torch.from_numpy(rng.uniform(size=n_texts) < text_probability(step, run)).to(from_clip.device)
        by_clip = torch.from_numpy(rng.uniform(size=run.batch) < 0.5).to(from_clip.device)
        style = torch.where(by_clip[:, None], from_clip, from_pose)
        style = torch.cat([torch.where(by_text[:, None], from_text, style[:n_texts]), style[n_texts:]])
        face = self.model.decode(batch.heard, style)
        terms = {
            "rec": weights.reconstruction * reconstruction_loss(face, batch.face, weights),
            "cos": weights.cosine * cosine_style_loss(from_pose, from_clip),
            "cos_text": weights.cosine * cosine_style_loss(from_text, from_clip[:n_texts].detach()),
            "anchor": weights.anchor * anchor_loss(from_clip, batch.pose),
            "anchor_text": weights.anchor * anchor_loss(from_text, batch.pose[:n_texts]),
        }
        if self._judge is not None and step >= run.temporal_from:
            terms["tem"] = weights.temporal * self._judge.loss(face, batch.face)
        return terms

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Also: cosine of the text's pose with the annotated one, directions of families never seen."""
        assert isinstance(model, TalkClipModel)
        with torch.inference_mode():
            codes = model.style_of_text(torch.from_numpy(self._held_texts.vectors)).numpy()
        wanted = np.stack([played.condition.pose for played in self._held_texts.played])
        seen = np.linalg.norm(wanted, axis=1) > 0.1
        given, wanted = codes[seen, : wanted.shape[1]], wanted[seen]
        cosine = (given * wanted).sum(1) / np.maximum(
            np.linalg.norm(given, axis=1) * np.linalg.norm(wanted, axis=1), 1e-6
        )
        return held_out_figures(model, self._held) | {"cos_held_texts": float(cosine.mean())}


def text_probability(step: int, run: RunConfig) -> float:
    """p of the paper: rises over the first `text_ramp` of the run, then stays."""
    ramp = min(1.0, step / max(1.0, run.text_ramp * run.steps))
    return run.text_from + ramp * (run.text_to - run.text_from)
