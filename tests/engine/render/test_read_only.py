"""An installation that cannot be written to, an account without a home: the renderer compiles all the same."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from talkclip.engine.compiled import compiled


def test_kernels_compile_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def nowhere_to_write(*arguments: object, cache: bool = False, **options: object) -> object:
        if cache:
            return lambda kernel: (_ for _ in ()).throw(RuntimeError(f"cannot cache function '{kernel.__name__}'"))
        return njit(*arguments, **options)

    monkeypatch.setattr(numba, "njit", nowhere_to_write)

    @compiled(nogil=True)
    def total(values):  # type: ignore[no-untyped-def]
        found = 0.0
        for value in values:
            found += value
        return found

    assert total(np.arange(4.0)) == 6.0 and total.signatures
