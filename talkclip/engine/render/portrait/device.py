"""Where portraits are drawn: on the processor, or on a graphics card that speaks CUDA."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import sys
from typing import TYPE_CHECKING

from talkclip.errors import InputError

if TYPE_CHECKING:
    from talkclip.engine.render.portrait.geometry import Scene
    from talkclip.engine.render.portrait.painter import Painter

DEVICES = ("auto", "cpu", "cuda")
USE_CPU = "Without a card: --device cpu."


@dataclasses.dataclass(frozen=True)
class Device:
    """Attributes:
    kind: "cpu" or "cuda".
    name: what people call it, such as "CUDA (NVIDIA L4)".
    """

    kind: str
    name: str

    @property
    def is_card(self) -> bool:
        """Whether several frames at once are faster than one after the other."""
        return self.kind != "cpu"


PROCESSOR = Device("cpu", "CPU")


def choose_device(wanted: str = "auto", neural: bool = False) -> Device:
    """The device that portraits are drawn on.

    Args:
        wanted: one of `DEVICES`; "auto": CUDA where it is.
        neural: by PIRenderer, that is by onnxruntime; else by the mesh warp, that is by torch.

    Raises:
        InputError: no such device, or no CUDA where it is wanted; says what is missing.
    """
    if wanted not in DEVICES:
        raise InputError(f"--device {wanted} is not known.", f"Use one of {', '.join(DEVICES)}.")
    if wanted == "cpu":
        return PROCESSOR
    # Loading torch takes seconds: without a driver there is nothing to find.
    if wanted == "auto" and not _driver_is_there():
        return PROCESSOR
    try:
        return _cuda_of_onnxruntime() if neural else _cuda_of_torch()
    except InputError:
        if wanted == "auto":
            return PROCESSOR
        raise


def painter_on(device: Device, scene: Scene) -> Painter:
    """What paints frames of a scene there."""
    if device.is_card:
        from talkclip.engine.render.portrait.torch_painter import TorchPainter

        return TorchPainter(scene, device.kind)
    from talkclip.engine.render.portrait.painter import ArrayPainter

    return ArrayPainter(scene)


def _driver_is_there() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _cuda_of_torch() -> Device:
    if importlib.util.find_spec("torch") is None:
        text = "There is no CUDA here: torch is not installed."
        raise InputError(text, f"Run: pip install 'talkclip[server]'. {USE_CPU}")
    from talkclip.engine.render.portrait.torch_painter import find_card

    return Device("cuda", f"CUDA ({find_card()})")


def _cuda_of_onnxruntime() -> Device:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise InputError(
            "There is no CUDA here: the installed onnxruntime has none.",
            f"Run: pip uninstall onnxruntime; pip install onnxruntime-gpu. {USE_CPU}",
        )
    return Device("cuda", "CUDA (onnxruntime)")
