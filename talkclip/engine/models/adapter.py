"""T2SS for another text encoder or another decoder, as `talkclip adapt` trains it. Numpy only.

A file says which encoder and which decoder it belongs to, and holds vectors of fixed sentences: an adapter refuses
every other tower, also one of the same name, the same shapes, or with another activation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.engine.models.tensor_file import read_tensors
from talkclip.engine.text.encoder import TextEncoder
from talkclip.errors import InputError, TalkClipError

ABOUT_KEY = "talkclip_adapter"
REFERENCE_TEXTS = (
    "A furious man speaks.", "She is delighted, eyes wide.", "He can barely hide his contempt.", "Barely a whisper.",
    "The letter lies open on the table; she has not moved for an hour.", "Lips pressed, one brow raised.",
    "It smells of rotting fish.", "Reads out the timetable.",
)  # fmt: skip
WEIGHTS = ("adapter.0", "adapter.2", "projection")
_VECTORS = "reference_vectors"


@dataclasses.dataclass(frozen=True, eq=False)
class Adapter:
    """A text encoder's vector -> a style code: residual adapter, then a projection.

    Attributes:
        encoder_id: of the text encoder it was trained on.
        encoder_dim: D, length of that encoder's vectors.
        encoder_hash: SHA-256 of that encoder's weights.
        least_cosine: below which a reference vector is another tower's (towers in float32 agree to 1e-9).
        space: coefficient space of the decoder.
        decoder_hash: `codes_hash` of the model whose style codes it gives.
        frame: sentence around a text before it is encoded; "{}" stands for the text.
        adapted_share: of the adapted vector in the residual mix.
        arrays: weights by name, as in `nets.text.TextStyle`: float32, rows are outputs.
        reference_vectors: float32 (len(REFERENCE_TEXTS), D), unit length.
        notes: seed, data, figures: text by text.
    """

    encoder_id: str
    encoder_dim: int
    encoder_hash: str
    least_cosine: float
    space: str
    decoder_hash: str
    frame: str
    adapted_share: float
    arrays: Mapping[str, np.ndarray]
    reference_vectors: np.ndarray
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = _shape_problems(self.arrays, self.encoder_dim)
        if self.reference_vectors.shape != (len(REFERENCE_TEXTS), self.encoder_dim):
            problems.append(f"{_VECTORS} are {self.reference_vectors.shape}")
        if "{}" not in self.frame:
            problems.append("frame names no place for the text")
        if problems:
            raise InputError(f"The adapter is damaged: {'; '.join(problems)}.", "Train it again: talkclip adapt.")

    @classmethod
    def load(cls, path: Path) -> Adapter:
        """Read a file of `talkclip adapt`.

        Raises:
            InputError: unreadable, no adapter, or damaged.
        """
        arrays, metadata = read_tensors(path)
        try:
            about = json.loads(metadata[ABOUT_KEY])
            vectors = arrays.pop(_VECTORS)
            return cls(arrays=arrays, reference_vectors=vectors, **about)
        except (KeyError, ValueError, TypeError):
            raise InputError(f"{path}: is no adapter.", "Train one: talkclip adapt --text-encoder ...") from None
        except InputError as error:
            raise InputError(f"{path}: {error.message}", error.hint) from None

    @property
    def dim(self) -> int:
        """Length of a style code."""
        return int(self.arrays["projection.bias"].shape[0])

    def contents(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """-> arrays and metadata of the file that `load` reads."""
        about: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("arrays", "reference_vectors", "notes")
        }
        about["notes"] = dict(self.notes)
        return {**self.arrays, _VECTORS: self.reference_vectors}, {ABOUT_KEY: json.dumps(about, sort_keys=True)}

    def framed(self, text: str) -> str:
        """The sentence to encode for a text."""
        return self.frame.replace("{}", text)

    def of_vector(self, vector: np.ndarray) -> np.ndarray:
        """T2SS: the text encoder's vector (D,) -> style code, float32 (dim,)."""
        vector = np.asarray(vector, np.float32)
        vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        hidden = np.maximum(self._linear("adapter.0", vector), 0)
        adapted = np.maximum(self._linear("adapter.2", hidden), 0)
        return self._linear("projection", self.adapted_share * adapted + (1 - self.adapted_share) * vector)

    def check_encoder(self, encoder: TextEncoder) -> None:
        """Ask the encoder for the reference sentences.

        Raises:
            TalkClipError: another tower: other weights, other length, or it computes something else.
        """
        remedy = f"Load that one, or train an adapter for yours: talkclip adapt --text-encoder {encoder.id}"
        if (encoder.dim, encoder.weight_hash) != (self.encoder_dim, self.encoder_hash):
            raise TalkClipError(
                f"The adapter was trained on the text encoder '{self.encoder_id}' ({self.encoder_dim} numbers, weights "
                f"{self.encoder_hash[:12]}), not on '{encoder.id}' ({encoder.dim}, {encoder.weight_hash[:12]}).",
                remedy,
                code="wrong_weights",
            )
        cosine = (encoder.encode(REFERENCE_TEXTS) * self.reference_vectors).sum(1)
        if not np.isfinite(cosine).all() or float(cosine.min()) < self.least_cosine:
            raise TalkClipError(
                f"'{encoder.id}' does not give the reference vectors of '{self.encoder_id}', on which the adapter was "
                f"trained (cosine {float(cosine.min()):.5f}): same weights, other activation or tokenizer.",
                remedy,
                code="wrong_weights",
            )

    def check_decoder(self, space: str, decoder_hash: str) -> None:
        """Raise TalkClipError unless the codes are those of this decoder."""
        if (space, decoder_hash) != (self.space, self.decoder_hash):
            raise TalkClipError(
                f"The adapter gives codes of a decoder in {self.space} (weights {self.decoder_hash[:12]}), not of this "
                f"one in {space} ({decoder_hash[:12]}).",
                f"Train one for it: talkclip adapt --space {space}",
                code="wrong_weights",
            )

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.arrays[f"{name}.weight"] @ x + self.arrays[f"{name}.bias"], np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptedEncoder:
    """A text encoder and the adapter that was trained on it; `StyleSpace.with_adapter` checks that they are."""

    adapter: Adapter
    encoder: TextEncoder

    @property
    def identity(self) -> str:
        """SHA-256 of all that a style code from it depends on."""
        arrays, metadata = self.adapter.contents()
        digest = hashlib.sha256(f"{codes_hash(arrays)}{metadata[ABOUT_KEY]}{self.encoder.weight_hash}".encode())
        return digest.hexdigest()

    def encode(self, text: str) -> np.ndarray:
        """-> the vector (D,) of a text, asked as the adapter learned it."""
        return np.asarray(self.encoder.encode([self.adapter.framed(text)])[0], np.float32)


def codes_hash(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of what defines a model's style codes: its condition encoder, or V2SS where there is none.

    Args:
        arrays: that part's weights by name, without its own name in front.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name], np.float32).tobytes())
    return digest.hexdigest()


def _shape_problems(arrays: Mapping[str, np.ndarray], dim: int) -> list[str]:
    names = {f"{layer}.{kind}" for layer in WEIGHTS for kind in ("weight", "bias")}
    if set(arrays) != names:
        return [f"it holds {', '.join(sorted(arrays)) or 'nothing'}"]
    width, style = arrays["adapter.0.bias"].size, arrays["projection.bias"].size
    wanted = {"adapter.0": (width, dim), "adapter.2": (dim, width), "projection": (style, dim)}
    problems = []
    for layer, shape in wanted.items():
        weight, bias = arrays[f"{layer}.weight"], arrays[f"{layer}.bias"]
        if weight.shape != shape or bias.shape != shape[:1]:
            problems.append(f"{layer} is {weight.shape} and {bias.shape}, not {shape}")
        elif not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            problems.append(f"{layer} is not finite")
    return problems
