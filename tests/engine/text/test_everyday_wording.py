"""Sides, denials, feelings beside movements, compounds and tags, as people type them."""

from __future__ import annotations

import pytest

from talkclip.engine.text.pose import PromptStyler
from talkclip_training.text.prompt_score import score

SIDES = {
    "her eyebrow, the left one, shoots up": {"browOuterUpLeft": "++", "browOuterUpRight": "<half"},
    "asymmetric brows: left high, right low": {"browOuterUpLeft": "+", "browDownRight": "+"},
    "the brow on screen left goes up": {"browOuterUpRight": "+", "browOuterUpLeft": "<half"},
    "camera-right eye closed": {"eyeBlinkLeft": "++", "eyeBlinkRight": "<half"},
    "left brow up, the other one lowered": {"browOuterUpLeft": "+", "browDownRight": "+", "browDownLeft": "0"},
    "one eye shut and the other wide open": {"eyeBlinkRight": "++", "eyeWideLeft": "+"},
    "both eyes narrowed but only the left cheek raised": {"eyeSquint": "+", "cheekSquintRight": "<half"},
    "brow raise - R": {"browOuterUpRight": "+", "browOuterUpLeft": "<half"},
    "left AU14": {"mouthDimpleLeft": "+", "mouthDimpleRight": "<half"},
}
DENIALS = {
    "angry - no snarl": {"noseSneer": "0", "browDown": "+"},
    "AU4 absent, AU1 D": {"browDown": "0", "browInnerUp": "++"},
    "contempt, but keep the smile off his face": {"mouthSmile": "0"},
    "there's no joy in that smile": {"mouthSmile": "+"},
    "the smile is gone": {"mouthSmile": "0"},
    "his grin fades": {"mouthSmile": "0"},
    "he tries to smile": {"mouthSmile": [0.1, 0.4]},
    "eyebrow raise - none; smile - big": {"browOuterUp": "0", "mouthSmile": "++"},
    "surprise w/o the jaw drop": {"jawOpen": "0", "browOuterUp": "+"},
    "furious, keeps the brow still": {"browDown": "0", "mouthPress": "+"},
    "frowning instead of smiling": {"browDown": "+", "mouthSmile": "0"},
    "grin sans cheeks": {"mouthSmile": "++", "cheekSquint": "0"},
    "her jaw dropped": {"jawOpen": "+"},
}
BOTH = {
    "a puffed-cheeked, furious toddler": {"cheekPuff": "+", "browDown": "+"},
    "she hides in the corner, terrified": {"eyeWide": "+", "browInnerUp": "+"},
    "alone upstairs, terrified": {"eyeWide": "+", "browInnerUp": "+"},
    "sad girl with big brown eyes": {"eyeWide": "0", "mouthFrown": "+"},
    "neutral face, frightened eyes": {"eyeWide": "+", "browInnerUp": "+", "mouthStretch": "0"},
    "half laughing, half crying": {"mouthSmile": "+", "browInnerUp": "+", "mouthFrown": "0"},
    "closed-eyed, smiling": {"eyeBlink": "++", "mouthSmile": "+"},
    "[sad] [looking down] [inner brows up]": {"eyeLookDown": "+", "browInnerUp": "++"},
    "ANGRY / brows down / lips pressed": {"browDown": "++", "mouthPress": "+"},
    "#happy #wink": {"mouthSmile": "+", "eyeBlinkRight": "++"},
    "forehead creases horizontally": {"browInnerUp": "+", "browOuterUp": "+", "browDown": "0"},
    "‘scared’ — wide-eyed": {"eyeWide": "++", "browInnerUp": "+"},
}


@pytest.mark.parametrize(("prompt", "expect"), list((SIDES | DENIALS | BOTH).items()))
def test_wording_is_read(styler: PromptStyler, prompt: str, expect: dict[str, object]) -> None:
    item = {"id": "own", "group": "own", "prompt": prompt, "expect": expect}
    assert score([item], styler.pose)[1] == []
