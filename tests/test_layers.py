"""Imports go downwards only, and light modules stay light."""

from __future__ import annotations

import ast
import configparser
import functools
from pathlib import Path

from bertkit.backends import registry

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bertkit"

# Longest prefix wins. `backends.base` is the protocol that the trainer speaks, and the registry
# names backends without importing them, so both lie below the trainer; the concrete backends lie
# above it.
LAYERS = {
    "bertkit": 0,
    "bertkit.codecs": 0,
    "bertkit.hub": 0,
    "bertkit.kernels": 0,
    "bertkit.screen": 0,
    "bertkit.summary": 0,
    "bertkit.corpus": 1,
    "bertkit.tokenization": 1,
    "bertkit.records": 2,
    "bertkit.data": 3,
    "bertkit.model": 4,
    "bertkit.backends.base": 5,
    "bertkit.backends.process_group": 5,
    "bertkit.backends.adapter_context": 5,
    "bertkit.backends.registry": 5,
    "bertkit.backends.sections": 5,
    "bertkit.train": 6,
    "bertkit.backends": 7,
    "bertkit.tasks": 8,
    "bertkit.report": 8,
    "bertkit.launch": 8,
    "bertkit.external_configs": 8,
    "bertkit.config_schema": 8,
    "bertkit.command_line": 9,
    "bertkit.commands": 9,
    "bertkit.api": 9,
    "bertkit.cli": 10,
    "bertkit.__main__": 10,
}
# Beyond the order: packages that must not know each other although one lies lower.
NEVER = {
    "bertkit.tokenization": ("bertkit.corpus",),
    "bertkit.corpus": ("bertkit.tokenization", "bertkit.kernels"),
    "bertkit.records": ("bertkit.corpus",),
    "bertkit.model": ("bertkit.data", "bertkit.records", "bertkit.corpus"),
    "bertkit.data": ("bertkit.corpus",),
    "bertkit.backends": ("bertkit.corpus", "bertkit.records"),
    "bertkit.tasks": ("bertkit.corpus",),
    "bertkit.report": ("bertkit.corpus",),
}
# What may after all: `clean` compares documents by kernels, which `extract` starts without.
EXCEPTIONS = {"bertkit.corpus.cleaning": ("bertkit.kernels",)}
NO_TORCH = (
    "bertkit.codecs",
    "bertkit.kernels",
    "bertkit.summary",
    "bertkit.corpus",
    "bertkit.tokenization",
    "bertkit.records",
)
# Where torch may be imported at module level.
TORCH = ("bertkit.model", "bertkit.train", "bertkit.backends", "bertkit.tasks", "bertkit.report")
# Ground-floor packages that work on arrays: the modules beside them stay free of numpy.
ARRAYS = ("bertkit.codecs", "bertkit.kernels", "bertkit.summary")


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(path: Path, only_top: bool = False) -> frozenset[str]:
    tree = parsed(path)
    nodes = _eager(tree) if only_top else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return frozenset(names)


def _eager(tree: ast.Module):
    """Nodes that run at import: not inside functions, not under `if TYPE_CHECKING`."""
    stack = list(tree.body)
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        stack.extend(
            child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.stmt,))
        )


def layer(name: str) -> int:
    known = max((key for key in LAYERS if name == key or name.startswith(key + ".")), key=len)
    return LAYERS[known]


def below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


MODULES = modules()


# A test for each rule, not for each module of each rule: there are thousands of those.


def test_imports_only_downwards():
    for name in MODULES:
        check_downwards(name)


def check_downwards(name):
    own = {name, name.rpartition(".")[0]}
    # The package itself is the door to the public functions: it names what it opens, for type
    # checkers, and imports nothing.
    for target in imports(MODULES[name], only_top=name == "bertkit"):
        if not below(target, ("bertkit",)) or target in own:
            continue
        assert layer(target) <= layer(name), f"{name} imports {target}, which lies above it"
        for package, forbidden in NEVER.items():
            if below(name, (package,)) and not _is_excepted(name, target):
                assert not below(target, forbidden), f"{name} must not know {target}"
        if below(name, ("bertkit.commands",)):
            assert not below(target, ("bertkit.commands",)) or below(
                target, ("bertkit.commands.options", "bertkit.commands.copy_plan")
            ), f"{name} imports another command, {target}"
        if below(name, ("bertkit.api",)):
            assert not below(target, ("bertkit.commands",)), f"{name} imports a command, {target}"
        if below(name, ("bertkit.commands",)):
            assert not below(target, ("bertkit.api",)), f"{name} imports {target}"
        if below(name, ("bertkit.backends",)) and below(target, ("bertkit.backends",)):
            _check_backends(name, target)


def _is_excepted(name: str, target: str) -> bool:
    return any(below(name, (who,)) and below(target, what) for who, what in EXCEPTIONS.items())


def _check_backends(name: str, target: str) -> None:
    """A backend may know the protocol and PyTorch's plain step, not another backend."""
    adapters = (row.adapter.partition(":")[0] for row in registry.BUILT_IN)
    packages = {module.rpartition(".")[0] for module in adapters} - {"bertkit.backends.torch"}
    assert "bertkit.backends.hpu" in packages
    for package in packages:
        if below(target, (package,)):
            assert below(name, (package,)), f"{name} imports {target}"


def test_lower_layers_never_import_torch():
    lower = [name for name in MODULES if below(name, NO_TORCH)]
    wrong = [
        name for name in lower if any(below(item, ("torch",)) for item in imports(MODULES[name]))
    ]
    assert len(lower) > 100 and wrong == []


def test_optional_and_slow_packages_are_imported_where_used():
    for name in MODULES:
        check_late_imports(name)


def check_late_imports(name):
    eager = imports(MODULES[name], only_top=True)
    late = ["spacy", "tfrecord", "tokenizers", "h5py", "matplotlib", "nltk", "transformers"]
    if not below(name, TORCH):
        late.append("torch")
    if layer(name) in (0, 9, 10) and not below(name, ARRAYS):
        late += ["numpy", "numba", "rich", "tqdm", "fsspec", "yaml"]
    for package in late:
        assert not any(below(target, (package,)) for target in eager), f"{name}: {package}"


def test_click_and_print_stay_in_their_places():
    for name, path in MODULES.items():
        if layer(name) < 9:
            assert not any(below(target, ("click",)) for target in imports(path)), name
        calls = (node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
        assert not any(isinstance(call, ast.Name) and call.id == "print" for call in calls), name


def test_a_forbidden_import_is_seen(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from bertkit.commands import options\n", encoding="utf-8")
    assert "bertkit.commands.options" in imports(bad)
    assert layer("bertkit.commands.options") > layer("bertkit.records.make")


def test_every_package_is_shipped():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    shipped = set(setup["options"]["packages"].split())
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert packages <= shipped, f"add to setup.cfg: {packages - shipped}"
    assert shipped - packages == {"bertkit_vocab"}


def test_files_stay_small():
    sizes = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: size for name, size in sizes.items() if size > 400} == {}
