"""Prompt -> reading: what the face is asked to feel, to do, and not to do."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from talkclip.engine.text.amounts import find_amounts
from talkclip.engine.text.clause import Clause, Feeling
from talkclip.engine.text.clauses import parse
from talkclip.engine.text.emotion_model import Guess, GuessModel
from talkclip.engine.text.languages import ENGLISH, language_of, read_foreign
from talkclip.engine.text.lexicon import EMOTIONS, units_of_region, word_list
from talkclip.engine.text.production import Cleaned, clean, says_who_speaks
from talkclip.engine.text.spelling import Spelling, in_words, mend
from talkclip.style import CALM
from talkclip_rigs.facs import AuMove, action_units

LONGEST_PROMPT = 2000
# Beside words of feeling the model still colours the reading, the more the more words no rule explains.
_MODEL_BESIDE_WORDS = 0.12
_MODEL_SHARE_MAX = 0.4
# A clause that names a movement is read as a whole only if it says this much more; what it then feels is weak.
# Share of an emotion in a word of feeling from which on the word says that emotion.
_TOLD = 0.4
_WORDS_BESIDE_MOVES = 4
_FEELING_BESIDE_MOVES = 0.4
_UNITS_OF_PART = {"eyes": ("eye", "lid", "brow"), "brows": ("brow",), "mouth": ("lower_face", "jaw")}
# A guess of "neutral" at this intensity or more implies movements as fully as a feeling does.
_SURELY_FELT = 0.3
# Arousal of each emotion at full intensity (means of the prompt corpus, rounded).
_AROUSAL = {"angry": 0.85, "contempt": 0.45, "disgusted": 0.6, "fear": 0.8, "happy": 0.75, "sad": 0.3,
            "surprised": 0.8, "neutral": CALM}  # fmt: skip
# A predicted action unit below this level is noise.
_WEAKEST_UNIT = 0.12


@dataclass(frozen=True)
class RegionFeeling:
    """A part of the face that shows a feeling of its own.

    Attributes:
        emotion: emotion -> weight.
        intensity: 0..1.
        moves: what the word adds in that part ("puzzled brows").
    """

    emotion: Mapping[str, float]
    intensity: float
    moves: tuple[AuMove, ...] = ()


@dataclass(frozen=True)
class PromptReading:
    """What was understood.

    Attributes:
        prompt: as given.
        clauses: what the rules found, clause by clause.
        emotions: the eight MEAD emotions -> weight, sum 1; what is left is "neutral".
        intensity: 0..1, strength of the feeling.
        action_units: movements that the text states.
        implied_units: movements that go with the feeling, predicted or known of a word; weaker than stated ones.
        denied_units: action units that must not show.
        denied_emotions: emotions that must not show.
        lessened_units: action units that show less than the rest of the prompt would have them.
        regions: "eyes", "brows", "mouth" -> a feeling of that part only.
        notes: what the user should know (nothing understood, another language, ...).
        arousal: 0..1, how much energy is in it; `CALM` is ordinary speech.
        understood: False where no word of it says anything about the face, not even that it is at rest.
    """

    prompt: str
    clauses: tuple[Clause, ...]
    emotions: Mapping[str, float]
    intensity: float
    action_units: tuple[AuMove, ...]
    implied_units: tuple[AuMove, ...]
    denied_units: tuple[int, ...]
    denied_emotions: tuple[str, ...]
    regions: Mapping[str, RegionFeeling]
    notes: tuple[str, ...]
    lessened_units: tuple[int, ...] = ()
    arousal: float = CALM
    understood: bool = True

    def summary(self) -> str:
        """One line: what was understood."""
        shown = sorted(((w, e) for e, w in self.emotions.items() if w >= 0.1), reverse=True)
        feeling = ", ".join(e if w >= 0.95 else f"{e} {w:.0%}" for w, e in shown)
        parts = [f"{feeling} at {self.intensity:.0%}" if self.intensity >= 0.05 else "neutral"]
        parts += [_move_text(move) for move in self.action_units]
        parts += [f"no AU{unit}" for unit in self.denied_units]
        return "; ".join([f'"{self.prompt}": ' + ", ".join(parts), *self.notes])

    def describe(self) -> str:
        """Readable lines for the command line and the add-on."""
        lines = [f'"{self.prompt}"']
        for clause in self.clauses:
            lines.append(f"  - {_clause_text(clause)}")
        shown = sorted(((w, e) for e, w in self.emotions.items() if w >= 0.05), reverse=True)
        lines.append("feeling    " + ", ".join(f"{e} {w:.2f}" for w, e in shown) + f"; intensity {self.intensity:.2f}")
        for part, feeling in self.regions.items():
            words = ", ".join(f"{e} {w:.2f}" for e, w in feeling.emotion.items())
            lines.append(f"{part:<10} {words}; intensity {feeling.intensity:.2f}")
        for title, moves in (("movements", self.action_units), ("implied", self.implied_units)):
            if moves:
                lines.append(f"{title:<10} " + "; ".join(map(_move_text, moves)))
        denied = [*self.denied_emotions, *(f"AU{au}" for au in self.denied_units)]
        if denied:
            lines.append("without    " + ", ".join(denied))
        if self.lessened_units:
            lines.append("less of    " + ", ".join(f"AU{au}" for au in self.lessened_units))
        lines += [f"note       {note}" for note in self.notes]
        return "\n".join(lines)


def understand(prompt: str, model: GuessModel) -> PromptReading:
    """Read a prompt.

    Args:
        prompt: any text; only its first 2,000 characters count.
        model: for what the rules do not explain.
    """
    given = unicodedata.normalize("NFKC", in_words(prompt[:LONGEST_PROMPT])).strip()
    cleaned = clean(given)
    text = cleaned.text
    language = language_of(text) if text else ENGLISH
    spelling = mend(text) if language == ENGLISH else Spelling(text)
    text = spelling.text
    clauses, guess, notes = _read_english(text, model) if language == ENGLISH else _read_other(text, language)
    if not given:
        notes.append("The prompt is empty: the face stays neutral.")
    elif cleaned.left_out:
        notes.append(_left_out(cleaned))
    notes += [f"Read '{typed}' as '{read}'." for typed, read in spelling.mended]
    whole = [f for clause in clauses for f in clause.feelings if not f.part]
    # "sad, but not crying": what one clause says outright, another denies only in its own words.
    told = {emotion for feeling in whole for emotion, share in feeling.emotion if share >= _TOLD}
    denied = tuple(dict.fromkeys(e for clause in clauses for e in clause.denied_feelings if e not in told))
    emotions, intensity = _feeling(whole, guess, _open_words(clauses), denied)
    stated = _one_gaze(_strongest(move for clause in clauses for move in clause.moves))
    if any(clause.lead == "then" for clause in clauses):
        notes.append("A prompt is one held expression; changes over time belong on the timeline.")
    regions = _regions(clauses)
    denied_units = tuple(dict.fromkeys(au for au in _denied(clauses, regions) if not _stated(au, stated)))
    implied = _implied(clauses, guess, 1.0 if not whole else _model_share(_open_words(clauses)))
    lessened = tuple(dict.fromkeys(au for c in clauses for au in c.lessened if not _stated(au, stated)))
    return PromptReading(
        prompt, clauses, emotions, intensity, stated, implied, denied_units, denied, regions, tuple(notes),
        lessened, _arousal(emotions, intensity, guess), guess is not None or any(map(_says_something, clauses)),
    )  # fmt: skip


def _left_out(cleaned: Cleaned) -> str:
    what = ", ".join(cleaned.left_out)[:80]
    return f"No direction: '{what}' (" + ("left out)." if cleaned.text else "the face stays neutral).")


def _says_something(clause: Clause) -> bool:
    return bool(
        clause.moves or clause.feelings or clause.regions or clause.lessened or clause.denied_units
        or clause.denied_feelings
    )  # fmt: skip


def _arousal(emotions: Mapping[str, float], intensity: float, guess: Guess | None) -> float:
    """As the model hears it, else as its emotions usually are at this intensity."""
    if guess is not None and guess.arousal is not None:
        return guess.arousal
    usual = sum(weight * _AROUSAL[emotion] for emotion, weight in emotions.items())
    return CALM + min(1.0, intensity) * (usual - CALM)


def _read_english(text: str, model: GuessModel) -> tuple[tuple[Clause, ...], Guess | None, list[str]]:
    """Rules first; the model reads the clauses that neither deny nor only name movements."""
    clauses = parse(text)
    left = [
        c
        for c in clauses
        if not _denies(c)
        and len(c.open_words) > (_WORDS_BESIDE_MOVES if c.moves else 0)
        and not says_who_speaks(word_list(c.text))
    ]
    found = any(c.moves or c.feelings or c.denied_units or c.denied_feelings or c.lessened for c in clauses)
    if not left and (found or not clauses or _only_says_who_speaks(text)):
        return (
            clauses,
            None,
            ["No words were found in the prompt: the face stays neutral."] if text and not clauses else [],
        )
    words = [word for c in left or clauses for word in word_list(c.text)]
    if not model.can_read(words):
        unknown = " ".join(w for c in left for w in c.open_words)[:80]
        ending = "left out" if found else "the face stays neutral; say it in other words"
        return clauses, None, [f"Not understood: '{unknown}' ({ending})."]
    # Whole prompts go in as they were written: a question mark is half the surprise.
    whole = all(c in left or not (c.moves or _denies(c)) for c in clauses)
    guess = model.guess(text if whole else ", ".join(f"{c.lead} {c.text}".strip() for c in left))
    if guess.emotions.argmax() == EMOTIONS.index("neutral"):  # without a feeling few movements are implied
        share = min(1.0, guess.intensity / _SURELY_FELT)
        guess = replace(guess, levels={au: share * level for au, level in guess.levels.items()})
    if any(c.moves for c in clauses):  # a prompt about movements is seldom about a feeling that it does not name
        guess = replace(guess, intensity=_FEELING_BESIDE_MOVES * guess.intensity, levels={})
    return clauses, guess, []


def _only_says_who_speaks(text: str) -> bool:
    """'A person speaks' asks for nothing; 'it's a girl' does."""
    words = word_list(text)
    if says_who_speaks(words):
        return True
    return len(words) < 3 or any(word.startswith(("speak", "talk", "say", "tell")) for word in words)


def _read_other(text: str, language: str) -> tuple[tuple[Clause, ...], Guess | None, list[str]]:
    """Another language: its main words of feeling and of the face, and FACS codes, which are the same everywhere."""
    amounts = find_amounts(text)
    foreign = read_foreign(text, language) if language else None
    if foreign is None or not (foreign.understood or amounts.moves):
        name = language or "a language that is not known here"
        return (
            (),
            None,
            [f"This looks like {name}, and nothing in it was understood: the face stays neutral. Try English."],
        )
    clause = Clause(text, "", (*amounts.moves, *foreign.moves), tuple(amounts.denied), foreign.feelings, foreign.denied)
    return (clause,), None, [f"Read as {language}, by its main words only; English is understood better."]


def _feeling(
    told: list[Feeling], guess: Guess | None, n_open: int, denied: tuple[str, ...]
) -> tuple[dict[str, float], float]:
    """Words of feeling first, the model beside them; denied emotions are taken out."""
    weights = np.zeros(len(EMOTIONS))
    intensity = 0.0
    if told:
        shares = np.array([max(f.strength, 0.05) for f in told])
        for feeling, share in zip(told, shares / shares.sum(), strict=True):
            for emotion, weight in feeling.emotion:
                weights[EMOTIONS.index(emotion)] += share * weight
        intensity = max(f.strength for f in told)
    if guess is not None:
        share = _model_share(n_open) if told else 1.0
        weights = (1 - share) * weights + share * guess.emotions
        intensity = (1 - share) * intensity + share * guess.intensity
    for emotion in denied:
        weights[EMOTIONS.index(emotion)] = 0.0
    total = weights.sum()
    if total < 1e-6:
        weights[EMOTIONS.index("neutral")], total, intensity = 1.0, 1.0, 0.0
    return dict(zip(EMOTIONS, (weights / total).tolist(), strict=True)), float(intensity)


def _model_share(n_open: int) -> float:
    return min(_MODEL_SHARE_MAX, _MODEL_BESIDE_WORDS * n_open)


def _open_words(clauses: tuple[Clause, ...]) -> int:
    return sum(len(c.open_words) for c in clauses if not _denies(c))


def _denies(clause: Clause) -> bool:
    """Whether the clause rules out something known; "I will not be treated like this" rules out nothing."""
    return clause.negated and bool(clause.denied_units or clause.denied_feelings or clause.lessened)


def _implied(clauses: tuple[Clause, ...], guess: Guess | None, share: float) -> tuple[AuMove, ...]:
    moves = [
        AuMove(m.au, m.level * min(1.0, f.strength / 0.4), m.side)
        for clause in clauses
        for f in clause.feelings
        if not f.part
        for m in f.moves
    ]
    if guess is not None:
        moves += [AuMove(au, share * lv) for au, lv in guess.levels.items() if share * lv >= _WEAKEST_UNIT]
    return _strongest(moves)


def _strongest(moves: Iterable[AuMove]) -> tuple[AuMove, ...]:
    """One move per action unit and side, the strongest."""
    best: dict[tuple[int, str], AuMove] = {}
    for move in moves:
        key = (move.au, move.side)
        if key not in best or best[key].level < move.level:
            best[key] = move
    return tuple(best.values())


def _one_gaze(moves: tuple[AuMove, ...]) -> tuple[AuMove, ...]:
    """Eyes look one way: of up and down, of left and right, the stronger one stays, else the first."""
    levels = {move.au: move.level for move in reversed(moves) if move.side == "both"}  # crossed eyes look two ways
    order = [move.au for move in moves]
    opposed = [pair for pair in ((61, 62), (63, 64)) if set(pair) <= set(levels)]
    dropped = {min(pair, key=lambda au: (levels[au], -order.index(au))) for pair in opposed}
    return tuple(move for move in moves if move.au not in dropped)


def _stated(au: int, stated: tuple[AuMove, ...]) -> bool:
    return any(move.au == au for move in stated)


def _denied(clauses: tuple[Clause, ...], regions: Mapping[str, RegionFeeling]) -> list[int]:
    """Denied action units; a face at rest yields to a part with a feeling ("neutral face, frightened eyes")."""
    felt = {au for part in regions for region in _UNITS_OF_PART[part] for au in units_of_region(region)}
    face = set(units_of_region("face"))
    return [au for c in clauses for au in c.denied_units if not (au in felt and face <= set(c.denied_units))]


def _regions(clauses: tuple[Clause, ...]) -> dict[str, RegionFeeling]:
    regions: dict[str, RegionFeeling] = {}
    for clause in clauses:
        for feeling in clause.feelings:
            if feeling.part:
                regions[feeling.part] = RegionFeeling(dict(feeling.emotion), feeling.strength, feeling.moves)
    return regions


def found_in(clause: Clause) -> list[str]:
    """Each thing the rules found in a clause, for people."""
    found = [_move_text(move) for move in clause.moves]
    found += [f"{f.words} ({'/'.join(e for e, _ in f.emotion)} {f.strength:.2f}{', ' + f.part if f.part else ''})"
              for f in clause.feelings]  # fmt: skip
    found += [f"not {e}" for e in clause.denied_feelings] + [f"no AU{au}" for au in clause.denied_units]
    if clause.open_words:
        found.append(f"read as a whole: {' '.join(clause.open_words)}")
    return found


def _clause_text(clause: Clause) -> str:
    found = found_in(clause)
    return f"{clause.lead} {clause.text}".strip() + (": " + "; ".join(found) if found else "")


def _move_text(move: AuMove) -> str:
    side = "" if move.side == "both" else f", {move.side}"
    return f"AU{move.au} {action_units()[move.au].name.lower()} {move.level:.2f}{side}"
