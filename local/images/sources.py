"""The project's files that the stand-ins' image holds: what its programs import, and nothing else.

A narrow choice keeps the image's tag, and so the running containers, unchanged by work on other parts.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_OWN_PACKAGES = ("components", "local")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+[.\w]+[ \t]+import[ \t]*(?:\([^)]*\)|(?:\\\n|[^\n])*)|import[ \t](?:\\\n|[^\n])*)",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Files by their path in the project (POSIX form), and the third-party modules that they import."""

    files: dict[str, bytes]
    third_party: frozenset[str]


def module_files(module: str, root: Path) -> list[Path]:
    """Give the files that are executed when `module` is imported: its packages' and its own.

    An own module that does not exist gives only its packages' files, because the last name of
    `from package import name` may be an attribute.
    """
    names = module.split(".")
    files = []
    for length in range(1, len(names) + 1):
        path = root.joinpath(*names[:length])
        if (path / "__init__.py").is_file():
            files.append(path / "__init__.py")
        elif path.with_suffix(".py").is_file():
            files.append(path.with_suffix(".py"))
    return files


def imported_modules(source: str, *, module: str, is_package: bool) -> set[str]:
    """Give the absolute names of all modules that a module's source imports, at any depth of it.

    `from a import b` gives both `a` and `a.b`. Imports for type checking count too: to run is to be safe. So does a
    line of prose that reads like an import.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    found: set[str] = set()
    for node in _imports(source):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found.add(base)
            found.update(f"{base}.{name.name}" for name in node.names if name.name != "*")
    return found


def _imports(source: str) -> Iterator[ast.stmt]:
    """The statements that begin a line and import something. A program asks at each start, and to parse whole files
    takes it ten times as long."""
    for found in _IMPORT.finditer(source):
        try:
            yield from ast.parse(found[0].strip()).body
        except SyntaxError:
            # Prose.
            continue


def collect(entry_modules: Iterable[str], root: Path) -> Sources:
    """Follow the imports of `entry_modules` through the project at `root`.

    Files beside an entry module that are not Python (templates, JSON) are taken as well. An entry module
    that does not exist yet adds nothing.
    """
    files: dict[str, bytes] = {}
    third_party: set[str] = set()
    waiting = list(entry_modules)
    seen: set[str] = set()
    for module in tuple(waiting):
        folder = root.joinpath(*module.split(".")[:-1])
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                files[path.relative_to(root).as_posix()] = path.read_bytes()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if module.split(".", maxsplit=1)[0] not in _OWN_PACKAGES:
            top = module.split(".", maxsplit=1)[0]
            if top not in sys.stdlib_module_names:
                third_party.add(top)
            continue
        for path in module_files(module, root):
            name = path.relative_to(root).as_posix()
            if name in files:
                continue
            files[name] = path.read_bytes()
            is_package = path.name == "__init__.py"
            own = path.parent if is_package else path.with_suffix("")
            waiting.extend(
                imported_modules(
                    files[name].decode(),
                    module=".".join(own.relative_to(root).parts),
                    is_package=is_package,
                )
            )
    return Sources(files=files, third_party=frozenset(third_party))
