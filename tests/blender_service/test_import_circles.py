"""No module of the extension needs another one before it is ready itself."""

from __future__ import annotations

import ast
from pathlib import Path

EXTENSION = Path(__file__).parents[2] / "blender_addon" / "talkclip_blender"
# Blender imports the package before it knows whether the extension's classes can be registered.
AT_REGISTRATION = {("__init__", "registration")}


def test_no_circles_and_no_late_imports():
    modules = {path.relative_to(EXTENSION).with_suffix("").as_posix().replace("/", "."): path
               for path in EXTENSION.rglob("*.py")}  # fmt: skip
    needs, late = {}, set()
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        needs[name] = {wanted for node in tree.body for wanted in _wanted(node, name, modules)}
        late |= {(name, wanted) for node in ast.walk(tree) for wanted in _wanted(node, name, modules)
                 if node not in tree.body}  # fmt: skip
    assert late == AT_REGISTRATION, "imports inside of functions"
    while ready := {name for name, wanted in needs.items() if not wanted & set(needs)}:
        needs = {name: wanted for name, wanted in needs.items() if name not in ready}
    assert not needs, f"these wait for each other: {sorted(needs)}"


def _wanted(node: ast.AST, name: str, modules: dict[str, Path]) -> set[str]:
    """The extension's own modules that an import statement asks for."""
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return set()
    package = name.split(".")[: -node.level]
    base = ".".join([*package, *([node.module] if node.module else [])])
    names = {".".join(filter(None, [base, alias.name])) for alias in node.names}
    found = {each for each in names if each in modules}
    return found or ({base} & set(modules))
