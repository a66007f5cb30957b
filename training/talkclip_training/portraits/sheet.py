"""Contact sheet of speaking portraits: `python -m talkclip_training.portraits.sheet --portraits DIR --out FILE.jpg`.

Every portrait speaks the bundled line under six prompts; each cell is the face at the widest open vowel of the line, or
at its firmest closure in every second column. Files named `photo*` act at half intensity: real faces are shown mildly.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from talkclip.coefficients import CoefficientTrack
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.render.portrait.person import fit_person
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.portrait.video import read_picture
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech.media import load_audio
from talkclip.exits import explained
from talkclip.files import atomic_write
from talkclip.phones import BILABIALS
from talkclip.timeline import PromptTimeline
from talkclip_training.arguments import at_least, files_in, result_file

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FPS = 25.0
PROMPTS = (
    "a furious man speaks with brows lowered", "beaming with joy", "devastated by the news",
    "utterly astonished, eyebrows raised", "smug contempt, one corner raised", "terrified, backing into the corner",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--portraits", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--out", type=result_file(".jpg", ".jpeg", ".png"), required=True)
    parser.add_argument("--size", type=at_least(128), default=512, help="working size of a portrait")
    parser.add_argument("--cell", type=at_least(16), default=224)
    arguments = parser.parse_args()
    clip, pipeline = load_audio(SAMPLES / "line.flac"), Pipeline.load()
    words = (SAMPLES / "line.txt").read_text(encoding="utf-8")
    rows = []
    for path in files_in(arguments.portraits, "*.jpg"):
        intensity = 0.5 if path.stem.startswith("photo") else 1.0
        person = fit_person(read_picture(path), arguments.size, name=str(path))
        renderer = PortraitRenderer(person)
        cells = [person.image]
        for column, prompt in enumerate(PROMPTS):
            timeline = PromptTimeline.single(prompt, clip.duration_s, intensity)
            result = pipeline.animate(AnimateRequest(clip, timeline, text=words, fps=FPS))
            number = open_frame(result.track)
            if column % 3 == 2:
                spans = list(result.phones.spans(BILABIALS))
                number = round((spans[1][0] + spans[1][1]) / 2 * FPS)
            head = None if result.track.head is None else result.track.head[number]
            cells.append(renderer.frame(result.track.values[number], head))
        low, high = person.landmarks.min(0), person.landmarks.max(0)
        middle, reach = (low + high) / 2 - [0, 0.06 * person.image.shape[0]], 0.68 * float((high - low).max())
        rows.append(np.hstack([_cell(cell, middle, reach, arguments.cell) for cell in cells]))
    with atomic_write(arguments.out) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, quality=88)


def open_frame(track: CoefficientTrack) -> int:
    """The widest frame without a blink."""
    jaw = track.channel("jawOpen") - 2.0 * (track.channel("eyeBlinkLeft") > 0.3)
    return int(np.argmax(jaw))


def _cell(picture: np.ndarray, middle: np.ndarray, reach: float, size: int) -> np.ndarray:
    scale = size / (2 * reach)
    to_cell = np.array([[scale, 0, size / 2 - scale * middle[0]], [0, scale, size / 2 - scale * middle[1]]])
    return np.asarray(
        cv2.warpAffine(picture, to_cell, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    )


if __name__ == "__main__":
    explained(main)
