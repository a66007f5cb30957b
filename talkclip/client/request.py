"""What is asked of a server, and what it answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack, LayerValues
from talkclip.errors import InputError
from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.script import ScriptPart
from talkclip.timeline import PromptTimeline


@dataclasses.dataclass(frozen=True)
class SegmentStyle:
    """A clip whose way of speaking a prompt segment shall have.

    Attributes:
        uid: of the segment.
        clip: a video that shows one face, or a track of one (.csv of Live Link Face, .json, .npz); at most 120 s.
        weight: the clip's share beside the prompt's: 0 (the prompt alone) .. 1 (the clip alone).

    Raises:
        InputError: a weight out of range.
    """

    uid: str
    clip: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            text = f"{self.clip}: the style's weight {self.weight:g} is out of range."
            raise InputError(text, "Use 0 (the prompt alone) to 1 (the clip alone).")


@dataclasses.dataclass(frozen=True, eq=False)
class SpeakRequest:
    """Speak a sound with a timeline of prompts.

    Attributes:
        audio: a sound or video file, sent as it is and decoded by the server, or samples.
        timeline: prompts, in seconds from `start_s`.
        fps: frames per second of the answer, 1..240.
        space: coefficient space of the answer, one of `Client.welcome.engine.spaces`.
        seed: of blinks and head motion.
        gains: how much of each layer of motion, 0 = off.
        text: transcript, if known; the lips get better with it.
        script: stage directions with their words (`talkclip.script.parse_script`); replaces timeline and text.
        phones: phones with times (seconds from `start_s`), if known; they replace the speech analysis. With a text:
            those of an earlier answer, which the text corrects; only around words that differ is anything timed anew.
        start_s, end_s: the part of the file to use, in seconds; end None = to its end.
        layers: whether the answer shall also say which layer moves what (not for videos).
        styles: clips of segments, sent like the sound, where `Client.welcome.engine.style_clips` says that the server
            takes them. Clips of segments that are not on the timeline, and those of weight 0, are left out.
    """

    audio: Path | AudioClip
    timeline: PromptTimeline
    fps: float
    space: str = "arkit52"
    seed: int = 0
    gains: LayerGains = dataclasses.field(default_factory=LayerGains)
    text: str | None = None
    phones: PhoneTrack | None = None
    script: tuple[ScriptPart, ...] = ()
    start_s: float = 0.0
    end_s: float | None = None
    layers: bool = False
    styles: tuple[SegmentStyle, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Frames:
    """Consecutive frames of a track that is still arriving.

    Attributes:
        first_frame: their place in the track.
        values: float32 (n, C).
        head: float32 (n, 6) in the columns of `HEAD6`, or None.
        layers: what `values` is the sum of, where asked for.
    """

    first_frame: int
    values: np.ndarray
    head: np.ndarray | None
    layers: LayerValues | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class SpeakReply:
    """A finished request.

    Attributes:
        track: coefficients on the clock of the sound's part (`start_s` of the request is 0).
        backend: the speech back end that was used.
        notes: what the prompt was understood as, and what was not; for people.
        phones: what was heard, when; may be mended and given back as `SpeakRequest.phones`.
        timeline: the prompts as played (a script's directions with their times).
        elapsed_s: the server's computing time.
        layers: what the track's values are the sum of; None where not asked for, or where the server has no layers.
    """

    track: CoefficientTrack
    backend: str
    notes: tuple[str, ...]
    phones: PhoneTrack | None
    timeline: PromptTimeline
    elapsed_s: float
    layers: LayerValues | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class EditReply:
    """The frames that an edit changed.

    Attributes:
        first_frame: where they stand in the line.
        n_frames: of the whole line.
        track: the changed frames on the line's clock; None where nothing changed.
        notes, timeline, elapsed_s: see `SpeakReply`.
        layers: of the changed frames; see `SpeakReply`.
    """

    first_frame: int
    n_frames: int
    track: CoefficientTrack | None
    notes: tuple[str, ...]
    timeline: PromptTimeline
    elapsed_s: float
    layers: LayerValues | None = None

    def applied_to(self, whole: CoefficientTrack) -> CoefficientTrack:
        """The line `whole` with the changed frames in their place.

        Raises:
            InputError: another line: other channels, rate or length.
        """
        part = self.track
        if whole.n_frames != self.n_frames or (part is not None and (part.names, part.fps) != (whole.names, whole.fps)):
            raise InputError("These frames belong to another track.", "Apply them to the track that was edited.")
        if part is None:
            return whole
        frames = slice(self.first_frame, self.first_frame + part.n_frames)
        values = whole.values.copy()
        values[frames] = part.values
        head = whole.head
        if head is not None and part.head is not None:
            head = head.copy()
            head[frames] = part.head
        return dataclasses.replace(whole, values=values, head=head)

    def layers_applied_to(self, whole: LayerValues) -> LayerValues:
        """The layers of the line with those of the changed frames in their place.

        Raises:
            InputError: another line, or this edit was made without layers.
        """
        if self.track is None:
            return whole
        part = self.layers
        if part is None or whole.shape != (self.n_frames, part.shape[1]):
            raise InputError("These layers belong to another track.", "Ask for layers with the line and its edits.")
        before, after = slice(0, self.first_frame), slice(self.first_frame + part.shape[0], None)
        return LayerValues.joined([whole.rows(before), part, whole.rows(after)])
