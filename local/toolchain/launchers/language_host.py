"""Pulumi's language host for Python, over the SDK's own language server.

The CLI starts `pulumi-language-python ENGINE_ADDRESS` and reads the port of a
gRPC server from the first line of its output (Pulumi's plugin protocol,
proto/pulumi/language.proto). It serves where the vendor's host, which comes
with the vendor's CLI, cannot be downloaded.

One `pulumi up` runs the program twice, as preview and as update. Each run is
a process of its own, so that modules are imported afresh.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from types import TracebackType

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.errors import RunError
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

RUN_OPTION = "--run-program"
PARENT_CHECK_SECONDS = 2.0


class LanguageHost(LanguageServer):
    """Answers the engine; runs each program in a child process.

    `engine_address` is the engine's gRPC address, `host:port`.
    """

    def __init__(self, engine_address: str) -> None:
        super().__init__(lambda: None)
        self._engine_address = engine_address
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: object, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=name, version=version)
                for name, version in sorted(found.items())
            ]
        )

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        requirements = Path(request.info.program_directory or request.directory) / "requirements.txt"
        if not requirements.is_file():
            return
        done = subprocess.run(  # noqa: S603 (a list of our own making)
            [_python(request.info), "-m", "pip", "install", "--requirement", str(requirements)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        yield language_pb2.InstallDependenciesResponse(stdout=done.stdout)
        if done.returncode != 0:
            context.abort(grpc.StatusCode.UNKNOWN, f"pip install failed for {requirements}")

    def Run(
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        if not request.args:
            request.args.append(self._engine_address)
        answer_read, answer_write = os.pipe()
        child = subprocess.Popen(  # noqa: S603
            [_python(request.info), "-P", "-u", str(Path(__file__).resolve()), RUN_OPTION, str(answer_write)],
            stdin=subprocess.PIPE,
            cwd=request.pwd or None,
            pass_fds=(answer_write,),
        )
        os.close(answer_write)
        with self._lock:
            self._children.add(child)
        try:
            with os.fdopen(answer_read, "rb") as answers:
                child.communicate(request.SerializeToString())
                answer = answers.read()
        finally:
            with self._lock:
                self._children.discard(child)
        if child.returncode == 0 and answer:
            return language_pb2.RunResponse.FromString(answer[1:])
        if child.returncode < 0:
            return language_pb2.RunResponse(error=f"the program was stopped by signal {-child.returncode}")
        return language_pb2.RunResponse(error=f"the program ended with exit code {child.returncode}")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Runs a plugin written in Python; a policy pack is one of kind `analyzer`."""
        directory = request.info.program_directory or request.program
        if request.kind == "analyzer":
            command = [_python(request.info), "-u", "-m", "pulumi.policy", *request.args, directory]
        else:
            entry = str(Path(directory, request.info.entry_point or "."))
            command = [_python(request.info), "-u", entry, *request.args]
        environment = dict(variable.split("=", 1) for variable in request.env) or None
        child = subprocess.Popen(  # noqa: S603
            command,
            cwd=request.pwd or None,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with self._lock:
            self._children.add(child)
        context.add_callback(lambda: _stop(child))
        try:
            stream = child.stdout
            while stream is not None and (piece := os.read(stream.fileno(), 65536)):
                yield language_pb2.RunPluginResponse(stdout=piece)
            yield language_pb2.RunPluginResponse(exitcode=child.wait())
        finally:
            with self._lock:
                self._children.discard(child)

    def Cancel(self, request: object, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.stop_children()
        return empty_pb2.Empty()

    def stop_children(self) -> None:
        with self._lock:
            running = tuple(self._children)
        for child in running:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()


def _python(info: language_pb2.ProgramInfo) -> str:
    """The interpreter of the program's `virtualenv` option, else the host's own."""
    options = dict(info.options)
    virtualenv = options.get("virtualenv")
    if isinstance(virtualenv, str) and virtualenv:
        candidate = Path(info.root_directory, virtualenv, "bin", "python")
        if candidate.exists():
            return str(candidate)
    return sys.executable


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


def _serve(engine_address: str) -> None:
    host = LanguageHost(engine_address)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    print(port, flush=True)
    parent = os.getppid()
    # A CLI that was killed cannot say goodbye; its host then has another parent.
    while not stopped.wait(PARENT_CHECK_SECONDS):
        if os.getppid() != parent:
            break
    host.stop_children()
    server.stop(grace=None).wait(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="pulumi-language-python")
    parser.add_argument(RUN_OPTION, type=int, metavar="FD", help=argparse.SUPPRESS)
    parser.add_argument("engine", nargs="?", default="")
    # The engine adds its own logging and tracing flags.
    options, rest = parser.parse_known_args()
    if options.run_program is None:
        _serve(([options.engine, *rest])[-1])
        return
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    answer = run_program(request)
    sys.stdout.flush()
    with os.fdopen(options.run_program, "wb") as answers:
        # The leading byte tells an empty answer from none.
        answers.write(b"\0" + answer.SerializeToString())


if __name__ == "__main__":
    main()
