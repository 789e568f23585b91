"""Imports go one way (docs/code.md), and files stay readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "model": set(),
    "retrieval": set(),
    "ingest": {"retrieval"},
    "ui": set(),
    "app": {"ingest", "retrieval"},
    "bench": {"app", "ingest", "model", "retrieval"},
}
FORBIDDEN_LIBRARIES = {
    "retrieval": {"torch", "sqlalchemy", "fastapi", "transformers"},
    "ingest": {"torch", "sqlalchemy", "fastapi", "transformers"},
    "ui": {"torch", "sqlalchemy", "fastapi", "faiss"},
    "model": {"sqlalchemy", "fastapi", "transformers", "sentence_transformers", "peft"},
    "app": {"transformers", "sentence_transformers"},
    "bench": {"transformers", "sentence_transformers", "onnx", "onnxruntime", "llama_cpp"},  # only when asked
}
EXCEPTIONS = {
    Path("app/wiring.py"): {"model"},
    Path("app/device_generator.py"): {"model"},
    Path("app/cli.py"): {"bench"},
}
MOST_LINES = 400
SOURCES = sorted(
    path.relative_to(ROOT)
    for package in ALLOWED
    for path in (ROOT / package).rglob("*.py")
    if "versions" not in path.parts
)


def imported(path: Path) -> set[str]:
    """Top-level names of everything the file imports."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_go_one_way(path: Path) -> None:
    package = path.parts[0]
    ours = imported(path) & ALLOWED.keys() - {package}
    assert ours <= ALLOWED[package] | EXCEPTIONS.get(path, set())
    assert not imported(path) & FORBIDDEN_LIBRARIES[package]


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_files_stay_short_and_say_why_they_exist(path: Path) -> None:
    text = (ROOT / path).read_text()
    assert len(text.splitlines()) <= MOST_LINES
    if path.name != "__init__.py" and path.name != "__main__.py":
        assert ast.get_docstring(ast.parse(text)), "a module says what it is for"


def module_graph() -> dict[str, set[str]]:
    """Modules of ours and the modules of ours that they import when loaded, `TYPE_CHECKING` left out."""
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        graph[name] = set()
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & modules.keys()
                graph[name] |= inner or ({node.module} & modules.keys())
            elif isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & modules.keys()
    return graph


def test_there_is_no_import_cycle() -> None:
    graph = module_graph()
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
