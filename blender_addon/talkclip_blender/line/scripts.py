# SPDX-License-Identifier: GPL-3.0-or-later
"""A script line with stage directions: `[furious] Get out! [breaking] Please.`

The server finds the words in the sound; each direction becomes a prompt segment that starts at its first word.
"""

from __future__ import annotations

from talkclip.errors import InputError
from talkclip.script import ScriptPart, parse_script, spoken_text
from talkclip.timeline import PromptTimeline

from .properties import LineSettings
from .replacing import Span, replace
from .sound import Extent, Line, length_s


def script_of(line: LineSettings) -> str:
    """The script: of the Text datablock, if one is chosen, else of the field. One blank for each line break."""
    text = line.script if line.script_text is None else line.script_text.as_string()
    return " ".join(text.split())


def parts_of(line: LineSettings) -> tuple[ScriptPart, ...]:
    """The directions with their words.

    Raises:
        InputError: no script, or one that cannot be read; says what is wrong.
    """
    script = script_of(line)
    if not script:
        raise InputError("There is no script.", 'Type one: "[furious] Get out! [breaking] Please.", or choose a Text.')
    return parse_script(script)


def take_over(
    line: LineSettings, parts: tuple[ScriptPart, ...], timeline: PromptTimeline, spoken: Line, fps: float
) -> list[str]:
    """Make segments of the script as it was placed, and its words the transcript -> notes.

    Args:
        line: of the character.
        parts: what was asked for.
        timeline: the answer's; seconds on the line's clock.
        spoken: the sound, with the frame it starts at.
        fps: of the scene.
    """

    def frame(seconds: float) -> int:
        return spoken.start_frame + round(seconds * fps)

    end_s = max([length_s(spoken) or 0.0, *(s.end_s for s in timeline.segments)])
    extent = Extent(spoken.start_frame, frame(end_s), fps)
    spans = [Span(s.prompt, frame(s.start_s), frame(s.end_s), s.blend_in_s, s.blend_out_s) for s in timeline.segments]
    line.transcript = spoken_text(parts)
    return replace(line, extent, spans)
