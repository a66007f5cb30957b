"""Phones of the bundled line by every back end, and what is said when text, phones or sound do not belong together."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.engine.speech import backends
from talkclip.engine.speech.cache import DiskCache
from talkclip.engine.speech.frontend import SpeechFrontEnd, available_backends
from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.phones import BILABIALS, Phone, PhoneTrack, read_phones, write_phones

# Where a reader of the waveform hears these words of samples/line.flac begin.
KNOWN_WORDS_S = {"So": 0.31, "After": 1.70, "What": 4.43, "Please": 5.96, "mind": 7.51}


def covers(track: PhoneTrack, clip: AudioClip) -> bool:
    """Phones follow each other without gaps from beginning to end."""
    edges = [(a.end_s, b.start_s) for a, b in zip(track.phones[:-1], track.phones[1:], strict=True)]
    return (
        track.phones[0].start_s == 0.0
        and track.phones[-1].end_s == pytest.approx(clip.duration_s)
        and all(a == pytest.approx(b, abs=1e-6) for a, b in edges)
    )


def same_frames(a: PhoneTrack, b: PhoneTrack) -> float:
    """Share of 40 ms steps at which two tracks name the same phone."""
    times = np.arange(0.0, a.duration_s, 0.04)
    names = [[next((p.symbol for p in t.phones if p.start_s <= s < p.end_s), "SIL") for s in times] for t in (a, b)]
    return float(np.mean([x == y for x, y in zip(*names, strict=True)]))


def test_alignment_of_the_bundled_line(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> None:
    analysis = front_end.analyse(line, line_text)
    assert analysis.backend == analysis.phones.backend == "align"
    assert analysis.notes == ()
    assert covers(analysis.phones, line)
    assert " ".join(word.text for word in analysis.phones.words).startswith("So you came back After five whole")
    starts = {word.text: word.start_s for word in reversed(analysis.phones.words)}
    for word, start_s in KNOWN_WORDS_S.items():
        assert starts[word] == pytest.approx(start_s, abs=0.05), word
    assert [p.symbol for p in analysis.phones.phones if p.symbol in BILABIALS] == list("MBPMMMPMBMM")


def test_a_line_is_aligned_alike_whatever_was_heard_before(line: AudioClip, line_text: str) -> None:
    front_end = SpeechFrontEnd("align", cache=None)
    first, _ = front_end.phones(line, line_text)
    for end_s in (1.0, 2.0, 3.0):
        front_end.phones(line.slice_s(0, end_s), " ".join(line_text.split()[:3]))
        assert front_end.phones(line, line_text)[0] == first


@pytest.mark.parametrize("backend", ["fast", "fast+align"])
def test_phones_without_transcript(line: AudioClip, line_text: str, front_end: SpeechFrontEnd, backend: str) -> None:
    track, notes = SpeechFrontEnd(backend, cache=None).phones(line)
    assert (track.backend, track.words, notes) == (backend, (), ())
    assert covers(track, line)
    true, _ = front_end.phones(line, line_text)
    assert same_frames(track, true) > 0.65


def test_auto_without_transcript_says_what_it_used(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    assert front_end.active_backend == "fast"
    assert front_end.analyse(line).backend == "fast"


def test_numbers_unknown_names_and_letters_are_aligned(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    text = "So, you came back. After 5 hole years, U show up at my dorre. What do you want from me? "
    track, _ = front_end.phones(line, text + "Pleeeease say something before I lose my mind")
    starts = {word.text: word.start_s for word in track.words}
    assert starts["5"] == pytest.approx(1.92, abs=0.05)
    assert starts["dorre"] == pytest.approx(3.50, abs=0.05)
    assert starts["Pleeeease"] == pytest.approx(5.96, abs=0.05)


def test_a_wrong_transcript_is_refused(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    with pytest.raises(InputError, match=r"line\.flac: the transcript is not what is said") as caught:
        front_end.phones(line, "We were all going down to the river tomorrow when nobody else could remember a thing.")
    assert "leave it out" in caught.value.hint


def test_a_transcript_of_the_first_sentence_only(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> None:
    track, notes = front_end.phones(line, "So you came back. After five whole years, you show up at my door.")
    assert "does not fit from 4.2 s to 8.3 s" in notes[0]
    assert covers(track, line)
    whole, _ = front_end.phones(line, line_text)
    assert same_frames(track, whole) > 0.75
    assert track.words[-1].text == "door"


def test_a_sentence_that_nobody_says(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> None:
    text = line_text.replace("What do", "And then the rabbit jumped over the big fence quickly. What do")
    track, notes = front_end.phones(line, text)
    assert len(notes) == 1
    assert "not heard: 'And then the rabbit" in notes[0]
    whole, _ = front_end.phones(line, line_text)
    assert same_frames(track, whole) > 0.95


def test_a_transcript_in_another_script(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    with pytest.raises(InputError, match="no word in English letters"):
        front_end.phones(line, "Ты вернулся")


def test_long_sound_is_aligned_in_pieces(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> None:
    times = 6
    clip = AudioClip(np.tile(line.samples, times), line.sample_rate, "six.wav")
    track, notes = front_end.phones(clip, " ".join([line_text] * times))
    single, _ = front_end.phones(line, line_text)
    assert notes == ()
    assert [w.text for w in track.words] == [w.text for w in single.words] * times
    expected = [w.start_s + k * line.duration_s for k in range(times) for w in single.words]
    assert np.abs(np.array([w.start_s for w in track.words]) - expected).max() < 0.1


def test_sound_without_speech(front_end: SpeechFrontEnd) -> None:
    noise = AudioClip(0.01 * np.random.default_rng(0).standard_normal(32000).astype(np.float32), 16000, "hiss.wav")
    track, _ = front_end.phones(noise)
    assert sum(p.end_s - p.start_s for p in track.phones if p.symbol == "SIL") > 0.5 * noise.duration_s
    with pytest.raises(InputError, match=r"hiss\.wav"):
        front_end.phones(noise, "hello there my old friend")


def test_noise_keeps_the_transcript_but_says_so(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> None:
    rng = np.random.default_rng(0)
    level = float(np.sqrt(np.square(line.samples).mean()))

    def with_noise(snr_db: float) -> AudioClip:
        noise = level / 10 ** (snr_db / 20) * rng.standard_normal(line.samples.size)
        return AudioClip(np.clip(line.samples + noise, -1, 1), 16000, "street.wav")

    track, notes = front_end.phones(with_noise(3.0), line_text)
    assert "so noisy that it cannot be checked" in notes[0]
    true, _ = front_end.phones(line, line_text)
    assert same_frames(track, true) > 0.5
    with pytest.raises(InputError, match="hardly stands out of the noise"):
        front_end.phones(with_noise(-6.0), line_text)


def test_words_that_are_said_otherwise(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> None:
    text = line_text.replace("something, before I lose my mind", "nothing until the cows come home")
    track, notes = front_end.phones(line, text)
    assert "does not fit from 6." in notes[0]
    assert "cows come home" in notes[0]
    assert "cows" not in [word.text for word in track.words]
    true, _ = front_end.phones(line, line_text)
    assert same_frames(track, true) > 0.85


def test_very_short_sound(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    clip = line.slice_s(0.3, 0.45)
    assert covers(front_end.analyse(clip).phones, clip)


def test_mended_phones_are_given_back(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, tmp_path: Path
) -> None:
    track, _ = front_end.phones(line, line_text)
    write_phones(track, tmp_path / "line.TextGrid")
    text = (tmp_path / "line.TextGrid").read_text(encoding="utf-8").replace('"OW"', '"əʊ"')
    (tmp_path / "line.TextGrid").write_text(text, encoding="utf-8")
    analysis = front_end.analyse(line, phones=read_phones(tmp_path / "line.TextGrid"))
    assert analysis.backend == "file"
    assert covers(analysis.phones, line)
    assert [p.symbol for p in analysis.phones.phones] == [p.symbol for p in track.phones]
    assert analysis.phones.words == tuple(
        dataclasses.replace(w, start_s=round(w.start_s, 6), end_s=round(w.end_s, 6)) for w in track.words
    )


def test_phones_of_another_recording(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    other = PhoneTrack((Phone("AA", 0.0, 20.0),), (), 20.0, "file")
    with pytest.raises(InputError, match=r"end at 20\.000 s .* after the end of line\.flac"):
        front_end.analyse(line, phones=other)
    with pytest.raises(InputError, match="are empty"):
        front_end.analyse(line, phones=PhoneTrack((), (), 8.0, "file"))


def test_wrong_requests(line: AudioClip) -> None:
    with pytest.raises(InputError, match="no speech back end 'best'"):
        SpeechFrontEnd("best")
    with pytest.raises(InputError, match="needs to know what is said"):
        SpeechFrontEnd("align", cache=None).phones(line, "  ")
    with pytest.raises(InputError, match="44100 Hz"):
        SpeechFrontEnd("fast", cache=None).phones(AudioClip(line.samples, 44100, "a"))


def test_the_fast_back_end_says_that_it_ignores_text(line: AudioClip) -> None:
    _, notes = SpeechFrontEnd("fast", cache=None).phones(line, "So you came back")
    assert "not used by the back end 'fast'" in notes[0]


class FakeTranscriber:
    """Understands what it is told to understand."""

    id = "fake:1"

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = 0

    def transcribe(self, clip: AudioClip) -> str:
        self.asked += 1
        return self.text


def test_words_from_a_transcriber_are_aligned(line: AudioClip, line_text: str, front_end: SpeechFrontEnd) -> None:
    whisper = SpeechFrontEnd("auto", cache=None, transcriber=FakeTranscriber(line_text))
    assert whisper.active_backend == "whisper"
    track, notes = whisper.phones(line)
    aligned, _ = front_end.phones(line, line_text)
    assert (track.backend, notes) == ("whisper", ())
    assert (track.phones, track.words) == (aligned.phones, aligned.words)


def test_a_given_transcript_spares_the_transcriber(line: AudioClip, line_text: str) -> None:
    transcriber = FakeTranscriber("")
    track, _ = SpeechFrontEnd("auto", cache=None, transcriber=transcriber).phones(line, line_text)
    assert (track.backend, transcriber.asked) == ("align", 0)


@pytest.mark.parametrize(
    "text", ["", "Thanks for watching! Please subscribe to my wonderful channel, everybody.", "ご視聴"]
)
def test_misunderstood_words_fall_back_to_phones(line: AudioClip, text: str) -> None:
    track, notes = SpeechFrontEnd("whisper", cache=None, transcriber=FakeTranscriber(text)).phones(line)
    assert track.backend == "fast"
    assert track.words == ()
    assert "its words were not understood" in notes[0]


def test_results_are_kept_between_runs(line: AudioClip, line_text: str, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "c")
    transcriber = FakeTranscriber(line_text)
    first = SpeechFrontEnd("auto", cache, transcriber).phones(line)
    second = SpeechFrontEnd("auto", cache, transcriber).phones(line)
    assert first == second
    assert transcriber.asked == 1
    (entry,) = cache.folder.glob("*.npz")
    entry.write_bytes(entry.read_bytes()[:-200])
    assert SpeechFrontEnd("auto", cache, transcriber).phones(line) == first
    assert transcriber.asked == 2


def test_another_text_back_end_or_sound_is_another_entry(line: AudioClip, line_text: str, tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    front_end = SpeechFrontEnd("fast", cache)
    front_end.phones(line)
    SpeechFrontEnd("align", cache).phones(line, line_text)
    SpeechFrontEnd("align", cache).phones(line, line_text.replace("So,", "Oh,"))
    front_end.phones(line.slice_s(0, 4))
    assert len(list(tmp_path.glob("*.npz"))) == 4


def test_the_same_request_is_answered_from_memory(front_end: SpeechFrontEnd, line: AudioClip) -> None:
    assert front_end.analyse(line) is front_end.analyse(AudioClip(line.samples.copy(), 16000, "other name"))


def test_cancel_and_progress(line: AudioClip, line_text: str) -> None:
    stages: list[str] = []
    front_end = SpeechFrontEnd("auto", cache=None)
    front_end.analyse(line, line_text, progress=lambda stage, fraction, message: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["phones", "features"]
    with pytest.raises(Cancelled):
        SpeechFrontEnd("auto", cache=None).analyse(line, line_text, cancel=lambda: True)


def test_doctor_names_every_back_end_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = {status.name: status for status in available_backends()}
    assert set(statuses) == {"fast", "align", "whisper"}
    assert statuses["fast"].ready
    assert statuses["align"].ready
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    missing = {status.name: status for status in available_backends()}
    assert not missing["align"].ready
    assert missing["align"].remedy == "pip install 'talkclip[lite]'"
    assert not missing["whisper"].ready
    assert missing["whisper"].remedy.startswith("pip install faster-whisper")


def test_whisper_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TalkClipError, match="faster-whisper is not installed") as caught:
        SpeechFrontEnd("whisper")
    assert "pip install" in caught.value.hint
