"""`python -m local.clerk` as a container runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from local.clerk.settings import SettingsError, from_environment
from tests.free_ports import free_port

KEY = "sk_test_canary_of_the_process_test"


def wait_until_healthy(url: str, process: subprocess.Popen) -> httpx.Response:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the local Clerk did not start")


def test_start_log_and_end(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "LOCAL_CLERK_HOST": "127.0.0.1",
        "LOCAL_CLERK_PORT": str(port),
        "LOCAL_CLERK_SECRET_KEY": KEY,
        "LOCAL_CLERK_DATA": str(tmp_path / "data"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "local.clerk"],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        health = wait_until_healthy(url, process)
        assert health.status_code == 200
        assert health.headers["x-local-clerk"] == "stand-in"
        backend = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"})
        user = backend.post("/v1/users", json={"email_address": ["a@example.com"]}).json()["id"]
        ticket = backend.post("/v1/sign_in_tokens", json={"user_id": user}).json()["token"]
        session = backend.post("/v1/sessions", json={"user_id": user}).json()["id"]
        token = backend.post(f"/v1/sessions/{session}/tokens", params={"x": KEY}).json()["jwt"]
        httpx.post(
            f"{url}/v1/client/sign_ins", params={"t": ticket}, data={"strategy": "ticket", "ticket": ticket}
        )
        backend.close()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 0, output
    assert "STAND-IN" in output
    assert f"POST /v1/sessions/{session}/tokens 200" in output
    assert "Traceback" not in output
    for secret in (KEY, ticket, token, "PRIVATE KEY"):
        assert secret not in output


def test_wrong_environment_is_told_at_once_without_the_key() -> None:
    with pytest.raises(SettingsError) as wrong:
        from_environment(
            {
                "LOCAL_CLERK_PORT": "95000",
                "LOCAL_CLERK_SECRET_KEY": "sk_live_canary",
                "LOCAL_CLERK_PUBLIC_URL": "127.0.0.1:9500",
                "LOCAL_CLERK_JWKS_MAX_AGE": "soon",
            }
        )
    assert len(wrong.value.problems) == 4
    assert "canary" not in str(wrong.value)


def test_the_key_is_not_in_a_representation() -> None:
    settings = from_environment({"LOCAL_CLERK_SECRET_KEY": KEY})
    assert KEY not in repr(settings)
