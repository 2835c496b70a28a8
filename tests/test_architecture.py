"""The layering, read from the sources with ast: nothing has to be imported for it."""

import ast
from pathlib import Path

import pytest

import pytensor

PACKAGE = Path(pytensor.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# From the bottom up. A module may import from its own layer and from those below, at its top level. (An import in
# the body of a function is a call to what exists by then: Tensor.backward may reach the engine that way.)
LAYERS = [
    {
        "_C",
        "_collect",
        "cpu",
        "cuda",
        "device",
        "dtypes",
        "layout",
        "memory_format",
        "return_types",
        "size",
        "storage",
        "threads",
        "typename",
    },
    {"backend"},
    {"autograd", "tensor"},
    {"ops", "printing", "random"},
    {"linalg", "fft", "special", "serialization", "_checkpoint_read", "_checkpoint_write"},
    {"nn"},
    {"optim"},
    {"utils", "func", "distributions"},
    {"testing"},
]
USER_LAYER = 5
# Parts of a layer that stand lower or higher than the rest of their folder.
PLACED = {
    "utils.hooks": 0,  # removable handles
    "utils.names": 2,
    "nn.parameter": 4,  # Parameter and buffers: a tensor subclass
    "autograd.finite_differences": 4,  # user-level tools, written with public ops
    "autograd.functional": 4,
}


def layer_of(module: str) -> int | None:
    """The layer of a dotted name below pytensor; None for unknown names."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in PLACED:
            return PLACED[name]
    return next((i for i, layer in enumerate(LAYERS) if parts[0] in layer), None)


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top_level(body: list[ast.stmt]):
    """Import statements that run when the module is imported; not those for type checkers."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(statement.test):
                yield from top_level(statement.body)
            yield from top_level(statement.orelse)
        elif isinstance(statement, ast.Try | ast.With | ast.ClassDef):
            yield from top_level(statement.body)


def imported_modules(path: Path):
    """(line, dotted name below pytensor) of every top-level import of pytensor in a file."""
    for statement in top_level(ast.parse(path.read_text()).body):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif statement.level:
            own = ["pytensor", *path.relative_to(PACKAGE).parts[:-1]]
            base = ".".join(own[: len(own) - statement.level + 1] + ([statement.module] if statement.module else []))
            names = [f"{base}.{alias.name}" for alias in statement.names]
        else:
            names = [f"{statement.module}.{alias.name}" for alias in statement.names]
        for name in names:
            if name == "pytensor" or name.startswith("pytensor."):
                yield statement.lineno, name.removeprefix("pytensor").removeprefix(".")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    module = dotted(path)
    if not module:
        return  # pytensor/__init__.py gathers everything
    layer = layer_of(module)
    assert layer is not None, f"{module} is in no layer: add it to LAYERS"
    for line, name in imported_modules(path):
        where = f"{path.relative_to(PACKAGE)}:{line}"
        target = layer_of(name)
        if target is None:  # pytensor itself, or a public name of it: what nn and above are written with, as users are
            assert layer >= USER_LAYER, f"{where} imports {name or 'pytensor'}: import the module that defines it"
            continue
        assert target <= layer, f"{where}: {module} (layer {layer}) imports {name} (layer {target}), which stands above"


def test_no_module_imports_what_it_does_not_depend_on():
    """Only NumPy and the standard library, apart from named optional packages inside functions."""
    optional = {"ml_dtypes", "cupy", "hypothesis"}
    for path in FILES:
        for statement in top_level(ast.parse(path.read_text()).body):
            modules = (
                [alias.name for alias in statement.names]
                if isinstance(statement, ast.Import)
                else [statement.module or ""]
            )
            for name in modules:
                root = name.split(".")[0]
                in_testing = "testing" in path.relative_to(PACKAGE).parts
                assert root not in {"scipy", "sklearn", "torch"} or in_testing, f"{path} imports {name}"
                assert root not in optional or in_testing, f"{path} imports {name} at its top level"


HELPERS = {"__init__.py", "array_module.py", "special.py"}  # of the back ends: no functions that ops call


def functions_of(folder: str) -> dict[str, tuple[str, str]]:
    """Public functions of a back end: name -> (file, arguments)."""
    found = {}
    for path in sorted((PACKAGE / "backend" / folder).glob("*.py")):
        if path.name in HELPERS:
            continue
        tree = ast.parse(path.read_text())
        public = set()
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                public = {c.value for c in ast.walk(statement.value) if isinstance(c, ast.Constant)}
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef) and statement.name in public:
                arguments = statement.args
                for argument in ast.walk(arguments):
                    if isinstance(argument, ast.arg):
                        argument.annotation = None
                found[statement.name] = (path.name, ast.unparse(arguments))
        for name in public - set(found):
            found[name] = (path.name, "")  # not a plain function (a binding of C, or made in a loop): name only
    return found


def test_back_ends_have_the_same_functions():
    cpu, reference = functions_of("cpu"), functions_of("reference")
    assert cpu, "no functions found"
    problems = [f"{name} is only in backend/cpu/{cpu[name][0]}" for name in cpu.keys() - reference.keys()]
    problems += [f"{name} is only in backend/reference/{reference[name][0]}" for name in reference.keys() - cpu.keys()]
    for name in sorted(cpu.keys() & reference.keys()):
        (file, ours), (_, theirs) = cpu[name], reference[name]
        if ours and theirs and ours != theirs:
            problems.append(f"{name} ({file}): cpu takes ({ours}), reference takes ({theirs})")
    assert not problems, "\n".join(sorted(problems))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_short(path):
    """A file of more than 500 lines holds more than one thing."""
    assert len(path.read_text().splitlines()) <= 500
