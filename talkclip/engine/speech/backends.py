"""Which speech back ends there are, what each lacks and the command that gets it. Loads no model."""

from __future__ import annotations

import dataclasses
import importlib.util

from talkclip.engine.speech.whisper import INSTALL, require_package, weights_present
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import TalkClipError

BACKENDS = ("auto", "align", "fast", "fast+align", "whisper")


@dataclasses.dataclass(frozen=True)
class BackendStatus:
    """One back end for `talkclip doctor`.

    Attributes:
        name: as given to `SpeechFrontEnd`.
        ready: it can be used now.
        detail: what it is.
        missing: what it lacks, or "".
        remedy: the command that gets it, or "".
    """

    name: str
    ready: bool
    detail: str
    missing: str = ""
    remedy: str = ""


def available_backends() -> tuple[BackendStatus, ...]:
    """Every back end, what it lacks and the command that gets it. Loads no model."""
    return (_fast_status(), _align_status(), whisper_status())


def _fast_status() -> BackendStatus:
    detail = "phones without transcript: hama 1.3.13 (CTC, onnxruntime)"
    try:
        find_weight("hama-ctc")
    except TalkClipError as error:
        return BackendStatus("fast", False, detail, error.message, error.hint.removeprefix("Run: "))
    return BackendStatus("fast", True, detail)


def _align_status() -> BackendStatus:
    detail = "forced alignment of a transcript, English: pocketsphinx"
    if importlib.util.find_spec("pocketsphinx") is None:
        return BackendStatus("align", False, detail, "pocketsphinx is not installed", "pip install 'talkclip[lite]'")
    return BackendStatus("align", True, detail)


def whisper_status() -> BackendStatus:
    """Whether Whisper can be used."""
    detail = "words by Whisper base, then alignment: faster-whisper"
    try:
        require_package()
    except TalkClipError as error:
        return BackendStatus("whisper", False, detail, error.message, INSTALL)
    if not weights_present():
        return BackendStatus("whisper", False, detail, "its weights are not installed", INSTALL)
    return BackendStatus("whisper", True, detail)
