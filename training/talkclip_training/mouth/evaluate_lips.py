"""Write mouth curves for a folder of recordings, to be scored: `... --clips DIR --out DIR [--backend fast]`.

Runs the real front end, mouth model and lip constraint with a neutral face: no style, blinks or head motion.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from talkclip.engine.layers.lips import apply_lip_constraint
from talkclip.engine.models.mouth import MouthModel
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.media import load_audio
from talkclip.track_io import write_track


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of .flac or .wav files")
    parser.add_argument("--out", type=Path, required=True, help="folder for CLIP.csv")
    parser.add_argument("--backend", default="auto", help="speech back end")
    parser.add_argument("--fps", type=float, default=30.0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    front_end, mouth = SpeechFrontEnd(arguments.backend, cache=None), MouthModel.load()
    for sound in sorted((*arguments.clips.glob("*.flac"), *arguments.clips.glob("*.wav"))):
        analysis = front_end.analyse(load_audio(sound))
        track = mouth.predict(analysis, arguments.fps)
        track = track.with_values(apply_lip_constraint(track.values, analysis.phones, arguments.fps))
        write_track(track, arguments.out / f"{sound.stem}.csv")


if __name__ == "__main__":
    main()
