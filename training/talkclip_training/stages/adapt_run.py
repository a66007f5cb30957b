"""`talkclip adapt` from names and files: loads encoder, decoder and lines, trains, writes the adapter."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from talkclip.engine.models.inputs import MODEL_FPS
from talkclip.engine.models.nets.adapters import save_adapter
from talkclip.engine.models.nets.clip_text import PREFIX, load_clip_text
from talkclip.engine.speech.features import FPS
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.media import load_audio
from talkclip.engine.text.encoder import MiniLMEncoder, TextEncoder
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import InputError
from talkclip.progress import ProgressCallback, report
from talkclip_training.performance.play import Spoken, speak
from talkclip_training.stages.adapt import AdaptPlan, AdaptReport, adapt
from talkclip_training.stages.lines import load_lines, split
from talkclip_training.stages.run import by_family, directions_for_text
from talkclip_training.stages.teacher import load_teacher

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
MINILM = "minilm"
# The shipped model by its id in the registry.
_DEFAULT_MODEL = "default-model"


@dataclasses.dataclass(frozen=True)
class AdaptRequest:
    """Arguments of the command.

    Attributes:
        encoder: "clip:..." (see `nets.clip_text`) or "minilm".
        space: of the decoder.
        checkpoint: the decoder's weights; None: the shipped model (arkit52).
        matrix: npz, ARKit weights -> the decoder's space; None for arkit52.
        lines: of `talkclip train lines`; None: the bundled line.
        out: the adapter.
    """

    encoder: str
    space: str
    checkpoint: Path | None
    matrix: Path | None
    lines: Path | None
    out: Path


def run_adapt(
    request: AdaptRequest, plan: AdaptPlan, progress: ProgressCallback | None
) -> tuple[AdaptReport, list[str]]:
    """Train and write an adapter -> figures, and notes for the user.

    Raises:
        InputError: a name, file or space cannot be used.
        TalkClipError: weights or packages are missing.
    """
    if request.checkpoint is None and request.space != "arkit52":
        raise InputError(
            f"No decoder in {request.space} is shipped.", "Give --checkpoint with StyleTalk's or DreamTalk's weights."
        )
    teacher = load_teacher(request.checkpoint or find_weight(_DEFAULT_MODEL), request.space, request.matrix)
    report(progress, "encoder", 0.0, "Loading the text encoder")
    encoder, notes = load_encoder(request.encoder)
    report(progress, "lines", 0.0, "Listening to the line")
    spoken = [bundled_line()] if request.lines is None else _spoken(request.lines)
    kept, held = by_family(directions_for_text())
    adapter, figures = adapt(encoder, teacher, spoken, kept, held, plan, progress)
    save_adapter(adapter, request.out)
    if figures.left_out:
        notes.append(f"{figures.left_out} directions did not fit into {plan.minutes:g} minutes and were left out.")
    return figures, notes


def load_encoder(spec: str) -> tuple[TextEncoder, list[str]]:
    """-> the encoder that a spec names, and notes.

    Raises:
        InputError: no such encoder.
    """
    if spec == MINILM:
        return MiniLMEncoder.load(), []
    if not spec.startswith(PREFIX):
        raise InputError(
            f"There is no text encoder '{spec}'.", f"Use {MINILM}, or {PREFIX}MODEL/TAG, {PREFIX}MODEL=FILE."
        )
    encoder = load_clip_text(spec)
    return encoder, [encoder.note] if encoder.note else []


def bundled_line() -> Spoken:
    """The repository's sample, aligned with its transcript.

    Raises:
        InputError: it is not here (installed without the repository).
    """
    sound, words = SAMPLES / "line.flac", SAMPLES / "line.txt"
    if not sound.is_file():
        raise InputError("The bundled line is not here.", "Run this in a clone of the repository, or give --lines.")
    analysis = SpeechFrontEnd("align").analyse(load_audio(sound), words.read_text(encoding="utf-8").strip())
    return speak(analysis.phones, analysis.features.loudness, FPS, MODEL_FPS)


def _spoken(path: Path) -> list[Spoken]:
    train, _ = split(load_lines(path)[0])
    return [line.spoken for line in train]
