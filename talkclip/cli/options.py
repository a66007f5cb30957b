"""Arguments and options that several commands share, and how they become requests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkclip.errors import InputError
from talkclip.files import checked_output, read_text
from talkclip.phones import read_phones
from talkclip.script import ScriptPart, parse_script
from talkclip.timebase import parse_fps
from talkclip.timeline import PromptEdit, PromptTimeline

if TYPE_CHECKING:
    from talkclip.audio import AudioClip
    from talkclip.engine.request import AnimateRequest, StyleClip
    from talkclip.engine.style_clips import StyleClips
    from talkclip.progress import ProgressCallback

_SIZE_MIN, _SIZE_MAX = 64, 2048

Prompt = Annotated[
    str, typer.Option("--prompt", "-p", help='How the line is spoken: "a furious man speaks with brows lowered".')
]
Text = Annotated[
    str | None,
    typer.Option("--text", "-t", help="What is said (or a .txt file with it). Gives the most exact lips."),
]
Script = Annotated[
    str | None,
    typer.Option(help='Transcript with stage directions: "[furious] Get out! [breaking] Please."'),
]
Timeline = Annotated[Path | None, typer.Option(help="Prompt segments over time, as JSON (docs/formats.md).")]
Phones = Annotated[
    Path | None,
    typer.Option(
        "--phones",
        help="Phones and times to use: JSON or Praat TextGrid. With --text only around changed words they are new.",
    ),
]
Intensity = Annotated[float, typer.Option(help="0 = neutral, 1 = as the prompt says, 2 = twice.")]
Edit = Annotated[
    list[str] | None,
    typer.Option(
        "--edit", help='Change on top of the prompt, "wrinkle the nose=0.4"; may be repeated, may be negative.'
    ),
]
Fps = Annotated[str, typer.Option(help="Frames per second of the result: 24, 29.97, 30000/1001 ...")]
Seed = Annotated[int, typer.Option(help="Of blinks and head motion; the same seed gives the same motion.")]
StyleVideo = Annotated[
    Path | None,
    typer.Option(help="A face to speak like: a video that shows one, or its track (.csv, .json, .npz)."),
]
StyleWeight = Annotated[
    float | None,
    typer.Option(help="Share of --style-video, 0..1; default 1, or 0.5 beside a prompt, script, timeline or edit."),
]
Blinks = Annotated[float, typer.Option(help="Gain of the blink layer; 0 = none.")]
Head = Annotated[float, typer.Option(help="Gain of the head motion layer; 0 = still.")]
Mouth = Annotated[float, typer.Option(help="Gain of the speaking mouth; 0 = expression only.")]
Backend = Annotated[
    str, typer.Option(help="Speech back end: auto, fast, align (needs --text) or whisper; see `talkclip doctor`.")
]
FlameFile = Annotated[Path | None, typer.Option("--flame", help="Your FLAME model (generic_model.pkl or .npz).")]
AdapterFile = Annotated[
    Path | None, typer.Option("--adapter", help="Hear prompts through another text encoder: file of `talkclip adapt`.")
]
TextEncoder = Annotated[
    str | None,
    typer.Option(
        "--text-encoder", help="The encoder of --adapter where the file cannot say it: clip:MODEL=FILE, clip:MODEL/TAG."
    ),
]
KeysFolder = Annotated[
    Path | None, typer.Option("--keys", help="Folder of `talkclip keys`: only clients with a key may come in.")
]
Address = Annotated[str, typer.Option("--address", "-a", help="Where the server listens.")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="Your key file, for a server that asks for one.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]


@dataclasses.dataclass(frozen=True)
class Direction:
    """How a line is directed, as given on the command line or in one row of a manifest."""

    prompt: str = ""
    text: str | None = None
    script: str | None = None
    timeline: Path | None = None
    phones: Path | None = None
    intensity: float = 1.0
    edits: tuple[PromptEdit, ...] = ()
    fps: float = 30.0
    seed: int = 0
    mouth: float = 1.0
    blinks: float = 1.0
    head: float = 1.0
    space: str = "arkit52"
    style_video: Path | None = None
    style_weight: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("prompt", "script", "timeline") if getattr(self, name)]
        if len(given) > 1:
            raise InputError(
                f"--{given[0]} and --{given[1]} exclude each other.", "Give one of --prompt, --script, --timeline."
            )
        if given != ["prompt"] and (self.edits or self.intensity != 1.0) and given:
            raise InputError(
                f"--intensity and --edit belong to --prompt, not to --{given[0]}.", "Put them into the timeline."
            )
        if self.script and self.text:
            raise InputError("--script already holds the words that --text gives.", "Leave out --text.")
        if self.style_weight is not None and self.style_video is None:
            raise InputError("--style-weight belongs to --style-video.", "Give the video, or leave out the weight.")
        if self.style_weight is not None and not 0 <= self.style_weight <= 1:
            raise InputError(
                f"--style-weight {self.style_weight:g} is out of range.", "Use 0 (the prompt alone) to 1 (the video)."
            )

    def request(
        self, clip: AudioClip, progress: ProgressCallback | None = None, clips: StyleClips | None = None
    ) -> AnimateRequest:
        """The pipeline's request for a loaded clip; a style video is tracked here, which `progress` follows.

        Args:
            clip: the speech.
            progress: stage "track".
            clips: who reads style videos, where several requests share what was read; None: this one alone.

        Raises:
            InputError: a file or value cannot be used.
        """
        from talkclip.engine.request import AnimateRequest, LayerGains

        parts: tuple[ScriptPart, ...] = parse_script(self.script) if self.script else ()
        timeline = (
            PromptTimeline.read(self.timeline)
            if self.timeline
            else PromptTimeline.single(self.prompt, clip.duration_s, self.intensity, self.edits)
        )
        return AnimateRequest(
            clip=clip,
            timeline=timeline,
            script=parts,
            text=transcript(self.text),
            phones=read_phones(self.phones) if self.phones else None,
            fps=self.fps,
            space=self.space,
            gains=LayerGains(mouth=self.mouth, blinks=self.blinks, head=self.head),
            seed=self.seed,
            styles=self._styles(progress, clips),
        )

    def _styles(self, progress: ProgressCallback | None, clips: StyleClips | None) -> tuple[StyleClip, ...]:
        """The style clip that is asked for, of the whole line."""
        if self.style_video is None:
            return ()
        from talkclip.engine.request import StyleClip
        from talkclip.engine.style_clips import StyleClips

        weight = style_share(self.style_weight, self.prompt, self.script, self.timeline, self.edits)
        track = (clips or StyleClips.default()).track(self.style_video, str(self.style_video), progress=progress)
        return (StyleClip(track, weight),)


def style_share(weight: float | None, *beside: object) -> float:
    """A style clip's share: `weight` if given, else half where something `beside` it says how to speak too, else 1."""
    if weight is not None:
        return weight
    return 0.5 if any(beside) else 1.0


def transcript(text: str | None) -> str | None:
    """The transcript itself, or the content of the .txt file that is named.

    Raises:
        InputError: a .txt file that cannot be read or is empty.
    """
    if text is None or not text.lower().endswith(".txt"):
        return text
    words = read_text(text, "Give the transcript itself or a UTF-8 text file.").strip()
    if not words:
        raise InputError(f"{text}: is empty.", "Write what is said into it, or leave out --text.")
    return words


def parse_edits(edits: list[str] | None) -> tuple[PromptEdit, ...]:
    """["wrinkle the nose=0.4"] -> edits.

    Raises:
        InputError: no text, no weight, or the weight is out of range.
    """
    parsed = []
    for edit in edits or []:
        text, equals, weight = edit.rpartition("=")
        try:
            parsed.append(PromptEdit(text.strip(), float(weight)))
        except ValueError:
            text, equals = "", ""
        if not equals or not text.strip():
            raise InputError(
                f"--edit '{edit}' is not understood.", 'Write TEXT=WEIGHT, for example "wrinkle the nose=0.4".'
            )
    return tuple(parsed)


def check_size(size: int) -> None:
    """Raise InputError for a size of pictures, in pixels, that nothing is drawn in."""
    if not _SIZE_MIN <= size <= _SIZE_MAX:
        raise InputError(f"--size {size} is out of range.", f"Use {_SIZE_MIN} to {_SIZE_MAX}.")


__all__ = ["Direction", "checked_output", "parse_edits", "parse_fps", "transcript"]
