"""Public PIRender weights to ONNX: `python -m talkclip_training.pirender.export WEIGHTS -o FILE.onnx`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from talkclip.engine.models.nets.pirender.checkpoint import load_generator
from talkclip.engine.models.nets.pirender.export import export_generator
from talkclip.errors import EXIT_INPUT, InputError


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        export_generator(load_generator(arguments.weights), arguments.out)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_INPUT)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
