"""Recipes: their names, their sources, their build context."""

from __future__ import annotations

import ast
import re
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from local.images import debian, recipes, sources

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "local" / "images" / "stand-ins"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "local/__init__.py": "",
            "local/clerk/__init__.py": "import starlette\n",
            "local/clerk/__main__.py": "from . import app\nfrom components.clerk import keys\nimport json\n",
            "local/clerk/app.py": "def start():\n    from ..shared import page\n",
            "local/clerk/page.html": "<p>",
            "local/clerk/unused.py": "import pulumi\n",
            "local/shared.py": "page = 1\n",
            "components/__init__.py": "",
            "components/clerk/__init__.py": "",
            "components/clerk/keys.py": "import httpx.auth\n",
            "components/schema/plan.py": "",
        },
    )
    return tmp_path


def test_the_image_holds_what_its_programs_import_and_nothing_else(project: Path) -> None:
    found = sources.collect(["local.clerk.__main__", "local.engine.__main__"], project)
    assert sorted(found.files) == [
        "components/__init__.py",
        "components/clerk/__init__.py",
        "components/clerk/keys.py",
        "local/__init__.py",
        "local/clerk/__init__.py",
        "local/clerk/__main__.py",
        "local/clerk/app.py",
        "local/clerk/page.html",
        "local/shared.py",
    ]
    assert found.third_party == {"starlette", "httpx"}


def test_a_change_of_a_source_changes_the_tag_and_other_work_does_not(project: Path) -> None:
    before = recipes.stand_ins_recipe(project).tag
    write(project, {"local/clerk/unused.py": "changed = 1\n", "components/schema/plan.py": "changed = 1\n"})
    assert recipes.stand_ins_recipe(project).tag == before
    write(project, {"local/shared.py": "page = 2\n"})
    assert recipes.stand_ins_recipe(project).tag != before


def test_every_part_of_a_recipe_is_in_its_tag() -> None:
    recipe = recipes.postgres_recipe()
    assert recipe.tag == recipes.postgres_recipe().tag
    assert re.fullmatch(r"clerk-hasura\.local/postgres:[0-9a-f]{12}", recipe.tag)
    context = dict(recipe.context)
    for name in context:
        assert replace(recipe, context=context | {name: b"changed"}).tag != recipe.tag
    assert replace(recipe, build_args={"POSTGRES_MAJOR": "18"}).tag != recipe.tag
    # Bytes that move from one file to the next are a change too.
    first = replace(recipe, context={"a": b"1", "b": b"23"})
    assert first.tag != replace(recipe, context={"a": b"12", "b": b"3"}).tag


def test_the_mark_of_a_choice_follows_the_configured_name() -> None:
    assert recipes.chosen_tag("hasura", "a:1") != recipes.chosen_tag("hasura", "a:2")
    assert recipes.chosen_tag("hasura", "a:1") != recipes.chosen_tag("postgres", "a:1")
    assert recipes.chosen_tag("hasura", "a:1").startswith("clerk-hasura.local/")


def test_the_build_context_is_the_same_from_every_checkout(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "a.whl").write_bytes(b"wheel")
    (wheels / "a.whl").chmod(0o600)
    recipe = recipes.postgres_recipe()
    with tarfile.open(fileobj=recipes.context_archive(recipe, {"wheels": wheels})) as archive:
        members = {member.name: member for member in archive}
    assert set(members) == {"Dockerfile", "entrypoint.sh", "wheels", "wheels/a.whl"}
    assert members["entrypoint.sh"].mode == 0o755
    assert members["wheels/a.whl"].mode == 0o644
    assert {member.mtime for member in members.values()} == {0}
    assert {member.uid for member in members.values()} == {0}


def test_the_stand_ins_import_only_what_their_image_has() -> None:
    text = (REQUIREMENTS / "requirements.txt").read_text()
    pinned = {match[1].lower() for match in re.finditer(r"^([A-Za-z0-9_-]+)==", text, re.M)}
    modules = {"jwt": "pyjwt", "graphql": "graphql-core", "typing_extensions": "typing-extensions"}
    imported = recipes.stand_ins_sources().third_party
    assert imported, "the stand-ins import nothing: their entry modules were not found"
    assert {modules.get(name, name) for name in imported} <= pinned


def test_both_stand_ins_are_in_the_image() -> None:
    files = recipes.stand_ins_sources().files
    assert {"local/clerk/__main__.py", "local/engine/__main__.py"} <= files.keys()
    assert not any(name.startswith(("local/toolchain", "local/images")) for name in files)


def test_the_pins_have_hashes_and_no_index() -> None:
    text = (REQUIREMENTS / "requirements.txt").read_text()
    pins = re.findall(r"^[A-Za-z0-9_-]+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(pins) == len(re.findall(r"^[A-Za-z0-9_-]+==", text, re.M)) > 5
    assert "://" not in text
    for line in (REQUIREMENTS / "requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.sub(r"\[.*\]", "", line).lower() + " " in text


def test_setup_needs_nothing_but_pythons_own_library() -> None:
    for path in (ROOT / "local" / "images").glob("*.py"):
        if path.name == "stack.py":
            continue
        name = f"local.images.{path.stem}"
        for module in sources.imported_modules(path.read_text(), module=name, is_package=False):
            top = module.split(".")[0]
            ours = module.startswith(("local.images", "local.toolchain"))
            assert top in sys.stdlib_module_names or ours, (path.name, module)


def test_relative_and_nested_imports_are_followed() -> None:
    text = "from . import a\nfrom .. import b\nfrom ..c.d import e\nimport x.y\nfrom z import *\n"
    found = sources.imported_modules(text, module="p.q.m", is_package=False)
    assert {"p.q.a", "p.b", "p.c.d", "p.c.d.e", "x.y", "z"} <= found
    assert "p.q.m.a" in sources.imported_modules("from . import a", module="p.q.m", is_package=True)
    assert ast.parse(text)


def test_the_machines_own_mirrors_are_used_for_the_root_file_system() -> None:
    targets = (
        "Debian|http://mirror.example/debian/|Packages\n"
        "Debian|http://mirror.example/debian/|DEP-11\n"
        "Debian-Security|http://mirror.example/security/|Packages\n"
        "Node Source|https://other.example|Packages\n"
    )
    assert debian.mirror_lines(targets, "trixie") == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/security trixie-security main",
    ]
    assert debian.mirror_lines("Ubuntu|http://mirror.example/ubuntu|Packages\n", "trixie") == []


def test_the_machines_proxies_reach_the_root_file_system() -> None:
    dumped = 'APT "";\nAcquire::http::Proxy "http://proxy.example:3142";\nAcquire::Retries "3";\n'
    assert debian.proxy_options(dumped) == ['--aptopt=Acquire::http::Proxy "http://proxy.example:3142"']
    command = debian.build_command("mmdebstrap", Path("/t/root.tar"), mirrors=["deb m s main"], options=[])
    assert command[0] == "mmdebstrap"
    assert command[-3:] == ["trixie", "/t/root.tar", "deb m s main"]


def test_only_what_is_missing_is_installed() -> None:
    new = ["debian-archive-keyring.gpg", "debian-archive-trixie-stable.gpg"]
    old = ["debian-archive-keyring.gpg", "debian-archive-bookworm-stable.gpg"]
    assert debian.missing_packages(program=True, keyrings=new, suite="trixie") == []
    assert debian.missing_packages(program=False, keyrings=new, suite="trixie") == ["mmdebstrap"]
    assert debian.missing_packages(program=True, keyrings=old, suite="trixie") == ["debian-archive-keyring"]


def test_caddy_is_one_image_however_it_is_built() -> None:
    """The binary's own versions and hashes are in both recipes, and both make the same user."""
    recipe = recipes.caddy_recipe()
    here = recipes.around_a_binary(recipe)
    assert {"go.mod", "go.sum", "main.go", "Dockerfile"} <= set(recipe.context)
    assert set(here.context) == {"Dockerfile"}
    assert re.fullmatch(r"caddy:\d+\.\d+\.\d+-builder", recipes.caddy_builder(recipe))
    version = re.search(r"caddyserver/caddy/v2 v(\S+)", recipe.context["go.mod"].decode())
    assert version is not None and recipes.caddy_builder(recipe) == f"caddy:{version[1]}-builder"
    lines = [set(each.context["Dockerfile"].decode().splitlines()) for each in (recipe, here)]
    common = {
        line for line in lines[0] & lines[1] if "10002" in line or line.startswith(("USER", "ENV", "CMD"))
    }
    assert len(common) == 5
