# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sound a character speaks, which part of it, and at which scene frame it starts.

`character` is a `TalkClipCharacter`; what is saved builds on this module.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from talkclip.audio import AudioClip
from talkclip.errors import InputError

from .. import compat
from ..frame_rate import scene_fps


@dataclass(frozen=True)
class Line:
    """The part of a sound that is spoken. Its own clock starts at `start_frame`."""

    audio: Path | AudioClip
    """A file, or samples where the file is packed into the .blend."""
    start_s: float
    """Where the part begins in the sound, seconds."""
    end_s: float | None
    """Where it ends; None = at the sound's end."""
    start_frame: int
    """Scene frame at which the part begins."""


@dataclass(frozen=True)
class Extent:
    """Where a line stands in the scene."""

    first: int
    """Scene frame at which the sound starts."""
    end: int
    """Scene frame at or after its end."""
    fps: float
    """Frames per second of the scene."""


def extent_of(character: Any, scene: bpy.types.Scene) -> Extent:
    """Where the line stands; all of the scene where no sound is chosen or its length is not known."""
    fps = scene_fps(scene)
    try:
        line = line_of(character, scene)
    except InputError:
        return Extent(scene.frame_start, scene.frame_end + 1, fps)
    spoken_s = length_s(line)
    if spoken_s is None:
        return Extent(line.start_frame, max(scene.frame_end, line.start_frame) + 1, fps)
    return Extent(line.start_frame, line.start_frame + max(math.ceil(spoken_s * fps - 1e-6), 1), fps)


def length_s(line: Line) -> float | None:
    """Seconds that are spoken; None where Blender cannot tell."""
    if line.end_s is not None:
        return line.end_s - line.start_s
    if isinstance(line.audio, AudioClip):
        return line.audio.duration_s - line.start_s
    whole_s = _file_length_s(line.audio, line.audio.stat().st_mtime_ns)
    return None if whole_s is None else whole_s - line.start_s


def line_of(character: Any, scene: bpy.types.Scene) -> Line:
    """What the character's settings point at.

    Raises:
        InputError: nothing chosen, the file or strip is missing, or the strip is retimed.
    """
    if character.sound_source == "STRIP":
        return _line_of_strip(_chosen_strip(character, scene), scene_fps(scene))
    if not character.sound_path.strip():
        raise InputError("No sound is chosen.", "Choose a sound or video file, or a sound strip of the Sequencer.")
    start = scene.frame_start if character.use_scene_start else character.start_frame
    return Line(_existing_file(character.sound_path, None), 0.0, None, start)


def put_in_sequencer(line: Line, scene: bpy.types.Scene) -> bool:
    """Add the line's file as a sound strip, so that playback is heard -> whether one was added."""
    if not isinstance(line.audio, Path):
        return False
    for strip in compat.sound_strips(scene):
        same_file = strip.sound is not None and Path(bpy.path.abspath(strip.sound.filepath)) == line.audio
        if same_file and compat.strip_timing(strip).first == line.start_frame:
            return False
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = compat.top_strips(editor)
    channel = 1 + max((strip.channel for strip in strips), default=0)
    strips.new_sound(line.audio.stem, str(line.audio), channel, line.start_frame)
    return True


def is_muted(character: Any, scene: bpy.types.Scene) -> bool:
    """Whether the sound is a strip of the Sequencer that is switched off there."""
    strip = _strip(character, scene) if character.sound_source == "STRIP" else None
    return strip is not None and strip.mute


def _strip(character: Any, scene: bpy.types.Scene) -> Any | None:
    return next((strip for strip in compat.sound_strips(scene) if strip.name == character.sound_strip), None)


def _chosen_strip(character: Any, scene: bpy.types.Scene) -> Any:
    name, strip = character.sound_strip, _strip(character, scene)
    if strip is None:
        problem = f"The Sequencer has no sound strip '{name}'." if name else "No sound strip is chosen."
        raise InputError(problem, "Add the sound to this scene's Video Sequencer and choose it, or choose a file.")
    if strip.sound is None:
        raise InputError(f"The strip '{name}' has no sound.", "Give it a sound file, or choose another strip.")
    if len(getattr(strip, "retiming_keys", ())) > 0:
        raise InputError(
            f"The strip '{name}' is retimed.", "Render the sound at its new speed (Render > Render Audio) and use that."
        )
    return strip


def _line_of_strip(strip: Any, fps: float) -> Line:
    timing = compat.strip_timing(strip)
    into_media = timing.first - timing.content + timing.trim
    # `sound_offset`: where the sound begins within a video's time.
    start_s = into_media / fps - getattr(strip, "sound_offset", 0.0)
    end_s = start_s + (timing.end - timing.first) / fps
    if end_s <= 0 or timing.end <= timing.first:
        raise InputError(f"Nothing is heard of the strip '{strip.name}'.", "Move its handles, or choose another strip.")
    sound = strip.sound
    audio = _unpacked(sound) if sound.packed_file else _existing_file(sound.filepath, sound.library)
    return Line(audio, max(start_s, 0.0), end_s, timing.first)


@functools.lru_cache(maxsize=32)
def _file_length_s(file: Path, _changed_ns: int) -> float | None:
    try:
        import aud
    except ImportError:  # Blender without sound
        return None
    try:
        sound = aud.Sound(str(file))
        length_s = sound.length / sound.specs[0]
    except (aud.error, ZeroDivisionError):
        return None
    return length_s if length_s > 0 else None


def _existing_file(path: str, library: Any) -> Path:
    file = Path(bpy.path.abspath(path, library=library))
    if not file.is_file():
        raise InputError(f"{file}: there is no such file.", "Choose a sound or video file that exists.")
    return file


def _unpacked(sound: bpy.types.Sound) -> AudioClip:
    """Samples of a sound that is packed into the .blend, mixed to mono."""
    return _unpacked_once(sound.name_full, sound.packed_file.size, sound.samplerate)


@functools.lru_cache(maxsize=2)  # panels ask for the line on every redraw
def _unpacked_once(name: str, _bytes: int, _rate: int) -> AudioClip:
    sound = next(sound for sound in bpy.data.sounds if sound.name_full == name)
    try:
        # Only the evaluated sound is loaded.
        factory = sound.evaluated_get(bpy.context.evaluated_depsgraph_get()).factory
        rate, _channels = factory.specs
        samples = np.asarray(factory.data(), np.float32)
    except (AttributeError, RuntimeError) as error:
        raise InputError(f"The packed sound '{sound.name}' cannot be read ({error}).", "Unpack it to a file.") from None
    return AudioClip(samples.mean(axis=1) if samples.ndim == 2 else samples, round(rate), sound.name)
