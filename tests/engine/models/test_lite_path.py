"""The lite installation has no torch, and none of its modules may want it."""

from __future__ import annotations

import subprocess
import sys

_WALK = """
import importlib, pkgutil, sys
for name in ("torch", "torchvision", "torchaudio", "safetensors", "onnx", "onnxscript", "open_clip", "bpy"):
    sys.modules[name] = None
import talkclip.engine
walked = []
for_cards = "talkclip.engine.render.portrait.torch_painter"  # imported where a graphics card was found
for module in pkgutil.walk_packages(talkclip.engine.__path__, "talkclip.engine.", onerror=lambda name: None):
    if not module.name.startswith("talkclip.engine.models.nets") and module.name != for_cards:
        importlib.import_module(module.name)
        walked.append(module.name)
assert "talkclip.engine.models.blocks" in walked and "talkclip.engine.pipeline" in walked, walked
# Walking imports packages, not their modules; those of the networks' packages are empty.
nets = [name for name in sys.modules if name.startswith("talkclip.engine.models.nets.")]
assert all(hasattr(sys.modules[name], "__path__") for name in nets), nets
try:
    import talkclip.engine.models.nets.model
except ImportError:
    print(len(walked), "modules")
"""


def test_every_module_but_the_networks_and_the_painter_for_cards_imports_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _WALK], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.endswith("modules\n"), done.stderr
