"""Commands in the documentation exist as written: their names, options and arguments are those of the programs."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from talkclip.cli.main import app

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "rigs", "samples", "server", "training")
PAGES = [ROOT / "README.md", *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
# What stands in front of a command that somebody runs.
BEFORE = re.compile(r"^(?:ExecStart=\S*/|torchrun .*? -m |docker run .*? IMAGE |(?:[A-Z_]+=\S+ )+)")


@dataclasses.dataclass(frozen=True)
class Written:
    """A command as a page has it. `whole`: it stands in a block to be copied, so nothing may be missing."""

    place: str
    words: tuple[str, ...]
    whole: bool


def written(page: Path) -> Iterator[Written]:
    """Every command line of a page, in blocks and in running text."""
    in_block = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            in_block = not in_block
            continue
        for text in [line] if in_block else re.findall(r"`([^`]+)`", line):
            command = BEFORE.sub("", text.strip())
            if re.match(r"(talkclip|talkclip\.cli\.main|keys|python3?) ", command):
                words = shlex.split(command, comments=True)
                if words[0] in ("talkclip.cli.main", "keys"):
                    words = ["talkclip", *words[words[0] == "talkclip.cli.main" :]]
                yield Written(f"{page.relative_to(ROOT)}:{number}", tuple(words), in_block)


COMMANDS = [command for page in PAGES for command in written(page)]


def ids(command: Written) -> str:
    return f"{command.place} {' '.join(command.words)[:60]}"


def of(*program: str) -> list[Written]:
    return [c for c in COMMANDS if c.words[: len(program)] == program]


def test_pages_hold_commands() -> None:
    assert len(of("talkclip")) > 50
    assert {c.words[1] for c in of("talkclip")} >= {"animate", "render", "serve", "batch", "phones", "keys", "train"}


@pytest.mark.parametrize("command", of("talkclip"), ids=ids)
def test_commands_of_talkclip(command: Written) -> None:
    found: Any = typer.main.get_command(app)
    rest: Sequence[str] = command.words[1:]
    while hasattr(found, "commands"):
        name, *rest = rest or ["(none)"]
        assert name in found.commands, f"{command.place}: there is no command '{name}'"
        found = found.commands[name]
    complete = command.whole and "..." not in rest
    if complete:
        found.make_context(found.name, list(rest))  # refuses what the command refuses: options, numbers, arguments
        return
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert asked <= known | {"--help"}, f"{command.place}: unknown {asked - known}"


def source_of(module: str) -> str:
    """The text of a module that can be imported here."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("talkclip"):
            raise
        pytest.skip(f"{module} needs {error.name}")
    return Path(str(found.__file__)).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [*of("python", "-m"), *of("python3", "-m")], ids=ids)
def test_modules_to_run(command: Written) -> None:
    module, *rest = command.words[2:]
    source = source_of(module)
    assert "__main__" in source, f"{command.place}: {module} does nothing when it is run"
    given = {word for word in rest if word.startswith("--")}
    for option in given:
        assert f'"{option}"' in source, f"{command.place}: {module} knows no {option}"
    missing = set(re.findall(r'add_argument\("(--[\w-]+)"[^\n]*required=True', source)) - given
    assert not missing, f"{command.place}: {module} also wants {missing}"


@pytest.mark.parametrize("command", of("python3", "dev.py"), ids=ids)
def test_commands_of_dev(command: Written) -> None:
    _, _, name, *rest = command.words
    known = subprocess.run([sys.executable, ROOT / "dev.py", name, "--help"], capture_output=True, text=True)
    assert known.returncode == 0, f"{command.place}: {known.stderr}"
    source = known.stdout
    if name == "bench":
        area = rest.pop(0)
        assert area in known.stdout, f"{command.place}: nothing measures {area}"
        source += source_of(f"talkclip_training.benchmarks.{area}")
    for option in (word for word in rest if word.startswith("--")):
        assert option in source, f"{command.place}: unknown {option}"
