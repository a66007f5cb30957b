"""One synthetic FLAME model, and its solved map, for all tests of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.engine.flame_fit import solve_flame_map
from talkclip_rigs.flame import FlameMap, FlameModel
from talkclip_rigs.flame_file import load_flame_model
from talkclip_rigs.head import DefaultHead
from tests.support.synthetic_flame import SyntheticFlame, build


@pytest.fixture(scope="session")
def synthetic() -> SyntheticFlame:
    return build()


@pytest.fixture(scope="session")
def model_file(synthetic: SyntheticFlame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write_pickle(tmp_path_factory.mktemp("flame é model") / "generic_model.pkl")


@pytest.fixture(scope="session")
def model(model_file: Path) -> FlameModel:
    return load_flame_model(model_file)


@pytest.fixture(scope="session")
def flame_map(model: FlameModel) -> FlameMap:
    return solve_flame_map(model, DefaultHead.load())
