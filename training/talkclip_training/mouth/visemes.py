"""Training targets: phones with exact times -> ARKit mouth curves, by a viseme table with coarticulation.

The table is ours (articulatory phonetics: which lips, jaw and tongue shape each English phone); the blending follows
the idea of dominance functions (Cohen & Massaro 1993, "Modeling coarticulation in synthetic visual speech"): each
phone pulls each channel towards its target, more where the sound needs the shape, less where it leaves it free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from talkclip.phones import BILABIALS, LABIODENTALS, SIL, Phone

# Both sides of a pair move alike in neutral speech.
CHANNELS: tuple[str, ...] = (
    "jawOpen", "jawForward", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch", "mouthLowerDown",
    "mouthUpperUp", "mouthRollLower", "mouthRollUpper", "mouthPress", "mouthShrugUpper", "tongueOut",
)  # fmt: skip
_WORDS = "jaw forward close funnel pucker smile stretch low up rolll rollu press shrug tongue".split()  # noqa: SIM905
_SHORT = dict(zip(_WORDS, CHANNELS, strict=True))

# phone: targets at full articulation. Two targets with -> between them are the start and the end of a diphthong.
_TABLE = """
AA jaw .62 low .16 up .08
AE jaw .52 stretch .20 smile .06 low .24 up .14
AH jaw .38 low .12 up .04
AO jaw .52 funnel .07 pucker .03 low .06
AW jaw .58 low .14 up .06 -> jaw .26 funnel .06 pucker .12
AY jaw .58 low .16 up .08 -> jaw .26 stretch .26 smile .08 low .18
B jaw .03 close .02 press .34 rolll .12 rollu .10
CH jaw .10 forward .08 funnel .22 pucker .10 low .18 up .14
D jaw .16 low .14 up .04 tongue .02
DH jaw .17 low .16 up .04 tongue .18
EH jaw .42 stretch .18 smile .06 low .22 up .08
ER jaw .24 funnel .06 pucker .06 low .08
EY jaw .40 stretch .22 smile .08 low .20 up .06 -> jaw .20 stretch .32 smile .12 low .18
F jaw .07 rolll .46 up .20 shrug .06
G jaw .22 low .08
HH jaw .26 low .08
IH jaw .25 stretch .22 smile .06 low .17 up .04
IY jaw .16 stretch .36 smile .16 low .20 up .06
JH jaw .10 forward .08 funnel .22 pucker .10 low .18 up .14
K jaw .22 low .08
L jaw .24 low .14 up .05 tongue .05
M jaw .02 close .02 press .30 rolll .10 rollu .08
N jaw .16 low .12 up .04 tongue .02
NG jaw .22 low .08
NSN jaw .10
OW jaw .42 funnel .08 pucker .07 -> jaw .18 funnel .07 pucker .25
OY jaw .46 funnel .09 pucker .06 -> jaw .20 stretch .30 smile .10 low .18
P jaw .03 close .02 press .38 rolll .14 rollu .12
R jaw .15 funnel .06 pucker .09 low .06
S jaw .05 forward .05 stretch .20 smile .04 low .22 up .08
SH jaw .08 forward .08 funnel .22 pucker .10 low .16 up .14
SIL jaw 0
T jaw .13 low .14 up .04 tongue .02
TH jaw .16 low .16 up .04 tongue .20
UH jaw .24 funnel .07 pucker .11
UW jaw .14 funnel .06 pucker .36
V jaw .08 rolll .42 up .18 shrug .06
W jaw .08 funnel .06 pucker .40
Y jaw .12 stretch .26 smile .08 low .16
Z jaw .05 forward .05 stretch .20 smile .04 low .22 up .08
ZH jaw .08 forward .08 funnel .22 pucker .10 low .16 up .14
"""

_JAW_GROUP = frozenset(("jawOpen", "mouthLowerDown", "mouthUpperUp"))
_OPENING = [CHANNELS.index(name) for name in ("jawOpen", "mouthLowerDown", "mouthUpperUp")]
_ROUND_GROUP = frozenset(("mouthFunnel", "mouthPucker", "mouthStretch", "mouthSmile"))
_ROUNDING = frozenset("AO OW OY UH UW W R ER SH ZH CH JH AW".split())  # noqa: SIM905
_FREE_LIPS = frozenset("D DH G HH K L N NG T TH S Z".split())  # noqa: SIM905
_FREE_JAW = frozenset("D DH G HH K L N NG T TH R".split())  # noqa: SIM905
# Half-width of a phone's pull beyond its own borders (s).
_REACH_S = 0.055
# A closure owns the mouth this long around its centre at least (s), and gives it back over `_EDGE_S`.
_CLOSURE_S, _EDGE_S = 0.06, 0.05


def _parse(line: str) -> tuple[str, tuple[Mapping[str, float], ...]]:
    phone, rest = line.split(maxsplit=1)
    targets = []
    for part in rest.split("->"):
        words = part.split()
        targets.append({_SHORT[n]: float(v) for n, v in zip(words[::2], words[1::2], strict=True)})
    return phone, tuple(targets)


TARGETS: Mapping[str, tuple[Mapping[str, float], ...]] = dict(_parse(line) for line in _TABLE.strip().splitlines())


def render_targets(phones: Sequence[Phone], times_s: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """Phones with exact times -> (T, 14) target weights of `CHANNELS` in 0..1.

    Args:
        phones: in order; gaps are silence.
        times_s: (T,) seconds.
        loudness: (T,) 0..1 over 50 dB; louder syllables open the jaw wider, soft ones less (Schulman 1989,
            "Articulatory dynamics of loud and normal speech").
    """
    pulls = np.full((len(times_s), len(CHANNELS)), 1e-3)
    weighted = np.zeros_like(pulls)
    for phone in _with_rests(phones, float(times_s[-1]) + 0.5):
        parts = TARGETS[phone.symbol]
        edges = np.linspace(phone.start_s, phone.end_s, len(parts) + 1)
        for target, start_s, end_s in zip(parts, edges[:-1], edges[1:], strict=True):
            for column, channel in enumerate(CHANNELS):
                pull = _dominance(phone.symbol, channel) * _window(times_s, start_s, end_s)
                pulls[:, column] += pull
                weighted[:, column] += pull * target.get(channel, 0.0)
    curves = weighted / pulls
    curves[:, _OPENING] *= _effort(loudness)[:, None]
    return _with_closures(curves, phones, times_s)


def _effort(loudness: np.ndarray) -> np.ndarray:
    """(T,) factor of the opening: 1 some 6 dB below the utterance's loud parts, less and more around."""
    relative = loudness - np.percentile(loudness, 95)
    return np.clip(1.15 + 1.3 * relative, 0.5, 1.2)


def _with_rests(phones: Sequence[Phone], end_s: float) -> list[Phone]:
    full, now = [], -0.5
    for phone in phones:
        if phone.start_s > now + 0.02:
            full.append(Phone(SIL, now, phone.start_s))
        full.append(phone)
        now = phone.end_s
    return [*full, Phone(SIL, now, max(end_s, now + 0.02))]


def _dominance(symbol: str, channel: str) -> float:
    """How much a phone insists on its target in a channel."""
    if channel in _ROUND_GROUP:
        return 1.6 if symbol in _ROUNDING else 0.25 if symbol in _FREE_LIPS else 0.8
    if channel in _JAW_GROUP:
        return 0.35 if symbol in _FREE_JAW else 1.2 if symbol in ("S", "Z", "SH", "ZH", "CH", "JH") else 1.0
    return 1.0


def _window(times_s: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    """1 inside the phone, a Gaussian skirt outside."""
    outside = np.maximum(np.maximum(start_s - times_s, times_s - end_s), 0.0)
    return np.asarray(np.exp(-0.5 * (outside / (_REACH_S / 1.5)) ** 2) * np.clip((end_s - start_s) / 0.06, 0.3, 1.0))


def closing(phone: Phone, times_s: np.ndarray) -> np.ndarray:
    """(T,) 0..1: how far a bilabial or labiodental owns the mouth."""
    centre, half = (phone.start_s + phone.end_s) / 2, max(_CLOSURE_S, phone.end_s - phone.start_s) / 2
    share = np.clip(1 - (np.abs(times_s - centre) - half) / _EDGE_S, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _with_closures(curves: np.ndarray, phones: Sequence[Phone], times_s: np.ndarray) -> np.ndarray:
    """Bilabials shut and labiodentals bite whatever their neighbours want."""
    out = curves.copy()
    for phone in phones:
        if phone.symbol not in BILABIALS | LABIODENTALS:
            continue
        share = closing(phone, times_s)[:, None]
        target = np.array([TARGETS[phone.symbol][0].get(channel, 0.0) for channel in CHANNELS])
        out = out * (1 - share) + target * share
    return out
