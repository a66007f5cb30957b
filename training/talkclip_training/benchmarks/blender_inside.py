"""The part of `benchmarks.blender` that runs inside bpy:

blender_inside.py EXTENSION.zip ADDRESS TEN_SECONDS.wav SIXTY_SECONDS.wav FIGURES.json
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy  # type: ignore[import-not-found]  # first: it makes Blender's own modules importable

import addon_utils  # type: ignore[import-not-found]  # isort: skip

MODULE = "bl_ext.user_default.talkclip_blender"
FPS = 60
RUNS = 7
WHO = """man woman boy girl king queen judge nurse child clerk doctor teacher lawyer singer pilot guard farmer
         poet cook sailor""".split()  # noqa: SIM905 - easier to read
HOW = ("a furious", "a sad", "a delighted", "an astonished", "a disgusted", "a worried", "a proud")
# None of them is used twice, so that the server knows none of them.
PROMPTS = (f"{how} {who} speaks" for who in WHO for how in HOW)


def main(zip_path: str, address: str, ten_s: str, sixty_s: str, target: str) -> None:
    addon_utils.enable("bl_pkg", default_set=True)
    bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
    figures = {**short_line(address, ten_s), **long_line(address, sixty_s)}
    Path(target).write_text(json.dumps(figures), encoding="utf-8")


def short_line(address: str, sound: str) -> dict[str, float]:
    """A prompt is changed on a line that has been spoken."""
    character = new_character(address, sound)
    character.prompt = next(PROMPTS)
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    totals = list(timed(lambda: bpy.ops.talkclip.speak(), lambda: change_prompt(character.segments[0])))
    parts = [stages(character) for _ in range(RUNS)]
    medians = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    return {"prompt_to_rig_s": statistics.median(totals), **medians}


def stages(character: Any) -> dict[str, float]:
    """What *Speak* does, step by step."""
    change_prompt(character.segments[0])
    speech, link = module("result.speech"), module("result.link")
    begin = time.perf_counter()
    planned = speech.plan(bpy.context.active_object, bpy.context.scene, changes_only=True)
    planned_at = time.perf_counter()
    run = speech.Run(planned, link.client(bpy.context), keep_open=True)
    while not run.pump(50.0):
        time.sleep(0.002)
    arrived_at = time.perf_counter()
    speech.apply(planned, run.result(), run.engine)
    end = time.perf_counter()
    return {"plan_s": planned_at - begin, "server_s": arrived_at - planned_at, "apply_s": end - arrived_at}


def long_line(address: str, sound: str) -> dict[str, float]:
    """All of a minute is keyed, and then two seconds of it."""
    keying, taking, live = [], [], []
    for _ in range(RUNS):
        character = new_character(address, sound)
        for start_s, end_s in ((0, 20), (20, 22), (22, 60)):
            segment = character.segments.add()
            segment.uid, segment.whole_line = f"from {start_s} s", False
            segment.frame_start, segment.frame_end = 1 + start_s * FPS, 1 + end_s * FPS
            change_prompt(segment)
        keying.append(keyed_in_s(changes_only=False))
        assert character.takes[0].frame_end == 1 + 60 * FPS
        change_prompt(character.segments[1])
        taking.append(keyed_in_s(changes_only=True))
        change_prompt(character.segments[1])
        keyed_in_s(changes_only=True, live=True)  # makes the take that goes on changing
        change_prompt(character.segments[1])
        live.append(keyed_in_s(changes_only=True, live=True))
        assert len(character.takes) == 3
    figures = {}
    for name, runs in (("key_60s", keying), ("rekey_2s", taking), ("rekey_live", live)):
        figures[f"{name}_s"] = statistics.median(wall for wall, _ in runs[1:])
        figures[f"{name}_cpu_s"] = statistics.median(cpu for _, cpu in runs[1:])
    return figures


def keyed_in_s(changes_only: bool, live: bool = False) -> tuple[float, float]:
    """From a finished answer to keys in place -> (seconds, seconds of processor time)."""
    speech = module("result.speech")
    planned, run = answer(changes_only)
    reply = run.result()
    assert (reply.track.n_frames < 3 * FPS) == changes_only
    begin_cpu_s = time.process_time()
    wall_s = duration(lambda: speech.apply(planned, reply, run.engine, live))
    return wall_s, time.process_time() - begin_cpu_s


def answer(changes_only: bool) -> tuple[Any, Any]:
    """Ask for the selected character's line -> (plan, ended run)."""
    speech, link = module("result.speech"), module("result.link")
    planned = speech.plan(bpy.context.active_object, bpy.context.scene, changes_only)
    run = speech.Run(planned, link.client(bpy.context), keep_open=True)
    while not run.pump(50.0):
        time.sleep(0.002)
    return planned, run


def new_character(address: str, sound: str) -> Any:
    """The default head in an empty file, without a prompt -> its settings."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if MODULE not in bpy.context.preferences.addons:  # factory settings forget add-ons
        addon_utils.enable(MODULE, default_set=True)
    bpy.context.preferences.addons[MODULE].preferences.server_address = address
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = FPS, 1.0
    assert bpy.ops.talkclip.add_default_head() == {"FINISHED"}
    character = bpy.context.object.talkclip
    character.sound_path = sound
    return character


def change_prompt(segment: Any) -> None:
    segment.prompt = next(PROMPTS)


def timed(work: Callable[[], object], before: Callable[[], object]) -> Iterator[float]:
    """Seconds of each of several runs after one that is not counted."""
    for number in range(1 + RUNS):
        before()
        seconds = duration(work)
        if number:
            yield seconds


def duration(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def module(name: str) -> Any:
    return importlib.import_module(f"{MODULE}.{name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # a Blender with add-ons may hang at its exit
