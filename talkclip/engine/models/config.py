"""Shapes and choices of a model of the family: one flat, frozen, validated configuration. Numpy only.

Everything that is not in the paper (Ma et al., arXiv 2304.00334) or in StyleTalk, whose networks the paper takes over,
is one field under "Deviations" with its reason; the preset `paper()` leaves all of them off.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from talkclip.coefficients import ARKIT52
from talkclip.errors import InputError
from talkclip.phones import PHONES41

# Coefficients per space, and which of them the lower-face decoder speaks (bfm64: StyleTalk's mouth indices).
_LOWER_PREFIXES = ("jaw", "mouth", "tongue", "cheekPuff")
LOWER_CHANNELS: dict[str, tuple[int, ...]] = {
    "bfm64": (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14),
    "arkit52": tuple(k for k, name in enumerate(ARKIT52) if name.startswith(_LOWER_PREFIXES)),
}
N_CHANNELS: dict[str, int] = {"bfm64": 64, "arkit52": len(ARKIT52)}
# Width of one model frame per kind of audio input: phone ids, our speech features (two 50-fps frames of soft phones,
# posteriors and log-mel), wav2vec 2.0's last hidden state as DreamTalk takes it (two 50-fps frames of 1024).
N_MELS = 40
SPEECH_WIDTH = 2 * (2 * len(PHONES41) + N_MELS)
AUDIO_WIDTHS: dict[str, int] = {"phones": 1, "speech": SPEECH_WIDTH, "hidden": 2 * 1024}
# Where weight files, safetensors and ONNX alike, keep their configuration (JSON).
CONFIG_KEY = "talkclip_config"
FEED_FORWARDS = ("dynamic", "plain")
TEXT_READINGS = ("projected", "paper")
MIX_TERMS = ("adapted", "text")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model. Widths count numbers, frames are model frames (1 / `fps` seconds).

    Attributes:
        space: coefficient space of the output, "bfm64" or "arkit52".
        fps: frame rate the weights were made for (StyleTalk 30, all others 25).
        width: d, width of audio encoder and decoder.
        heads: attention heads; divides `width` and `style_inner_width`.
        expansion: the feed-forward's inner width over its outer one.
        dropout: in all attention and feed-forward blocks.
        half_window: frames on each side that the decoder hears (5: window 11); at 50 fps for "hidden".
        audio_input: "phones" (ids), "speech" (244 features) or "hidden" (wav2vec 2.0).
        audio_layers: transformer layers of the audio encoder, or residual convolutions if `audio_per_frame`.
        style_width: length of a style code.
        style_inner_width: width of the style encoder's layers.
        style_layers: layers of the style encoder.
        style_frames: longest style clip; longer ones are cropped.
        text_width: length of the text encoder's vector.
        adapter_width: the adapter's bottleneck.
        adapter_mix: 0.6, how much of one term the residual takes.
        adapter_mix_on: the term that `adapter_mix` multiplies: "adapted" (as in CLIP-Adapter, our reading) or "text".
        text_reading: "projected" (adapter at the text's width, then a projection to `style_width`) or "paper" (one
            width everywhere, no projection).
        normalise_text: scale the text vector to length 1 before the adapter.
        decoder_layers: layers of each of the two decoders.
        feed_forward: "dynamic" (StyleTalk: first linear mixed from experts by the style) or "plain" (DreamTalk).
        experts: K of the dynamic feed-forward.
        temperature: of its softmax; not stored in checkpoints, 30 in the released inference.

    Deviations:
        audio_per_frame: the audio encoder is a stack of convolutions that runs once per frame, not a transformer that
            runs once per window. Reason: neighbouring windows share ten of eleven frames, so it costs a tenth.
        query_tokens: 11 in the paper, of which only the middle one is read; 1 keeps that one alone. Reason: the other
            ten take 90 % of the decoder's time, and carry nothing but style and position.
        query_sees_audio: the audio of the frame itself is added to its query. Reason: a single query has no
            self-attention through which it could learn what is spoken before it looks around.
        anchor: the first so many numbers of a style code are the sustained pose itself, signed (0: none). Reason:
            edits, masks and negation can then act on named coordinates of any style, also of one that was mixed.
        residual_on_anchor: output = anchor + what the decoder adds. Reason: an expression that the training never saw
            still shows, in its full strength.
        anchor_from_clip: the style encoder predicts the anchor as the clip's mean + a correction. Reason: the same, for
            styles taken from video.
        adds_to_mouth: what is played is a linear mouth (`mouth.py`) + what the style changes of the decoder's speech.
            Reason: what is uncertain in recognised phones must come out as a mean; on faces of speakers that nobody
            trained on, the linear map speaks better than the decoder (docs/model_cards/talkclip.md).
        condition_scalars: numbers (arousal, intensity) that the condition encoder takes beside a pose; 0: there is no
            condition encoder. Reason: poses that were composed, not filmed or written, need a code too.

    Raises:
        InputError: anything that cannot be built, all of it in one message.
    """

    space: str = "arkit52"
    fps: float = 25.0
    width: int = 192
    heads: int = 8
    expansion: int = 4
    dropout: float = 0.1
    half_window: int = 5
    audio_input: str = "speech"
    audio_layers: int = 2
    style_width: int = 128
    style_inner_width: int = 128
    style_layers: int = 2
    style_frames: int = 256
    text_width: int = 384
    adapter_width: int = 128
    adapter_mix: float = 0.6
    adapter_mix_on: str = "adapted"
    text_reading: str = "projected"
    normalise_text: bool = True
    decoder_layers: int = 2
    feed_forward: str = "plain"
    experts: int = 8
    temperature: float = 30.0
    audio_per_frame: bool = True
    query_tokens: int = 1
    query_sees_audio: bool = True
    anchor: int = len(ARKIT52)
    residual_on_anchor: bool = True
    anchor_from_clip: bool = True
    adds_to_mouth: bool = True
    condition_scalars: int = 2

    def __post_init__(self) -> None:
        problems = [*self._number_problems(), *self._word_problems()]
        if not problems:
            problems = self._relation_problems()
        if problems:
            raise InputError(f"model configuration: {'; '.join(problems)}.", "See docs/model.md.")

    @property
    def channels(self) -> int:
        """C, coefficients per frame."""
        return N_CHANNELS[self.space]

    @property
    def lower(self) -> tuple[int, ...]:
        """Channels of the lower-face decoder, ascending."""
        return LOWER_CHANNELS[self.space]

    @property
    def upper(self) -> tuple[int, ...]:
        """All other channels, ascending."""
        return tuple(k for k in range(self.channels) if k not in LOWER_CHANNELS[self.space])

    @property
    def window(self) -> int:
        """W, frames that the decoder hears at once."""
        return 2 * self.half_window + 1

    @property
    def context(self) -> int:
        """Model frames on each side that an output frame depends on: the window, and the convolutions before it."""
        if self.audio_per_frame:
            return self.half_window + self.audio_layers
        return math.ceil(self.half_window / self.audio_rate)

    @property
    def audio_rate(self) -> int:
        """Window frames per model frame: DreamTalk's windows are cut from features at 50 fps."""
        return 2 if self.audio_input == "hidden" and not self.audio_per_frame else 1

    def _number_problems(self) -> list[str]:
        may_be_zero = {"half_window", "anchor", "condition_scalars"}
        problems = []
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                problems.append(f"{field.name} is {value!r}, not of type {kind.__name__}")
            elif kind is not bool and isinstance(value, int) and value < (0 if field.name in may_be_zero else 1):
                problems.append(f"{field.name} is {value}, too small")
        for name, lowest, highest in (
            ("dropout", 0, 0.99),
            ("adapter_mix", 0, 1),
            ("fps", 1, 240),
        ):
            value = getattr(self, name)
            if isinstance(value, int | float) and not lowest <= value <= highest:
                problems.append(f"{name} is {value}, outside {lowest} .. {highest}")
        if isinstance(self.temperature, int | float) and not (self.temperature > 0 and math.isfinite(self.temperature)):
            problems.append(f"temperature is {self.temperature}, not above 0")
        return problems

    def _word_problems(self) -> list[str]:
        allowed = {
            "space": tuple(N_CHANNELS),
            "audio_input": tuple(AUDIO_WIDTHS),
            "feed_forward": FEED_FORWARDS,
            "text_reading": TEXT_READINGS,
            "adapter_mix_on": MIX_TERMS,
        }
        return [
            f"{name} is {getattr(self, name)!r}, not one of {', '.join(words)}"
            for name, words in allowed.items()
            if getattr(self, name) not in words
        ]

    def _relation_problems(self) -> list[str]:
        checks = (
            (self.width % self.heads == 0, f"heads ({self.heads}) do not divide width ({self.width})"),
            (
                self.style_inner_width % self.heads == 0,
                f"heads ({self.heads}) do not divide style_inner_width ({self.style_inner_width})",
            ),
            (self.query_tokens in (1, self.window), f"query_tokens is neither 1 nor the window ({self.window})"),
            (
                not (self.query_sees_audio and not self.audio_per_frame),
                "query_sees_audio needs audio_per_frame: a window's encoder has no frame of its own",
            ),
            (
                not (self.audio_per_frame and self.audio_input == "phones"),
                "audio_per_frame needs vectors per frame (audio_input speech or hidden), not phone ids",
            ),
            (self.anchor in (0, self.channels), f"anchor is neither 0 nor the {self.channels} channels"),
            (self.anchor <= self.style_width, f"anchor ({self.anchor}) is longer than the style code"),
            (
                self.anchor > 0 or not (self.residual_on_anchor or self.anchor_from_clip or self.condition_scalars),
                "residual_on_anchor, anchor_from_clip and condition_scalars need an anchor",
            ),
            (
                self.text_reading != "paper" or self.text_width == self.style_width,
                f"the paper's reading needs text_width ({self.text_width}) = style_width ({self.style_width})",
            ),
        )
        return [problem for holds, problem in checks if not holds]


def default() -> ModelConfig:
    """What is shipped: arkit52 at 25 fps from phones and acoustics, 3 M parameters."""
    return ModelConfig()


def paper() -> ModelConfig:
    """StyleTalk's networks (22.4 M parameters), which the paper takes over, with the adapter before a projection."""
    return ModelConfig(
        space="bfm64",
        fps=30.0,
        width=256,
        audio_input="phones",
        audio_layers=3,
        style_width=256,
        style_inner_width=256,
        style_layers=3,
        text_width=512,
        decoder_layers=3,
        feed_forward="dynamic",
        audio_per_frame=False,
        query_tokens=11,
        query_sees_audio=False,
        anchor=0,
        residual_on_anchor=False,
        anchor_from_clip=False,
        adds_to_mouth=False,
        condition_scalars=0,
    )


def paper_reading() -> ModelConfig:
    """The other reading of the paper's Eq. 1: width 512 everywhere, no projection; loads no public weights."""
    return dataclasses.replace(
        paper(), width=512, style_width=512, style_inner_width=512, adapter_width=256, text_reading="paper"
    )


def dreamtalk() -> ModelConfig:
    """DreamTalk's encoders and decoder: plain feed-forward, wav2vec 2.0 windows, 25 fps."""
    return dataclasses.replace(paper(), fps=25.0, audio_input="hidden", feed_forward="plain")


PRESETS = {"default": default, "paper": paper, "paper-512": paper_reading, "dreamtalk": dreamtalk}


def config_from_dict(values: Mapping[str, Any]) -> ModelConfig:
    """A configuration as read from a file; `preset` names what the other keys change.

    Raises:
        InputError: unknown preset, unknown keys (all of them), or values that cannot be built.
    """
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    preset = values.get("preset", "default")
    unknown = sorted(set(values) - known - {"preset"})
    if preset not in PRESETS:
        raise InputError(f"model configuration: unknown preset {preset!r}.", f"Use one of {', '.join(PRESETS)}.")
    if unknown:
        raise InputError(
            f"model configuration: unknown keys {', '.join(unknown)}.", f"Known: {', '.join(sorted(known))}."
        )
    changes = {key: value for key, value in values.items() if key in known}
    return dataclasses.replace(PRESETS[preset](), **changes)


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Plain values, every field, for JSON; `config_from_dict` reads it back."""
    return dataclasses.asdict(config)
