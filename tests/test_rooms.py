"""How the packages hang together: rooms in one direction, no app below the core, small parts."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "d24fad_core"
SERVER = ROOT / "monailabel_app"
LIBRARY = ROOT / "D24FADSlicer" / "D24FADSlicer" / "D24FADSlicerLib"
# What knows MONAI Label: the adapter, how MONAI Label finds it, and the demo, which is a client.
ADAPTER = {"monai_label", "main", "demo"}
MOST_COLLABORATORS = 5
APPS = {"monailabel_app", "monailabel", "D24FADSlicerLib", "slicer", "benchmarks", "tests"}


def imported_modules(path: Path, package: Path | None = None) -> set[str]:
    """Whole names of what a file imports, at its top, in functions and for types alone.

    `from package import name` counts as `package.name`: the name may be a module. Imports are
    absolute, but for the modules of a `package` whose imports are relative.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert package or node.level == 0, f"{path}: imports are absolute here"
            above = (
                path.relative_to(package.parent).parts[: -node.level]
                if package and node.level
                else ()
            )
            room = ".".join(part for part in (*above, node.module) if part)
            names.update(f"{room}.{alias.name}" for alias in node.names)
    return names


def rooms(package: Path, *, name: str = "", relative: bool = False) -> dict[str, set[str]]:
    """Which rooms each room imports; a module beside the rooms is a room of its own.

    A package within another has its whole `name`.
    """
    prefix = f"{name or package.name}."
    graph: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        others = graph.setdefault(room, set())
        for module in imported_modules(path, package if relative else None):
            if module.startswith(prefix):
                others.add(module.removeprefix(prefix).partition(".")[0])
    return {
        room: {other for other in others if other in graph and other != room}
        for room, others in graph.items()
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The rooms of a circle in the order of their imports; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_rooms_of_the_core_import_each_other() -> None:
    graph = rooms(CORE)
    assert {"io", "volumes", "networks", "detection", "cli"} <= graph.keys()
    assert "detection" in graph["cli"]
    assert circle(graph) == []


def test_no_rooms_of_the_command_line_import_each_other() -> None:
    graph = rooms(CORE / "cli", name="d24fad_core.cli")
    assert {"cases", "options"} <= graph["commands"]
    assert graph["options"] <= {"messages"}
    assert circle(graph) == []


def test_no_rooms_of_the_server_import_each_other() -> None:
    graph = rooms(SERVER)
    assert {"api", "monai_label", "services", "jobs", "local"} <= graph.keys()
    assert "services" in graph["api"]
    assert "api" in graph["monai_label"] and "api" in graph["local"]
    assert circle(graph) == []


def test_no_rooms_of_the_benchmarks_import_each_other() -> None:
    graph = rooms(ROOT / "benchmarks")
    assert {"speed", "people", "image_tasks"} <= graph.keys()
    assert "image_tasks" in graph["meta_learning"]
    assert circle(graph) == []


def test_no_rooms_of_the_slicer_library_import_each_other() -> None:
    graph = rooms(LIBRARY, relative=True)
    assert {"client", "local", "logic", "panel", "scene"} <= graph.keys()
    assert {"client", "logic", "scene"} <= graph["panel"]
    assert circle(graph) == []


def test_only_the_adapter_knows_monai_label() -> None:
    others = [
        path.relative_to(SERVER)
        for path in SERVER.rglob("*.py")
        if path.relative_to(SERVER).parts[0].removesuffix(".py") not in ADAPTER
        and "monailabel" in {name.partition(".")[0] for name in imported_modules(path)}
    ]
    assert others == []
    graph = rooms(SERVER)
    assert [room for room in graph if "monai_label" in graph[room]] == ["main"]


def required_of_constructors(path: Path) -> dict[str, int]:
    """How many arguments each class of a file must be given."""
    return {
        owner.name: len(method.args.posonlyargs + method.args.args)
        - 1
        - len(method.args.defaults)
        + method.args.kw_defaults.count(None)
        for owner in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(owner, ast.ClassDef)
        for method in owner.body
        if isinstance(method, ast.FunctionDef) and method.name == "__init__"
    }


def test_no_part_of_the_server_needs_many_others() -> None:
    needs = {
        f"{path.relative_to(SERVER)}:{name}": count
        for path in SERVER.rglob("*.py")
        for name, count in required_of_constructors(path).items()
    }
    assert needs["review/reviews.py:Reviews"] == MOST_COLLABORATORS
    assert {name: count for name, count in needs.items() if count > MOST_COLLABORATORS} == {}


def test_the_core_imports_no_app() -> None:
    tops = {
        path.relative_to(ROOT): apps
        for path in CORE.rglob("*.py")
        if (apps := {name.partition(".")[0] for name in imported_modules(path)} & APPS)
    }
    assert tops == {}


def test_the_slicer_library_imports_neither_core_nor_server() -> None:
    files = list(LIBRARY.rglob("*.py"))
    assert files
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            tops = {name.partition(".")[0] for name in names}
            assert not tops & {"d24fad_core", "monailabel_app"}, path


@pytest.mark.parametrize(
    ("files", "rooms_of_the_circle"),
    [
        ({"a/x.py": "import p.b.y", "b/y.py": "def f():\n    from p.a import x"}, {"a", "b"}),
        (
            {"a/x.py": "from p import b", "b/__init__.py": "from p.c.z import f", "c/z.py": ""},
            set(),
        ),
        ({"a/x.py": "from p.a import y", "a/y.py": "from p.a.x import g", "one.py": ""}, set()),
    ],
)
def test_circles_are_noticed(
    tmp_path: Path, files: dict[str, str], rooms_of_the_circle: set[str]
) -> None:
    for name, text in files.items():
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert set(circle(rooms(tmp_path / "p"))) == rooms_of_the_circle


# Rooms with a thing of their own under one name; docs/development.md says why.
SHARED_NAMES = {
    *("acquisition", "cohort", "comparison", "folder", "fusion", "lesions", "options", "pixels"),
    *("regions", "registration", "result"),
    *("error_answers", "installation"),  # of the API, and what the adapter adds
}
# Rooms whose modules are named after what they are about: a command, an answer, the decoder's own.
NAMED_AFTER_ANOTHER = ("cli/commands", "api/answers", "training/decoder")


# What each study of the benchmarks has of its own.
PARTS_OF_STUDIES = {"cells", "maps", "methods", "planting", "tables"}


@pytest.mark.parametrize(
    ("package", "shared"),
    [
        (CORE, SHARED_NAMES),
        (SERVER, SHARED_NAMES),
        (LIBRARY, set()),
        (ROOT / "benchmarks", PARTS_OF_STUDIES),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_modules_of_one_name_have_a_reason(package: Path, shared: set[str]) -> None:
    names = [
        path.stem
        for path in package.rglob("*.py")
        if not path.stem.startswith("__")
        and ".peers" not in path.parts
        and path.parent.relative_to(package).as_posix() not in NAMED_AFTER_ANOTHER
    ]
    assert {name for name in names if names.count(name) > 1} <= shared


# Adjectives of nothing: what was found, of what kind? Names are nouns, or verbs for functions.
BARE_PARTICIPLES = {
    *("asked", "chosen", "found", "given", "held", "kept", "made", "offered", "refused"),
    *("said", "shown", "stored", "taken", "told", "wanted", "written"),
}
# Fields of stored records and of answers keep their names.
NAMED_OTHERWISE = {
    ("monailabel_app/training/checkpoints.py", "kept"),
    ("monailabel_app/api/answers/checkpoints.py", "kept"),
    ("monailabel_app/api/answers/reviews.py", "stored"),
    ("monailabel_app/api/answers/server.py", "kept"),
    ("benchmarks/people/planting.py", "wanted"),
}


def bound_names(path: Path) -> set[str]:
    """Names of variables, arguments, attributes and functions that a file binds."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ExceptHandler):
            names.add(node.name or "")
    return names


@pytest.mark.parametrize(
    "package",
    [CORE, SERVER, ROOT / "benchmarks", ROOT / "tests"],
    ids=lambda package: package.name,
)
def test_names_are_nouns_or_verbs(package: Path) -> None:
    others = {".peers", "slicer"}  # others' code, and what is still to be renamed
    own = [path for path in package.rglob("*.py") if not others & set(path.parts)]
    assert own
    bare = {
        (path.relative_to(ROOT).as_posix(), name.strip("_"))
        for path in own
        for name in bound_names(path)
        if name.strip("_") in BARE_PARTICIPLES
    }
    assert bare <= NAMED_OTHERWISE
