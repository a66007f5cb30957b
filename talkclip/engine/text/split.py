"""Cutting a prompt into clauses: at punctuation and before joining words.

What only says how much, on which side, or "no" belongs to what it follows: "Smirk. Left side.", "jaw drop: light",
"Upset? She isn't."
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from talkclip.engine.text import lexicon
from talkclip.engine.text.amounts import is_amount
from talkclip.engine.text.idioms import find_idioms
from talkclip.engine.text.sides import SIDE_WORDS, is_side_or_share

# A dot or comma between digits is part of a number, a hyphen inside a word part of the word.
_MARKS = re.compile(r"((?:[;:!?()\[\]\"\n/—–]|(?<!\d)[.,](?!\d)|(?<=\d)[.,](?!\d)| - |…)+)")
# "winks with the left eye": the side belongs to what stands before.
_SIDED = re.compile(r"(?:(?:the|his|her|their|your|only|just) )*(?:left|right|one)\b")
_NEGATING_LEADS = frozenset({"without", "nor", "except", "sans", "minus"})
_LEADS_OF_A_TAIL = frozenset({"", "but", "and", "yet", "though"})
# What a clause such as "She isn't." says about the one before.
_DENIAL = "not at all"
_DASHES = frozenset({"-", "–", "—"})
_HEIGHTS = frozenset({"high", "low", "higher", "lower"})
_PLACES = frozenset({"over", "under", "above", "below", "behind", "beneath", "underneath", "through"})
_LETTER_IN_BRACKETS = re.compile(r"(?<=\d)\s*\(\s*([A-E])\s*\)")
_INTENSITY = re.compile(r"\b(intensity|level|strength|grade)\s*[:=]\s*(?=[A-E]\b|[\d.])", re.IGNORECASE)
_LIST_OF_CODES = re.compile(
    r"\b(?:AUs?|action units?)\s*\d{1,2}[A-E]?"
    r"(?:\s*(?:,\s*and\b|,|&|\band\b)\s*\d{1,2}[A-E]?(?=\s*(?:$|[,;.)&+]|and\b)))+",
    re.IGNORECASE,
)
_LETTER_OF_A_CODE = re.compile(
    r"\s*[,;:(]\s*(?:at )?((?:intensity|level|strength|grade)\s*[:=]?\s*(?-i:[A-E])|"
    r"(?-i:[A-E])[ -](?:intensity|level))\b\)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[\d.,%]+$")


@dataclass(frozen=True)
class Piece:
    """One clause as it stands in the text.

    Attributes:
        lead: the joining word that opened it, "" after punctuation.
        text: the words after it.
        mark: the punctuation before it, "" without any.
    """

    lead: str
    text: str
    mark: str = ""


def split_clauses(prompt: str) -> list[tuple[str, str]]:
    """-> (lead, text) pairs in order."""
    return [(piece.lead, piece.text) for piece in _join_tails(_pieces(_keep_together(prompt)))]


def _keep_together(text: str) -> str:
    """8/10 is one amount, "anything but" one negation, "AU9, intensity E" one code: none is two clauses."""
    text = _LETTER_OF_A_CODE.sub(r" \1", _LETTER_IN_BRACKETS.sub(r"\1", text))
    text = _INTENSITY.sub(r"\1 ", text)
    text = _LIST_OF_CODES.sub(lambda match: re.sub(r"\s*(?:,|&|\band\b)\s*", "+", match[0]), text)
    text = re.sub(r"(?<=\d)\s*/\s*(?=\d)", "\ue001", text)
    return re.sub(
        r"\b(?<!\bas )(anything|nothing|all|help|cannot|not|everything|anywhere) but\b",
        "\\1\ue000but",
        text,
        flags=re.I,
    )


def _pieces(text: str) -> list[Piece]:
    found: list[Piece] = []
    parts = _MARKS.split(text)
    for number in range(0, len(parts), 2):
        mark = parts[number - 1].strip() if number else ""
        found += _at_joining_words(parts[number].replace("\ue001", "/").split(), mark)
    return found


def _at_joining_words(tokens: list[str], mark: str) -> list[Piece]:
    found: list[Piece] = []
    lead: str = ""
    words: list[str] = []

    def close() -> None:
        if words:
            found.append(Piece(lead, " ".join(words).replace("\ue000", " "), "" if found else mark))

    held = _in_idioms(tokens)
    for number, token in enumerate(tokens):
        word = token.lower().strip("'\"")
        rest = [w.lower() for w in tokens[number + 1 :]]
        if word in lexicon.words_that("leads") and number not in held and not _belongs(word, words, rest):
            close()
            # "but not", "and without": the negation is what counts
            lead, words = (word if words or lead not in _NEGATING_LEADS else lead), []
        else:
            words.append(token)
    close()
    return found


def _in_idioms(tokens: list[str]) -> set[int]:
    """Indices of the tokens that belong to an idiom: "over the moon" is one piece."""
    words = [(number, word) for number, token in enumerate(tokens) for word in lexicon.word_list(token)]
    found = find_idioms([word for _, word in words])
    return {number for idiom in found for number, _ in words[idiom.start : idiom.end]}


def _belongs(word: str, before: list[str], rest: list[str]) -> bool:
    """Whether a joining word does not open a clause here."""
    following = " ".join(rest[:4])
    if word == "with" and before and _only_names_a_region(" ".join(rest)):  # "smiles with the mouth only"
        return True
    if word == "with" and before and _SIDED.match(following):
        ahead = lexicon.word_list(" ".join(rest[1:6]))
        return not any(w not in SIDE_WORDS for _, _, w in lexicon.actions().find(ahead))
    if word in ("without", "never") and before and before[-1].lower() in ("not", "never", "isn't", "don't"):
        return True
    if word in _PLACES:
        return following.startswith(("to ", "at ", "there")) or _only_names_a_region(" ".join(rest))
    return False


def _only_names_a_region(text: str) -> bool:
    """'The brow above your right eye' says where; "fear above a smiling mouth" says what else is there."""
    words = lexicon.word_list(text)
    named = [i for s, e, _ in lexicon.regions().find(words) for i in range(s, e)]
    return bool(named) and all(
        i in named or is_side_or_share(w) or w in lexicon.words_that("silent") for i, w in enumerate(words)
    )


def _join_tails(pieces: list[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        if joined and (is_amount(piece.text) or _only_says_how(piece) or _only_says_where(piece, joined[-1])):
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {piece.lead} {piece.text}")
        elif joined and _only_denies(piece):
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text} {_DENIAL}")
        elif joined and len(joined) == 1 and _only_says_how(joined[0]) and not piece.lead:
            joined[-1] = replace(piece, text=f"{joined[-1].text} {piece.text}", lead=joined[-1].lead)
        else:
            joined.append(piece)
    return joined


def _only_says_how(piece: Piece) -> bool:
    """Only degree, side or amount: it speaks of the clause before."""
    words = lexicon.word_list(piece.text)
    degrees = [False] * len(words)
    for start, end, _ in lexicon.degrees().find(words):
        degrees[start:end] = [True] * (end - start)
    numbers = [bool(_NUMBER.match(token)) for token in piece.text.split()]
    sided = any(map(is_side_or_share, words))
    if sided and _HEIGHTS & set(words):  # "left high, right low"
        return False
    says = any(degrees) or sided or any(numbers)
    return (
        says
        and "other" not in words
        and piece.lead in _LEADS_OF_A_TAIL
        and all(
            how
            or is_side_or_share(word)
            or word in lexicon.words_that("silent")
            or word.isdigit()
            or (sided and word == "one")
            for how, word in zip(degrees, words, strict=True)
        )
    )


def _only_says_where(piece: Piece, before: Piece) -> bool:
    """'A wink, right eye', 'sneer, left half of the mouth': side and region of a movement just named."""
    words = lexicon.word_list(piece.text)
    if piece.lead or not any(word in SIDE_WORDS for word in words) or not _only_names_a_region(piece.text):
        return False
    return any(True for _ in lexicon.movement_words().find(lexicon.word_list(before.text)))


def _only_denies(piece: Piece) -> bool:
    """'She isn't.', ': none', 'not at all': it denies the clause before."""
    words = lexicon.word_list(piece.text)
    if not words or not piece.mark or piece.lead not in ("", "but") or find_idioms(words):
        return False
    weak_mark = "?" not in piece.mark and ":" not in piece.mark and not (piece.mark in _DASHES and len(words) == 1)
    denies = [word in lexicon.words_that("final_negations") for word in words]
    silent = all(d or word in lexicon.words_that("silent") for d, word in zip(denies, words, strict=True))
    return any(denies) and silent and (not weak_mark or " ".join(words).startswith("not at all"))
