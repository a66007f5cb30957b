"""Measure the speech back ends: phone error rate, frame accuracy, onset error, speed.

    OMP_NUM_THREADS=1 python -m talkclip_training.speech.evaluate_phones DATA --backends align fast --json OUT

DATA holds `<clip>.flac` (or .wav), `<clip>.TextGrid` (tier `phones`) and `metadata.csv` (`clip|words`).
The tables in docs/speech.md were made with 32 LJSpeech excerpts aligned by the Montreal Forced Aligner.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.matching import match_phones
from talkclip.engine.speech.media import load_audio
from talkclip.errors import InputError
from talkclip.exits import explained
from talkclip.files import check_writable, read_text
from talkclip.phones import SIL, Phone, PhoneTrack, read_phones
from talkclip_training.arguments import at_least, files_in

FPS = 25.0
# Twelve mouth shapes: phones that look alike count as one.
VISEMES = (
    "SIL NSN", "P B M", "F V", "TH DH", "T D N L S Z", "SH ZH CH JH", "K G NG HH Y", "R ER", "W UW UH OW OY",
    "AA AO AW", "AE AH AY EH EY", "IH IY",
)  # fmt: skip
_VISEME = {symbol: i for i, group in enumerate(VISEMES) for symbol in group.split()}


def labels(track: PhoneTrack, times_s: np.ndarray) -> list[str]:
    """The phone at each time; gaps are silence."""
    starts = np.array([phone.start_s for phone in track.phones])
    found = np.searchsorted(starts, times_s, side="right") - 1
    return [
        track.phones[i].symbol if i >= 0 and t < track.phones[i].end_s and track.phones[i].symbol != "NSN" else SIL
        for i, t in zip(found.tolist(), times_s.tolist(), strict=True)
    ]


def edit_distance(found: Sequence[str], true: Sequence[str]) -> int:
    """Substitutions, insertions and deletions, each 1."""
    row = np.arange(len(true) + 1)
    for i, symbol in enumerate(found, 1):
        best = np.minimum(row[:-1] + (np.array(true) != symbol), row[1:] + 1)
        offset = np.arange(len(true) + 1)
        row = np.minimum.accumulate(np.concatenate([[i], best]) - offset) + offset
    return int(row[-1])


def sounds(track: PhoneTrack) -> list[Phone]:
    """Without silence and noise."""
    return [phone for phone in track.phones if phone.symbol not in (SIL, "NSN")]


def onset_errors(found: PhoneTrack, true: PhoneTrack) -> list[float]:
    """Found minus true start, in seconds, of phones that are equal and matched."""
    a, b = sounds(found), sounds(true)
    pairs = match_phones([p.symbol for p in a], [p.symbol for p in b])
    return [a[i].start_s - b[j].start_s for i, j in pairs if a[i].symbol == b[j].symbol]


def evaluate(data: Path, backend: str, limit: int | None) -> dict[str, float]:
    """-> one row of the table."""
    rows = _clips(data)[:limit]
    front_end = SpeechFrontEnd(backend, cache=None)
    errors = n_true = 0
    same_phone: list[bool] = []
    same_viseme: list[bool] = []
    onsets: list[float] = []
    cpu_s = audio_s = 0.0
    for clip_id, text in rows:
        (sound, *_) = files_in(data, f"{clip_id}.flac", f"{clip_id}.wav")
        true = read_phones(data / f"{clip_id}.TextGrid")
        clip = load_audio(sound)
        if audio_s == 0.0:
            front_end.phones(clip, text if backend == "align" else None)  # load the models outside the measurement
        began = time.process_time()
        found, _ = front_end.phones(clip, text if backend == "align" else None)
        cpu_s += time.process_time() - began
        audio_s += clip.duration_s
        errors += edit_distance([p.symbol for p in sounds(found)], [p.symbol for p in sounds(true)])
        n_true += len(sounds(true))
        times_s = np.arange(0.0, min(clip.duration_s, true.duration_s), 1 / FPS)
        pairs = list(zip(labels(found, times_s), labels(true, times_s), strict=True))
        same_phone += [a == b for a, b in pairs]
        same_viseme += [_VISEME[a] == _VISEME[b] for a, b in pairs]
        onsets += onset_errors(found, true)
    error = np.array(onsets)
    return {
        "clips": len(rows),
        "audio_s": round(audio_s, 1),
        "per": round(100 * errors / n_true, 1),
        "frames_phone": round(100 * float(np.mean(same_phone)), 1),
        "frames_viseme": round(100 * float(np.mean(same_viseme)), 1),
        "onset_median_ms": round(1000 * float(np.median(error)), 1),
        "onset_abs_median_ms": round(1000 * float(np.median(np.abs(error))), 1),
        "onset_sd_ms": round(1000 * float(np.std(error)), 1),
        "rtf": round(cpu_s / audio_s, 4),
    }


def _clips(data: Path) -> list[tuple[str, str]]:
    """(clip, words) of a folder's metadata."""
    path, remedy = data / "metadata.csv", "Give a folder as this module's docstring describes."
    rows = [line.split("|") for line in read_text(path, remedy).splitlines() if line]
    if not rows or any(len(row) != 2 for row in rows):
        raise InputError(f"{path}: holds no lines of the form clip|words.", remedy)
    return [(clip, words) for clip, words in rows]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backends", nargs="+", default=["align", "fast"])
    parser.add_argument("--limit", type=at_least(1), help="only the first clips")
    parser.add_argument("--json", type=check_writable, help="also write the figures to this file")
    arguments = parser.parse_args()
    table = {backend: evaluate(arguments.data, backend, arguments.limit) for backend in arguments.backends}
    for backend, row in table.items():
        print(backend, json.dumps(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    explained(main)
