# SPDX-License-Identifier: GPL-3.0-or-later
"""One shot: open the file, set the line, speak, save under another name, render a video."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import bpy

from talkclip.client import Client
from talkclip.errors import InputError, TalkClipError
from talkclip.shots import ShotOrder, ShotResult
from talkclip.timeline import PromptSegment, PromptTimeline

from ..character import default_head, face, preset_operators, presets
from ..line import cutting, intensity, replacing, sound
from ..line.properties import add_segment
from ..plates import export
from ..result import speech

# (0..1, words for people)
Tell = Callable[[float, str], None]

_PUMP_MS: Final = 50.0
_PAUSE_S: Final = 0.002
# Shares of the whole shot, where a video is rendered and where not.
_OPENED, _SPOKEN_OF_VIDEO, _SPOKEN = 0.05, 0.3, 0.95


def run_file(order_file: Path, result_file: Path, tell: Tell) -> bool:
    """Carry out the order of one file and write the result into another -> whether it went well."""
    try:
        result = run(ShotOrder.read(order_file), tell)
    except TalkClipError as error:
        result = ShotResult.of_error(error)
    result.write(result_file)
    return not result.problem


def run(order: ShotOrder, tell: Tell) -> ShotResult:
    """Carry out an order.

    Raises:
        TalkClipError: what went wrong; nothing is half-written.
    """
    tell(0.0, "opening")
    _open(order)
    mesh = _character(order)
    bpy.context.view_layer.objects.active = mesh
    notes = _set_line(order, mesh)
    spoken = _SPOKEN_OF_VIDEO if order.video else _SPOKEN
    texts = _speak(order, mesh, lambda share, text: tell(_OPENED + (spoken - _OPENED) * share, text))
    frames = _frames(mesh)
    if order.output:
        tell(spoken, "saving")
        _save(Path(order.output))
    if order.video:
        _render(order, mesh, lambda share, text: tell(spoken + (1 - spoken) * share, text))
    tell(1.0, "done")
    return ShotResult(texts[0], tuple(notes + texts[1:]), frames)


def _open(order: ShotOrder) -> None:
    if not order.blend:
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        default_head.build(bpy.context.collection, bpy.context.scene.cursor.location)
        return
    try:
        bpy.ops.wm.open_mainfile(filepath=order.blend, load_ui=False, use_scripts=order.trust)
    except RuntimeError as error:
        raise InputError(f"{order.blend}: cannot be opened ({_short(error)}).", "Save it with this Blender.") from None


def _character(order: ShotOrder) -> bpy.types.Object:
    """The object with the face.

    Raises:
        InputError: there is none, or several and none is named.
    """
    name, where = order.character, Path(order.blend).name or "the new file"
    if name:
        named = bpy.context.scene.objects.get(name)
        if named is None:
            raise InputError(f"{where}: has no object '{name}' in its scene.", _among(bpy.context.scene.objects))
        # A preset makes a character of any mesh with shape keys.
        is_blank = face.face_mesh(named) is None and named.type == "MESH" and named.data.shape_keys is not None
        return named if order.preset and is_blank else face.recognise(named).mesh
    faces = [body for body in bpy.context.scene.objects if face.face_mesh(body) == body]
    # Of several faces on one rig one is the character's.
    faces = list(dict.fromkeys(face.face_mesh(body.find_armature()) or body for body in faces))
    if len(faces) == 1:
        return face.recognise(faces[0]).mesh
    if not faces:
        raise InputError(
            f"{where}: nothing in its scene has face shape keys TalkCLIP knows.", "Name an object, and a preset."
        )
    raise InputError(f"{where}: has {len(faces)} characters.", f"Name one in the column character: {_listed(faces)}")


def _set_line(order: ShotOrder, mesh: bpy.types.Object) -> list[str]:
    """Sound, words, prompts -> notes."""
    notes = _load_preset(order, mesh) if order.preset else []
    character = mesh.talkclip
    if order.audio:
        character.sound_source, character.sound_path = "FILE", order.audio
        character.use_scene_start = order.start_frame is None
        if order.start_frame is not None:
            character.start_frame = order.start_frame
    elif order.strip:
        character.sound_source, character.sound_strip = "STRIP", order.strip
    if order.audio or order.strip or order.transcript:
        character.transcript = order.transcript
    if order.seed is not None:
        character.seed = order.seed
    sound.line_of(character, bpy.context.scene)  # says what is wrong with it before anything is asked
    if order.timeline:
        notes += _set_timeline(mesh, PromptTimeline.read(Path(order.timeline)))
    elif order.script:
        character.script, character.script_text = order.script, None
    elif order.prompt or order.edits or order.style_video or order.intensity != 1.0:
        cutting.clear(character)
        segment = add_segment(character, order.prompt)
        segment.intensity = order.intensity
        segment.style_video, segment.style_weight = order.style_video, order.style_weight
        _set_edits(segment, order)
    return notes


def _load_preset(order: ShotOrder, mesh: bpy.types.Object) -> list[str]:
    path = Path(order.preset)
    return preset_operators.load_onto(mesh, path if path.is_absolute() else presets.path_of(order.preset))


def _set_timeline(mesh: bpy.types.Object, timeline: PromptTimeline) -> list[str]:
    """Segments of a file, as the character's own -> notes."""
    character, scene = mesh.talkclip, bpy.context.scene
    extent = sound.extent_of(character, scene)

    def frame(seconds: float) -> int:
        return round(extent.first + min(seconds * extent.fps, extent.end - extent.first))

    spans = [
        replacing.Span(s.prompt, frame(s.start_s), frame(s.end_s), s.blend_in_s, s.blend_out_s, s.uid)
        for s in timeline.segments
    ]
    cutting.clear(character)
    notes = replacing.replace(character, extent, spans)
    long_enough = [s for s, span in zip(timeline.segments, spans, strict=True) if span.end > span.first]
    for segment, given in zip(character.segments, long_enough, strict=True):
        segment.intensity = given.intensity
        _set_edits(segment, given)
        for seconds, value in given.intensity_keys:
            intensity.set_value(mesh, segment.uid, value)
            at = extent.first + seconds * extent.fps
            mesh.keyframe_insert(intensity.data_path(segment.uid), frame=at)
        if given.intensity_keys and (curve := intensity.curve_of(mesh, segment.uid)) is not None:
            for point in curve.keyframe_points:
                point.interpolation = "LINEAR"
    return notes


def _set_edits(segment: Any, given: PromptSegment | ShotOrder) -> None:
    for edit in given.edits:
        row = segment.edits.add()
        row.text, row.weight = edit.text, edit.weight


def _speak(order: ShotOrder, mesh: bpy.types.Object, tell: Tell) -> list[str]:
    """Ask, wait, and key the answer -> what was keyed, then notes."""
    planned = speech.plan(mesh, bpy.context.scene, from_script=bool(order.script))
    run = speech.Run(planned, Client(order.server, keys=order.key or None))
    try:
        while not run.pump(_PUMP_MS):
            tell(*run.progress)
            time.sleep(_PAUSE_S)
        return speech.apply(planned, run.result(), run.engine)
    finally:
        run.close()


def _save(path: Path) -> None:
    """Save a copy, so that the file's own name, and with it what its relative paths mean, stay for the video."""
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, relative_remap=True, check_existing=False)
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be written ({_short(error)}).", "Choose another place.") from None


def _render(order: ShotOrder, mesh: bpy.types.Object, tell: Tell) -> None:
    mesh.talkclip.studio_engine = order.engine.upper()
    view = order.view or ("camera" if bpy.context.scene.camera else "face")
    shoot = export.of_character(mesh, bpy.context, view.upper(), order.percentage)
    video = export.VideoExport(shoot, Path(order.video), in_window=False, tell=tell)
    try:
        video.result()
    finally:
        video.close()


def _frames(mesh: bpy.types.Object) -> tuple[int, int]:
    take = mesh.talkclip.takes[-1]
    return take.frame_start, take.frame_end


def _short(error: RuntimeError) -> str:
    return str(error).removeprefix("Error: ").strip().splitlines()[0]


def _among(objects: Any) -> str:
    faces = [body for body in objects if face.face_mesh(body) == body]
    return f"It has: {_listed(faces)}" if faces else "Nothing in it has a face TalkCLIP knows."


def _listed(faces: list[bpy.types.Object]) -> str:
    return ", ".join(body.name for body in faces[:10]) + ("." if len(faces) <= 10 else " ...")
