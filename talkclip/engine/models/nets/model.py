"""The model as a whole, and the one builder that reads a configuration."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from talkclip.engine.models.blocks import Decode
from talkclip.engine.models.config import AUDIO_WIDTHS, ModelConfig
from talkclip.engine.models.inputs import padding_frame
from talkclip.engine.models.nets.audio import FrameEncoder, PhoneEntry, WindowEncoder
from talkclip.engine.models.nets.decoder import DecoderLayer, FaceDecoder, HalfFace
from talkclip.engine.models.nets.layers import DynamicFeedForward, FeedForward
from talkclip.engine.models.nets.style import StyleEncoder
from talkclip.engine.models.nets.text import ConditionEncoder, TextStyle
from talkclip.errors import InputError

# With a residual on the anchor the decoder begins near "nothing added", not with noise on the face.
_RESIDUAL_GAIN = 0.1


class TalkClipModel(nn.Module):
    """Audio encoder, style encoder, T2SS, condition encoder and decoder.

    Attributes:
        config: what it was built from.
        audio_encoder, style_encoder, decoder: E_a, E_v, E_d.
        text_style: T2SS without its frozen text encoder; None after loading public weights, which have none.
        condition_encoder: None where the configuration has no condition scalars.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = build_audio_encoder(config)
        self.style_encoder = build_style_encoder(config)
        self.text_style: TextStyle | None = TextStyle(
            config.text_width,
            config.adapter_width,
            config.style_width,
            config.adapter_mix,
            config.adapter_mix_on,
            config.text_reading == "projected",
            config.normalise_text,
        )
        self.condition_encoder = (
            ConditionEncoder(config.anchor, config.condition_scalars, config.style_width, config.style_inner_width)
            if config.condition_scalars
            else None
        )
        self.decoder = build_decoder(config)

    def forward(self, audio: Tensor, style: Tensor) -> Tensor:
        """A whole clip; outside it there is silence.

        Args:
            audio: (B, T, I), or phone ids int64 (B, T).
            style: (B, S) one per clip, or (B, T, S) one per frame.

        Returns:
            coefficients (B, T, C); in arkit52 not yet clipped to 0..1.
        """
        return self.decode(self.pad(audio), style)

    def pad(self, audio: Tensor) -> Tensor:
        """Silence before and after: (B, T, ...) -> (B, T + 2 * context, ...)."""
        return pad_audio(audio, self.config)

    def decode(self, padded: Tensor, style: Tensor) -> Tensor:
        """Frames whose context is given: what blocks, streams, training crops and the exported graph call.

        Args:
            padded: (B, T + 2 * context, I), or phone ids (B, T + 2 * context).
            style: (B, S) or (B, T, S).

        Returns:
            (B, T, C)
        """
        return self.decoder(self.audio_encoder(padded), style)

    def style_of_clip(
        self, clip: Tensor, padding: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """V2SS: clip (B, N, C), padding bool (B, N) or None -> (B, S); see `StyleEncoder.forward`."""
        return self.style_encoder(clip, padding, generator)

    def style_of_text(self, vector: Tensor) -> Tensor:
        """T2SS: the text encoder's vector (B, text width) -> (B, S).

        Raises:
            InputError: the weights came without an adapter (public checkpoints do).
        """
        if self.text_style is None:
            raise InputError("These weights understand no prompts yet.", "Train an adapter for them: talkclip adapt.")
        return self.text_style(vector)

    def style_of_pose(self, pose: Tensor, scalars: Tensor) -> Tensor:
        """A composed pose: (B, anchor) signed, (B, condition scalars) -> (B, S).

        Raises:
            InputError: the configuration has no condition encoder.
        """
        if self.condition_encoder is None:
            raise InputError("This model takes no composed poses.", "Use a configuration with condition_scalars.")
        return self.condition_encoder(pose, scalars)


def pad_audio(audio: Tensor, config: ModelConfig) -> Tensor:
    """Silence before and after: (B, T, ...) -> (B, T + 2 * context, ...)."""
    silence = torch.from_numpy(np.asarray(padding_frame(config))).to(audio)
    edge = silence.expand(audio.shape[0], config.context, *audio.shape[2:])
    return torch.cat([edge, audio, edge], dim=1)


def as_decode(model: TalkClipModel) -> Decode:
    """The model for `blocks.decode_clip` and `blocks.FaceStream`."""

    def decode(inputs: np.ndarray, styles: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            out = model.decode(torch.tensor(inputs)[None], torch.tensor(styles)[None])  # copies: may be read-only
        return out[0].numpy()

    return decode


def parameter_counts(model: TalkClipModel) -> dict[str, int]:
    """Numbers that are learned, per part."""
    return {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}


def build_audio_encoder(config: ModelConfig) -> FrameEncoder | WindowEncoder:
    """E_a of a configuration."""
    inputs = AUDIO_WIDTHS[config.audio_input]
    if config.audio_per_frame:
        return FrameEncoder(inputs, config.width, config.audio_layers, config.dropout)
    phones = config.audio_input == "phones"
    return WindowEncoder(
        PhoneEntry(config.width) if phones else nn.Linear(inputs // config.audio_rate, config.width),
        config.width,
        config.heads,
        config.expansion,
        config.audio_layers,
        config.dropout,
        config.half_window,
        config.audio_rate,
    )


def build_style_encoder(config: ModelConfig) -> StyleEncoder:
    """E_v of a configuration."""
    return StyleEncoder(
        config.channels,
        config.style_inner_width,
        config.heads,
        config.expansion,
        config.style_layers,
        config.dropout,
        config.style_frames,
        config.style_width,
        config.anchor if config.anchor_from_clip else 0,
    )


def build_decoder(config: ModelConfig) -> FaceDecoder:
    """E_d of a configuration."""

    def half(channels: int) -> HalfFace:
        layers = [
            DecoderLayer(config.width, config.heads, config.dropout, _feed_forward(config), config.query_tokens)
            for _ in range(config.decoder_layers)
        ]
        return HalfFace(layers, config.width, channels)

    decoder = FaceDecoder(
        half(len(config.lower)),
        half(len(config.upper)),
        (*config.lower, *config.upper),
        config.width,
        config.style_width,
        config.window,
        config.query_tokens,
        config.query_sees_audio,
        config.anchor if config.residual_on_anchor else 0,
    )
    if config.residual_on_anchor:
        for part in (decoder.lower, decoder.upper):
            part.begin_small(_RESIDUAL_GAIN)
    return decoder


def _feed_forward(config: ModelConfig) -> FeedForward | DynamicFeedForward:
    if config.feed_forward == "plain":
        return FeedForward(config.width, config.expansion, config.dropout)
    return DynamicFeedForward(
        config.width, config.expansion, config.dropout, config.style_width, config.experts, config.temperature
    )
