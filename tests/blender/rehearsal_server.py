"""A TalkCLIP server process with a small deterministic engine: the same protocol, answers that a test can foresee.

    python rehearsal_server.py [--stall | --die | --flat] [--old] [--restart] [--named NAME] [--keys FOLDER]

The answer depends on every field that Blender sends, so that a field lost on the way changes it. `--stall` never
finishes a job (until cancelled), `--die` ends the process in the middle of the first job, `--flat` knows no layers.
`--old` speaks another version of the protocol only, `--restart` starts anew at the same address after each job.
`--named` is what it calls itself, `--keys` lets in only who has a key.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rehearsal_plates
import soundfile

from talkclip.coefficients import ARKIT52, HEAD6, LayerValues
from talkclip.errors import InputError
from talkclip.phones import Phone, PhoneTrack, Word
from talkclip.progress import CancelCheck, ProgressCallback, stop_if
from talkclip.protocol import (
    Animate,
    Chunk,
    Done,
    Edit,
    EmotionWeight,
    EngineInfo,
    FrameSpan,
    Message,
    Render,
    TrackHeader,
    UnderstoodClause,
    UnderstoodMove,
    UnderstoodPrompt,
    codec,
)
from talkclip.script import spoken_text, timeline_from_script
from talkclip.timebase import frame_count, frame_times
from talkclip.timeline import PromptTimeline
from talkclip_rigs.flame import flame_channels
from talkclip_server import READY, desk, running_server, videos
from talkclip_server.engine import Files

N_EXPRESSION = 50
REACH = 2


class RehearsalEngine:
    """Waves of a different phase per channel, in layers."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.jobs_ended = 0

    def info(self) -> EngineInfo:
        return EngineInfo(
            encoder="rehearsal", spaces=("arkit52", "flame"), renderers=tuple(videos.RENDERERS),
            formats=videos.FORMATS, style_clips=True,
        )  # fmt: skip

    def render(self, order: Render, files: Files, progress: ProgressCallback, cancel: CancelCheck) -> Iterator[Message]:
        return rehearsal_plates.messages(self.mode, order, files, progress, cancel)

    def animate(
        self, order: Animate, files: Files, chunk_frames: int, progress: ProgressCallback, cancel: CancelCheck
    ) -> Iterator[Message]:
        progress("speech", 0.3, "Listening")
        while self.mode == "stall":
            stop_if(cancel)
            time.sleep(0.01)
        whole_s = _duration_s(files[order.audio.sha256], order.audio.name)
        end_s = whole_s if order.audio.end_s is None else min(order.audio.end_s, whole_s)
        heard = _heard(order, end_s - order.audio.start_s)
        if order.script:
            placed = timeline_from_script(order.script, heard.words, heard.duration_s)
            order = dataclasses.replace(order, timeline=placed, text=spoken_text(order.script))
        motion = _Motion(order, heard.duration_s)
        part = motion.changed_since(order) if isinstance(order, Edit) else None
        first, end = (part.first_frame, part.first_frame + part.n_frames) if part else (0, motion.n_frames)
        layers = motion.layers(order.timeline)
        yield TrackHeader(order.id, order.space, motion.names, order.fps, 0.0, motion.n_frames, first < end, part)
        for start in range(first, end, chunk_frames):
            rows = layers.rows(slice(start, min(start + chunk_frames, end)))
            head = motion.head[start : start + rows.shape[0]]
            asked = order.layers and self.mode != "flat"
            yield Chunk(order.id, start, rows.total(), head, rows if asked else None)
            if self.mode == "die":
                time.sleep(0.2)  # the first chunk is on its way
                os._exit(1)
        yield Done(order.id, end - first, 0.0, "rehearsal", (f"heard: {order.text}",), heard, order.timeline)
        self.jobs_ended += 1

    def read(self, prompt: str) -> UnderstoodPrompt:
        """Every part between commas is a clause; the length of the prompt is its feeling."""
        clauses = tuple(UnderstoodClause(part.strip(), "", ("feeling",)) for part in prompt.split(",") if part.strip())
        anger = min(len(prompt), 100) / 100
        emotions = EmotionWeight("angry", anger), EmotionWeight("neutral", 1 - anger)
        moves = (UnderstoodMove(4, "brow lowerer", 0.5, "left"),) if "brow" in prompt else ()
        notes = () if clauses else ("The prompt is empty: the face stays neutral.",)
        return UnderstoodPrompt(clauses, emotions, anger, moves, notes=notes, summary=f"rehearsed: {prompt}")


def _duration_s(audio: Path, name: str) -> float:
    try:
        return float(soundfile.info(audio).duration)
    except soundfile.LibsndfileError:
        raise InputError(f"{name}: is no sound.", "Choose a sound file.") from None


def _heard(order: Animate, duration_s: float) -> PhoneTrack:
    """Words of equal length, each with a consonant and a vowel.

    Of phones that are given, those stay whose word is still in its place in the text.
    """
    texts = (spoken_text(order.script) if order.script else order.text or "never gonna tell").split()
    step = duration_s / len(texts)
    words = tuple(Word(text.strip(".,!?").lower(), k * step, (k + 0.9) * step) for k, text in enumerate(texts))
    phones = tuple(
        phone
        for word in words
        for phone in (
            Phone("M", word.start_s, word.start_s + 0.3 * step), Phone("AA", word.start_s + 0.3 * step, word.end_s)
        )
    )  # fmt: skip
    given = order.phones
    if given is not None and len(given.words) == len(words):
        kept = [old.text == new.text for old, new in zip(given.words, words, strict=True)]
        words = tuple(old if stays else new for old, new, stays in zip(given.words, words, kept, strict=True))
        places = [(w.start_s - 1e-3, w.end_s + 1e-3) for w, stays in zip(words, kept, strict=True) if stays]
        of_kept = [p for p in given.phones if any(a <= p.start_s and p.end_s <= b for a, b in places)]
        of_new = [p for p in phones if not any(a <= p.start_s and p.end_s <= b for a, b in places)]
        phones = tuple(sorted((*of_kept, *of_new), key=lambda phone: phone.start_s))
    return PhoneTrack(phones, words, duration_s, "align")


class _Motion:
    """What an order moves.

    The mouth and the head follow words and seed, the expression the prompts, the lids blink, and the eyes turn against
    the head. For `arkit52`, every sum of layers stays within 0..1.
    """

    def __init__(self, order: Animate, duration_s: float) -> None:
        self.n_frames = frame_count(duration_s, order.fps)
        self.fps = order.fps
        self.names = ARKIT52 if order.space == "arkit52" else flame_channels(N_EXPRESSION)
        self._times_s = frame_times(self.n_frames, order.fps)
        given = [phone.symbol for phone in order.phones.phones] if order.phones else ""
        self._styles = {style.uid: f"{style.sha256} {style.weight:.3f}" for style in order.styles}
        self._speech = f"{order.text}|{order.seed}|{given}"
        if order.space == "arkit52":
            self._size, self._eyes = np.ones(len(ARKIT52)), [1, 2, 3, 8, 9, 10]
        else:
            self._size, self._eyes = np.where(np.arange(len(self.names)) < N_EXPRESSION, 10.0, 0.3), [*range(-6, 0)]
        turn = np.arange(len(HEAD6)) + _phase(self._speech)
        self.head = (0.2 * np.sin(self._times_s[:, None] * 2 + turn)).astype(np.float32)

    def layers(self, timeline: PromptTimeline) -> LayerValues:
        mouth = 0.45 + 0.15 * self._waves(self._speech)
        mouth[:, 7::13] = 0.25  # some channels keep still
        blinks, gaze = np.zeros_like(mouth), np.zeros_like(mouth)
        blinks[:, [0, 3]] = 0.1 * (self._times_s[:, None] % 2 < 0.2)
        gaze[:, self._eyes] = 0.5 * self.head
        return LayerValues(*(part * self._size for part in (mouth, self._expression(timeline), blinks, gaze)))

    def changed_since(self, order: Edit) -> FrameSpan:
        """The frames in which two timelines or their style clips differ, and `REACH` on each side."""
        differs = (self._expression(order.before) != self._expression(order.timeline)).any(axis=1)
        for timeline in (order.before, order.timeline):
            restyled = [segment.uid in order.restyled for segment in timeline.segments]
            differs |= (timeline.weights(self._times_s)[:, restyled] > 0).any(axis=1)
        different = np.flatnonzero(differs)
        if different.size == 0:
            return FrameSpan(0, 0)
        first = max(int(different[0]) - REACH, 0)
        return FrameSpan(first, min(int(different[-1]) + 1 + REACH, self.n_frames) - first)

    def _expression(self, timeline: PromptTimeline) -> np.ndarray:
        """(T, C)"""
        total = np.zeros((self.n_frames, len(self.names)))
        weights = timeline.weights(self._times_s)
        for segment, weight in zip(timeline.segments, weights.T, strict=True):
            style = self._styles.get(segment.uid, "")
            words = "|".join([segment.prompt, *(f"{edit.text} {edit.weight:.3f}" for edit in segment.edits), style])
            amount = 0.1 * segment.intensity_at(self._times_s) * weight
            total += amount[:, None] * self._waves(words)
        total[:, 7::13] = 0.0
        return total

    def _waves(self, words: str) -> np.ndarray:
        """(T, C) -1..1, another phase for other words."""
        columns = np.arange(len(self.names))
        return np.sin(self._times_s[:, None] * (3 + columns % 7) + columns + _phase(words))


def _phase(words: str) -> float:
    return zlib.crc32(words.encode()) % 1000 / 159.0


def _layers(values: np.ndarray) -> LayerValues:
    """Fixed shares."""
    mouth, blinks, gaze = 0.5 * values, 0.125 * values, -0.125 * values
    return LayerValues(mouth, values - mouth - blinks - gaze, blinks, gaze)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stall", action="store_const", const="stall", dest="mode")
    parser.add_argument("--die", action="store_const", const="die", dest="mode")
    parser.add_argument("--flat", action="store_const", const="flat", dest="mode")
    parser.add_argument("--old", action="store_true")
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--named", default=desk.SERVER_NAME)
    parser.add_argument("--keys", type=Path)
    chosen = parser.parse_args()
    videos.RENDERERS = dict.fromkeys(("head", "portrait"), rehearsal_plates.flat)
    desk.SERVER_NAME = chosen.named
    if chosen.old:
        desk.SUPPORTED_VERSIONS = codec.SUPPORTED_VERSIONS = (0,)
    engine, address = RehearsalEngine(chosen.mode or "normal"), "tcp://127.0.0.1:0"
    while os.getppid() != 1:  # ends with the test that started it
        engine.jobs_ended = 0
        with running_server(engine, address, keys=chosen.keys) as server:
            if address != server.address:
                address = server.address
                print(f"{READY} {address}", flush=True)
            while os.getppid() != 1 and not (chosen.restart and engine.jobs_ended):
                time.sleep(0.1)
            time.sleep(0.2 * chosen.restart)  # the answer is on its way


if __name__ == "__main__":
    main()
