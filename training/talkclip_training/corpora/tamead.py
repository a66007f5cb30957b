"""TA-MEAD: prompts for video clips by the paper's grammar, `SUB EMOTION and speaks with AU`.

    A furious man speaks with brow strongly lowered and lip tightly ... -> emotion and action units
    A woman feels fury                                                  -> emotion alone
    A man speaks with outer brow extremely lifted                       -> action units alone
    An expressionless woman                                             -> HDTF and VoxCeleb2

Each clip of MEAD belongs to one of 22 groups (emotion and level); its emotion words are the group's. The action units
come from a detector. Which words serve a group, the rates, and the longest list of units are our inference: the paper
publishes neither texts nor settings.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip_training.corpora.clips import TEST, TRAIN, Clip, json_lines
from talkclip_training.corpora.units import ActiveUnit, Thresholds, UnitDetector, active_units
from talkclip_training.corpora.wording import EmotionName, UnitWords, group_names, neutral_words, unit_words

_UNKNOWN_GENDER = "person"
_EMOTION, _UNITS = "emotion", "units"


@dataclass(frozen=True)
class Grammar:
    """How sentences are drawn.

    Attributes:
        drop_emotion, drop_units: how often a part is left out (never both); .2 each is ours.
        swap: how often the action units come first.
        most_units: the strongest ones are named; a sentence of ten would not fit CLIP's 77 tokens.
        thresholds: when a unit is active, and how strongly.
        per_clip: sentences for each clip.
        seed: with the clip's name it decides everything, whatever the order of the clips.
    """

    drop_emotion: float = 0.2
    drop_units: float = 0.2
    swap: float = 0.5
    most_units: int = 5
    thresholds: Thresholds = dataclasses.field(default_factory=Thresholds)
    per_clip: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.drop_emotion, self.drop_units, self.swap)
        if not all(0 <= share <= 1 for share in shares) or self.drop_emotion + self.drop_units > 1:
            raise InputError(f"the rates {shares} are not shares.", "Give 0..1; the two drops add up to 1 at most.")
        if self.most_units < 1 or self.per_clip < 1:
            raise InputError("a clip needs at least one sentence with room for one action unit.")


@dataclass(frozen=True)
class Prompt:
    """One sentence and what it says.

    Attributes:
        text: the sentence.
        clip, corpus, split: where it belongs.
        subject: "woman", "man" or "person".
        emotion, level: the clip's label, also where the sentence does not say it; "neutral", 1 in unlabelled corpora.
        name: the emotion word's name in the list of 135, the word itself for neutral; "" where none is said.
        units: action units that the sentence names, as they stand in it.
        detector: who measured them; "" where none are said.
    """

    text: str
    clip: str
    corpus: str
    split: str
    subject: str
    emotion: str
    level: int
    name: str
    units: tuple[ActiveUnit, ...]
    detector: str


@dataclass(frozen=True)
class Build:
    """Prompts, and the MEAD clips for which the detector had nothing."""

    prompts: tuple[Prompt, ...]
    unmeasured: tuple[str, ...]


def build(clips: Iterable[Clip], detector: UnitDetector | None, grammar: Grammar) -> Build:
    """Sentences for all clips; without a detector they speak of emotions only.

    Raises:
        InputError: the detector's data of a clip cannot be read.
    """
    prompts: list[Prompt] = []
    unmeasured: list[str] = []
    words = unit_words()
    for clip in clips:
        units: list[ActiveUnit] = []
        if clip.emotion and detector is not None:
            track = detector.units_of(clip.id)
            if track is None:
                unmeasured.append(clip.id)
            else:
                units = active_units(track, grammar.thresholds, words.units)[: grammar.most_units]
        for number in range(grammar.per_clip if clip.emotion else 1):
            draw = random.Random(f"{grammar.seed}:{clip.id}:{number}")
            prompts.append(_prompt(clip, units, detector.name if detector else "", grammar, draw))
    return Build(tuple(prompts), tuple(unmeasured))


def _prompt(clip: Clip, units: Sequence[ActiveUnit], detector: str, grammar: Grammar, draw: random.Random) -> Prompt:
    subject = clip.gender or _UNKNOWN_GENDER
    if not clip.emotion:
        text = f"{_with_article('expressionless')} {subject}"
        return Prompt(text, clip.id, clip.corpus, clip.split, subject, "neutral", 1, "expressionless", (), "")
    lot = draw.random()
    dropped = ""
    if units:  # a sentence without both parts would say nothing
        if lot < grammar.drop_emotion:
            dropped = _EMOTION
        elif lot < grammar.drop_emotion + grammar.drop_units:
            dropped = _UNITS
    spoken = [] if dropped == _UNITS else draw.sample(list(units), len(units))
    movement = _listed([_movement(unit, unit_words(), draw) for unit in spoken])
    if dropped == _EMOTION:
        name, text = "", f"A {subject} speaks with {movement}"
    else:
        name, text = _emotional(clip, subject, movement, draw.random() < grammar.swap, draw)
    return Prompt(text, clip.id, clip.corpus, clip.split, subject, clip.emotion, clip.level, name, tuple(spoken),
                  detector if spoken else "")  # fmt: skip


def _emotional(clip: Clip, subject: str, movement: str, swapped: bool, draw: random.Random) -> tuple[str, str]:
    """-> (name of the emotion, sentence)."""
    if clip.emotion == "neutral":
        adjective = name = draw.choice(neutral_words())
        feels = ""
    else:
        chosen: EmotionName = draw.choice(group_names(clip.emotion, clip.level))
        name, adjective = chosen.noun, chosen.adjective
        feels = f"{draw.choice(('feels', 'shows'))} {chosen.noun}"
    before = f"{_with_article(adjective)} {subject}" if adjective else ""
    predicates = [f"{verb} {adjective}" for verb in ("is", "looks") if adjective] + [feels] * bool(feels)
    if before and draw.random() < 0.5:
        if not movement:
            return name, before
        if swapped:
            return name, f"With {movement}, {before[0].lower()}{before[1:]} speaks"
        return name, f"{before} speaks with {movement}"
    predicate = draw.choice(predicates)
    if not movement:
        return name, f"A {subject} {predicate}"
    if swapped:
        return name, f"A {subject} speaks with {movement} and {predicate}"
    return name, f"A {subject} {predicate} and speaks with {movement}"


def _movement(unit: ActiveUnit, words: UnitWords, draw: random.Random) -> str:
    """One unit in words; noun, adverb and description change places where English lets them."""
    subject, descriptions = words.units[unit.au]
    description, adverb = draw.choice(descriptions), draw.choice(words.adverbs[unit.level])
    orders = [f"{subject} {adverb} {description}"]
    if description not in words.never_first:
        orders.append(f"{adverb} {description} {subject}")
    if adverb not in words.never_last:
        orders.append(f"{subject} {description} {adverb}")
    return draw.choice(orders)


def _listed(parts: Sequence[str]) -> str:
    """a / a and b / a, b and c."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _with_article(word: str) -> str:
    """The list's words need no ear: none begins with a silent h or a "you"."""
    return f"An {word}" if word[:1] in set("aeiou") else f"A {word}"


def write_prompts(prompts: Sequence[Prompt], path: Path) -> None:
    """JSON Lines, one prompt a line.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        for prompt in prompts:
            handle.write(json.dumps(dataclasses.asdict(prompt), ensure_ascii=False) + "\n")


def read_prompts(path: Path) -> list[Prompt]:
    """What `write_prompts` wrote.

    Raises:
        InputError: unreadable, or a line that is no prompt; names the line.
    """
    return [_read(row, f"{path}:{number}") for number, row in json_lines(path)]


def _read(row: Mapping[str, object], where: str) -> Prompt:
    problem = InputError(f"{where}: is no TA-MEAD prompt.", "Make the file with `talkclip corpus tamead`.")
    fields = {field.name for field in dataclasses.fields(Prompt)}
    texts, level, units = fields - {"level", "units"}, row.get("level"), row.get("units")
    if set(row) != fields or any(not isinstance(row[name], str) for name in texts):
        raise problem
    if not isinstance(level, int) or not isinstance(units, list) or row["split"] not in (TRAIN, TEST):
        raise problem
    try:
        read = tuple(ActiveUnit(int(u["au"]), float(u["intensity"]), int(u["level"])) for u in units)
    except (KeyError, TypeError, ValueError):
        raise problem from None
    return Prompt(level=level, units=read, **{name: str(row[name]) for name in texts})
