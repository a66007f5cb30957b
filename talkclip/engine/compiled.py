"""Loops compiled by numba, kept between runs where there is a place to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator like `numba.njit`, for kernels that Python calls: compiled once per installation.

    With a read-only installation and an account without a home numba refuses to cache: then once per process.
    NUMBA_CACHE_DIR names a place.
    """

    def compile_kernel(kernel: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(kernel)
        except RuntimeError:
            return numba.njit(**options)(kernel)

    return compile_kernel
