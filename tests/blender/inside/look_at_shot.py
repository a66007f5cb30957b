"""Opens a .blend file in bpy without the extension, and prints what is keyed in it, as JSON.

python look_at_shot.py FILE.blend OBJECT FRAME...
"""

from __future__ import annotations

import json
import os
import sys

import bpy

path, name, *frames = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=path)
body, scene = bpy.data.objects[name], bpy.context.scene
keys = body.data.shape_keys
shapes = {}
for frame in map(int, frames):
    scene.frame_set(frame)
    seen = body.evaluated_get(bpy.context.evaluated_depsgraph_get())
    shapes[frame] = {block.name: block.value for block in seen.data.shape_keys.key_blocks[1:]}
tracks = keys.animation_data.nla_tracks if keys.animation_data else ()
strips = [
    (strip.frame_start, strip.frame_end) for track in tracks for strip in track.strips if "rest" not in track.name
]
sounds = scene.sequence_editor.strips_all if scene.sequence_editor else ()
facts = {
    "shapes": shapes,
    "span": (min(first for first, _ in strips), max(last for _, last in strips)) if strips else (),
    "sounds": [bpy.path.abspath(strip.sound.filepath) for strip in sounds if strip.type == "SOUND"],
}
print("FACTS " + json.dumps(facts), flush=True)
os._exit(0)
