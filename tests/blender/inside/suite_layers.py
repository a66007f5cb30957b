"""Layers: they add up to the track, and gains and mutes weigh them without asking anybody."""

from __future__ import annotations

import os

import bpy
import numpy as np
import pytest
from harness import ask, curves_of, posed, shapes, shown, strip_of
from result_room import server, spoken

LAYERS = ("mouth", "expression", "blinks", "gaze")


def turned(head, frame):
    """By how much the head bone is turned, radians."""
    return shown(head.parent, frame).pose.bones["head"].matrix_basis.to_quaternion().angle


def test_at_gains_of_one_the_pose_is_the_track_and_each_layer_holds_its_own(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    keys = head.data.shape_keys
    tracks = [track.name for track in keys.animation_data.nla_tracks]
    assert tracks == ["TalkCLIP rest", *(f"TalkCLIP {layer}" for layer in LAYERS)]
    assert [strip_of(keys, layer).blend_type for layer in LAYERS] == ["REPLACE", "ADD", "ADD", "ADD"]
    assert strip_of(head.parent, "head").blend_type == "REPLACE"
    for k in range(8, reply.track.n_frames - 8, 7):
        np.testing.assert_allclose(posed(head, 1 + k), reply.track.values[k], atol=1e-5, err_msg=str(k))
    # Only what moves in a layer is keyed in it, and what keeps still has two keys.
    for layer in ("expression", "blinks", "gaze"):
        moving = np.abs(getattr(reply.layers, layer)).max(axis=0) > 1e-5
        wanted = {f'key_blocks["{name}"].value' for name, moves in zip(reply.track.names, moving, strict=True) if moves}
        assert wanted <= {path for path, _ in curves_of(strip_of(keys, layer))}
    blinks = {path for path, _ in curves_of(strip_of(keys, "blinks"))}
    assert 'key_blocks["jawOpen"].value' not in blinks
    for column in np.flatnonzero(np.ptp(reply.layers.mouth, axis=0) < 1e-7):
        curve = curves_of(strip_of(keys))[f'key_blocks["{reply.track.names[column]}"].value', 0]
        assert len(curve.keyframe_points) == 2


def test_a_gain_weighs_its_layer_and_asks_nobody(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    server("tcp://127.0.0.1:1")
    character, layers = head.talkclip, reply.layers
    start, end = 1, reply.track.n_frames
    middle, easing = reply.track.n_frames // 2, 2  # the fade lasts 0.12 s, 3.6 frames
    for gain in (0.5, 0.25, 0.0, 1.0):
        character.gain_expression = gain
        sums = layers.mouth + gain * layers.expression + layers.blinks + layers.gaze
        np.testing.assert_allclose(posed(head, start + middle), np.clip(sums[middle], 0, 1), atol=1e-5)
        np.testing.assert_allclose(posed(head, start + easing), np.clip(sums[easing] * easing / 3.6, 0, 1), atol=1e-5)
        assert not posed(head, end + 1).any() and not posed(head, start).any()
    character.gain_mouth, character.gain_blinks = 0.3, 0.6
    sums = 0.3 * layers.mouth + layers.expression + 0.6 * layers.blinks + layers.gaze
    np.testing.assert_allclose(posed(head, start + middle), np.clip(sums[middle], 0, 1), atol=1e-5)


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_the_ease_is_changed_afterwards(head, gain):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    layers = spoken().layers
    head.talkclip.gain_expression = gain
    sums = layers.mouth + gain * layers.expression + layers.blinks + layers.gaze
    for ease_s, share in ((0.5, 6 / 15), (0.0, 1.0), (0.2, 1.0)):
        head.talkclip.ease_s = ease_s
        np.testing.assert_allclose(posed(head, 7), np.clip(sums[6] * share, 0, 1), atol=1e-5)


def test_eyes_follow_the_gain_of_the_head(head):
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    k = int(np.argmax(np.abs(reply.track.head[10:-10, 1]))) + 10
    full = turned(head, 1 + k)
    assert full > 0.01
    head.talkclip.gain_head = 0.5
    assert turned(head, 1 + k) == pytest.approx(full / 2, rel=0.01)
    layers = reply.layers
    wanted = layers.mouth[k] + layers.expression[k] + layers.blinks[k] + 0.5 * layers.gaze[k]
    np.testing.assert_allclose(posed(head, 1 + k), np.clip(wanted, 0, 1), atol=1e-5)
    head.talkclip.gain_head = 0.0
    assert turned(head, 1 + k) == pytest.approx(0, abs=1e-3)


def test_muting_switches_a_layer_off_and_shows_what_the_nla_editor_did(head):
    character, keys = head.talkclip, head.data.shape_keys
    assert not character.mute_expression
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    layers = spoken().layers
    middle = len(layers.mouth) // 2
    character.mute_expression = True
    assert keys.animation_data.nla_tracks["TalkCLIP expression"].mute and not character.mute_mouth
    wanted = layers.mouth + layers.blinks + layers.gaze
    np.testing.assert_allclose(posed(head, 1 + middle), np.clip(wanted[middle], 0, 1), atol=1e-5)
    keys.animation_data.nla_tracks["TalkCLIP expression"].mute = False
    assert not character.mute_expression
    character.mute_head = True
    assert keys.animation_data.nla_tracks["TalkCLIP gaze"].mute
    assert head.parent.animation_data.nla_tracks["TalkCLIP head"].mute


def test_gains_never_reach_outside_the_line(head):
    keys = head.data.shape_keys
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=1)
    keys.key_blocks["jawOpen"].value = 0.7
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=900)
    keys.key_blocks["browInnerUp"].value = 0.35
    outside = (1, 40, 360, 900, 1500)
    before = {frame: posed(head, frame) for frame in outside}
    head.talkclip.use_scene_start, head.talkclip.start_frame = False, 100
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    head.talkclip.gain_mouth, head.talkclip.gain_expression, head.talkclip.gain_blinks = 0.4, 0.0, 0.7
    for frame in outside:
        np.testing.assert_allclose(posed(head, frame), before[frame], atol=1e-6, err_msg=str(frame))


def test_a_sliders_range_cuts_the_sum_not_the_layers(head):
    """Blender adds the layers up first: what one layer gives beyond the range, another may take away again."""
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    reply = spoken()
    jaw = reply.track.names.index("jawOpen")
    limit = float(np.sort(reply.track.values[10:-10, jaw])[-20])
    over = 10 + int(np.argmax(reply.track.values[10:-10, jaw]))
    under = 10 + int(np.argmin(reply.track.values[10:-10, jaw]))
    head.data.shape_keys.key_blocks["jawOpen"].slider_max = limit
    assert shapes(head, 1 + over)["jawOpen"] == pytest.approx(limit, abs=1e-6)
    assert shapes(head, 1 + under)["jawOpen"] == pytest.approx(float(reply.track.values[under, jaw]), abs=1e-5)


def test_without_a_head_the_eyes_do_not_turn_against_it(head):
    head.modifiers.clear()
    head.parent = None
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    layers = spoken().layers
    middle = len(layers.mouth) // 2
    assert "TalkCLIP gaze" not in head.data.shape_keys.animation_data.nla_tracks
    wanted = (layers.mouth + layers.expression + layers.blinks)[middle]
    np.testing.assert_allclose(posed(head, 1 + middle), np.clip(wanted, 0, 1), atol=1e-5)


def test_a_server_without_layers_gives_one_track_and_the_head(head):
    server(os.environ["TALKCLIP_TEST_FLAT_SERVER"])
    track = ask("FLAT").track
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    tracks = [each.name for each in head.data.shape_keys.animation_data.nla_tracks]
    assert tracks == ["TalkCLIP rest", "TalkCLIP mouth"]
    strip_of(head.parent, "head")
    middle = track.n_frames // 2
    np.testing.assert_allclose(posed(head, 1 + middle), track.values[middle], atol=1e-5)
