"""What the pipeline is asked, and what it answers."""

from __future__ import annotations

import dataclasses

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack, LayerValues
from talkclip.engine.text.understand import PromptReading
from talkclip.errors import InputError
from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.script import ScriptPart
from talkclip.timeline import PromptTimeline

DEFAULT_FPS = 30.0
# As on the wire: what every client can send.
SEED_MAX = 2**32 - 1


@dataclasses.dataclass(frozen=True, eq=False)
class StyleClip:
    """A face whose way of speaking the line, or a segment of it, shall have.

    Attributes:
        track: `arkit52` coefficients of a face that speaks anything, filmed (`tracking.track_video`) or animated.
        weight: its share of the style, 0 (the prompts alone) .. 1 (the clip alone).
        uid: of the prompt segment that it belongs to; None: of the whole line, also where no segment plays.

    Raises:
        InputError: another space, or a weight out of range.
    """

    track: CoefficientTrack
    weight: float = 1.0
    uid: str | None = None

    def __post_init__(self) -> None:
        if self.track.space != "arkit52":
            raise InputError(f"The style's track holds {self.track.space}, not arkit52.", "Give an arkit52 track.")
        if not 0 <= self.weight <= 1:
            raise InputError(f"The style's weight {self.weight:g} is out of range.", "Use 0 (prompts) to 1 (the clip).")


@dataclasses.dataclass(frozen=True)
class AnimateRequest:
    """One line of speech and how it is spoken.

    Attributes:
        clip: the line, 16 kHz mono.
        timeline: prompts over time; ignored where `script` is given.
        script: stage directions with their words, to be placed at the aligned words.
        text: the transcript, for forced alignment; a script brings its own.
        phones: phones and times to use instead of recognising them; with a text it corrects their words.
        fps: frame rate of the result.
        space: coefficient space of the result: `arkit52`, or `flame` where the pipeline has a FLAME model.
        gains: per layer.
        seed: of blinks and head motion, 0..`SEED_MAX`; equal seeds give equal results.
        styles: clips whose style is mixed with that of the prompts: at most one of each segment, and one of the line.
        layers: whether the answer shall also say which layer moves what.
    """

    clip: AudioClip
    timeline: PromptTimeline
    script: tuple[ScriptPart, ...] = ()
    text: str | None = None
    phones: PhoneTrack | None = None
    fps: float = DEFAULT_FPS
    space: str = "arkit52"
    gains: LayerGains = dataclasses.field(default_factory=LayerGains)
    seed: int = 0
    styles: tuple[StyleClip, ...] = ()
    layers: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= SEED_MAX:
            raise InputError(f"seed {self.seed} is out of range.", f"Use 0 to {SEED_MAX}.")
        uids = [style.uid for style in self.styles]
        if len(set(uids)) != len(uids):
            raise InputError("Two style clips belong to the same segment.", "Give each segment one.")


@dataclasses.dataclass(frozen=True)
class AnimateResult:
    """The answer to one request.

    Attributes:
        track: coefficients in the requested space.
        phones: what the mouth followed.
        timeline: the prompts as played (a script's directions with their times).
        readings: what was understood, one per distinct prompt.
        notes: from the speech front end (a transcript that does not fit somewhere, noise), one sentence each.
        layers: the track as a sum of layers, where they were asked for and the motion model has them.
    """

    track: CoefficientTrack
    phones: PhoneTrack
    timeline: PromptTimeline
    readings: tuple[PromptReading, ...]
    notes: tuple[str, ...] = ()
    layers: LayerValues | None = None
