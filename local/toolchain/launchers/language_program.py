"""One run of a Python program for the language host: `language_program.py FD`.

The request comes on standard input, and the answer goes to the file
descriptor, as the messages of Pulumi's plugin protocol
(proto/pulumi/language.proto).
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType

from pulumi.automation._server import LanguageServer
from pulumi.errors import RunError
from pulumi.runtime.proto import language_pb2


def run_program(request: language_pb2.RunRequest) -> language_pb2.RunResponse:
    """Runs the program of `request` in this process and returns what the engine is to be told.

    An error was already sent to the engine's log when this returns, so the
    answer only asks it to stop (`bail`), as the vendor's host does.
    """
    directory = request.info.program_directory or request.pwd or "."
    target = Path(directory, request.info.entry_point or request.program or ".")
    folder = target if target.is_dir() else target.parent
    sys.path.insert(0, str(folder.resolve()))
    sys.argv = [str(target)]

    def program() -> None:
        try:
            runpy.run_path(str(target), run_name="__main__")
        except RunError:
            raise
        except SystemExit as stop:
            if stop.code not in (None, 0):
                raise RunError(f"Program exited with {stop.code}") from None
        except BaseException as problem:
            stack = _from_folder_on(problem.__traceback__, folder.resolve())
            text = "".join(traceback.format_exception(type(problem), problem, stack))
            raise RunError(f"Program failed with an unhandled exception:\n{text}") from None

    answer = LanguageServer(program).Run(request, None)  # type: ignore[no-untyped-call]
    return language_pb2.RunResponse(bail=bool(answer.error))


def _from_folder_on(stack: TracebackType | None, folder: Path) -> TracebackType | None:
    """The traceback without the frames of the hosts, which tell a reader nothing."""
    frame = stack
    while frame is not None:
        file = Path(frame.tb_frame.f_code.co_filename)
        if file.is_file() and file.resolve().is_relative_to(folder):
            return frame
        frame = frame.tb_next
    return stack


def main() -> None:
    # The program is given arguments of its own.
    descriptor = int(sys.argv[1])
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    answer = run_program(request)
    sys.stdout.flush()
    with os.fdopen(descriptor, "wb") as answers:
        # The leading byte tells an empty answer from none.
        answers.write(b"\0" + answer.SerializeToString())


if __name__ == "__main__":
    main()
