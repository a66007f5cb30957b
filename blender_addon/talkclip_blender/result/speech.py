# SPDX-License-Identifier: GPL-3.0-or-later
"""One request: planned from the scene, carried by the client in small steps, applied as keys.

Between planning and applying, the user may do anything, so a plan holds names, never Blender objects.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion

from talkclip.client import Client, Job, JobState, SpeakReply, SpeakRequest
from talkclip.coefficients import HEAD6, CoefficientTrack
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.timebase import FPS_MAX, FPS_MIN, seconds_to_frame
from talkclip_rigs.retarget import (
    HEAD_ROTATION,
    Curves,
    RigProfile,
    RotationDrive,
    arkit_profile,
    flame_profile,
    is_expression,
    retarget,
)

from ..character import axes, face
from ..character.face import Face, Turner
from ..line import segments, sound
from ..line.properties import first_segment
from ..properties import TalkClipCharacter
from . import keying, layers
from .keying import Channel

_BLENDERS_DEFAULT_RANGE: Final = (0.0, 1.0)
_LABEL_LENGTH: Final = 60  # a datablock's name has 63 bytes before Blender 5.0
_SLIDER_REACH: Final = 10.0  # hard limit of `ShapeKey.slider_min` and `slider_max`
_OBJECT: Final = ""


@dataclass(frozen=True)
class Plan:
    """What is asked for, and where its answer goes."""

    request: SpeakRequest
    line: sound.Line
    mesh: str
    """Name of the object with the face."""
    scene: str
    fps: float
    """Of the scene; the request's is the same wherever the server can do it."""
    label: str
    """For the Action and the strip."""


def plan(active: bpy.types.Object | None, scene: bpy.types.Scene) -> Plan:
    """Collect a request from the scene.

    Raises:
        InputError: no face, no sound, or something that keeps the answer from being keyed.
    """
    found = face.recognise(active)
    for owner in _owners(found):
        layers.require_free(owner)
    character: TalkClipCharacter = found.mesh.talkclip
    line, fps = sound.line_of(character, scene), sound.scene_fps(scene)
    prompt = " | ".join(segment.prompt for segment in character.segments if segment.prompt)
    request = SpeakRequest(
        line.audio,
        segments.timeline_of(character, line, fps),
        space=found.space,
        fps=min(max(fps, FPS_MIN), FPS_MAX),
        seed=character.seed,
        text=character.transcript.strip() or None,
        start_s=line.start_s,
        end_s=line.end_s,
    )
    label = f"TalkCLIP {found.mesh.name.removeprefix('TalkCLIP ')}: {prompt or 'neutral'}"[:_LABEL_LENGTH]
    return Plan(request, line, found.mesh.name, scene.name, fps, label)


class Run:
    """A planned request on its way. Call `pump` until it says True, then `result`."""

    def __init__(self, planned: Plan, client: Client) -> None:
        self.plan = planned
        self.client = client
        self.job: Job | None = None
        self.error: TalkClipError | None = None
        client.start()

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""
        if self.job is None:
            return 0.0, "Connecting"
        # Sending is a sliver of the whole; a bar that fills and starts again would look like a fault.
        waiting = self.job.state in (JobState.UPLOADING, JobState.WAITING)
        return 0.0 if waiting else self.job.fraction, self.job.text

    def pump(self, budget_ms: float = 4.0) -> bool:
        """Move on for about `budget_ms` -> whether the run has ended, well or badly. Never waits."""
        try:
            self.client.pump(budget_ms)
            if self.job is None and self.client.welcome is not None:
                self._require_space()
                self.job = self.client.submit(self.plan.request)
        except TalkClipError as error:
            self.error = error
        self.error = self.error or self.client.error
        return self.error is not None or (self.job is not None and self.job.finished)

    def result(self) -> SpeakReply:
        """The answer of an ended run.

        Raises:
            TalkClipError: why there is none.
        """
        if self.error is not None or self.job is None:
            raise self.error or Cancelled()
        return self.job.result()

    def close(self) -> None:
        """Stop, if it is still going on, and close the connection."""
        self.client.close()

    def _require_space(self) -> None:
        spaces, space = self.client.welcome.engine.spaces, self.plan.request.space
        if space in spaces:
            return
        where = f"The server at {self.client.address}"
        if space == "flame":
            remedy = "Start it with your own copy of the model: talkclip serve --flame MODEL.pkl"
            raise TalkClipError(
                f"{where} has no FLAME model, and '{self.plan.mesh}' is a FLAME head.", remedy, "no_space"
            )
        raise TalkClipError(f"{where} does not speak '{space}'.", "Use a server of the same version.", "no_space")


def apply(planned: Plan, reply: SpeakReply) -> list[str]:
    """Key the answer -> what the user should know, most important first.

    Raises:
        InputError: the character or scene is gone, or none of it can be keyed.
    """
    scene, mesh = bpy.data.scenes.get(planned.scene), bpy.data.objects.get(planned.mesh)
    if scene is None or mesh is None:
        raise InputError(f"'{planned.mesh}' is gone.", "Undo its removal, or speak with another character.")
    found = face.recognise(mesh)
    track = reply.track if reply.track.fps == planned.fps else reply.track.resampled(planned.fps)
    frames = planned.line.start_frame + np.round(seconds_to_frame(track.times_s, planned.fps), 4)
    channels, notes = _channels(found, track)
    for owner in dict.fromkeys(channel.owner for channel in channels):
        layers.require_free(owner)
    action = None
    for written in keying.write(planned.label, frames, channels):
        action = action or written.action
        notes += layers.place(written, planned.label, mesh.talkclip.ease_s * planned.fps)
    notes += _widen_sliders(found, channels)
    if mesh.talkclip.add_sound and sound.put_in_sequencer(planned.line, scene):
        notes.append("The sound is now in the Sequencer.")
    last = int(frames[-1])
    if last > scene.frame_end:
        notes.append(f"The line ends at frame {last}, the scene at {scene.frame_end}.")
    _keep_take(mesh.talkclip, planned, reply, action, last)
    keyed = sum(isinstance(channel.owner, bpy.types.Key) for channel in channels)
    return [f"{len(frames)} frames on {keyed} shape keys of '{found.mesh.name}'.", *notes]


# --- planning ---------------------------------------------------------------------------------------------------------


def _owners(found: Face) -> list[bpy.types.ID]:
    """Datablocks that may be keyed."""
    turned = [found.head.owner] if found.head else []
    if found.space == "flame" and found.armature is not None:
        turned.append(found.armature)
    return [found.keys, *turned]


# --- applying ---------------------------------------------------------------------------------------------------------


def _channels(found: Face, track: CoefficientTrack) -> tuple[list[Channel], list[str]]:
    """What to key on which datablock -> (channels, notes about what cannot be keyed)."""
    profile, turners, notes = _profile(found, track)
    curves = retarget(track, profile)
    channels, skipped = _shape_channels(found, curves)
    for turn in profile.rotations:
        target = turners[turn.bone]
        euler = np.stack([curves.channels[f"{turn.bone}.rotation_{axis}"] for axis in "xyz"], axis=1)
        channels += _turn_channels(target, euler)
    if not any(channel.owner == found.keys for channel in channels):
        raise InputError(
            f"All face shapes of '{found.mesh.name}' follow drivers.",
            "Key the controls they follow, or delete the drivers (right-click a value > Delete Drivers).",
        )
    return channels, notes + skipped


def _shape_channels(found: Face, curves: Curves) -> tuple[list[Channel], list[str]]:
    blocks = found.keys.key_blocks
    driven = face.driven_shapes(found.keys)
    shapes = [name for name, target in curves.targets.items() if target.kind == "shape" and name in blocks]
    free = [name for name in shapes if name not in driven]
    channels = [Channel(found.keys, keying.shape_path(name), 0, curves.channels[name], "TalkCLIP") for name in free]
    notes = []
    if held := [name for name in shapes if name in driven]:
        notes.append(
            f"{_listed(held)} follow{'s' * (len(held) == 1)} a driver and did not get keys: key the control behind it, "
            "or delete the driver."
        )
    if muted := [name for name in free if blocks[name].mute and np.ptp(curves.channels[name]) > 0]:
        notes.append(f"{_listed(muted)} got keys but will not move: muted.")
    return channels, notes


def _turn_channels(target: Turner, euler: np.ndarray) -> list[Channel]:
    posed, mode = target.posed, target.posed.rotation_mode
    name = axes.ROTATION_PATH.get(mode, "rotation_euler")
    path = target.path + name
    rest = np.eye(3) if target.bone else _rest_rotation(target.owner, path, mode)
    values = axes.rotation_values(euler, mode, rest)
    group = target.bone or "TalkCLIP"
    return [Channel(posed.id_data, path, index, values[:, index], group) for index in range(values.shape[1])]


def _rest_rotation(owner: bpy.types.Object, path: str, mode: str) -> np.ndarray:
    """How an object stands where TalkCLIP does not turn it, 3x3."""
    size = 3 if mode not in axes.ROTATION_PATH else 4
    values = [layers.rest_value(owner, path, index) for index in range(size)]
    if mode == "QUATERNION":
        return np.array(Quaternion(values).normalized().to_matrix())
    if mode == "AXIS_ANGLE":
        return np.array(Matrix.Rotation(values[0], 3, values[1:]))
    return np.array(Euler(values, mode).to_matrix())


def _profile(found: Face, track: CoefficientTrack) -> tuple[RigProfile, dict[str, Turner], list[str]]:
    """The rig's table, fitted to the bones it really has -> (profile, {bone name in it: target}, notes)."""
    if found.space == "flame":
        profile = flame_profile(track.names, head_bone=face.FLAME_HEAD_BONE if found.head else None)
        notes = _missing_expressions(found, track)
        wanted = {turn.bone: face.turner(found.armature, turn.bone) for turn in profile.rotations}
    else:
        profile = arkit_profile(found.match, head_bone=_OBJECT if found.head else None)
        notes = [] if track.head is None or found.head else ["No head bone was found: the head keeps still."]
        wanted = {_OBJECT: found.head}
    present = {*track.names, *(HEAD6 if track.head is not None else ())}
    turners = {}
    for turn in profile.rotations:
        if not present.issuperset(turn.sources):
            continue
        if reason := _why_not(wanted[turn.bone], turn):
            notes.append(reason)
        else:
            turners[turn.bone] = wanted[turn.bone]
    kept = tuple(_fitted(turn, turners[turn.bone]) for turn in profile.rotations if turn.bone in turners)
    left_out = tuple(source for turn in profile.rotations if turn.bone not in turners for source in turn.sources)
    profile = dataclasses.replace(profile, rotations=kept, ignored=profile.ignored + left_out)
    return profile, turners, notes


def _why_not(target: Turner | None, turn: RotationDrive) -> str:
    """Why a turn cannot be keyed, or ""."""
    if target is None:
        return f"The armature has no bone '{turn.bone}': its movement is left out."
    if face.is_driven(target):
        return f"The {target.label} follows a driver or constraint: it did not get keys."
    keyed = {path for path, _ in layers.animated_by_user(target.owner)}
    if turn.sources == HEAD_ROTATION and any(path.startswith(target.path + "rotation") for path in keyed):
        return f"You have keyed the {target.label} yourself: the head was left to you."
    return ""


def _fitted(turn: RotationDrive, target: Turner) -> RotationDrive:
    lie = axes.bone_axes(target.owner, target.bone) if target.bone else axes.object_axes(target.owner)
    return dataclasses.replace(turn, axes=lie, order="XYZ")


def _missing_expressions(found: Face, track: CoefficientTrack) -> list[str]:
    wanted = [f"Exp{int(name[3:]) + 1}" for name in track.names if is_expression(name)]
    absent = [name for name in wanted if name not in found.keys.key_blocks]
    return [f"The mesh lacks {_listed(absent)}: left out."] if absent else []


def _widen_sliders(found: Face, channels: list[Channel]) -> list[str]:
    """Blender cuts a shape key's value at its slider's range. Widen ranges nobody chose; name the ones somebody did."""
    widened, cut = [], []
    ranges = {keying.shape_path(block.name): block for block in found.keys.key_blocks}
    for channel in channels:
        block = ranges.get(channel.data_path) if channel.owner == found.keys else None
        if block is None:
            continue
        low, high = float(channel.values.min()), float(channel.values.max())
        if low >= block.slider_min - 1e-6 and high <= block.slider_max + 1e-6:
            continue
        if (block.slider_min, block.slider_max) == _BLENDERS_DEFAULT_RANGE:
            if low < block.slider_min:
                block.slider_min = max(np.floor(low), -_SLIDER_REACH)
            if high > block.slider_max:
                block.slider_max = min(np.ceil(high), _SLIDER_REACH)
            widened.append(block.name)
        else:
            cut.append(block.name)
    notes = [f"{_listed(widened)}: slider range widened, the movement goes beyond 0 to 1."] if widened else []
    if cut:
        notes.append(f"{_listed(cut)}: the movement is cut at the slider's range you set (Shape Keys > Range).")
    return notes


def _keep_take(
    character: TalkClipCharacter, planned: Plan, reply: SpeakReply, action: bpy.types.Action | None, last: int
) -> None:
    take = character.takes.add()
    take.uid = first_segment(character).uid
    take.prompt = planned.label
    take.action = action
    take.frame_start, take.frame_end = planned.line.start_frame, last
    take.notes = "\n".join(reply.notes)


def _listed(names: list[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
