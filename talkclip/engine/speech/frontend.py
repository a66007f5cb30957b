"""The speech front end: sound (and what is known of its words) -> phones in time and acoustic features.

Back ends: `align` (a transcript is given), `whisper` (finds the words, then aligns them), `fast` (phones alone, no
words), `fast+align` (the same phones, borders by the aligner), `file` (phones are given). `auto` takes the best
that is possible. Given phones together with a transcript are an earlier answer and its correction (`mending`).
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import threading
from collections.abc import Iterator

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech import hama
from talkclip.engine.speech.align import Aligner
from talkclip.engine.speech.backends import BACKENDS, BackendStatus, available_backends, whisper_status
from talkclip.engine.speech.cache import DiskCache, cache_key, default_cache
from talkclip.engine.speech.features import FPS, AcousticFeatures, extract_features
from talkclip.engine.speech.listening import listen
from talkclip.engine.speech.media import SAMPLE_RATE
from talkclip.engine.speech.mending import mend
from talkclip.engine.speech.recognise import recognise
from talkclip.engine.speech.spans import with_silence
from talkclip.engine.speech.whisper import Transcriber, Whisper
from talkclip.engine.weights.registry import WEIGHTS
from talkclip.errors import InputError
from talkclip.phones import Phone, PhoneTrack, Word
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

__all__ = ["BACKENDS", "BackendStatus", "SpeechAnalysis", "SpeechFrontEnd", "available_backends"]

# Given phones may reach this far beyond the recording (rounding in other programs).
_BEYOND_S = 0.05
# Analyses kept in memory: an animator goes back and forth between a few lines.
_KEPT = 8
_KEPT_S = 600.0


@dataclasses.dataclass(frozen=True, eq=False)
class SpeechAnalysis:
    """What is known about one recording.

    Attributes:
        clip: 16 kHz mono.
        phones: phones (and words) in time; they cover the recording, silence is SIL.
        features: acoustic features.
        backend: who found the phones: "align", "fast", "fast+align", "whisper", "file" or "mended".
        notes: what the user should know (a transcript that does not fit somewhere, ...), one sentence each.
    """

    clip: AudioClip
    phones: PhoneTrack
    features: AcousticFeatures
    backend: str
    notes: tuple[str, ...] = ()


class SpeechFrontEnd:
    """Finds phones and features; safe to share between threads.

    Args:
        backend: "auto", "align", "fast", "fast+align" or "whisper".
        cache: where results are kept between runs; None keeps none. By default the user's cache (TALKCLIP_CACHE).
        transcriber: finds words for `whisper`; by default Whisper, when it is installed.

    Raises:
        InputError: no such back end.
        TalkClipError: `whisper` is asked for and not installed.
    """

    def __init__(
        self,
        backend: str = "auto",
        cache: DiskCache | str | None = "default",
        transcriber: Transcriber | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise InputError(f"There is no speech back end '{backend}'.", f"Use one of {', '.join(BACKENDS)}.")
        self._backend = backend
        self._cache = default_cache() if isinstance(cache, str) else cache
        self._transcriber = transcriber
        if transcriber is None and (backend == "whisper" or (backend == "auto" and whisper_status().ready)):
            self._transcriber = Whisper()
        self._aligner = Aligner()
        self._recent: collections.OrderedDict[str, SpeechAnalysis] = collections.OrderedDict()
        self._lock = threading.Lock()

    @property
    def active_backend(self) -> str:
        """What is used for a recording without transcript."""
        if self._backend != "auto":
            return self._backend
        return "whisper" if self._transcriber is not None else "fast"

    def analyse(
        self,
        clip: AudioClip,
        text: str | None = None,
        phones: PhoneTrack | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> SpeechAnalysis:
        """Phones and features of a recording; see `listen`."""
        analysis, _ = collections.deque(self.listen(clip, text, phones, progress, cancel), maxlen=1)[0]
        return analysis

    def listen(
        self,
        clip: AudioClip,
        text: str | None = None,
        phones: PhoneTrack | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> Iterator[tuple[SpeechAnalysis, float]]:
        """Phones and features of a recording, also while it is still being heard.

        Yields (what is known, up to which second); the last one is everything, up to infinity. Only the back end
        `fast` tells anything earlier: alignment and Whisper need the whole recording. Take all of them: what was
        found is kept for next time at the end.

        Args:
            clip: 16 kHz mono (see `media.load_audio`).
            text: what is said, in English, as written.
            phones: phones in time to use instead of finding them (back end `file`). With a text they are an earlier
                answer, and the text is its correction: only around changed words is anything timed anew (`mended`).
            progress: told the stages "phones" and "features".
            cancel: asked in between.

        Raises:
            InputError: wrong sample rate; a transcript that is missing, not English or not what is said; phones that do
                not belong to the recording.
            Cancelled: `cancel` said so.
        """
        _require_rate(clip)
        text = _said(text)
        key = self._key(clip, text, phones)
        with self._lock:
            known = self._recent.get(key)
            if known is not None:
                self._recent.move_to_end(key)
        if known is not None:
            yield known, math.inf
            return
        log_probs: np.ndarray | None = None
        notes: tuple[str, ...] = ()
        if phones is not None and text is None:
            track = _checked_phones(phones, clip)
        elif (entry := self._cached_phones(key)) is not None:
            track, notes = entry
        elif phones is not None and text is not None:
            track, notes = self._corrected(clip, text, _checked_phones(phones, clip), progress, cancel)
            self._keep(key, track, notes)
        elif self._choose(text) == "fast":
            yield from self._in_windows(key, clip, text, progress, cancel)
            return
        else:
            log_probs, _ = hama.posteriors(clip, cancel)
            track, notes = self._phones_of(clip, text, log_probs, progress, cancel)
        stop_if(cancel)
        features = self._features(clip, progress, cancel, log_probs)
        analysis = SpeechAnalysis(clip, track, features, track.backend, notes)
        self._remember(key, analysis)
        yield analysis, math.inf

    def _in_windows(
        self,
        key: str,
        clip: AudioClip,
        text: str | None,
        progress: ProgressCallback | None,
        cancel: CancelCheck | None,
    ) -> Iterator[tuple[SpeechAnalysis, float]]:
        """The back end `fast` for a recording never heard."""
        notes = _ignored_text(clip, text, "fast")
        for heard in listen(clip, progress, cancel):
            analysis = SpeechAnalysis(clip, heard.phones, heard.features, "fast", notes)
            yield analysis, heard.known_s
        self._remember(key, analysis)
        self._keep(key, heard.phones, notes)
        if self._cache is not None:
            self._cache.put(_features_key(clip), _arrays(heard.features))

    def _features(
        self,
        clip: AudioClip,
        progress: ProgressCallback | None,
        cancel: CancelCheck | None,
        log_probs: np.ndarray | None,
    ) -> AcousticFeatures:
        key = _features_key(clip) if self._cache is not None else ""
        if self._cache is not None and (entry := self._cache.get(key)) is not None:
            try:
                return AcousticFeatures(FPS, **entry)
            except TypeError:  # other names than ours
                self._cache.discard(key)
        report(progress, "features", 0.0, f"listening to {clip.name}")
        features = extract_features(clip, progress, cancel, log_probs)
        if self._cache is not None:
            self._cache.put(key, _arrays(features))
        return features

    def phones(
        self,
        clip: AudioClip,
        text: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> tuple[PhoneTrack, tuple[str, ...]]:
        """Only the phones, and notes for the user; from the cache when they were found before. See `analyse`."""
        _require_rate(clip)
        text = _said(text)
        if (entry := self._cached_phones(self._key(clip, text, None))) is not None:
            return entry
        stop_if(cancel)
        self._choose(text)
        log_probs, _ = hama.posteriors(clip, cancel)
        return self._phones_of(clip, text, log_probs, progress, cancel)

    def _cached_phones(self, key: str) -> tuple[PhoneTrack, tuple[str, ...]] | None:
        if self._cache is not None and (entry := self._cache.get(key)) is not None:
            try:
                return _from_entry(entry)
            except (KeyError, TypeError, ValueError, InputError):
                self._cache.discard(key)
        return None

    def _keep(self, key: str, track: PhoneTrack, notes: tuple[str, ...]) -> None:
        if self._cache is not None:
            self._cache.put(key, _to_entry(track, notes))

    def _corrected(
        self,
        clip: AudioClip,
        text: str,
        earlier: PhoneTrack,
        progress: ProgressCallback | None,
        cancel: CancelCheck | None,
    ) -> tuple[PhoneTrack, tuple[str, ...]]:
        """An earlier answer with a corrected transcript; all of it is aligned where there is nothing to compare."""
        if self._backend in ("fast", "fast+align"):
            return earlier, _ignored_text(clip, text, self._backend)
        if earlier.words:
            mended = mend(self._aligner, clip, earlier, text, progress, cancel)
            if mended is not None:
                return mended
            why = "the transcript has too little in common with the words of the given phones"
        else:
            why = "the given phones carry no words to compare the transcript with"
        track, notes = self.phones(clip, text, progress, cancel)
        return track, (f"{clip.name}: {why}; all of it was aligned anew.", *notes)

    def _phones_of(
        self,
        clip: AudioClip,
        text: str | None,
        log_probs: np.ndarray,
        progress: ProgressCallback | None,
        cancel: CancelCheck | None,
    ) -> tuple[PhoneTrack, tuple[str, ...]]:
        """Phones of a recording never heard, by whichever back end applies; kept in the cache."""
        report(progress, "phones", 0.0, f"recognising {clip.name}")
        heard = recognise(clip, log_probs, hama.tokens())
        stop_if(cancel)
        track, notes = self._find(self._choose(text), clip, text, heard, progress, cancel)
        self._keep(self._key(clip, text, None), track, notes)
        report(progress, "phones", 1.0, f"{len(track.phones)} phones by '{track.backend}'")
        return track, notes

    def _choose(self, text: str | None) -> str:
        if self._backend == "align" and text is None:
            raise InputError("The back end 'align' needs to know what is said.", "Give the transcript (--text).")
        if self._backend != "auto":
            return self._backend
        return "align" if text is not None else self.active_backend

    def _find(
        self,
        backend: str,
        clip: AudioClip,
        text: str | None,
        heard: PhoneTrack,
        progress: ProgressCallback | None,
        cancel: CancelCheck | None,
    ) -> tuple[PhoneTrack, tuple[str, ...]]:
        if backend in ("fast", "fast+align"):
            track = heard if backend == "fast" else self._aligner.refine(clip, heard, cancel)
            return track, _ignored_text(clip, text, backend)
        if backend == "align":
            aligned = self._aligner.align(clip, text or "", heard.phones, progress, cancel)
            return aligned.track, aligned.notes
        assert self._transcriber is not None
        report(progress, "phones", 0.1, f"understanding the words of {clip.name}")
        words = text or self._transcriber.transcribe(clip)
        stop_if(cancel)
        try:
            aligned = self._aligner.align(clip, words, heard.phones, progress, cancel)
        except InputError as error:
            if text is not None:
                raise
            # Nothing is wrong with the user's input: the words were not understood (another language, a song).
            note = f"{clip.name}: its words were not understood ({error.message}); phones are recognised without them."
            return heard, (note,)
        return dataclasses.replace(aligned.track, backend="whisper"), aligned.notes

    def _key(self, clip: AudioClip, text: str | None, phones: PhoneTrack | None) -> str:
        transcriber = self._transcriber.id if self._transcriber is not None else ""
        given = None if phones is None else dataclasses.asdict(phones)
        return cache_key(
            clip=clip.sha256, text=text, phones=given, backend=self._backend, transcriber=transcriber,
            recogniser=WEIGHTS["hama-ctc"].sha256,
        )  # fmt: skip

    def _remember(self, key: str, analysis: SpeechAnalysis) -> None:
        with self._lock:
            self._recent[key] = analysis
            while len(self._recent) > 1 and (
                len(self._recent) > _KEPT or sum(a.clip.duration_s for a in self._recent.values()) > _KEPT_S
            ):
                self._recent.popitem(last=False)


def _said(text: str | None) -> str | None:
    """A transcript of blanks is none."""
    return text if text and text.strip() else None


def _arrays(features: AcousticFeatures) -> dict[str, np.ndarray]:
    return {"mel": features.mel, "posteriors": features.posteriors, "loudness": features.loudness}


def _features_key(clip: AudioClip) -> str:
    return cache_key(features=clip.sha256, recogniser=WEIGHTS["hama-ctc"].sha256)


def _ignored_text(clip: AudioClip, text: str | None, backend: str) -> tuple[str, ...]:
    return () if text is None else (f"{clip.name}: the transcript is not used by the back end '{backend}'.",)


def _require_rate(clip: AudioClip) -> None:
    if clip.sample_rate != SAMPLE_RATE:
        raise InputError(
            f"{clip.name}: is sampled at {clip.sample_rate} Hz; the engine works at {SAMPLE_RATE} Hz.",
            "Read the file with load_audio, which resamples.",
        )


def _checked_phones(phones: PhoneTrack, clip: AudioClip) -> PhoneTrack:
    """Given phones, cut or filled with silence to the recording's length."""
    if not phones.phones:
        raise InputError("The given phones are empty.", "Give a file with phones, or leave --phones out.")
    last = phones.phones[-1]
    if last.end_s > clip.duration_s + _BEYOND_S and last.symbol != "SIL":
        raise InputError(
            f"The given phones end at {last.end_s:.3f} s ({last.symbol}), after the end of {clip.name} "
            f"({clip.duration_s:.3f} s).",
            "Give the phones of this recording.",
        )
    return PhoneTrack(with_silence(phones.phones, clip.duration_s), phones.words, clip.duration_s, "file")


def _to_entry(track: PhoneTrack, notes: tuple[str, ...]) -> dict[str, np.ndarray]:
    text = json.dumps({"track": dataclasses.asdict(track), "notes": notes})
    return {"phones": np.frombuffer(text.encode(), np.uint8)}


def _from_entry(entry: dict[str, np.ndarray]) -> tuple[PhoneTrack, tuple[str, ...]]:
    data = json.loads(entry["phones"].tobytes())
    track = data["track"]
    return (
        PhoneTrack(
            tuple(Phone(**phone) for phone in track["phones"]),
            tuple(Word(**word) for word in track["words"]),
            float(track["duration_s"]),
            str(track["backend"]),
        ),
        tuple(data["notes"]),
    )
