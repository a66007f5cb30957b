"""`--adapter`: prompts heard through another text encoder, from the training of the adapter to the face."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from talkclip.cli.main import main
from talkclip.coefficients import ARKIT52
from talkclip.engine.models.adapter import AdaptedEncoder, Adapter
from talkclip.engine.models.nets.adapters import save_adapter
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.speech.media import load_audio
from talkclip.engine.text.encoder import MiniLMEncoder, TextEncoder
from talkclip.engine.text.pose import PromptStyler
from talkclip.engine.text.style_coder import StyleCoder
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import TalkClipError
from talkclip.timeline import PromptEdit
from talkclip.track_io import read_track
from talkclip_training.stages.adapt import AdaptPlan, adapt
from talkclip_training.stages.adapt_run import load_encoder
from talkclip_training.stages.teacher import load_teacher
from tests.support import tiny_clip
from tests.support.tiny_training import made_directions, made_spoken
from tests.support.word_encoder import WordEncoder

LINE = Path(__file__).parents[3] / "samples" / "line.flac"
SMILE, FROWN = ARKIT52.index("mouthSmileLeft"), ARKIT52.index("mouthFrownLeft")
Run = Callable[..., tuple[int, str, str]]


def trained(encoder: TextEncoder) -> Adapter:
    """An adapter for the shipped decoder, from directions of four feelings."""
    teacher = load_teacher(find_weight("default-model"), "arkit52", None)
    rows = made_directions()
    held = [row for row in rows if row.family.endswith("7")]
    kept = [row for row in rows if row not in held]
    return adapt(encoder, teacher, [made_spoken()], kept, held, AdaptPlan(minutes=5, width=32, steps=300))[0]


@pytest.fixture(scope="module")
def words() -> AdaptedEncoder:
    return AdaptedEncoder(trained(WordEncoder()), WordEncoder())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tiny CLIP with its adapter -> the adapter's file, and how the encoder is named."""
    pytest.importorskip("open_clip")
    folder = tmp_path_factory.mktemp("clip")
    tiny_clip.register(folder)
    spec = f"clip:{tiny_clip.TINY}={tiny_clip.save(tiny_clip.whole_clip(), folder / 'w.safetensors')}"
    save_adapter(trained(load_encoder(spec)[0]), folder / "clip adapter.safetensors")
    return folder / "clip adapter.safetensors", spec


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("minilm") / "minilm.safetensors"
    save_adapter(trained(MiniLMEncoder.load()), path)
    return path


@pytest.fixture
def talkclip(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in this process, which knows the tiny CLIP -> exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["talkclip", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        return int(done.value.code or 0), *capsys.readouterr()

    return run


def coder(adapted: AdaptedEncoder | None) -> StyleCoder:
    return StyleCoder(PromptStyler(MiniLMEncoder.load()), StyleSpace.load(), adapted)


def test_the_face_is_what_the_other_encoder_hears(talkclip: Run, clip: tuple[Path, str], tmp_path: Path) -> None:
    adapter, spec = clip
    through = ("--adapter", adapter, "--text-encoder", spec)
    smiles = {}
    for feeling in ("glad", "lost"):
        prompt, out = f"a {feeling} one, number 7", tmp_path / f"{feeling}.npz"
        code, _, err = talkclip("animate", LINE, "--prompt", prompt, "--fps", 25, "-o", out, *through)
        assert code == 0, err
        assert f"clip:{tiny_clip.TINY}/w.safetensors hears in it: " in err
        smiles[feeling] = float(np.median(read_track(out).channel("mouthSmileLeft")))
    assert smiles["glad"] > smiles["lost"] + 0.2
    code, out, _ = talkclip("prompt", "a glad one, number 7", *through)
    assert code == 0 and "mouthSmile" in out.partition("w.safetensors hears in it: ")[2]


def test_batch_takes_it_too(talkclip: Run, clip: tuple[Path, str], tmp_path: Path) -> None:
    through = ("--adapter", clip[0], "--text-encoder", clip[1])
    (tmp_path / "lines.csv").write_text(f"id,audio,prompt\na,{LINE},glad\n", encoding="utf-8")
    code, _, err = talkclip("batch", tmp_path / "lines.csv", "--out", tmp_path, "--format", "npz", *through)
    assert code == 0, err
    assert talkclip("animate", LINE, "--prompt", "glad", "-o", tmp_path / "b.npz", *through)[0] == 0
    np.testing.assert_allclose(read_track(tmp_path / "a.npz").values, read_track(tmp_path / "b.npz").values, atol=1e-6)
    code, _, err = talkclip("render", tmp_path / "a.npz", "-o", tmp_path / "a.mp4", "--adapter", clip[0])
    assert code == 2 and "finished track" in err


@pytest.mark.slow  # the renderer is compiled first
def test_render_takes_it_too(talkclip: Run, clip: tuple[Path, str], tmp_path: Path) -> None:
    through = ("--adapter", clip[0], "--text-encoder", clip[1])
    soundfile.write(tmp_path / "short.wav", load_audio(LINE).samples[5000:13000], 16000)
    asked = ("--prompt", "glad", "--fps", 10, "--size", 64, "-o", tmp_path / "short.mp4")
    code, _, err = talkclip("render", tmp_path / "short.wav", *asked, *through)
    assert code == 0 and (tmp_path / "short.mp4").stat().st_size > 1000, err


def test_other_towers_are_refused_in_one_line(talkclip: Run, clip: tuple[Path, str], tmp_path: Path) -> None:
    adapter, spec = clip
    other = tiny_clip.save(tiny_clip.whole_clip(seed=4), tmp_path / "w.safetensors")
    weights = spec.partition("=")[2]
    for wrong, why in (
        (f"clip:{tiny_clip.TINY}={other}", "was trained on the text encoder"),
        ("minilm", "not on 'minilm-acting-int8'"),
        (f"clip:{tiny_clip.TINY_QUICK}={weights}", "other activation or tokenizer"),
    ):
        code, out, err = talkclip("prompt", "glad", "--adapter", adapter, "--text-encoder", wrong)
        assert code == 1 and out == "" and why in err and err.startswith(f"talkclip: {adapter}: ")
        assert "Traceback" not in err and "talkclip adapt --text-encoder" in err


def test_what_the_file_cannot_say_is_asked_for(talkclip: Run, clip: tuple[Path, str]) -> None:
    code, _, err = talkclip("prompt", "glad", "--adapter", clip[0])
    assert code == 2 and f"--text-encoder clip:{tiny_clip.TINY}=FILE" in err
    code, _, err = talkclip("prompt", "glad", "--text-encoder", clip[1])
    assert code == 2 and "belongs to --adapter" in err
    code, _, err = talkclip("prompt", "glad", "--adapter", clip[0], "--text-encoder", "bert")
    assert code == 2 and "no text encoder 'bert'" in err
    code, _, err = talkclip("prompt", "glad", "--adapter", LINE)
    assert code == 2 and "line.flac" in err


def test_adapters_of_other_decoders_are_refused(talkclip: Run, minilm: Path, tmp_path: Path) -> None:
    adapter = Adapter.load(minilm)
    for change in ({"space": "bfm64"}, {"decoder_hash": "0" * 64}):
        save_adapter(dataclasses.replace(adapter, **change), tmp_path / "other.safetensors")  # type: ignore[arg-type]
        code, _, err = talkclip("prompt", "glad", "--adapter", tmp_path / "other.safetensors")
        assert code == 1 and "other.safetensors: The adapter gives codes of a decoder in" in err


WITHOUT_TORCH = """
import sys
for name in ("torch", "open_clip", "safetensors"):
    sys.modules[name] = None
from talkclip.cli.main import main
main()
"""


def test_without_torch_only_clip_is_missing(minilm: Path, clip: tuple[Path, str]) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT_TORCH, "prompt", "glad", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    done = run("--adapter", minilm)
    assert done.returncode == 0 and "minilm-acting-int8 hears in it: " in done.stdout, done.stderr
    done = run("--adapter", clip[0], "--text-encoder", clip[1])
    assert done.returncode == 1 and "pip install 'talkclip[server]'" in done.stderr and "Trace" not in done.stderr


def test_the_server_hears_through_it(minilm: Path, tmp_path: Path) -> None:
    from talkclip.client import Client

    command = [sys.executable, "-m", "talkclip.cli.main", "serve", "--bind", "tcp://127.0.0.1:*", "--adapter"]
    environment = os.environ | {"TALKCLIP_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen([*command, str(minilm)], stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip().rpartition(" ")[2]
        with Client(address) as client:
            notes = client.read_prompt("glad").notes
        server.terminate()
    assert any("hears in it" in note for note in notes)


def test_rules_stay_in_charge_of_what_they_read(words: AdaptedEncoder) -> None:
    ours, foreign = coder(None), coder(words)
    movement = "raise the left brow"
    np.testing.assert_array_equal(foreign.code(movement), ours.code(movement))
    np.testing.assert_array_equal(foreign.code(""), ours.code(""))
    np.testing.assert_array_equal(foreign.neutral, ours.neutral)
    wink = PromptEdit("wink with the left eye", 1.0)
    assert foreign.code("glad", (wink,))[ARKIT52.index("eyeBlinkLeft")] > 0.5
    assert foreign.code("glad")[SMILE] > 0.2 > foreign.code("lost")[SMILE]
    assert foreign.code("glad", (), 0.5)[SMILE] == pytest.approx(foreign.code("glad")[SMILE] / 2, abs=0.02)
    assert foreign.code("glad, the mouth corners pulled down")[FROWN] > foreign.code("glad")[FROWN] + 0.2
    assert "words hears in it" in foreign.read("glad").notes[-1] and foreign.read(movement) == ours.read(movement)


def test_words_that_our_model_does_not_know_are_heard() -> None:
    """The encoder knows a language that neither our rules nor our model know."""

    class Translated(WordEncoder):
        def _sum(self, text: str) -> np.ndarray:
            return super()._sum(text.replace("pasukvanai", "glad").replace("blorfix", "lost"))

    encoder = Translated()
    foreign = coder(AdaptedEncoder(trained(encoder), encoder))
    assert foreign.code("pasukvanai")[SMILE] > foreign.code("blorfix")[SMILE] + 0.2


def test_codes_are_kept_per_adapter(words: AdaptedEncoder) -> None:
    arrays = {name: array.copy() for name, array in words.adapter.arrays.items()}
    arrays["projection.bias"][0] += 1e-4
    other = AdaptedEncoder(dataclasses.replace(words.adapter, arrays=arrays), words.encoder)
    identities = {coder(None).identity, coder(words).identity, coder(other).identity}
    assert len(identities) == 3 and coder(words).identity == words.identity
    with pytest.raises(TalkClipError, match="not on"):
        coder(AdaptedEncoder(words.adapter, WordEncoder(seed=1)))
