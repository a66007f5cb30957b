"""Characters for the suites, and short ways to ask about them."""

from __future__ import annotations

import sys

import bpy
from harness import MODULE, SAMPLE, ask, shapes

ARKIT = 52


def body_with(scene, name, names, parent=None, size=0.1):
    """A small mesh with shape keys, at the origin."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (size, 0, 0), (0, size, size)], [], [(0, 1, 2)])
    body = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(body)
    body.parent = parent
    body.shape_key_add(name="Basis")
    for shape in names:
        block = body.shape_key_add(name=shape)
        block.data[1].co.z += 0.05
        block.value = 0.0
    return body


def speaking(body):
    bpy.context.view_layer.objects.active = body
    body.talkclip.sound_path = str(SAMPLE)
    body.talkclip.prompt = "a furious man speaks with brows lowered"
    return body


def row_of(head, channel):
    (row,) = [row for row in head.talkclip.rig.rows if row.channel == channel]
    return row


def middle_values(head):
    """(track, frame in its middle, shapes there)."""
    track = ask().track
    k = track.n_frames // 2
    return {name: float(track.channel(name)[k]) for name in track.names}, shapes(head, 1 + k)


def panel(name):
    return getattr(sys.modules[MODULE + ".character.panel"], name)
