"""Serves the plugin on a free port of the loopback address and prints it, as the engine expects."""

import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

from local.toolchain.pulumi_resource_postgresql.provider import PostgresqlProvider, Warn

_WORKERS = 16
_MESSAGE_BYTES = 400 * 1024 * 1024
"""The engine's own limit."""
_ENGINE_CHECK_SECONDS = 5.0


def engine_log(address: str) -> Warn:
    """Give a function that shows a warning by way of the engine, or on standard error where there is none."""
    if not address:
        return lambda message: print(f"warning: {message}", file=sys.stderr, flush=True)
    channel = grpc.insecure_channel(address)
    engine = engine_pb2_grpc.EngineStub(channel)

    def warn(message: str) -> None:
        try:
            engine.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=message), timeout=10)
        except grpc.RpcError:
            print(f"warning: {message}", file=sys.stderr, flush=True)

    return warn


def watch_engine(address: str, stop: threading.Event) -> None:
    """Set `stop` once the engine is gone, so that no plugin outlives a killed `pulumi`."""
    host, _, port = address.rpartition(":")
    missed = 0
    while not stop.wait(_ENGINE_CHECK_SECONDS):
        try:
            socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout=5).close()
            missed = 0
        except OSError:
            missed += 1
            if missed > 1:
                stop.set()


def serve() -> int:
    """Serve until SIGINT, SIGTERM, the engine's Cancel, or the engine's end."""
    address = sys.argv[1] if len(sys.argv) > 1 else ""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_WORKERS),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(
        PostgresqlProvider(engine_log(address), stop.set), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    if address:
        threading.Thread(target=watch_engine, args=(address, stop), daemon=True).start()
    stop.wait()
    server.stop(grace=1).wait()
    return 0
