"""Messages as no peer should send them."""

from __future__ import annotations

import random

# Repeating stops here: what is sent must stay small enough to be sent often.
_LONGEST = 100_000


def damaged(rng: random.Random, frame: bytes) -> bytes:
    """A frame, cut, flipped, repeated or with bytes put in, once or several times."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                del data[place:]
            case 1 if place < len(data):
                data[place] = rng.randrange(256)
            case 2:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
            case 3 if len(data) < _LONGEST:
                data[place:place] = data[:place]
            case 4:
                del data[place : place + rng.randint(1, 9)]
    return bytes(data)
