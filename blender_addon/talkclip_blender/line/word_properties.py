# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved of a word that was heard. `words` reads and writes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import FloatProperty, StringProperty

from talkclip.errors import InputError

from . import words

OVERRIDE = {"LIBRARY_OVERRIDABLE"}


def _change(row: TalkClipWord, change: Callable[[Any, int], None]) -> None:
    """Run `change(line, index)` for a row; what is wrong is shown in the panel, since a field cannot refuse."""
    line = row.id_data.talkclip
    index = int(re.search(r"\[(\d+)\]$", row.path_from_id())[1])
    try:
        change(line, index)
        line.words_problem = ""
    except InputError as problem:
        line.words_problem = str(problem)


def _set_text(self: TalkClipWord, value: str) -> None:
    _change(self, lambda line, index: words.correct(line, index, value))


def _set_phones(self: TalkClipWord, value: str) -> None:
    _change(self, lambda line, index: words.respell_phones(line, index, value))


def _set_start(self: TalkClipWord, value: float) -> None:
    _change(self, lambda line, index: words.retime(line, index, start_s=value))


def _set_end(self: TalkClipWord, value: float) -> None:
    _change(self, lambda line, index: words.retime(line, index, end_s=value))


class TalkClipWord(bpy.types.PropertyGroup):
    """A word of the last answer, or sounds between words (no text)."""

    spelled: StringProperty(description="As it is spelled now", override=OVERRIDE)
    heard: StringProperty(description="As it was spelled in the answer", override=OVERRIDE)
    start_s: FloatProperty(description="Seconds on the line's clock", override=OVERRIDE)
    end_s: FloatProperty(description="Seconds on the line's clock", override=OVERRIDE)
    phones: StringProperty(description="ARPABET, one blank between", override=OVERRIDE)
    phone_times: StringProperty(description="start-end of each phone, seconds", override=OVERRIDE)

    # What is edited.
    text: StringProperty(
        name="Word", description="Correct the spelling: the next Speak listens anew around this word only",
        get=lambda self: self.spelled, set=_set_text,
    )  # fmt: skip
    phones_text: StringProperty(
        name="Sounds", description="In ARPABET (HH EH L OW) or IPA (h ɛ l oʊ). The next Speak says these",
        get=lambda self: self.phones, set=_set_phones,
    )  # fmt: skip
    begin_s: FloatProperty(
        name="Begins", description="Seconds after the start of the sound; its sounds are stretched along",
        get=lambda self: self.start_s, set=_set_start, precision=3, step=1, options=set(),
    )  # fmt: skip
    finish_s: FloatProperty(
        name="Ends", description="Seconds after the start of the sound; its sounds are stretched along",
        get=lambda self: self.end_s, set=_set_end, precision=3, step=1, options=set(),
    )  # fmt: skip
