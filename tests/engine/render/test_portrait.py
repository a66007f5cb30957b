"""Portraits that speak: what moves, what must not, and what cannot be done."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.render.exr import linear_from_srgb, write_exr
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.engine.render.portrait.eyeballs import find_irises, whole_iris
from talkclip.engine.render.portrait.person import Person, fit_person
from talkclip.engine.render.portrait.plates import fill
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.portrait.video import PortraitSettings, paste, read_picture, render_portrait
from talkclip.engine.render.render_mesh import RenderMesh
from talkclip.engine.tracking.identity import identity_basis, shaped_head
from talkclip.engine.tracking.landmarks import locate
from talkclip.errors import Cancelled, InputError
from talkclip_training.portraits import make
from tests.support.acting import STILL, acting

SIZE = 256
PORTRAITS = Path(__file__).parents[3] / "docs" / "images" / "portraits"


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    basis = identity_basis()
    coefficients = 0.6 * np.random.default_rng(2).standard_normal(basis.n_components)
    return HeadRenderer(320, mesh=RenderMesh(shaped_head(basis.skin_offsets(coefficients)))).frame(STILL)


@pytest.fixture(scope="module")
def file(picture: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("portraits") / "a person.png"
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture(scope="module")
def person(picture: np.ndarray) -> Person:
    return fit_person(picture, SIZE)


@pytest.fixture(scope="module")
def renderer(person: Person) -> PortraitRenderer:
    return PortraitRenderer(person)


def opening(frame: np.ndarray) -> float:
    """Gap of the lips over the distance of the eyes, by the landmark network."""
    marks = locate(frame)
    return float(np.linalg.norm(marks.points[13] - marks.points[14])) / marks.eye_distance_px


def test_at_rest_the_portrait_comes_back(renderer: PortraitRenderer, person: Person) -> None:
    difference = np.abs(renderer.frame(STILL).astype(int) - person.image.astype(int)).max(2)
    # All but a few pixels, at lids and between lips, but for rounding.
    assert (difference > 1).mean() < 0.005 and difference[:8].max() == 0


def test_only_the_face_moves_when_it_speaks(renderer: PortraitRenderer, person: Person) -> None:
    moved = np.abs(renderer.frame(acting(jawOpen=0.6)).astype(int) - renderer.frame(STILL).astype(int)).max(2) > 2
    marks = person.landmarks
    low, high = marks.min(0).astype(int), marks.max(0).astype(int)
    # Hair and background do not breathe along.
    assert not moved[: marks[10, 1].astype(int)].any()
    assert not moved[:, : low[0] - SIZE // 20].any() and not moved[:, high[0] + SIZE // 20 :].any()
    assert moved[marks[152, 1].astype(int) - 4, marks[152, 0].astype(int)]


def test_eyes_drawn_larger_than_usual_close_too() -> None:
    drawn = PortraitRenderer(fit_person(make.flat(), SIZE))
    open_eyes, shut = drawn.frame(STILL).astype(int), drawn.frame(acting(eyeBlink=1.0)).astype(int)

    def white_or_green(frame: np.ndarray) -> int:
        eyes = frame[100:130, 75:181]
        skin = np.array([236, 190, 158])
        return int(((eyes - skin)[..., 2] > 30).sum() + ((eyes[..., 1] - eyes[..., 0]) > 10).sum())

    assert white_or_green(open_eyes) > 150 and white_or_green(shut) == 0


def test_equal_coefficients_give_equal_pictures(renderer: PortraitRenderer) -> None:
    values, head = acting(jawOpen=0.3, mouthSmile=0.5), np.array([0.05, 0.1, 0, 0, 0, 0], np.float32)
    assert np.array_equal(renderer.frame(values, head), renderer.frame(values, head))


def test_the_mouth_opens_and_shows_teeth(renderer: PortraitRenderer) -> None:
    shut, wide = renderer.frame(STILL), renderer.frame(acting(jawOpen=0.7))
    assert opening(shut) < 0.05 < 0.2 < opening(wide)


def test_lips_stay_shut_while_they_smile(renderer: PortraitRenderer) -> None:
    assert opening(renderer.frame(acting(mouthSmile=0.8))) < 0.06


def test_a_photographed_smile_shuts_its_lips_and_keeps_both() -> None:
    smiling = fit_person(read_picture(PORTRAITS / "photo_nasa.jpg"), SIZE)
    drawn = PortraitRenderer(smiling)
    rest = drawn.frame(STILL)
    assert opening(smiling.image) > 0.12 and opening(rest) < 0.05
    widths = [np.ptp(locate(drawn.frame(acting(mouthSmile=share))).points[[61, 291], 0]) for share in (0.0, 0.9)]
    assert widths[1] > 1.06 * widths[0]
    points = locate(rest).points[:, :2]
    x, seam = ((points[13] + points[14]) / 2).round().astype(int)
    column = rest[points[2, 1].astype(int) : points[17, 1].astype(int), x - 2 : x + 3].mean(1)
    seam -= points[2, 1].astype(int)
    line = seam - 3 + column[seam - 3 : seam + 4].sum(1).argmin()
    redness = column[:, 0] / column[:, 1]
    skin = np.median(redness[: line // 2])
    # Lips above and below a line that is darker than either.
    assert redness[line - 3] > skin + 0.06 and redness[line + 4] > skin + 0.06
    assert column[line].sum() < 0.85 * min(column[line - 3].sum(), column[line + 4].sum())


def test_a_look_aside_changes_nothing_but_the_eyes() -> None:
    person = fit_person(read_picture(PORTRAITS / "inked.jpg"), SIZE)
    drawn = PortraitRenderer(person)
    aside = drawn.frame(acting(eyeLookOutLeft=0.8, eyeLookInRight=0.8)).astype(int)
    moved = np.abs(aside - drawn.frame(STILL).astype(int)).max(2) > 12
    corners = np.sort(person.landmarks[[133, 362], 0])
    assert moved.sum() > 40 and not moved[:, int(corners[0]) : int(corners[1]) + 1].any()


def test_what_lids_cover_of_an_iris_is_drawn() -> None:
    picture = np.full((120, 240, 3), (236, 190, 158), np.float32)
    y, x = np.mgrid[0:120, 0:240] + 0.5
    edges, insides = [], []
    for middle in (60, 180):
        turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        edges.append(np.stack([middle + 40 * np.cos(turn), 60 - 8 * np.sin(turn)], 1))
        insides.append(((x - middle) / 40) ** 2 + ((y - 60) / 8) ** 2 < 1)
        picture[insides[-1]] = 240.0
        picture[insides[-1] & (np.hypot(x - middle - 6, y - 60) < 16)] = (60, 90, 140)
    irises = find_irises(picture, edges, insides)
    assert irises is not None
    for iris, inside, middle in zip(irises, insides, (60, 180), strict=True):
        assert abs(iris.x - middle - 6) < 2 and abs(iris.radius - 16) < 2
        colors, cover = whole_iris(picture, iris, inside)
        hidden = (np.hypot(x - middle - 6, y - 60) < 12) & ~inside
        assert (cover[hidden] == 1).all() and np.abs(colors[hidden] - (60, 90, 140)).max() < 12
    assert find_irises(np.full_like(picture, 200.0), edges, insides) is None


def test_blinks_hide_the_eyes(renderer: PortraitRenderer, person: Person) -> None:
    x, y = person.landmarks[[33, 133]].mean(0).astype(int)
    iris = (slice(y - 2, y + 3), slice(x - 3, x + 4))
    open_eye, shut = renderer.frame(STILL)[iris], renderer.frame(acting(eyeBlink=1.0))[iris]
    assert open_eye.min() < 60 < 80 < shut.min()


def test_the_head_turns_and_the_background_stays(renderer: PortraitRenderer) -> None:
    still, turned = renderer.frame(STILL), renderer.frame(STILL, np.array([0, 0.17, 0, 0, 0, 0], np.float32))
    moved = locate(turned).points[1, 0] - locate(still).points[1, 0]
    assert moved > 0.02 * SIZE
    border = np.abs(still.astype(int) - turned.astype(int))
    assert border[:6].max() <= 2 and border[:, :6].max() <= 2


def test_a_person_has_alpha(renderer: PortraitRenderer) -> None:
    picture = renderer.frame_rgba(STILL)
    assert picture.shape == (SIZE, SIZE, 4)
    assert picture[SIZE // 2, SIZE // 2, 3] == 255 and picture[2, 2, 3] == 0


def test_values_of_another_shape_are_refused(renderer: PortraitRenderer) -> None:
    with pytest.raises(ValueError, match="shape"):
        renderer.frame(np.zeros(51, np.float32))


def test_gaps_are_filled_with_what_surrounds_them() -> None:
    values, weight = np.full((40, 50, 3), 7.0, np.float32), np.ones((40, 50), np.float32)
    values[10:30, 10:30], weight[10:30, 10:30] = 99.0, 0.0
    assert np.abs(fill(values, weight) - 7.0).max() < 1e-3


def test_pasting_keeps_what_lies_outside(picture: np.ndarray, person: Person) -> None:
    whole = paste(picture, person.image, person.crop)
    assert whole.shape == picture.shape
    assert np.abs(whole.astype(int) - picture.astype(int)).mean() < 2


def test_a_profile_is_refused() -> None:
    side = HeadRenderer(320).frame(STILL, np.array([0, 0.95, 0, 0, 0, 0], np.float32))
    with pytest.raises(InputError, match=r"turned away|no face|hidden"):
        fit_person(side, SIZE)


# Files -------------------------------------------------------------------------------------------------------------


def track(n: int = 4) -> CoefficientTrack:
    values = np.zeros((n, 52), np.float32)
    values[:, arkit_index("jawOpen")] = np.linspace(0, 0.6, n)
    return CoefficientTrack("arkit52", ARKIT52, 25.0, values)


def test_a_video_of_the_whole_picture(file: Path, tmp_path: Path, picture: np.ndarray) -> None:
    out = tmp_path / "line.mp4"
    settings = PortraitSettings(SIZE, full=True)
    assert render_portrait(track(), file, out, settings=settings, metadata={"comment": "synthetic"}) == 4
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
        assert container.metadata["comment"] == "synthetic"
    assert len(frames) == 4 and (frames[0].height, frames[0].width) == picture.shape[:2]


def test_prores_keeps_the_alpha(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "line.mov"
    render_portrait(track(2), file, out, settings=PortraitSettings(SIZE, alpha=True))
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.name == "prores"
        frame = next(iter(container.decode(video=0))).to_ndarray(format="rgba")
    assert frame[SIZE // 2, SIZE // 2, 3] > 250 and frame[2, 2, 3] < 5


def test_a_sequence_goes_on_where_it_stopped(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "plates"
    settings = PortraitSettings(SIZE, alpha=True, first_number=1001)
    asked = iter([False] * 2 + [True] * 9)
    with pytest.raises(Cancelled):
        render_portrait(track(), file, out, settings=settings, cancel=lambda: next(asked), workers=1)
    first = sorted(out.glob("frame_*.png"))
    assert 0 < len(first) < 4 and first[0].name == "frame_01001.png"
    before = first[0].stat().st_mtime_ns
    assert render_portrait(track(), file, out, settings=settings) == 4 - len(first)
    assert len(list(out.glob("frame_*.png"))) == 4 and first[0].stat().st_mtime_ns == before
    with Image.open(first[0]) as plate:
        assert plate.mode == "RGBA"
    assert json.loads((out / "sequence.json").read_text())["frames"] == 4
    with pytest.raises(InputError, match="another line"):
        render_portrait(track(5), file, out, settings=settings)


def test_exr_files_hold_linear_premultiplied_light(tmp_path: Path) -> None:
    picture = np.zeros((20, 16, 4), np.uint8)
    picture[:] = (188, 64, 255, 128)
    write_exr(tmp_path / "a.exr", linear_from_srgb(picture), {"comment": "synthetic"})
    data = (tmp_path / "a.exr").read_bytes()
    assert data[:8] == bytes.fromhex("762f310102000000") and b"synthetic" in data
    linear = linear_from_srgb(picture)
    assert linear[0, 0] == pytest.approx([0.502 * 128 / 255, 0.0513 * 128 / 255, 128 / 255, 128 / 255], abs=2e-3)


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        ({"alpha": True}, "a.mp4", "no alpha"), ({"alpha": True, "full": True}, "a.mov", "no alpha"),
        ({"size": 64}, "a.mp4", "out of range"), ({"file_format": "tif"}, "a", "no format"),
        ({"face": 3}, "a.mp4", "has no face 3"), ({}, "a.avi", "not a video format"),
        ({}, "missing/a.mp4", "does not exist"), ({"first_number": -1}, "a", "no frame number"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_leaves_nothing(
    file: Path, tmp_path: Path, settings: dict[str, object], name: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        render_portrait(track(), file, tmp_path / name, settings=PortraitSettings(**settings))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_read_upright_and_opaque(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    layered = np.zeros((6, 4, 4), np.uint8)
    layered[:3] = (255, 0, 0, 255)
    Image.fromarray(layered).save(path)
    assert read_picture(path)[5, 0].tolist() == [128, 128, 128]
    turned = Image.fromarray(layered[..., :3])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "b.jpg", exif=exif)
    assert read_picture(tmp_path / "b.jpg").shape[:2] == (4, 6)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_bad_pictures_are_input_errors(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "portrait.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"portrait\.png"):
        read_picture(path)


def test_grey_pictures_speak_too(picture: np.ndarray) -> None:
    grey = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    drawn = PortraitRenderer(fit_person(grey, SIZE)).frame(acting(jawOpen=0.7)).astype(int)
    # Nothing inside the mouth brings colour into it.
    assert (drawn.max(2) - drawn.min(2)).max() < 12
