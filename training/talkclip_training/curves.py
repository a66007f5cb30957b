"""The curves of a training run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from talkclip.errors import InputError


def plot_log(log: Path, picture: Path, beside: Mapping[str, str] | None = None) -> None:
    """Draw every figure of `log.jsonl` over the steps.

    Args:
        beside: figure -> another one that is drawn dashed in the same box, to compare with.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if not rows:
        raise InputError(f"{log}: is empty.", "Train first.")
    compared = dict(beside or {})
    hidden = {"step", "seconds", *compared.values()}
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in hidden]
    figure, axes = plt.subplots(2, (len(names) + 1) // 2, figsize=(2.6 * ((len(names) + 1) // 2), 5), squeeze=False)
    steps = [row["step"] for row in rows]
    for axis, name in zip(axes.flat, names, strict=False):
        axis.plot(steps, [row.get(name) for row in rows])
        if name in compared:
            axis.plot(steps, [row.get(compared[name]) for row in rows], "--", color="grey", label=compared[name])
            axis.legend(fontsize=7)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    plt.close(figure)
