"""Prompts over one line, looked at and measured: `python -m talkclip_training.benchmarks.prompts --out DIR`.

For every prompt the bundled line is animated with its transcript; a contact sheet shows each face at an open vowel and
at a closure, a page of plots the main curves, and the gap between the lips of the default head is measured at the
middle of every P, B and M.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from talkclip.coefficients import CoefficientTrack
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.render.contact_sheet import contact_sheet
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech.media import load_audio
from talkclip.exits import explained
from talkclip.phones import BILABIALS, PhoneTrack
from talkclip.timeline import PromptTimeline
from talkclip_rigs.head import DefaultHead
from talkclip_training.arguments import at_least

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FPS = 60.0
# Two per emotion of MEAD, then movements, an idiom, a situation, a mask and a denial.
PROMPTS = (
    "furious, shouting at the neighbours", "he is annoyed", "sneering down at them", "smug contempt, one corner raised",
    "revolted by the smell", "slightly disgusted", "terrified, backing into the corner", "nervous and worried",
    "beaming with joy", "quietly pleased", "devastated by the news", "a little downhearted", "utterly astonished",
    "mildly surprised", "calm and matter of fact", "reading out the weather report without any feeling",
    "eyes wide open and eyebrows raised", "brows strongly lowered, lips pressed", "wrinkles the nose",
    "winks with the left eye and smiles", "over the moon", "the letter says he is not coming back",
    "frightened eyes over a brave grin", "furious, but the forehead stays smooth",
)  # fmt: skip
# Metres: less is touching, to the eye and to the mesh.
TOUCHING_M = 5e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for prompts.png and curves.png")
    parser.add_argument("--size", type=at_least(64), default=256)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    clip, pipeline = load_audio(SAMPLES / "line.flac"), Pipeline.load()
    words = (SAMPLES / "line.txt").read_text(encoding="utf-8")
    stills: dict[str, np.ndarray | tuple[np.ndarray, np.ndarray]] = {}
    tracks: dict[str, CoefficientTrack] = {}
    for prompt in PROMPTS:
        request = AnimateRequest(clip, PromptTimeline.single(prompt, clip.duration_s), text=words, fps=FPS)
        result = pipeline.animate(request)
        shut, total = closures(result.track, result.phones)
        print(f"{shut:3d} of {total} p/b/m closed   {prompt}")
        track = tracks[prompt] = result.track
        stills[prompt] = track.values[_open_frame(track)]
        stills[f"{prompt} (p, b, m)"] = track.values[_closed_frames(track, result.phones)[1]]
    plot_curves(tracks, arguments.out / "prompts_curves.png")
    contact_sheet(stills, arguments.out / "prompts.png", columns=8, size=arguments.size)


def plot_curves(tracks: Mapping[str, CoefficientTrack], path: Path) -> None:
    """A small plot per prompt: how the jaw, the corners, the brows and the lids move."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(-(-len(tracks) // 4), 4, figsize=(16, 13), sharex=True, sharey=True)
    for axis, (prompt, track) in zip(axes.flat, tracks.items(), strict=False):
        times_s = np.arange(track.n_frames) / track.fps
        for name in ("jawOpen", "mouthSmileLeft", "mouthFrownLeft", "browInnerUp", "browDownLeft", "eyeWideLeft"):
            axis.plot(times_s, track.channel(name), linewidth=0.9, label=name)
        axis.set_title(prompt, fontsize=9)
        axis.set_ylim(0, 1)
    axes.flat[0].legend(fontsize=7, loc="upper right")
    figure.supxlabel("seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


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
    explained(main)
