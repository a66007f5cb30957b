"""`talkclip doctor`: what is installed, what is active, what is missing and the command that gets it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.table import Table

import talkclip
from talkclip.errors import TalkClipError

# Import name -> what it is for. All belong to the extra [lite].
_LITE = {
    "onnxruntime": "runs the networks",
    "scipy": "signal processing",
    "soundfile": "reads audio",
    "av": "reads video and compressed audio, writes mp4",
    "soxr": "resamples",
    "pocketsphinx": "forced alignment",
    "hama": "phone recogniser",
    "matplotlib": "plots",
    "PIL": "captions",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` is "" where nothing is to be done; `needed` findings stop the main job."""

    part: str
    ready: bool
    detail: str
    remedy: str = ""
    needed: bool = True


def doctor() -> None:
    """Explain this installation: encoder, weights, back ends, device; what is missing and the command that gets it.

    The exit code is 0 when `talkclip animate` can run, else 1.
    """
    findings = list(examine())
    table = Table(show_header=True, box=None, pad_edge=False)
    for column in ("", "part", "state"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark = "ok" if finding.ready else ("MISSING" if finding.needed else "-")
        state = finding.detail + (f"  ->  {finding.remedy}" if finding.remedy else "")
        table.add_row(mark, finding.part, state)
    console = Console(highlight=False, markup=False, width=None if Console().is_terminal else 160)
    console.print(table)
    if any(finding.needed and not finding.ready for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """All findings, cheapest first."""
    from talkclip.engine.render.portrait.device import choose_device

    yield Finding(
        "talkclip", True, f"{talkclip.__version__} on Python {platform.python_version()}, {platform.platform()}"
    )
    missing = [name for name in _LITE if importlib.util.find_spec(name) is None]
    for name in missing:
        yield Finding(name, False, f"not installed ({_LITE[name]})", "pip install 'talkclip[lite]'")
    if missing:
        return
    yield _device()
    yield from _weights()
    yield from _speech()
    yield Finding("portraits", True, f"drawn on {choose_device().name}")
    yield _optional(
        "torch",
        "training, public checkpoints, portraits on CUDA; not needed to animate",
        "pip install 'talkclip[server]'",
    )


def _device() -> Finding:
    import onnxruntime

    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return Finding("device", True, f"CPU (onnxruntime {onnxruntime.__version__} offers {', '.join(providers)})")


def _weights() -> Iterator[Finding]:
    from talkclip.engine.weights.registry import WEIGHTS, find_weight

    for weight in WEIGHTS.values():
        source = weight.wheel or "committed with talkclip"
        try:
            find_weight(weight.id)
        except TalkClipError as error:
            yield Finding(f"weights {weight.id}", False, error.message, error.hint)
        else:
            yield Finding(f"weights {weight.id}", True, f"{source}, SHA-256 {weight.sha256[:12]} checked")
    try:
        from talkclip.engine.text.encoder import MiniLMEncoder

        encoder = MiniLMEncoder.load()
    except TalkClipError as error:
        yield Finding("text encoder", False, error.message, error.hint)
    else:
        yield Finding("text encoder", True, f"{encoder.id}, {encoder.dim} dimensions, self-test passed")


def _speech() -> Iterator[Finding]:
    from talkclip.engine.speech.frontend import available_backends

    for backend in available_backends():
        detail = backend.detail if backend.ready else f"{backend.detail} ({backend.missing})"
        needed = backend.name in ("fast", "align")
        yield Finding(f"speech {backend.name}", backend.ready, detail, backend.remedy, needed)


def _optional(package: str, purpose: str, command: str) -> Finding:
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return Finding(package, False, f"not installed ({purpose})", command, needed=False)
    return Finding(package, True, f"{version} ({purpose})", needed=False)
