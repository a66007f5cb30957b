"""Write mouth curves for a folder of recordings, to be scored: `... --clips DIR --out DIR [--backend fast]`.

Runs the real front end, the decoder with the neutral style, and the lip constraint: no blinks, no head motion.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.motion import LearnedMotion, SpokenLine
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.media import load_audio
from talkclip.exits import explained
from talkclip.gains import LayerGains
from talkclip.style import StyleTrack
from talkclip.timebase import frame_count
from talkclip.track_io import write_track
from talkclip_training.arguments import files_in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of .flac or .wav files")
    parser.add_argument("--out", type=Path, required=True, help="folder for CLIP.csv")
    parser.add_argument("--backend", default="auto", help="speech back end")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--model", type=Path, help="folder with face.onnx and style_space.npz (default: the shipped)")
    arguments = parser.parse_args()
    sounds = files_in(arguments.clips, "*.flac", "*.wav")
    arguments.out.mkdir(parents=True, exist_ok=True)
    folder = arguments.model
    face = FaceModel.load() if folder is None else FaceModel(folder / "face.onnx")
    space = StyleSpace.load(None if folder is None else folder / "style_space.npz")
    front_end, motion = SpeechFrontEnd(arguments.backend, cache=None), LearnedMotion(MouthModel.load(), face, space)
    for sound in sounds:
        analysis = front_end.analyse(load_audio(sound))
        n_frames = frame_count(analysis.clip.duration_s, arguments.fps)
        style = StyleTrack(space.name, arguments.fps, np.tile(space.neutral, (n_frames, 1)))
        gains = LayerGains(expression=0.0, blinks=0.0, head=0.0)
        track = motion.animate(SpokenLine(analysis, style, 0, gains))
        write_track(track, arguments.out / f"{sound.stem}.csv")


if __name__ == "__main__":
    explained(main)
