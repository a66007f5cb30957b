# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sound a character speaks, which part of it, and at which scene frame it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from talkclip.audio import AudioClip
from talkclip.errors import InputError
from talkclip.timebase import fps_fraction

from .. import compat
from ..properties import TalkClipCharacter


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


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames per second; exactly 30000/1001 for NTSC, though Blender keeps 1.001 in single precision."""
    return float(fps_fraction(scene.render.fps / scene.render.fps_base))


def line_of(character: TalkClipCharacter, scene: bpy.types.Scene) -> Line:
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


def _chosen_strip(character: TalkClipCharacter, scene: bpy.types.Scene) -> Any:
    name = character.sound_strip
    strip = next((strip for strip in compat.sound_strips(scene) if strip.name == name), None)
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


def _existing_file(path: str, library: Any) -> Path:
    file = Path(bpy.path.abspath(path, library=library))
    if not file.is_file():
        raise InputError(f"{file}: there is no such file.", "Choose a sound or video file that exists.")
    return file


def _unpacked(sound: bpy.types.Sound) -> AudioClip:
    """Samples of a sound that is packed into the .blend, mixed to mono."""
    try:
        rate, _channels = sound.factory.specs
        samples = np.asarray(sound.factory.data(), np.float32)
    except (AttributeError, RuntimeError) as error:
        raise InputError(f"The packed sound '{sound.name}' cannot be read ({error}).", "Unpack it to a file.") from None
    return AudioClip(samples.mean(axis=1) if samples.ndim == 2 else samples, round(rate), sound.name)
