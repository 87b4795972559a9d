"""Whether a command that a document names exists: a target of make, a subcommand of pulumi, a module, options."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from typing import Final

from local import toolchain
from tests.documents.blocks import ROOT

_PLACEHOLDER: Final = re.compile(r"\.\.\.|[A-Z]+|<[\w-]+>|\[.*")
_SEPARATORS: Final = {"&&", "||", "|", ";", "&"}
_CODE: Final = ("local/**/*.py", "components/**/*.py", "pipeline/**/*.py", "examples/**/*.py", "tests/e2e/*.py",
                "tests/schema_faults/*.py")  # fmt: skip


def simple_commands(line: str) -> list[list[str]]:
    """The simple commands of a line of shell, as words. A line that is none gives nothing."""
    # What is asked inside of another command is a command too.
    inner = re.findall(r"\$\(([^()]+)\)", line)
    line = re.sub(r"<([\w-]+)>", r"\1", line)
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.wordchars += "{}[]$%?*'@!:,^"
        words = list(lexer)
    except ValueError:
        return []
    found: list[list[str]] = [[]]
    for word in words:
        if word in _SEPARATORS:
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command] + [c for part in inner for c in simple_commands(part)]


def trouble(words: list[str]) -> str | None:
    """Why a command does not exist as it is written; None where it does, or is none of the project's."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    match words:
        case ["make", *rest]:
            return _make(rest)
        case ["pulumi", *rest] if rest:
            return _pulumi(rest)
        case ["python", "-m", module, *rest]:
            return _module(module, rest)
    return None


def _make(words: list[str]) -> str | None:
    targets = set(
        re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for word in words:
        if name := re.match(r"([A-Z_]+)=", word):
            if name[1] not in _variables():
                return f"nothing reads the variable {name[1]}"
        elif not word.startswith("-") and word not in targets:
            return f"there is no target {word}"
    return None


@functools.cache
def _variables() -> frozenset[str]:
    """Names that the Makefile reads, or a module by its text."""
    makefile = re.findall(
        r"\$[({](?:or \$\(|filter 1,\$\()?([A-Z_]+)", (ROOT / "Makefile").read_text(encoding="utf-8")
    )
    modules = "\n".join(
        path.read_text(encoding="utf-8") for form in _CODE for path in sorted(ROOT.glob(form))
    )
    return frozenset(makefile) | frozenset(re.findall(r"\"([A-Z_]{2,})\"", modules))


def _pulumi(words: list[str]) -> str | None:
    chosen: list[str] = []
    told = _help()
    for word in words:
        if word.startswith("-") or not re.fullmatch(r"[a-z-]+", word):
            break
        if chosen and "[command]" not in told:
            # An argument.
            break
        of_word = _help(*chosen, word)
        if of_word == told or "unknown command" in of_word:
            return f"{' '.join(['pulumi', *chosen])} has no subcommand {word}"
        chosen.append(word)
        told = of_word
    return _options(words, told, f"pulumi {' '.join(chosen)}")


def _module(name: str, words: list[str]) -> str | None:
    if _PLACEHOLDER.fullmatch(name):
        return None
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        return f"there is no module {name}"
    if not words or name == "pytest":
        return None
    told = _help_of_module(name)
    for word in words[:1]:
        if re.fullmatch(r"[a-z_]+", word) and not re.search(rf"\b{word}\b", told):
            return f"{name} has no command {word}"
    subcommand = [words[0]] if re.fullmatch(r"[a-z_]+", words[0]) else []
    return _options(words, told + (_help_of_module(name, *subcommand) if subcommand else ""), name)


def _options(words: list[str], told: str, command: str) -> str | None:
    own = words[: words.index("--")] if "--" in words else words
    for word in own:
        if (option := re.match(r"--[a-z-]+", word.lstrip("["))) and not re.search(
            rf"{re.escape(option[0])}(?![\w-])", told
        ):
            return f"{command} has no option {option[0]}"
    return None


@functools.cache
def _help(*command: str) -> str:
    return _answer("pulumi", *command, "--help")


@functools.cache
def _help_of_module(name: str, *command: str) -> str:
    return _answer(sys.executable, "-m", name, *command, "--help")


def _answer(*command: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **toolchain.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
