"""Pulumi's language host for Python, over the SDK's own language server.

The CLI starts `pulumi-language-python ENGINE_ADDRESS` and reads the port of a
gRPC server from the first line of its output (Pulumi's plugin protocol,
proto/pulumi/language.proto). It serves where the vendor's host, which comes
with the vendor's CLI, cannot be downloaded.

One `pulumi up` runs the program twice, as preview and as update. Each run is
a process of its own (language_program.py), so that modules are imported afresh.
The CLI starts the host more than once for each command, and it only passes
messages on: it leaves the SDK around them out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from types import ModuleType


def _leave_the_sdk_out() -> None:
    """Lets the modules of the protocol's messages be imported without the packages around them, which would import
    all of the SDK."""
    found = importlib.util.find_spec("pulumi")
    for place in found.submodule_search_locations or () if found is not None else ():
        for name, folder in (("pulumi", Path(place)), ("pulumi.runtime", Path(place, "runtime"))):
            package = ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package


_leave_the_sdk_out()

import grpc  # noqa: E402
from google.protobuf import empty_pb2  # noqa: E402
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # noqa: E402
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2  # noqa: E402

PROGRAM = Path(__file__).resolve().with_name("language_program.py")
PARENT_CHECK_SECONDS = 2.0


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; runs each program in a child process.

    `engine_address` is the engine's gRPC address, `host:port`.
    """

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def About(self, request: object, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        return language_pb2.AboutResponse(
            executable=sys.executable, version=".".join(map(str, sys.version_info[:3]))
        )

    def GetRequiredPlugins(
        self, request: object, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPluginsResponse:
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(
        self, request: object, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        return language_pb2.GetRequiredPackagesResponse()

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
            [_python(request.info), "-P", "-u", str(PROGRAM), str(answer_write)],
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
    parser.add_argument("engine", nargs="?", default="")
    # The engine adds its own logging and tracing flags.
    options, rest = parser.parse_known_args()
    _serve(([options.engine, *rest])[-1])


if __name__ == "__main__":
    main()
