"""psql, pg_dump and pg_restore: in the stack's container, on this machine, or in a throwaway container.

A password is given to them in their environment, never as an argument.
"""

# ruff: noqa: S608 - names are quoted, texts are literals

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Final, cast

from components.backup.problem import BackupError

_MARK: Final = "--- end of answer ---"
_PROGRAMS: Final = ("psql", "pg_dump", "pg_restore")

Row = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """PostgreSQL's programs, and the server that they speak to.

    :param prefix: the command before a program's name.
    :param connection: connection parameters as `keyword=value` text, without a database.
    :param environment: the whole environment of the command.
    :param where: where they run, for people.
    """

    prefix: tuple[str, ...]
    connection: str
    environment: Mapping[str, str] = field(repr=False)
    where: str

    def dump(self, database: str, target: IO[bytes], *, snapshot: str) -> None:
        """Writes a dump in PostgreSQL's custom format of what an exported snapshot sees.

        :raises BackupError: when pg_dump fails.
        """
        self._run("pg_dump", database, "--format=custom", f"--snapshot={snapshot}", target=target)

    def restore(self, database: str, source: IO[bytes]) -> None:
        """Restores a dump into an empty database, and stops at the first error.

        :raises BackupError: when pg_restore fails.
        """
        self._run("pg_restore", database, "--exit-on-error", source=source)

    def version(self) -> int:
        """Major version of pg_dump; 0 where one of the programs is not there."""
        versions = []
        for program in _PROGRAMS:
            try:
                said = subprocess.run(  # noqa: S603
                    [*self.prefix, program, "--version"],
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=self.environment,
                )  # fmt: skip
            except FileNotFoundError:
                return 0
            number = said.stdout.partition(") ")[2].split(".")[0].split(" ")[0]
            versions.append(int(number) if said.returncode == 0 and number.isdigit() else 0)
        return min(versions)

    @contextmanager
    def session(self, database: str) -> Iterator[Session]:
        """A session of psql.

        :raises BackupError: when it cannot be had; the session itself raises the same.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
            command = self._command("psql", database)
            arguments = ("-X", "-A", "-t", "-q", "--no-password", "--set=ON_ERROR_STOP=1")
            with subprocess.Popen(  # noqa: S603
                [*command, *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
                env=self.environment,
            ) as process:  # fmt: skip
                session = Session(process, errors)
                try:
                    # So that values are written alike in every session, whatever a database or a role sets.
                    session.execute(
                        "set timezone to 'UTC'; set datestyle to 'ISO, YMD'; set intervalstyle to 'postgres';"
                        " set bytea_output to 'hex'; set extra_float_digits to 1; set xmloption to 'content';"
                        " set row_security to off; set statement_timeout to 0; set search_path to pg_catalog"
                    )
                    yield session
                finally:
                    session.end()

    def _command(self, program: str, database: str) -> list[str]:
        name = database.replace("\\", r"\\").replace("'", r"\'")
        return [*self.prefix, program, f"--dbname={self.connection} dbname='{name}'".strip()]

    def _run(
        self,
        program: str,
        database: str,
        *arguments: str,
        source: IO[bytes] | None = None,
        target: IO[bytes] | None = None,
    ) -> None:
        answer = subprocess.run(  # noqa: S603
            [*self._command(program, database), *arguments, "--no-password"],
            stdin=source or subprocess.DEVNULL,
            stdout=target or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            env=self.environment,
        )
        if answer.returncode != 0:
            said = answer.stderr.decode(errors="replace").strip()
            raise BackupError(f"{program} ({self.where}) failed for the database {database}: {said}")


class Session:
    """A running psql. Use one at a time."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process, self._errors = process, errors

    def rows(self, query: str) -> list[Row]:
        """The rows of a query, column to value as JSON has it.

        :raises BackupError: with the server's own words.
        """
        answer = self._ask(f"select coalesce(json_agg(r), '[]') from (\n{query}\n) r")
        return cast("list[Row]", json.loads(answer))

    def execute(self, statements: str) -> None:
        """Runs statements that give no rows.

        :raises BackupError: with the server's own words.
        """
        self._ask(statements)

    def end(self) -> None:
        """Ends psql, and with it the transaction that is open."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def _ask(self, text: str) -> str:
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None and answers is not None  # noqa: S101 (both are pipes)
        lines: list[str] = []
        try:
            to.write(f"{text};\n\\echo {_MARK}\n")
            to.flush()
            while (line := answers.readline()) != f"{_MARK}\n":
                if not line:
                    raise BrokenPipeError
                lines.append(line)
        except BrokenPipeError:
            self._process.wait()
            self._errors.seek(0)
            raise BackupError(f"PostgreSQL: {' '.join(self._errors.read().split())}") from None
        return "".join(lines)


def identifier(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it, with `standard_conforming_strings` on."""
    return "'" + text.replace("'", "''") + "'"
