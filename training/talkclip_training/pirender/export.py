"""Public PIRender weights to ONNX: `python -m talkclip_training.pirender.export WEIGHTS -o FILE.onnx`."""

from __future__ import annotations

import argparse
from pathlib import Path

from talkclip.engine.models.nets.pirender.checkpoint import load_generator
from talkclip.engine.models.nets.pirender.export import export_generator
from talkclip.exits import explained
from talkclip.files import check_writable


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--out", type=check_writable, required=True)
    arguments = parser.parse_args()
    export_generator(load_generator(arguments.weights), arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    explained(main)
