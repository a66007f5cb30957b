"""Do strong prompts leave the lips alone? `python -m talkclip_training.benchmarks.strong [--json FILE]`.

Twenty strong prompts that do not name the mouth, over the bundled line with its transcript. For each:

    r_open     correlation of the lips' opening with that of the neutral prompt (at least .85 wanted)
    corners    the larger of what smile and frown channels change, over the line's 95th percentile (at least .15
               wanted where the feeling has a mouth)
    closed     p, b and m of the transcript at which the default head's lips touch (at least 85 % wanted)
"""

from __future__ import annotations

import argparse
import dataclasses
import json

import numpy as np

from talkclip.coefficients import CoefficientTrack
from talkclip.engine.layers.lips import lip_gap
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech.media import load_audio
from talkclip.exits import explained
from talkclip.files import check_writable
from talkclip.gains import LayerGains
from talkclip.phones import PhoneTrack
from talkclip.timeline import PromptTimeline
from talkclip_training.benchmarks.prompts import FPS, SAMPLES, closures

PROMPTS = (
    "absolutely furious", "boiling with rage", "livid, at the end of her patience", "seething with hatred",
    "overjoyed", "ecstatic, bursting with happiness", "utterly delighted", "madly in love",
    "heartbroken", "inconsolable with grief", "in utter despair", "crushed and hopeless",
    "terrified for his life", "panic-stricken", "scared out of her wits", "completely astonished",
    "shocked to the core", "thoroughly disgusted", "sick with revulsion", "full of contempt",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Strong:
    """One prompt's figures; see the module."""

    prompt: str
    r_open: float
    corners: float
    closed: int
    closures: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=check_writable, help="also write the figures to this file")
    target = parser.parse_args().json
    rows = measure()
    for row in rows:
        print(f"r_open {row.r_open:.3f}  corners {row.corners:.2f}  closed {row.closed}/{row.closures}  {row.prompt}")
    shut, total = sum(row.closed for row in rows), sum(row.closures for row in rows)
    least = min(row.r_open for row in rows)
    print(f"least r_open {least:.3f}; least corners {min(row.corners for row in rows):.2f}; closed {shut / total:.1%}")
    if target:
        target.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def measure() -> list[Strong]:
    """All twenty."""
    clip, pipeline = load_audio(SAMPLES / "line.flac"), Pipeline.load()
    words = (SAMPLES / "line.txt").read_text(encoding="utf-8")
    gains = LayerGains(blinks=0.0, head=0.0)

    def track(prompt: str) -> CoefficientTrack:
        timeline = PromptTimeline.single(prompt, clip.duration_s)
        result = pipeline.animate(AnimateRequest(clip, timeline, text=words, fps=FPS, gains=gains))
        phones.append(result.phones)
        return result.track

    phones: list[PhoneTrack] = []
    neutral = track("")
    rows = []
    for prompt in PROMPTS:
        spoken = track(prompt)
        r_open = np.corrcoef(np.maximum(lip_gap(spoken.values), 0), np.maximum(lip_gap(neutral.values), 0))[0, 1]
        corners = max(
            float(np.percentile(np.abs(spoken.channel(name) - neutral.channel(name)), 95))
            for root in ("mouthSmile", "mouthFrown")
            for name in (f"{root}Left", f"{root}Right")
        )
        shut, total = closures(spoken, phones[-1])
        rows.append(Strong(prompt, float(r_open), corners, shut, total))
    return rows


if __name__ == "__main__":
    explained(main)
