"""The tracker against faces whose truth is known: the default head, drawn with known coefficients."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.engine.tracking.detector import find_faces
from talkclip.engine.tracking.fit import fit_face
from talkclip.engine.tracking.landmarks import locate
from talkclip.engine.tracking.quadratic import bounded_quadratic
from talkclip.engine.tracking.video import track_frames, track_video
from talkclip.errors import Cancelled, InputError

SIZE = 256


@pytest.fixture(scope="module")
def renderer() -> HeadRenderer:
    return HeadRenderer(SIZE)


@pytest.fixture(scope="module")
def neutral(renderer: HeadRenderer) -> np.ndarray:
    return renderer.frame(np.zeros(52, np.float32))


def _acting(n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A face that talks, blinks, smiles and turns: values (T, 52), head (T, 6)."""
    t = np.arange(n_frames) / 25.0
    values, head = np.zeros((n_frames, 52), np.float32), np.zeros((n_frames, 6), np.float32)

    def wave(hertz: float, phase: float) -> np.ndarray:
        return (0.5 - 0.5 * np.cos(2 * np.pi * hertz * t + phase)).astype(np.float32)

    values[:, arkit_index("jawOpen")] = 0.5 * wave(1.7, 0.0)
    for side in ("Left", "Right"):
        values[:, arkit_index(f"mouthSmile{side}")] = 0.8 * wave(0.45, 1.0)
        values[:, arkit_index(f"eyeBlink{side}")] = wave(0.6, 2.0) ** 8
        values[:, arkit_index(f"browDown{side}")] = 0.9 * wave(0.35, 3.0)
    head[:, 0], head[:, 1], head[:, 2] = 0.08 * wave(0.5, 0.4), 0.2 * wave(0.3, 0.0) - 0.1, 0.06 * wave(0.4, 1.0)
    return values, head


def test_known_coefficients_come_back_from_rendered_pictures(renderer: HeadRenderer) -> None:
    values, head = _acting(75)
    track = track_frames([renderer.frame(v, h) for v, h in zip(values, head, strict=True)], 25.0)
    assert track.space == "arkit52" and track.names == ARKIT52 and track.n_frames == 75

    def agreement(name: str) -> float:
        index = arkit_index(name)
        return float(np.corrcoef(values[:, index], track.values[:, index])[0, 1])

    assert agreement("jawOpen") > 0.95
    assert min(agreement("eyeBlinkLeft"), agreement("eyeBlinkRight")) > 0.9
    assert min(agreement("mouthSmileLeft"), agreement("mouthSmileRight")) > 0.85
    assert min(agreement("browDownLeft"), agreement("browDownRight")) > 0.85
    assert track.head is not None
    for column, least in ((0, 0.85), (1, 0.97), (2, 0.95)):
        assert np.corrcoef(head[:, column], track.head[:, column])[0, 1] > least


def test_a_video_file_is_tracked_at_its_own_rate(tmp_path: Path, renderer: HeadRenderer) -> None:
    values, head = _acting(12)
    path = tmp_path / "a face.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for v, h in zip(values, head, strict=True):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(renderer.frame(v, h), format="rgb24")))
        container.mux(stream.encode(None))
    seen: list[float] = []
    track = track_video(path, progress=lambda stage, share, text: seen.append(share))
    assert (track.n_frames, track.fps) == (12, 24.0)
    assert seen == sorted(seen) and seen[-1] == 1.0
    with pytest.raises(Cancelled):
        track_video(path, cancel=lambda: True)


def test_a_picture_gives_pose_and_expression(renderer: HeadRenderer) -> None:
    values = np.zeros(52, np.float32)
    values[arkit_index("jawOpen")] = 0.5
    pose = np.array([0.0, 0.3, 0.1, 0, 0, 0], np.float32)
    fit = fit_face(locate(renderer.frame(values, pose)).points)
    assert abs(fit.pose.angles[1] - 0.3) < 0.07 and abs(fit.pose.angles[2] - 0.1) < 0.04
    assert abs(fit.values[arkit_index("jawOpen")] - 0.5) < 0.2
    assert fit.error < 0.05


def test_the_neutral_head_is_seen_as_nearly_neutral(neutral: np.ndarray) -> None:
    fit = fit_face(locate(neutral).points)
    assert fit.values.max() < 0.2


def test_no_face_is_an_error() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="no face was found"):
        locate(noise)


def test_two_faces_must_be_chosen_from(neutral: np.ndarray) -> None:
    pair = np.concatenate([neutral, neutral[:, ::-1]], axis=1)
    assert len(find_faces(pair)) == 2
    with pytest.raises(InputError, match=r"2 faces .* --face N"):
        locate(pair)
    assert locate(pair, 1).points[1, 0] < SIZE < locate(pair, 2).points[1, 0]
    with pytest.raises(InputError, match="has no face 3"):
        locate(pair, 3)


def test_a_tiny_face_is_refused(renderer: HeadRenderer) -> None:
    small = cv2.resize(renderer.frame(np.zeros(52, np.float32)), (56, 56), interpolation=cv2.INTER_AREA)
    picture = np.full((300, 300, 3), 90, np.uint8)
    picture[100:156, 100:156] = small
    with pytest.raises(InputError, match="pixels wide"):
        locate(picture)


def test_pictures_without_a_face_are_refused() -> None:
    with pytest.raises(InputError, match="0 of 3"):
        track_frames([np.zeros((64, 64, 3), np.uint8)] * 3, 25.0)


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_a_bad_video_is_an_input_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "video.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError):
        track_video(path)


def test_bounded_quadratic_matches_a_search() -> None:
    rng = np.random.default_rng(3)
    a = rng.standard_normal((12, 5))
    normal, right = a.T @ a + 0.1 * np.eye(5), a.T @ rng.standard_normal(12) * 3
    low, high = np.array([-np.inf, 0, 0, 0, 0]), np.array([np.inf, 1, 1, 1, 1])
    best = bounded_quadratic(normal, right, low, high, np.zeros(5))

    def cost(x: np.ndarray) -> float:
        return float(0.5 * x @ normal @ x - right @ x)

    for _ in range(3000):
        other = np.clip(best + rng.normal(0, 0.1, 5), low, high)
        assert cost(other) >= cost(best) - 1e-9
