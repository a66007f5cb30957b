"""Engine and server from inside real Blender (bpy 4.5, 5.2): installed, started, asked, crashed, stopped."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from talkclip_server.security import Keyring, new_client
from tests.blender.environments import ROOT, VERSIONS
from tests.blender.running import rehearsal, run_suite
from tests.support.package_index import package_index
from tests.support.tiny_packages import write_engine, write_wheel

pytestmark = [pytest.mark.blender, pytest.mark.xdist_group("blender")]


@pytest.fixture(scope="session")
def engine_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with this source tree's engine, as a user would have made it."""
    place = tmp_path_factory.mktemp("existing") / "env"
    venv.create(place, with_pip=False)
    (site,) = place.glob("[Ll]ib/**/site-packages")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    trees = [ROOT, ROOT / "rigs", ROOT / "server", ROOT / "training"]
    lines = [*map(str, trees), f"import site; site.addsitedir({packages!r})"]
    (site / "this_tree.pth").write_text("\n".join(lines) + "\n")
    return place


@pytest.mark.parametrize("version", VERSIONS)
def test_server(version: str, extension_zip: Path, engine_python: Path, tmp_path: Path, rehearsal_server: str) -> None:
    keyring = Keyring.open_or_make(tmp_path / "keys")
    anna = new_client(keyring.public, tmp_path / "anna.json")
    keyring.allow("anna", anna.public)
    with (
        rehearsal("--keys", str(tmp_path / "keys")) as with_keys,
        rehearsal("--named", "talkclip-server 9.9.0") as newer,
    ):
        run_suite(
            version, "suite_service", extension_zip, tmp_path, rehearsal_server,
            HOME=str(tmp_path / "home"), TALKCLIP_TEST_ENGINE_PYTHON=str(engine_python),
            TALKCLIP_TEST_SERVER_WITH_KEYS=with_keys, TALKCLIP_TEST_KEY_FILE=str(tmp_path / "anna.json"),
            TALKCLIP_TEST_NEWER_SERVER=newer,
        )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_installing(version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    """With real environments and real pip, of packages of a few hundred bytes."""
    packages = tmp_path / "packages"
    wheel = write_engine(packages, needs=("tinyneed", "zlast"))
    write_wheel(packages, "tinyneed", "1.0", size=15_000)
    write_wheel(packages, "zlast", "1.0", size=5_000)
    with package_index(packages) as index, package_index(packages, stall="zlast") as stalling:
        run_suite(
            version, "suite_install", extension_zip, tmp_path, rehearsal_server,
            HOME=str(tmp_path / "home"), TALKCLIP_TEST_WHEEL=str(wheel),
            TALKCLIP_TEST_INDEX=index.url, TALKCLIP_TEST_STALLING_INDEX=stalling.url,
        )  # fmt: skip


@pytest.mark.slow  # about a gigabyte
@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_first_hour(version: str, extension_zip: Path, tmp_path: Path, rehearsal_server: str) -> None:
    """The engine's wheel as `dev.py extension` builds it, installed with packages from pip's index; then speak."""
    script = ROOT / "blender_addon" / "build_extension.py"
    code = f"import runpy; runpy.run_path({str(script)!r})['build_engine_wheel'](__import__('pathlib').Path('dist'))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("talkclip-*.whl")
    downloads = tmp_path / "home" / "Downloads"
    downloads.mkdir(parents=True)
    wheel.rename(downloads / wheel.name)
    run_suite(version, "suite_first_hour", extension_zip, tmp_path, rehearsal_server, HOME=str(tmp_path / "home"))
