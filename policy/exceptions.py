"""The exceptions from rules: a file under version control, so that each goes through review."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

FILE: Final = Path(__file__).with_name("exceptions.yaml")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Excepted(BaseModel):
    """One exception: `rule` does not hold for `subject` in `stacks` until the end of the day `until`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Text
    subject: Text
    stacks: Annotated[Sequence[Text], "names without organisation and project"]
    reason: Text
    by: Text
    until: date


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An exception and where it stands, as `policy/exceptions.yaml:12`."""

    excepted: Excepted
    place: str


@dataclass(frozen=True, kw_only=True)
class Exceptions:
    """All exceptions, and what is wrong with the file, one sentence a problem: then nothing is excepted."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()

    def covers(self, rule: str, subject: str, *, stack: str, today: date) -> bool:
        """Whether a violation is excepted."""
        return any(
            one.excepted.rule == rule and one.excepted.subject == subject
            for one in self.entries
            if stack in one.excepted.stacks and today <= one.excepted.until
        )

    def expired(self, *, stack: str, today: date) -> list[Entry]:
        """Exceptions of a stack whose time is over."""
        return [one for one in self.entries if stack in one.excepted.stacks and today > one.excepted.until]


def parse(text: str, *, shown_as: str, rules: Collection[str]) -> Exceptions:
    """Reads a file's text: a list of mappings with the fields of `Excepted`; `rules` are the names of all rules."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Exceptions()
        if not isinstance(root, yaml.SequenceNode):
            return Exceptions(
                problems=(f"{shown_as}:1: is no list. Write `- rule: ...`, one item an exception",)
            )
        listed = [(node.start_mark.line + 1, loader.construct_object(node, deep=True)) for node in root.value]
    except yaml.YAMLError as error:
        return Exceptions(problems=(f"{shown_as}: is no YAML: {' '.join(str(error).split())}",))
    finally:
        loader.dispose()
    entries: list[Entry] = []
    problems: list[str] = []
    for line, value in listed:
        place = f"{shown_as}:{line}"
        try:
            excepted = Excepted.model_validate(value)
        except ValidationError as error:
            problems += [
                f"{place}: {'.'.join(map(str, one['loc'])) or 'item'}: {one['msg']}" for one in error.errors()
            ]
            continue
        if excepted.rule not in rules:
            problems.append(
                f"{place}: rule: there is none of the name {excepted.rule!r}. Rules: {', '.join(rules)}"
            )
        if not excepted.stacks:
            problems.append(f"{place}: stacks: names none. Write the stacks that it holds for")
        entries.append(Entry(excepted=excepted, place=place))
    return Exceptions(problems=tuple(problems)) if problems else Exceptions(entries=tuple(entries))


def read(file: Path, rules: Collection[str]) -> Exceptions:
    """Reads a file; one that is not there excepts nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Exceptions()
    return parse(text, shown_as=f"{file.parent.name}/{file.name}", rules=rules)
