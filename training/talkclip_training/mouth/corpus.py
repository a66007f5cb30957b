"""Speech with exactly known phone times: LJSpeech excerpts (path given) and synthetic voices made here.

Synthesis: festival (voices kal, ked, slt; permissive EST licences) and espeak-ng (GPL-3.0; used as a
program, its sound is not restricted). Nothing of it is committed; the same seed makes the same corpus.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import dataclasses
import hashlib
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.signal
import soxr

from talkclip.audio import AudioClip
from talkclip.engine.speech.media import load_audio
from talkclip.errors import InputError
from talkclip.ipa import arpabet_of
from talkclip.phones import SIL, Phone, PhoneTrack, arpabet, read_phones

RATE = 16000
# Aligners are not exact: borders move by this much (standard deviation).
JITTER_S = 0.012
PROMPTS = Path(__file__).resolve().parents[1] / "data" / "prompt_corpus" / "directions.jsonl"
FESTIVAL_VOICES = ("voice_kal_diphone", "voice_ked_diphone", "voice_cmu_us_slt_arctic_hts")
ESPEAK_VOICES = (
    "en-us", "en-us+f2", "en-us+m3", "en-us+f4", "en-us+m7", "en-gb", "en-gb+f3", "en-gb-scotland", "en-us+f5",
    "en-us+m1",
)  # fmt: skip
_FESTIVAL_REMEDY = "Run: apt-get install festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts"
# What the CMU set lacks, in festival's phone sets.
_FESTIVAL = {"pau": SIL, "h#": SIL, "#": SIL, "brth": SIL, "ax": "AH", "axr": "ER", "ix": "IH", "ux": "UW", "el": "L",
             "em": "M", "en": "N", "nx": "N", "dx": "D"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Utterance:
    """One spoken sentence: sound, its phones with exact times, and who speaks."""

    clip: AudioClip
    phones: PhoneTrack
    voice: str


def lj_utterances(folder: Path) -> list[Utterance]:
    """`speech_lj`: <id>.flac with <id>.TextGrid."""
    found = []
    for sound in sorted(folder.glob("*.flac")):
        found.append(Utterance(load_audio(sound), read_phones(sound.with_suffix(".TextGrid")), "lj"))
    if not found:
        raise InputError(f"{folder}: holds no .flac with .TextGrid.", "Give the folder of the aligned LJSpeech clips.")
    return found


def folder_utterances(folder: Path) -> list[Utterance]:
    """What `talkclip_training.speech.kokoro` wrote: VOICE-NNN.flac with .json."""
    found = []
    for sound in sorted(folder.glob("*.flac")):
        phones = sound.with_suffix(".json")
        if phones.exists():
            found.append(Utterance(load_audio(sound), read_phones(phones), sound.stem.rsplit("-", 1)[0]))
    if not found:
        raise InputError(f"{folder}: holds no .flac with .json.", "Make it: talkclip train speech.")
    return found


def sentences(prompts: Path, n: int, seed: int) -> list[str]:
    """`n` English lines of the prompt corpus (ours, CC0), 5-18 plain words each: natural text to synthesise."""
    lines = []
    for row in prompts.read_text(encoding="utf-8").splitlines():
        entry = json.loads(row)
        words = entry["text"].replace("’", "'").replace("—", ", ")
        plain = all(ch.isalpha() or ch in " ,.'?!-" for ch in words)
        if entry["lang"] == "en" and plain and 5 <= len(words.split()) <= 18:
            lines.append(words)
    random.Random(seed).shuffle(lines)
    return lines[:n]


def festival_utterances(voice: str, texts: Sequence[str]) -> Iterator[Utterance]:
    """Speak with a festival voice; phone times from its own segments.

    Raises:
        InputError: festival or the voice is not installed.
    """
    if shutil.which("festival") is None:
        raise InputError("festival is not installed.", _FESTIVAL_REMEDY)
    with tempfile.TemporaryDirectory() as folder:
        commands = [f"({voice})"]
        for k, text in enumerate(texts):
            spoken = text.replace('"', "")
            commands.append(f'(set! u (SynthText "{spoken}"))(utt.save.wave u "{folder}/{k}.wav" \'riff)'
                            f'(utt.save.segs u "{folder}/{k}.lab")')  # fmt: skip
        script = Path(folder, "speak.scm")
        script.write_text("\n".join(commands), encoding="utf-8")
        done = subprocess.run(["festival", "-b", str(script)], capture_output=True)
        if done.returncode != 0 or not Path(folder, "0.wav").is_file():
            raise InputError(f"festival cannot speak as {voice}.", _FESTIVAL_REMEDY)
        for k in range(len(texts)):
            clip = load_audio(Path(folder, f"{k}.wav"))
            yield Utterance(clip, _festival_phones(Path(folder, f"{k}.lab"), clip.duration_s), voice)


def _festival_phones(path: Path, duration_s: float) -> PhoneTrack:
    phones, start_s = [], 0.0
    for line in path.read_text().splitlines()[1:]:
        end, _, label = line.split()
        symbol = _FESTIVAL.get(label) or arpabet(label)
        end_s = min(float(end), duration_s)
        if symbol is None:
            raise InputError(f"festival's phone '{label}' is unknown.")
        if end_s - start_s > 1e-3:
            phones.append(Phone(symbol, start_s, end_s))
        start_s = end_s
    return PhoneTrack(tuple(phones), (), duration_s, "file")


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("name", ctypes.c_char * 8),
    ]  # fmt: skip


_PHONEME_EVENT, _SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA, _UTF8 = 7, 2, 1, 2, 1


class Espeak:
    """espeak-ng's library with phoneme events."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise InputError("espeak-ng is not installed.", "Run: apt-get install espeak-ng")
        self._library = ctypes.CDLL(name)
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 200, None, _PHONEME_EVENTS | _PHONEME_IPA)
        self._blocks: list[np.ndarray] = []
        self._events: list[tuple[int, str]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._callback = kind(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str) -> Utterance:
        """One utterance; phone times are espeak's own."""
        self._blocks, self._events = [], []
        self._library.espeak_SetVoiceByName(voice.encode())
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = soxr.resample(np.concatenate(self._blocks).astype(np.float32) / 32768, self._rate, RATE)
        clip = AudioClip(samples, RATE, voice)
        return Utterance(clip, self._phones(clip.duration_s), voice)

    def _receive(self, samples: ctypes._Pointer, count: int, events: ctypes._Pointer) -> int:
        if count > 0 and samples:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        k = 0
        while events[k].type != 0:
            if events[k].type == _PHONEME_EVENT:
                self._events.append((events[k].audio_ms, events[k].name.decode("utf-8", "ignore")))
            k += 1
        return 0

    def _phones(self, duration_s: float) -> PhoneTrack:
        phones: list[Phone] = []
        starts = [ms / 1000 for ms, _ in self._events] + [duration_s]
        for (_, name), start_s, end_s in zip(self._events, starts[:-1], starts[1:], strict=True):
            sound = name.strip("_:ː ˈˌ")
            # What is no single sound of the table (ʊɹ, iə) is said one after the other.
            symbols = arpabet_of(sound) or tuple(s for ch in sound for s in arpabet_of(ch)) or (SIL,)
            for part, symbol in enumerate(symbols):
                first = start_s + (end_s - start_s) * part / len(symbols)
                last = start_s + (end_s - start_s) * (part + 1) / len(symbols)
                if last - first > 2e-3 and last <= duration_s:
                    phones.append(Phone(symbol, first, last))
        return PhoneTrack(tuple(phones), (), duration_s, "file")


def synthetic_utterances(prompts: Path, per_festival: int, per_espeak: int, seed: int) -> list[Utterance]:
    """All synthetic voices; every voice speaks other sentences."""
    total = per_festival * len(FESTIVAL_VOICES) + per_espeak * len(ESPEAK_VOICES)
    texts = iter(sentences(prompts, total, seed))
    made: list[Utterance] = []
    for voice in FESTIVAL_VOICES:
        made += festival_utterances(voice, [next(texts) for _ in range(per_festival)])
    espeak = Espeak()
    for voice in ESPEAK_VOICES:
        made += [espeak.speak(next(texts), voice) for _ in range(per_espeak)]
    return made


def content_hash(utterances: Sequence[Utterance]) -> str:
    """SHA-256 over all sounds and phones: which data made a weight."""
    digest = hashlib.sha256()
    for utterance in utterances:
        digest.update(utterance.clip.sha256.encode())
        digest.update(repr(utterance.phones.phones).encode())
    return digest.hexdigest()


def in_a_room(utterance: Utterance, rng: np.random.Generator) -> Utterance:
    """Synthetic voices are clean and equally loud; recordings are not: another gain and a noise floor."""
    samples = utterance.clip.samples * 10 ** (rng.uniform(-12, 0) / 20)
    samples = samples + 10 ** (rng.uniform(-80, -45) / 20) * rng.standard_normal(samples.size)
    clip = AudioClip(np.clip(samples, -1, 1).astype(np.float32), utterance.clip.sample_rate, utterance.voice)
    return dataclasses.replace(utterance, clip=clip)


def at_speed(utterance: Utterance, speed: float) -> Utterance:
    """Pitch, formants and tempo raised together: another speaker's vocal tract."""
    clip = utterance.clip
    samples = np.asarray(soxr.resample(clip.samples, clip.sample_rate * speed, clip.sample_rate), np.float32)
    faster = AudioClip(samples, clip.sample_rate, utterance.voice)
    phones = []
    for phone in utterance.phones.phones:
        start_s, end_s = phone.start_s / speed, min(phone.end_s / speed, faster.duration_s)
        if end_s - start_s > 1e-3:
            phones.append(Phone(phone.symbol, start_s, end_s))
    return dataclasses.replace(utterance, clip=faster, phones=PhoneTrack(tuple(phones), (), faster.duration_s, "file"))


def in_noise(clip: AudioClip, rng: np.random.Generator) -> AudioClip:
    """Recorded badly: an echo of 0.15-0.5 s, noise 8-28 dB below the loud parts, a tilted spectrum."""
    rate, samples = clip.sample_rate, clip.samples.astype(np.float64)
    echo_s = np.arange(int(0.25 * rate)) / rate
    echo = rng.standard_normal(len(echo_s)) * 10 ** (-3 * echo_s / rng.uniform(0.15, 0.5))
    echo *= rng.uniform(0.08, 0.48) / np.sqrt((echo**2).sum())
    echo[0] = 1
    heard = scipy.signal.fftconvolve(samples, echo)[: samples.size]
    hertz = np.fft.rfftfreq(samples.size, 1 / rate)
    noise = np.fft.rfft(rng.standard_normal(samples.size)) / np.maximum(hertz, 50) ** rng.uniform(0, 0.6)
    noise = np.fft.irfft(noise, samples.size)
    heard += noise / noise.std() * np.percentile(np.abs(heard), 95) * 10 ** (-rng.uniform(8, 28) / 20)
    tilt_db = rng.uniform(-2, 2) * np.log2(np.maximum(hertz, 100) / 1000)
    heard = np.fft.irfft(np.fft.rfft(heard) * 10 ** (tilt_db / 20), samples.size)
    return AudioClip((heard / max(np.abs(heard).max(), 1e-6) * 0.7).astype(np.float32), rate, clip.name)


def jittered(track: PhoneTrack, rng: np.random.Generator) -> PhoneTrack:
    """Borders moved as aligners move them; phones that would vanish keep their times."""
    moved: list[Phone] = []
    last_s = 0.0
    for phone in track.phones:
        start_s = max(phone.start_s + float(rng.normal(0, JITTER_S)), last_s)
        end_s = max(phone.end_s, start_s + 0.01)
        moved.append(Phone(phone.symbol, start_s, end_s))
        last_s = end_s
    return dataclasses.replace(track, phones=tuple(moved))
