"""Read a Hasura CLI v3 metadata directory into one tree that knows the file and line of each of its nodes.

As the CLI does: `!include` is resolved beneath `tables` and `functions` only, as a text or as a tag; its
path is relative to the folder of the file that it stands in; included YAML may include further. Scalars
are read as YAML 1.2 reads them (`yes` and `on` are texts), which is how the CLI's parser passes them on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from components.hasura.json_types import Json, JsonObject
from components.schema.canonical import keyed, password_paths
from components.schema.engine_forms import POSTGRES, table_key
from components.schema.metadata_keys import ANY, OTHER_KIND_OF_SOURCE, ROOT_FILES, SOURCES, Shape
from components.schema.problems import Problem, SchemaError

Path_ = tuple["str | int", ...]
DATABASES = "databases/databases.yaml"
ACTIONS_SDL = "actions.graphql"
_INCLUDE = re.compile(r"!include\s+(.+)")
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]|\['((?:[^'\\]|\\.)*)'\]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

_Loader = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A file as a person knows it, and a line from 1."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class MetadataDirectory:
    """`tree` is what the engine takes; `places` knows where each node of it was written, by its path
    (`("sources", 0, "tables", 3, "select_permissions", 0)`)."""

    tree: JsonObject
    places: Mapping[Path_, Place]

    def place(self, path: Path_) -> Place | None:
        """Where the node, or else the nearest node around it, was written."""
        for length in range(len(path), -1, -1):
            found = self.places.get(path[:length])
            if found is not None:
                return found
        return None

    def place_of(self, path: str) -> Place | None:
        """Where what the engine's error path `$.args.metadata.sources[0].tables[3]` names was written."""
        start = "$.args.metadata"
        if not path.startswith(start):
            return None
        steps = _PATH_STEP.findall(path, len(start))
        found = tuple(int(number) if number else name or quoted for name, number, quoted in steps)
        return self.place(found) if found else None

    def keyed(self) -> JsonObject:
        """The inputs of the Pulumi resource."""
        return keyed(self.tree)

    def configurations(self) -> dict[str, JsonObject]:
        """Kind and configuration of each source, by name."""
        listed = self.tree.get("sources")
        return {
            str(source.get("name")): {
                "kind": "postgres" if source.get("kind") in (None, "pg") else source["kind"],
                "configuration": source.get("configuration"),
            }
            for source in (listed if isinstance(listed, list) else [])
            if isinstance(source, dict)
        }


def read_metadata(root: Path, *, shown_as: str | None = None) -> MetadataDirectory:
    """Read everything beneath `root`. Raises `SchemaError` with all problems, each with file and line."""
    return _Reader(root, shown_as if shown_as is not None else str(root)).read()


class _Reader:
    def __init__(self, root: Path, shown: str) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._shown = shown
        self._problems: list[Problem] = []
        self._places: dict[Path_, Place] = {}
        self._used: set[Path] = set()

    def read(self) -> MetadataDirectory:
        if not self._root.is_dir():
            raise SchemaError(
                [
                    Problem(
                        path=self._shown,
                        message="no such folder",
                        remedy="It must be a metadata directory as `hasura metadata export` writes it.",
                    )
                ]
            )
        tree: JsonObject = {}
        for name, file in ROOT_FILES.items():
            path = self._root / name
            if not path.is_file():
                if name == "version.yaml":
                    self._add(name, None, "missing", "It must hold `version: 3`.")
                continue
            node = self._load(path)
            if node is None:
                continue
            if file.inline:
                tree.update(self._inline(node, name, file.shapes))
            else:
                ((key, shape),) = file.shapes.items()
                value = self._value(node, name, (key,), shape, included=False)
                if not (key == "metrics_config" and value == {}):
                    tree[key] = value
        if "version" in tree and tree["version"] != 3:
            self._add(
                "version.yaml", 1, f"version {tree['version']}, not 3", "Only metadata v3 is understood."
            )
        tree["sources"] = self._databases()
        self._passwords(tree)
        self._cron_triggers(tree)
        self._action_types(tree)
        self._unknown_files()
        if self._problems:
            raise SchemaError(sorted(set(self._problems), key=lambda p: (p.path, p.line or 0)))
        return MetadataDirectory(tree=tree, places=self._places)

    def _databases(self) -> Json:
        path = self._root / DATABASES
        if not path.is_file():
            self._add(DATABASES, None, "missing", "It lists the databases; `[]` when there are none.")
            return []
        node = self._load(path)
        if node is None:
            return []
        return self._value(node, DATABASES, ("sources",), SOURCES, included=False)

    def _inline(self, node: yaml.Node, name: str, shapes: Mapping[str, Shape]) -> JsonObject:
        value = self._value(node, name, (), Shape(keys=shapes), included=False)
        if isinstance(value, dict):
            return value
        if value is not None:
            self._add(name, 1, "must be an object", f"Its keys are {', '.join(shapes)}.")
        return {}

    def _passwords(self, tree: JsonObject) -> None:
        sources = tree["sources"]
        for index, source in enumerate(sources if isinstance(sources, list) else []):
            if not isinstance(source, dict):
                continue
            start: Path_ = ("sources", index, "configuration")
            for path in password_paths(source.get("configuration"), start):
                place = self._places[path]
                self._problems.append(
                    Problem(
                        path=place.path,
                        line=place.line,
                        message="a password is written out here",
                        remedy="Give the engine the URL by a variable, and name that: `from_env: NAME`.",
                    )
                )

    def _cron_triggers(self, tree: JsonObject) -> None:
        triggers = tree.get("cron_triggers")
        for index, trigger in enumerate(triggers if isinstance(triggers, list) else []):
            if isinstance(trigger, dict) and trigger.get("include_in_metadata") is False:
                place = self._places[("cron_triggers", index, "include_in_metadata")]
                self._problems.append(
                    Problem(
                        path=place.path,
                        line=place.line,
                        message="a trigger that is not to be in the metadata stands in it",
                        remedy=(
                            "The engine never shows such a trigger, and refuses it when it comes a second time: write "
                            "true, or make it by the API `create_cron_trigger` and take it out here."
                        ),
                    )
                )

    def _action_types(self, tree: JsonObject) -> None:
        path = self._root / ACTIONS_SDL
        if not path.is_file():
            return
        self._used.add(path)
        text = self._text(path)
        if text is None or not text.strip():
            return
        from components.schema.action_types import ActionTypesError, merge_action_types

        try:
            merge_action_types(tree, text)
        except ActionTypesError as error:
            for line, message, remedy in error.findings:
                self._add(ACTIONS_SDL, line, message, remedy)

    def _unknown_files(self) -> None:
        for path in sorted(self._root.rglob("*")):
            relative = path.relative_to(self._root).as_posix()
            if path.is_dir() or path in self._used or any(part.startswith(".") for part in path.parts[-3:]):
                continue
            if relative.endswith((".yaml", ".yml", ".graphql", ".json")):
                remedy = "Include it, remove it, or correct its name."
                if "/" not in relative:
                    remedy = f"Known files: {', '.join([*ROOT_FILES, ACTIONS_SDL, DATABASES])}."
                self._add(relative, None, "belongs to nothing: no metadata is read from it", remedy)

    def _add(self, relative: str, line: int | None, message: str, remedy: str = "") -> None:
        self._problems.append(
            Problem(path=f"{self._shown}/{relative}", line=line, message=message, remedy=remedy)
        )

    def _text(self, path: Path) -> str | None:
        relative = path.relative_to(self._root).as_posix()
        try:
            return path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            self._add(relative, None, f"cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            line = path.read_bytes()[: error.start].count(b"\n") + 1
            self._add(relative, line, "not UTF-8", "Save the file as UTF-8.")
        return None

    def _load(self, path: Path) -> yaml.Node | None:
        self._used.add(path)
        relative = path.relative_to(self._root).as_posix()
        text = self._text(path)
        if text is None:
            return None
        try:
            return yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._add(
                relative, mark.line + 1 if mark else None, f"not YAML: {error.problem or error.context}"
            )
        except yaml.YAMLError as error:
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            self._add(relative, line, f"not YAML: {getattr(error, 'reason', error)}")
        return None

    def _value(
        self, node: yaml.Node, file: str, path: Path_, shape: Shape, *, included: bool, depth: int = 0
    ) -> Json:
        """The node's value; `included` tells that `!include` is resolved here."""
        self._places[path] = Place(path=f"{self._shown}/{file}", line=node.start_mark.line + 1)
        if depth > 100:
            self._add(
                file,
                node.start_mark.line + 1,
                "nested too deeply",
                "Does an alias or include lead to itself?",
            )
            return None
        if isinstance(node, yaml.ScalarNode):
            target = _include_of(node)
            if target is not None and included:
                return self._include(node, target, file, path, shape, depth)
            if target is not None and node.tag == "!include":
                self._add(
                    file,
                    node.start_mark.line + 1,
                    "!include is resolved beneath tables and functions only",
                    "Write the content here.",
                )
                return None
            return self._scalar(node, file)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self._value(
                    item, file, (*path, index), shape.items or ANY, included=included, depth=depth + 1
                )
                for index, item in enumerate(node.value)
            ]
            self._check_unique(items, path, shape)
            return items
        return self._mapping(cast(yaml.MappingNode, node), file, path, shape, included=included, depth=depth)

    def _mapping(
        self, node: yaml.MappingNode, file: str, path: Path_, shape: Shape, *, included: bool, depth: int
    ) -> JsonObject:
        result: JsonObject = {}
        merges: list[yaml.Node] = []
        shapes = self._shapes_of(node, path, shape)
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge" and key_node.value == "<<":
                merges.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(file, line, "a key must be a text")
                continue
            key = str(key_node.value)
            if key in result:
                self._add(file, line, f"the key {key} is there twice")
                continue
            if shapes is not None and key not in shapes:
                self._add(file, line, f"unknown key {key}", f"Known here: {', '.join(sorted(shapes))}.")
            inner = shapes.get(key, ANY) if shapes is not None else shape.values or ANY
            result[key] = self._value(
                value_node,
                file,
                (*path, key),
                inner,
                included=included or key in ("tables", "functions"),
                depth=depth + 1,
            )
            self._places[(*path, key)] = Place(path=f"{self._shown}/{file}", line=line)
        for merged in merges:
            self._merge(result, merged, file, path, shape, included=included, depth=depth)
        for key in shape.required if shapes is not None else ():
            if key not in result:
                self._add(file, node.start_mark.line + 1, f"the key {key} is missing")
        return result

    def _shapes_of(self, node: yaml.MappingNode, path: Path_, shape: Shape) -> Mapping[str, Shape] | None:
        if len(path) == 2 and path[0] == "sources":
            kinds = [v.value for k, v in node.value if getattr(k, "value", "") == "kind"]
            if kinds and kinds[0] not in POSTGRES:
                return OTHER_KIND_OF_SOURCE.keys
        return shape.keys

    def _merge(
        self,
        result: JsonObject,
        node: yaml.Node,
        file: str,
        path: Path_,
        shape: Shape,
        *,
        included: bool,
        depth: int,
    ) -> None:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for entry in nodes:
            if isinstance(entry, yaml.MappingNode):
                merged = self._mapping(
                    entry, file, path, Shape(keys=shape.keys), included=included, depth=depth + 1
                )
                for key, value in merged.items():
                    result.setdefault(key, value)
            else:
                self._add(file, entry.start_mark.line + 1, "<< needs an object")

    def _include(  # noqa: PLR0917
        self, node: yaml.ScalarNode, target: str, file: str, path: Path_, shape: Shape, depth: int
    ) -> Json:
        line = node.start_mark.line + 1
        whole = (self._root / file).parent / target
        try:
            within = whole.resolve().relative_to(self._real_root)
        except (OSError, RuntimeError, ValueError):
            self._add(file, line, f"!include {target} leaves the metadata directory")
            return None
        resolved = self._root / within
        if not resolved.is_file():
            self._add(file, line, f"!include {target}: no such file")
            return None
        if resolved.suffix not in (".yaml", ".yml"):
            self._used.add(resolved)
            return self._text(resolved)
        content = self._load(resolved)
        relative = resolved.relative_to(self._root).as_posix()
        if content is None:
            return None
        return self._value(content, relative, path, shape, included=True, depth=depth + 1)

    def _check_unique(self, items: list[Json], path: Path_, shape: Shape) -> None:
        if shape.unique is None:
            return
        seen: dict[str, Path_] = {}
        for index, item in enumerate(items):
            if not isinstance(item, dict) or shape.unique not in item:
                continue
            value = item[shape.unique]
            name = table_key(value) if shape.unique in ("table", "function") else str(value)
            if name in seen:
                place, first = self._places[(*path, index)], self._places[seen[name]]
                self._problems.append(
                    Problem(
                        path=place.path,
                        line=place.line,
                        message=f"{shape.unique} {name} is there twice: also {first}",
                    )
                )
            else:
                seen[name] = (*path, index)

    def _scalar(self, node: yaml.ScalarNode, file: str) -> Json:
        text = str(node.value)
        if node.style in ("'", '"', "|", ">"):
            return text
        if node.tag.startswith("!") or node.tag.startswith("tag:yaml.org,2002:python"):
            self._add(file, node.start_mark.line + 1, f"unknown tag {node.tag}")
            return text
        return plain_scalar(text)


def _include_of(node: yaml.ScalarNode) -> str | None:
    if node.tag == "!include":
        return str(node.value).strip()
    match = _INCLUDE.fullmatch(str(node.value).strip())
    return match.group(1).strip() if match else None


def plain_scalar(text: str) -> Json:  # noqa: PLR0911
    """What a scalar without quotes is in YAML 1.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if other := _OTHER_BASE.fullmatch(text):
        return int(other.group(1), 8) if other.group(1) else int(other.group(2), 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
