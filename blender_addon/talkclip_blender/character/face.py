# SPDX-License-Identifier: GPL-3.0-or-later
"""Which shape keys, bones and objects of a character TalkCLIP can key, and what stands in the way."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, Literal

import bpy

from talkclip.errors import InputError
from talkclip_rigs.spelling import NameMatch, match_names, words

# Fewer ARKit names than this may be coincidence ("jawOpen" on a creature).
_ARKIT_AT_LEAST: Final = 8
_FLAME_AT_LEAST: Final = 10
_FLAME_KEY: Final = re.compile(r"Exp[1-9]\d*")
FLAME_HEAD_BONE: Final = "neck"
# Bones of generated rigs that follow the control of the same name; keying them would be overwritten.
_FOLLOWERS: Final = ("def", "org", "mch")
_NO_FACE: Final = (
    "Select a mesh with ARKit shape keys (jawOpen, eyeBlinkLeft, in any spelling) or a FLAME head (Exp1 ...), "
    "or use Add Default Head."
)

Space = Literal["arkit52", "flame"]


@dataclass(frozen=True)
class Turner:
    """What turns with the head, the jaw or an eye."""

    owner: bpy.types.Object
    """The armature, or the object that is turned itself."""
    bone: str
    """Bone of the armature; "" turns the object."""

    @property
    def label(self) -> str:
        """For messages."""
        return f"bone '{self.bone}'" if self.bone else f"object '{self.owner.name}'"

    @property
    def posed(self) -> bpy.types.PoseBone | bpy.types.Object:
        """What has the rotation."""
        return self.owner.pose.bones[self.bone] if self.bone else self.owner

    @property
    def path(self) -> str:
        """Start of the rotation's data path."""
        return self.posed.path_from_id() + "." if self.bone else ""


@dataclass(frozen=True)
class Face:
    """A face that can be keyed."""

    mesh: bpy.types.Object
    space: Space
    match: NameMatch
    """ARKit shapes found; empty for a FLAME head."""
    armature: bpy.types.Object | None
    head: Turner | None
    """What turns with the head; None: nothing was found."""

    @property
    def keys(self) -> bpy.types.Key:
        """The shape keys' datablock."""
        return self.mesh.data.shape_keys

    @property
    def label(self) -> str:
        """For the panel."""
        if self.space == "flame":
            return f"FLAME: {self.mesh.name}"
        found = len(self.match.mapping) + len(self.match.split)
        return f"ARKit {found}/52: {self.mesh.name}"


def recognise(active: bpy.types.Object | None) -> Face:
    """The face that the active object has or belongs to; see `face_mesh`.

    Raises:
        InputError: nothing to key; says what would be.
    """
    if active is None:
        raise InputError("Nothing is selected.", _NO_FACE)
    mesh = face_mesh(active)
    if mesh is None:
        raise InputError(f"'{active.name}' has no face shape keys TalkCLIP knows.", _NO_FACE)
    if mesh.data.shape_keys.library is not None:
        raise InputError(f"'{mesh.name}' is linked from another file.", "Make a library override of it first.")
    space, match = _kind(mesh)
    armature = mesh.find_armature()
    return Face(mesh, space, match, armature, _head(mesh, armature, space))


def face_mesh(active: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh with the face: the active object itself, or the best one under it or under its armature.

    So an animator may have the body, the rig or an eye selected. Cheap enough for `poll` and drawing.
    """
    if active is None:
        return None
    if _kind(active) is not None:
        return active
    tops = [active, active.find_armature() or active.parent]
    faces = [mesh for top in tops if top is not None for mesh in top.children_recursive if _kind(mesh) is not None]
    return max(faces, key=lambda mesh: _kind(mesh)[1].confidence, default=None)


def driven_shapes(keys: bpy.types.Key) -> frozenset[str]:
    """Names of the shape keys whose value follows a driver: keys on them would not move anything."""
    drivers = keys.animation_data.drivers if keys.animation_data else ()
    found = (re.fullmatch(r'key_blocks\["(.*)"\]\.value', driver.data_path) for driver in drivers)
    return frozenset(bpy.utils.unescape_identifier(match[1]) for match in found if match)


def turner(armature: bpy.types.Object | None, bone: str) -> Turner | None:
    """The bone of that name, if the armature has it."""
    if armature is None or bone not in armature.pose.bones:
        return None
    return Turner(armature, bone)


def is_driven(target: Turner) -> bool:
    """Whether a driver or a constraint rules the target's rotation."""
    data = target.owner.animation_data
    drivers = data.drivers if data else ()
    return bool(target.posed.constraints) or any(d.data_path.startswith(target.path + "rotation") for d in drivers)


def _kind(candidate: bpy.types.Object) -> tuple[Space, NameMatch] | None:
    """(space, ARKit names) of an object's shape keys, or None when they are no face we know."""
    if candidate.type != "MESH" or candidate.data.shape_keys is None:
        return None
    return _kind_of_names(tuple(block.name for block in candidate.data.shape_keys.key_blocks))


@functools.lru_cache(maxsize=256)  # the panel asks on every redraw
def _kind_of_names(names: tuple[str, ...]) -> tuple[Space, NameMatch] | None:
    if sum(_FLAME_KEY.fullmatch(name) is not None for name in names) >= _FLAME_AT_LEAST:
        return "flame", match_names(())
    match = match_names(names)
    return ("arkit52", match) if len(match.mapping) + len(match.split) >= _ARKIT_AT_LEAST else None


def _head(mesh: bpy.types.Object, armature: bpy.types.Object | None, space: Space) -> Turner | None:
    if space == "flame":
        return turner(armature, FLAME_HEAD_BONE)
    if armature is not None:
        bones = [bone.name for bone in armature.pose.bones if words(bone.name)[-1:] == ("head",)]
        bones = [name for name in bones if words(name)[0] not in _FOLLOWERS]
        if bones:
            return Turner(armature, min(bones, key=len))
    parent = mesh.parent
    while parent is not None:
        if parent.type == "EMPTY" and "head" in words(parent.name):
            return Turner(parent, "")
        parent = parent.parent
    return None
