"""The demo: one line spoken in three ways -> CSV, side-by-side video, and a plot of the curves.

python3 dev.py demo                              the bundled line, into demo/
python -m talkclip.cli.demo --audio my.wav --out DIR
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options
from talkclip.cli.progress import progress_bar
from talkclip.errors import InputError
from talkclip.track_io import write_track

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PROMPTS = (
    "a furious man speaks with brows lowered",
    "a delighted woman, beaming with joy",
    "heartbroken, on the verge of tears",
)
FPS = 25.0


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results; made if missing.")] = Path("demo"),
    audio: Annotated[Path, typer.Option(help="Speech; default: the bundled line.")] = SAMPLES / "line.flac",
    text: Annotated[str | None, typer.Option(help="What is said; default: the bundled transcript.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Repeat for several; default: three.")] = None,
    size: Annotated[int, typer.Option(help="Pixels of each head.")] = 512,
) -> None:
    """Speak one line in several ways and show it."""
    if audio.parent == SAMPLES and text is None:
        if not audio.exists():
            raise InputError("The bundled line is not here.", "Run this in a clone of the repository, or give --audio.")
        text = str(SAMPLES / "line.txt")
    options.check_size(size)
    out.mkdir(parents=True, exist_ok=True)
    prompts = tuple(prompt or PROMPTS)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    began = time.monotonic()
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.render.plots import plot_track
    from talkclip.engine.render.video import render_comparison
    from talkclip.engine.speech.media import load_audio

    clip = load_audio(audio)
    pipeline = Pipeline.load()
    with progress_bar() as progress:
        results = [
            pipeline.animate(options.Direction(prompt=words, text=text, fps=FPS).request(clip), progress)
            for words in prompts
        ]
        for words, result in zip(prompts, results, strict=True):
            console.print(f"{words}\n    {result.readings[0].summary()}")
        written = [out / "line.csv", out / "line.png", out / "line.mp4"]
        write_track(results[0].track, written[0])
        plot_track(results[0].track, written[1], clip=clip, phones=results[0].phones, title=prompts[0])
        render_comparison([r.track for r in results], prompts, written[2], audio=clip, size=size, progress=progress)
    for path in written:
        console.print(f"wrote {path}")
    console.print(f"{clip.duration_s:.1f} s of speech, {len(prompts)} ways, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    from talkclip.cli.main import run

    run(demo)
