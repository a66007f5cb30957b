"""Style codes at run time: where prompts, poses and clips meet. Numpy only; the weights come from the trained model.

A code has 128 numbers: the first 52 are the sustained ARKit pose itself, signed; the rest is how it moves with the
speech. Prompts are mixed, weakened, edited and cross-faded as codes (Ma et al., arXiv 2304.00334, on editing).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from talkclip.engine.models.adapter import Adapter, codes_hash
from talkclip.engine.text.encoder import TextEncoder
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import TalkClipError
from talkclip.style import CALM


@dataclasses.dataclass(frozen=True, eq=False)
class StyleSpace:
    """The condition encoder and T2SS of one model.

    Attributes:
        name: what `StyleTrack.space` says; holds the weights' hash, so that codes of another model are refused.
        dim: length of a code.
        anchor: how many first numbers are the pose.
        encoder_id, encoder_hash: the text encoder that T2SS was trained on.
        arrays: weights by name, as in the torch modules.
        adapted_share: of the adapter in T2SS's residual mix.
    """

    name: str
    dim: int
    anchor: int
    encoder_id: str
    encoder_hash: str
    arrays: dict[str, np.ndarray]
    adapted_share: float

    @classmethod
    def load(cls, path: Path | None = None) -> StyleSpace:
        """The committed weights.

        Raises:
            TalkClipError: they are missing or are not the ones expected.
        """
        with np.load(path or find_weight("style-space"), allow_pickle=False) as data:
            about = json.loads(str(data["about"]))
            arrays = {name: data[name] for name in data.files if name != "about"}
        return cls(arrays=arrays, **about)

    @property
    def neutral(self) -> np.ndarray:
        """(dim,) code of speech without feeling."""
        return self.of_pose(np.zeros(self.anchor, np.float32), CALM, 0.0)

    def of_pose(self, pose: np.ndarray, arousal: float, intensity: float) -> np.ndarray:
        """Condition encoder: a composed pose -> code.

        Args:
            pose: (52,), -1..1.
            arousal: 0..1, `CALM` is ordinary speech.
            intensity: 0..1, strength of the feeling.

        Returns:
            float32 (dim,), its first numbers are `pose`.
        """
        heard = np.concatenate([pose, [arousal, intensity]]).astype(np.float32)
        hidden = np.maximum(self._linear("condition_encoder.free.0", heard), 0)
        return np.concatenate([heard[: self.anchor], self._linear("condition_encoder.free.2", hidden)])

    def of_text(self, vector: np.ndarray) -> np.ndarray:
        """T2SS: the text encoder's vector -> code, float32 (dim,)."""
        vector = np.asarray(vector, np.float32)
        vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        hidden = np.maximum(self._linear("text_style.adapter.0", vector), 0)
        adapted = np.maximum(self._linear("text_style.adapter.2", hidden), 0)
        mixed = self.adapted_share * adapted + (1 - self.adapted_share) * vector
        return self._linear("text_style.projection", mixed)

    @property
    def decoder_hash(self) -> str:
        """What an adapter knows this model by, see `adapter.codes_hash`."""
        prefix = "condition_encoder."
        return codes_hash({n.removeprefix(prefix): a for n, a in self.arrays.items() if n.startswith(prefix)})

    def with_adapter(self, adapter: Adapter, encoder: TextEncoder) -> StyleSpace:
        """The same codes from texts that another encoder reads; encode `adapter.framed(text)`.

        Raises:
            TalkClipError: the adapter belongs to another encoder or another decoder.
        """
        adapter.check_encoder(encoder)
        adapter.check_decoder("arkit52", self.decoder_hash)
        arrays = self.arrays | {f"text_style.{name}": array for name, array in adapter.arrays.items()}
        return dataclasses.replace(
            self,
            arrays=arrays,
            encoder_id=encoder.id,
            encoder_hash=encoder.weight_hash,
            adapted_share=adapter.adapted_share,
        )

    def check_encoder(self, encoder_id: str, encoder_hash: str) -> None:
        """Raise TalkClipError unless T2SS was trained on this text encoder."""
        if (encoder_id, encoder_hash) != (self.encoder_id, self.encoder_hash):
            raise TalkClipError(
                f"The style space was trained on the text encoder '{self.encoder_id}', not on '{encoder_id}'.",
                "Train an adapter for it: talkclip adapt --text-encoder ...",
                code="wrong_weights",
            )

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.arrays[f"{name}.weight"] @ x + self.arrays[f"{name}.bias"], np.float32)
