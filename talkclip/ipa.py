"""International Phonetic Alphabet -> ARPABET (the 39 phones of the CMU dictionary).

The table follows the sound charts of the International Phonetic Association and of the CMU dictionary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# One IPA sound may be two ARPABET phones. Sounds that English lacks map to the nearest mouth shape.
_TABLE = """
a AA|aɪ AY|aʊ AW|e EY|eə EH|eɪ EY|i IY|ɪ IH|ɪə IH|ɨ IH|ĩ IY|ì IY|ǐ IY|ɛ EH|ẽ EY|æ AE|ä AA|à AA|ã AA|å AO|ɐ AH|ɑ AA|ɒ AA
ɔ AO|ɔɪ OY|õ OW|o OW|oʊ OW|u UW|ũ UW|ʉ UW|ʊ UH|ɯ UH|ɯi UH IY|ʌ AH|ə AH|ᵊ AH|ɘ AH|ɤ AH|ɵ UH|ɜ ER|ɝ ER|ɚ ER|ø ER|œ ER
y UW|ʏ UH
ja Y AA|je Y EH|jo Y OW|ju Y UW|jʌ Y AH|wa W AA|we W EH|wi W IY|wʌ W AH
b B|ɓ B|β V|c K|d D|ɖ D|ɗ D|d͡ʒ JH|dʒ JH|ð DH|f F|ɸ F|g G|ɡ G|ɣ G|ɟ G|ɰ W|h HH|ɦ HH|ħ HH|ç HH|x HH|χ HH|j Y|ʝ Y
k K|l L|ɫ L|ʎ L|ɮ L|m M|ɱ M|n N|ñ N|ɲ N|ŋ NG|ɴ NG|p P|r R|ɹ R|ɻ R|ʁ R|ʀ R|ɽ D|ɾ D|s S|ʂ SH|ɕ SH|ʃ SH|t T|ʈ T
aj AY|ej EY|ɔj OY|əw OW|əʊ OW|t͡ʃ CH|tʃ CH|t͡ɕ CH|θ TH|v V|ʋ V|w W|ɥ W|z Z|ẑ Z|ʐ ZH|ʑ ZH|ʒ ZH
"""
IPA_TO_ARPABET: dict[str, tuple[str, ...]] = {
    unicodedata.normalize("NFC", sound): tuple(phones)
    for line in _TABLE.strip().splitlines()
    for sound, *phones in (entry.split() for entry in line.split("|"))
}
# Aspiration, length, tone, tenseness and the like change a sound, not which phone it is.
_MODIFIERS = "ʰʱʲʷˀːˑ˕˞ˤ˥˦˧˨˩͈ˈˌ.‿˭̚"


def arpabet_of(sound: str) -> tuple[str, ...]:
    """One IPA sound -> its ARPABET phones; () for marks that are not a sound of their own, and for anything unknown."""
    sound = unicodedata.normalize("NFC", sound.strip())
    if sound in IPA_TO_ARPABET:
        return IPA_TO_ARPABET[sound]
    bare = "".join(ch for ch in sound if ch not in _MODIFIERS)
    if bare in IPA_TO_ARPABET:
        return IPA_TO_ARPABET[bare]
    plain = "".join(ch for ch in unicodedata.normalize("NFD", bare) if not unicodedata.combining(ch) or ch == "͡")
    return IPA_TO_ARPABET.get(plain, ())


def arpabet_sequence(sounds: Iterable[str]) -> tuple[str, ...]:
    """IPA sounds in order -> ARPABET phones in order."""
    return tuple(phone for sound in sounds for phone in arpabet_of(sound))
