"""A page for blind viewing: `python -m talkclip_training.benchmarks.blind --out DIR [--prompts FILE] [--size 256]`.

Every prompt is played twice, by the model and by the plain baseline, with sound, left and right in random order. Open
DIR/index.html, choose, press "Save answers"; then `... blind --out DIR --answers answers.json` counts them. Which side
was which stands in DIR/key.json: do not look before.
"""

from __future__ import annotations

import argparse
import html
import json
import random
from pathlib import Path

from rich.progress import track as with_progress

from talkclip.audio import AudioClip
from talkclip.coefficients import CoefficientTrack
from talkclip.engine.pipeline import Pipeline
from talkclip.engine.render.contact_sheet import contact_sheet
from talkclip.engine.render.video import render_track
from talkclip.engine.request import AnimateRequest
from talkclip.engine.speech.media import load_audio
from talkclip.errors import InputError
from talkclip.exits import explained
from talkclip.files import read_text
from talkclip.gains import LayerGains
from talkclip.timeline import PromptTimeline
from talkclip_training.arguments import at_least
from talkclip_training.benchmarks.plain import PlainBaseline
from talkclip_training.benchmarks.prompts import PROMPTS, SAMPLES

FPS = 25.0
_STILLS = 4
_PAGE = """<!doctype html><meta charset="utf-8"><title>Which face speaks it better?</title>
<style>body{font:16px sans-serif;background:#1b1d20;color:#ddd;max-width:60em;margin:2em auto}section{margin:2em 0}
video{width:48%}label{margin-right:2em}button{font-size:110%}</style>
<h1>Which face speaks it better?</h1>
<p>Left and right are in random order. Judge face and lips as an animator would.</p>
__ROWS__
<button onclick="save()">Save answers</button>
<script>function save(){const a={};document.querySelectorAll("input:checked").forEach(i=>a[i.name]=i.value);
const l=document.createElement("a");l.download="answers.json";
l.href=URL.createObjectURL(new Blob([JSON.stringify(a)],{type:"application/json"}));l.click()}</script>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, help="text file, a prompt a line (default: the twenty of the docs)")
    parser.add_argument("--size", type=at_least(64), default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stills", action="store_true", help="contact sheets instead of videos")
    parser.add_argument("--answers", type=Path, help="count these answers instead of making the page")
    arguments = parser.parse_args()
    if arguments.answers:
        print(json.dumps(counted(arguments.out / "key.json", arguments.answers), indent=1))
        return
    prompts = PROMPTS if arguments.prompts is None else _prompts_of(arguments.prompts)
    make_page(prompts, arguments.out, arguments.size, arguments.seed, arguments.stills)


def _prompts_of(path: Path) -> tuple[str, ...]:
    remedy = "Give a text file, a prompt a line."
    prompts = tuple(line for line in read_text(path, remedy).splitlines() if line.strip())
    if not prompts:
        raise InputError(f"{path}: is empty.", remedy)
    return prompts


def make_page(prompts: tuple[str, ...], out: Path, size: int, seed: int, stills: bool) -> None:
    """Render both sides of every prompt and write index.html and key.json."""
    out.mkdir(parents=True, exist_ok=True)
    clip, pipeline, plain = load_audio(SAMPLES / "line.flac"), Pipeline.load("fast"), PlainBaseline()
    chance = random.Random(seed)
    key: dict[str, str] = {}
    rows = []
    for number, prompt in enumerate(with_progress(prompts, "Rendering pairs")):
        # The baseline has no blinks and holds its head still: so does the model here, or it would be known by them.
        still = LayerGains(blinks=0.0, head=0.0)
        request = AnimateRequest(clip, PromptTimeline.single(prompt, clip.duration_s), fps=FPS, gains=still)
        sides = {"model": pipeline.animate(request).track, "plain": plain.animate(clip, prompt, FPS)}
        order = list(sides)
        chance.shuffle(order)
        key[str(number)] = order[0]
        for side, name in zip(("a", "b"), order, strict=True):
            _show(sides[name], clip, out / f"{number:02d}{side}", size, stills)
        rows.append(_row(number, prompt, "png" if stills else "mp4"))
    (out / "index.html").write_text(_PAGE.replace("__ROWS__", "\n".join(rows)), encoding="utf-8")
    (out / "key.json").write_text(json.dumps(key), encoding="utf-8")


def counted(key: Path, answers: Path) -> dict[str, int]:
    """How often each was chosen.

    Raises:
        InputError: a file cannot be read, or the answers are to another page.
    """
    remedy = "Give the folder of the page, and the answers that its button saved."
    left, chosen = (_table(path, remedy) for path in (key, answers))
    result = {"model": 0, "plain": 0, "same": 0}
    for number, answer in chosen.items():
        if number not in left or answer not in ("a", "b", "same"):
            raise InputError(f"{answers}: pair {number}, '{answer}', is no answer to {key.parent}.", remedy)
        model_is_left = left[number] == "model"
        result["same" if answer == "same" else "model" if (answer == "a") == model_is_left else "plain"] += 1
    return result


def _table(path: Path, remedy: str) -> dict[str, str]:
    try:
        table = json.loads(read_text(path, remedy))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}).", remedy) from None
    if not isinstance(table, dict):
        raise InputError(f"{path}: holds no answers.", remedy)
    return table


def _show(track: CoefficientTrack, clip: AudioClip, path: Path, size: int, stills: bool) -> None:
    if not stills:
        render_track(track, path.with_suffix(".mp4"), clip, size=size)
        return
    frames = [round((k + 0.5) * track.n_frames / _STILLS) for k in range(_STILLS)]
    contact_sheet(
        {f"{f / track.fps:.1f} s": track.values[f] for f in frames},
        path.with_suffix(".png"),
        columns=_STILLS,
        size=size,
    )


def _row(number: int, prompt: str, kind: str) -> str:
    def face(side: str) -> str:
        name = f"{number:02d}{side}.{kind}"
        return f'<img src="{name}" width="48%">' if kind == "png" else f'<video src="{name}" controls loop></video>'

    choices = "".join(
        f'<label><input type="radio" name="{number}" value="{value}"> {text}</label>'
        for value, text in (("a", "left"), ("same", "equal"), ("b", "right"))
    )
    return f"<section><h2>{html.escape(prompt)}</h2>{face('a')} {face('b')}<p>{choices}</p></section>"


if __name__ == "__main__":
    explained(main)
