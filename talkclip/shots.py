"""What a shot of `talkclip blender-batch` is told, and what it answers: two small JSON files.

The command line writes a `ShotOrder`; the extension carries it out inside Blender and writes a `ShotResult`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final, TypeVar

from talkclip.errors import InputError, TalkClipError
from talkclip.files import atomic_write, read_text
from talkclip.timeline import PromptEdit

# Changes when the fields do: command line and extension must be of one release.
FORMAT: Final = 2
VIEWS: Final = ("camera", "face")
ENGINES: Final = ("workbench", "scene")
_Message = TypeVar("_Message", bound="ShotOrder | ShotResult")


@dataclasses.dataclass(frozen=True)
class ShotOrder:
    """One shot. Paths are absolute; "" is nothing.

    Attributes:
        blend: file to open; "": a new file with the default head.
        character: name of an object of the character; "": the file's only character.
        preset: mapping to load onto it: a file, or the name of one of the user's presets.
        audio: sound file; or `strip`: name of a sound strip in the file. Neither: what the file has.
        strip: see `audio`.
        start_frame: scene frame at which the sound file starts; None: the scene's start.
        prompt, script, timeline: how it is spoken: a prompt, a script with stage directions, or a file with a timeline.
            None of them: the prompt segments of the file.
        transcript: what is said.
        intensity, edits: of `prompt`.
        style_video, style_weight: file of a clip whose way of speaking is mixed into `prompt`, and its share, 0..1.
        seed: of blinks and head motion; None: the file's.
        output: .blend file to write.
        video: .mp4 file to write.
        view: how the video looks at the character, one of `VIEWS`; "": through the camera, where the file has one.
        engine: what renders it, one of `ENGINES`.
        percentage: of the view's size.
        server: address.
        key: file with the client's key, for a server that asks for one.
        trust: let the .blend file's scripts and driver expressions run.
    """

    blend: str = ""
    character: str = ""
    preset: str = ""
    audio: str = ""
    strip: str = ""
    start_frame: int | None = None
    prompt: str = ""
    script: str = ""
    timeline: str = ""
    transcript: str = ""
    intensity: float = 1.0
    edits: tuple[PromptEdit, ...] = ()
    style_video: str = ""
    style_weight: float = 1.0
    seed: int | None = None
    output: str = ""
    video: str = ""
    view: str = ""
    engine: str = "workbench"
    percentage: int = 100
    server: str = ""
    key: str = ""
    trust: bool = False

    @classmethod
    def read(cls, path: Path) -> ShotOrder:
        """Read a file of `write`; raises InputError when it is none, or of another release."""
        fields = _read(path, cls)
        return cls(**{**fields, "edits": tuple(PromptEdit(**edit) for edit in fields["edits"])})

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        _write(self, path)


@dataclasses.dataclass(frozen=True)
class ShotResult:
    """How a shot went.

    Attributes:
        take: what was keyed, in one sentence.
        notes: for people.
        frames: first and last scene frame of the line.
        problem, remedy, code: what went wrong; "" when nothing did.
    """

    take: str = ""
    notes: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    problem: str = ""
    remedy: str = ""
    code: str = ""

    @classmethod
    def of_error(cls, error: TalkClipError) -> ShotResult:
        """A shot that failed."""
        return cls(problem=error.message, remedy=error.hint, code=error.code)

    @classmethod
    def read(cls, path: Path) -> ShotResult:
        """Read a file of `write`; raises InputError when it is none, or of another release."""
        fields = _read(path, cls)
        return cls(**{**fields, "notes": tuple(fields["notes"]), "frames": tuple(fields["frames"])})

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        _write(self, path)


def _write(message: ShotOrder | ShotResult, path: Path) -> None:
    with atomic_write(path) as temporary:
        text = json.dumps({"format": FORMAT, **dataclasses.asdict(message)}, ensure_ascii=False, indent=1)
        temporary.write_text(text, encoding="utf-8")


def _read(path: Path, cls: type[_Message]) -> dict[str, Any]:
    """The fields, all of them and no others."""
    remedy = "Run talkclip blender-batch again."
    try:
        content = json.loads(read_text(path, remedy))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}).", remedy) from None
    names = {field.name for field in dataclasses.fields(cls)}
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT or set(content) != names:
        raise InputError(
            "talkclip and the extension in Blender are of different releases.", "Update the older one of them."
        )
    return content
