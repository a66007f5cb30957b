# SPDX-License-Identifier: GPL-3.0-or-later
"""Which shape keys, bones and objects of a character TalkCLIP can key, and what stands in the way."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import bpy
from mathutils import Vector

from talkclip.errors import InputError
from talkclip_rigs.profiles import MappedShape, Rig, RigMatch, Space, match_rig, rig_by_id
from talkclip_rigs.profiles import recognise as recognise_names
from talkclip_rigs.spelling import words

from . import linked, table

# Bones of generated rigs that follow the control of the same name; keying them would be overwritten.
_FOLLOWERS: Final = ("def", "org", "mch")
# Of several faces on one rig, these words tell the head from its teeth and eyes.
_FACE_NAMES: Final = frozenset(("head", "face", "body"))
# Custom property of a copy that shows a take beside its character.
COPY_MARK: Final = "talkclip_copy"
_NO_FACE: Final = (
    "Select a mesh with ARKit shape keys (jawOpen, eyeBlinkLeft, in any spelling) or a FLAME head (Exp1 ...), "
    "or use Add Default Head."
)


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
    """The object with the face; it carries `Object.talkclip`."""
    rig: Rig
    """What was recognised."""
    rows: dict[str, tuple[MappedShape, ...]]
    """{object: which channel moves which of its shapes}, for each of `objects`."""
    objects: tuple[bpy.types.Object, ...]
    """All that get keys: `mesh` first, then teeth, tongue, brows, ...; of objects that share a mesh, one."""
    armature: bpy.types.Object | None
    head: Turner | None
    """What turns with the head; None: nothing was found."""

    @property
    def space(self) -> Space:
        """The space of the tracks that it takes."""
        return self.rig.space

    @property
    def keys(self) -> tuple[bpy.types.Key, ...]:
        """The shape keys' datablocks, one for each of `objects`."""
        return tuple(body.data.shape_keys for body in self.objects)

    @property
    def label(self) -> str:
        """For the panel."""
        channels = {row.channel for rows in self.rows.values() for row in rows}
        if self.space == "flame":
            return f"{self.rig.name}: {self.mesh.name}"
        return f"{self.rig.name.removesuffix(' shapes')} {len(channels)}/52: {self.mesh.name}"


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
    settings = mesh.talkclip.rig
    if not settings.rows:
        found = automatic(mesh)
        linked.require_editable(found.objects)
        return found
    objects = tuple(table.objects_of(settings))
    linked.require_editable((mesh, *objects))
    rows = {body.name: rows for body, rows in table.rows_of(settings, objects).items()}
    if not any(rows.values()):
        raise InputError(
            f"The mapping table of '{mesh.name}' moves nothing.",
            "Switch rows and objects on in Character > Mapping, or press Recognise Again.",
        )
    rig, armature = table.rig_of(settings), mesh.find_armature()
    return Face(mesh, rig, rows, objects, armature, _head(mesh, armature, rig))


def bodies_of(mesh: bpy.types.Object) -> list[bpy.types.Object]:
    """The objects of a character: those of its table, or those found by name."""
    settings = mesh.talkclip.rig
    return table.objects_of(settings) if settings.rows else [mesh, *companions(mesh)]


def automatic(mesh: bpy.types.Object) -> Face:
    """The face as its names say, whatever the mapping table says.

    Raises:
        InputError: its names are no rig's that TalkCLIP knows.
    """
    match = _match(mesh)
    if match is None:
        raise InputError(f"'{mesh.name}' has no face shape keys TalkCLIP knows.", "Map its shape keys by hand.")
    objects = (mesh, *companions(mesh))
    rows = {body.name: _match_part(body, match.rig).rows for body in objects}
    armature = mesh.find_armature()
    return Face(mesh, match.rig, rows, objects, armature, _head(mesh, armature, match.rig))


def face_mesh(active: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh with the face: the active object itself, or the best one that shares its armature or parent.

    So an animator may have the body, the rig, the teeth or an eye selected. Cheap enough for `poll` and drawing.
    """
    if active is None:
        return None
    ranks = {mesh: rank for mesh in _family(active) if (rank := _rank(mesh)) is not None}
    if active in ranks:
        ranks = {mesh: rank for mesh, rank in ranks.items() if mesh == active or _touch(mesh, active)}
    return max(ranks, key=ranks.__getitem__, default=None)


def is_copy(body: bpy.types.Object) -> bool:
    """Whether it only shows a take beside a character; see `result.comparing`."""
    return COPY_MARK in body


def companions(mesh: bpy.types.Object) -> list[bpy.types.Object]:
    """Other meshes on the same armature or parent, at the same place, whose shape keys bear the face's names."""
    match = _match(mesh)
    if match is None:
        return []
    found = [body for body in _family(mesh) if body != mesh and _match_part(body, match.rig) is not None]
    found = sorted((body for body in found if _touch(mesh, body)), key=lambda body: body.name)
    one_each = {body.data.shape_keys: body for body in reversed(found) if body.data != mesh.data}
    return sorted(one_each.values(), key=lambda body: body.name)


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


def _family(active: bpy.types.Object) -> list[bpy.types.Object]:
    """The object and all that hang on it, on its armature, or on its parent."""
    tops = [active, active.find_armature() or active.parent]
    family = [body for top in tops if top is not None for body in (top, *top.children_recursive)]
    return [body for body in dict.fromkeys(family) if not is_copy(body)]


def _rank(mesh: bpy.types.Object) -> tuple[bool, float, bool, int] | None:
    """Of several faces: the one in use, the most complete, the head rather than its teeth; None: it is no face."""
    if mesh.type != "MESH" or mesh.data.shape_keys is None:
        return None
    match = _match(mesh)
    settings = mesh.talkclip
    mapped = bool(settings.rig.rows)
    if match is None and not mapped:
        return None
    used = mapped or bool(settings.segments or settings.takes)
    named = not _FACE_NAMES.isdisjoint(words(mesh.name))
    return used, round(match.confidence, 2) if match else 0.0, named, len(mesh.data.vertices)


def _touch(one: bpy.types.Object, other: bpy.types.Object) -> bool:
    """Whether the objects' boxes in the world meet: two heads on one parent are two characters."""
    boxes = []
    for body in (one, other):
        corners = [body.matrix_world @ Vector(corner) for corner in body.bound_box]
        boxes.append(([min(c[i] for c in corners) for i in range(3)], [max(c[i] for c in corners) for i in range(3)]))
    (low, high), (other_low, other_high) = boxes
    return all(low[i] <= other_high[i] and other_low[i] <= high[i] for i in range(3))


def _match(candidate: bpy.types.Object) -> RigMatch | None:
    """The rig that an object's shape keys are, or None when they are no face we know."""
    if candidate.type != "MESH" or candidate.data.shape_keys is None:
        return None
    return _match_names(table.shape_names(candidate))


def _match_part(candidate: bpy.types.Object, rig: Rig) -> RigMatch | None:
    """The shape keys of teeth, brows or eyes that belong to a face of that rig; None where there are none."""
    if candidate.type != "MESH" or candidate.data.shape_keys is None:
        return None
    return _match_part_names(table.shape_names(candidate), rig.id)


@functools.lru_cache(maxsize=256)  # the panel asks on every redraw
def _match_names(names: tuple[str, ...]) -> RigMatch | None:
    return recognise_names(names)


@functools.lru_cache(maxsize=256)
def _match_part_names(names: tuple[str, ...], rig_id: str) -> RigMatch | None:
    return match_rig(rig_by_id(rig_id), names, at_least=1)


def _head(mesh: bpy.types.Object, armature: bpy.types.Object | None, rig: Rig) -> Turner | None:
    if rig.head_bone is not None:
        return turner(armature, rig.head_bone)
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
