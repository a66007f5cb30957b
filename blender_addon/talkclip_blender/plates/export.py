# SPDX-License-Identifier: GPL-3.0-or-later
"""MP4 files with sound: of a plate, and of the character that speaks.

Blender renders in a copy of the scene, into a hidden file beside the target, which gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from talkclip import __version__
from talkclip.audio import AudioClip
from talkclip.client import wav_bytes
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.files import atomic_write

from .. import compat
from ..line import sound
from . import colors, mp4, placing, portrait, record, studio, throwaway, timing
from .throwaway import Throwaway

_LOOK_S: Final = 0.1


@dataclass(frozen=True)
class Shoot:
    """A copy of a scene that is ready to render a video."""

    scene: bpy.types.Scene
    frames: tuple[int, int]
    comment: str
    """For the file: what it shows, made with what."""


class VideoExport:
    """A video on its way into a file. Call `pump` until it says True, then `result`; in any case `close`.

    Args:
        shoot: makes the scene that is rendered, and takes it away again.
        target: the file.
        in_window: render as Blender does with a window, while the user looks on; else all of it at once.
        tell: is told the progress after each frame.

    Raises:
        TalkClipError: it cannot be rendered or written.
    """

    def __init__(
        self,
        shoot: contextlib.AbstractContextManager[Shoot],
        target: Path,
        in_window: bool,
        tell: Callable[[float, str], None] | None = None,
    ) -> None:
        self._shoot, self._target, self._in_window, self._tell = shoot, target, in_window, tell
        self._stack = contextlib.ExitStack()
        self._frames, self._done = 0, 0
        self._cancelled = self._began = False
        self._comment = ""
        self._temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}.mp4")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""
        if not self._frames:
            return 0.0, "Preparing"
        return self._done / self._frames, f"Frame {self._done} of {self._frames}"

    def pump(self) -> bool:
        """-> whether it has ended, well or badly."""
        if not self._in_window:
            return True
        running = bpy.app.is_job_running("RENDER")
        self._began |= running or self._done > 0 or self._cancelled
        return self._began and not running

    def result(self) -> Path:
        """Give the file its name.

        Raises:
            Cancelled: rendering was stopped.
            TalkClipError: the file is not whole.
        """
        self._stack.close()
        if self._cancelled:
            raise Cancelled("Stopped; no video was written.")
        if self._done < self._frames or not self._temporary.is_file():
            raise TalkClipError("Blender rendered no whole video.", "See its console for the reason.", "no_video")
        mp4.add_comment(self._temporary, self._comment)
        try:
            self._temporary.replace(self._target)
        except OSError as error:
            raise InputError(
                f"{self._target}: cannot be written ({error.strerror}).", "Choose another place."
            ) from None
        return self._target

    def close(self) -> None:
        """Take the copy of the scene away, and a video that is not whole; while Blender renders, as soon as it ends."""
        if self._close_later() is not None:
            bpy.app.timers.register(self._close_later, first_interval=_LOOK_S)

    def _close_later(self) -> float | None:
        """-> seconds until the next attempt."""
        if self._in_window and bpy.app.is_job_running("RENDER"):
            return _LOOK_S
        self._stack.close()
        self._temporary.unlink(missing_ok=True)
        return None

    def _start(self) -> None:
        if self._target.suffix.lower() != ".mp4":
            raise InputError(f"{self._target}: is no MP4 file.", "End the name in .mp4.")
        if not self._target.parent.is_dir():
            raise InputError(f"{self._target.parent}: there is no such folder.", "Make it, or choose another one.")
        made = self._stack.enter_context(self._shoot)
        self._comment = made.comment
        self._frames = made.frames[1] - made.frames[0] + 1
        studio.video_output(made.scene, self._temporary, made.frames)
        self._stack.enter_context(self._watched())
        try:
            if self._in_window:
                self._stack.enter_context(_no_render_window())
                bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=made.scene.name)
            else:
                bpy.ops.render.render(animation=True, scene=made.scene.name)
        except RuntimeError as error:
            text = str(error).removeprefix("Error: ").strip()
            raise TalkClipError(f"Blender could not render: {text}", "Is the disk full?", "no_video") from None

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Count frames, and hear of a cancel."""

        def counted(*_: object) -> None:
            self._done += 1
            if self._tell is not None:
                self._tell(*self.progress)

        def stopped(*_: object) -> None:
            self._cancelled = True

        handlers = bpy.app.handlers
        handlers.render_write.append(counted)
        handlers.render_cancel.append(stopped)
        try:
            yield
        finally:
            handlers.render_write.remove(counted)
            handlers.render_cancel.remove(stopped)


class VideoCopy:
    """A plate that is a video already, on its way to another name; see `VideoExport`.

    Raises:
        InputError: it is not there.
    """

    progress = (0.0, "Copying")

    def __init__(self, plate: Any, target: Path) -> None:
        self._source, self._target = record.require_files(plate), target

    def pump(self) -> bool:
        """It is one step."""
        return True

    def result(self) -> Path:
        """Copy it.

        Raises:
            InputError: the target cannot be written.
        """
        with atomic_write(self._target) as temporary:
            shutil.copyfile(self._source, temporary)
        return self._target

    def close(self) -> None:
        """Nothing is held."""


@contextlib.contextmanager
def of_plate(plate: Any) -> Iterator[Shoot]:
    """A scene that shows a plate of pictures, at their size and rate, with the line's sound.

    Raises:
        InputError: files are missing.
    """
    first = record.require_files(plate)
    with throwaway.sounds(), Throwaway() as made:
        scene = made.add("scenes", bpy.data.scenes.new("TalkCLIP Video"))
        colors.show_exactly(scene)
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = plate.width, plate.height, 100
        timing.set_fps(scene, plate.fps)
        scene.sequence_editor_create()
        strips = compat.top_strips(scene.sequence_editor)
        strip = strips.new_image(plate.name, str(first), 1, plate.frame_start)
        for path in record.pictures_of(plate)[1:]:
            strip.elements.append(path.name)
        placing.add_sound(plate, scene)
        yield Shoot(scene, (plate.frame_start, timing.end_frame(plate, plate.fps) - 1), _comment(plate.prompt, True))


@contextlib.contextmanager
def of_character(mesh: bpy.types.Object, context: bpy.types.Context, source: str, percentage: int) -> Iterator[Shoot]:
    """The scene as it is, over the frames of the character's line, with the line's sound and no other.

    Args:
        source: CAMERA, VIEW or FACE, see `portrait.view_of`.
        percentage: of the view's size.

    Raises:
        InputError: no sound, or no camera.
    """
    scene, character = context.scene, mesh.talkclip
    line = sound.line_of(character, scene)
    extent = sound.extent_of(character, scene)
    frames = extent.first, extent.end - 1
    view = portrait.view_of(source, mesh, context)
    folder = Path(tempfile.mkdtemp(prefix="talkclip-video-"))
    try:
        with throwaway.sounds(), studio.copy_of(scene, view, character.studio_engine) as copy:
            copy.render.resolution_percentage = percentage
            path = _sound_file(line, folder)
            studio.add_sound(copy, path, line.start_s, frames)
            prompts = " | ".join(segment.prompt for segment in character.segments if segment.prompt)
            yield Shoot(copy, frames, _comment(f"{mesh.name}: {prompts}", False))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _comment(what: str, synthetic: bool) -> str:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()
    return f"{'synthetic face' if synthetic else 'animation'}, made with talkclip {__version__}, {now}: {what}"


def _sound_file(line: sound.Line, folder: Path) -> Path:
    if not isinstance(line.audio, AudioClip):
        return line.audio
    path = folder / "line.wav"
    path.write_bytes(wav_bytes(line.audio))
    return path


@contextlib.contextmanager
def _no_render_window() -> Iterator[None]:
    """The panel shows how far it is; a window of its own is not needed."""
    view = bpy.context.preferences.view
    before = view.render_display_type
    view.render_display_type = "NONE"
    try:
        yield
    finally:
        view.render_display_type = before
