"""Twenty prompts over one line, looked at and measured: `python -m talkclip_training.benchmarks.prompts --out DIR`.

For every prompt the bundled line is animated with its transcript; a contact sheet shows each face at an open vowel and
at a closure, and the gap between the lips of the default head is measured at the middle of every P, B and M.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from talkclip.coefficients import CoefficientTrack
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.render.contact_sheet import contact_sheet
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech.media import load_audio
from talkclip.phones import BILABIALS, PhoneTrack
from talkclip.timeline import PromptTimeline
from talkclip_rigs.head import DefaultHead

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FPS = 60.0
# Two per emotion of MEAD, then movements.
PROMPTS = (
    "furious, shouting at the neighbours", "he is annoyed", "sneering down at them", "smug contempt, one corner raised",
    "revolted by the smell", "slightly disgusted", "terrified, backing into the corner", "nervous and worried",
    "beaming with joy", "quietly pleased", "devastated by the news", "a little downhearted", "utterly astonished",
    "mildly surprised", "calm and matter of fact", "reading out the weather report without any feeling",
    "eyes wide open and eyebrows raised", "brows strongly lowered, lips pressed", "wrinkles the nose",
    "winks with the left eye and smiles",
)  # fmt: skip
# Metres: less is touching, to the eye and to the mesh.
TOUCHING_M = 5e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for prompts.png")
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    clip, pipeline = load_audio(SAMPLES / "line.flac"), Pipeline.load()
    words = (SAMPLES / "line.txt").read_text(encoding="utf-8")
    stills: dict[str, np.ndarray | tuple[np.ndarray, np.ndarray]] = {}
    for prompt in PROMPTS:
        request = AnimateRequest(clip, PromptTimeline.single(prompt, clip.duration_s), text=words, fps=FPS)
        result = pipeline.animate(request)
        shut, total = closures(result.track, result.phones)
        print(f"{shut:3d} of {total} p/b/m closed   {prompt}")
        track = result.track
        stills[prompt] = track.values[_open_frame(track)]
        stills[f"{prompt} (p, b, m)"] = track.values[_closed_frames(track, result.phones)[1]]
    contact_sheet(stills, arguments.out / "prompts.png", columns=8, size=arguments.size)


def closures(track: CoefficientTrack, phones: PhoneTrack) -> tuple[int, int]:
    """(closed, all): bilabials in whose middle the default head's lips touch."""
    head = DefaultHead.load()
    frames = _closed_frames(track, phones)
    points = head.blend(track.values[frames])
    gap_m = head.landmark("lip_upper_inner", points)[:, 1] - head.landmark("lip_lower_inner", points)[:, 1]
    return int((gap_m < TOUCHING_M).sum()), len(frames)


def _closed_frames(track: CoefficientTrack, phones: PhoneTrack) -> list[int]:
    return [round((start + end) / 2 * track.fps) for start, end in phones.spans(BILABIALS)]


def _open_frame(track: CoefficientTrack) -> int:
    """The widest frame without a blink."""
    jaw = track.channel("jawOpen") - 2.0 * (track.channel("eyeBlinkLeft") > 0.3)
    return int(np.argmax(jaw))


if __name__ == "__main__":
    main()
