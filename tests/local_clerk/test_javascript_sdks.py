"""The official JavaScript packages work against the local Clerk: @clerk/backend, and clerk-js in jsdom.

Their npm packages are installed once into the user's cache folder, by the lock file's hashes.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import jwt
import pytest

from local.clerk.server import Running

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """A folder with node_modules; skips, with the reason, where npm packages cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not on this machine")
    lock = (NODE / "package-lock.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("CLERK_HASURA_CACHE") or caches / "clerk-hasura")
    folder = folder / "node" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NODE / name, folder)
        install = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if install.returncode:
            reason = next((line for line in install.stderr.splitlines() if " error " in line), "")
            pytest.skip(f"npm packages cannot be had: {reason}")
        (folder / "installed").touch()
    return folder


def run_script(folder: Path, name: str, **environment: str) -> dict:
    """Run one of our scripts; its last line of output is a JSON object."""
    shutil.copy(NODE / name, folder)
    done = subprocess.run(
        ["node", name],
        cwd=folder,
        check=False,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_clerk_backend(node_folder: Path, clerk: Running) -> None:
    kid = httpx.get(f"{clerk.url}/.well-known/jwks.json").json()["keys"][0]["kid"]
    seen = run_script(
        node_folder,
        "backend.mjs",
        CLERK_URL=clerk.url,
        SECRET_KEY=clerk.secret_key,
        EMAIL="a+clerk_test@example.com",
    )
    assert seen == {
        "templates": {"total": 1, "names": ["from_javascript"]},
        "users": {"total": 1, "same": True},
        "renamed": "Ada",
        "template": {"idIsUser": True, "plan": "free", "seconds": 120},
        "sidIsSession": True,
        "kids": [kid],
        "sessions": ["active"],
        "revoked": "revoked",
        "ticket": {"status": "pending", "hasToken": True},
        "revokedTicket": "revoked",
        "testingToken": True,
        "environment": "development",
        "domains": [clerk.url],
        "duplicate": {"status": 422, "param": "name"},
        "deletedTemplate": True,
        "deletedUser": True,
    }


def test_clerk_js(node_folder: Path, clerk: Running, backend: httpx.Client) -> None:
    backend.post("/v1/jwt_templates", json={"name": "hasura", "claims": {"u": "{{user.id}}"}})
    email = "a+clerk_test@example.com"
    user_id = backend.post("/v1/users", json={"email_address": [email]}).json()["id"]
    ticket = backend.post("/v1/sign_in_tokens", json={"user_id": user_id}).json()["token"]
    host = clerk.url.removeprefix("http://")
    seen = run_script(
        node_folder,
        "browser.mjs",
        CLERK_URL=clerk.url,
        PUBLISHABLE_KEY="pk_test_" + base64.b64encode(f"{host}$".encode()).decode(),
        TICKET=ticket,
        EMAIL=email,
    )
    keys = jwt.PyJWKSet.from_dict(httpx.get(f"{clerk.url}/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(seen["token"])["kid"]]
    token = jwt.decode(seen.pop("token"), key, algorithms=["RS256"], issuer=clerk.url)
    assert token["u"] == token["sub"] == user_id
    assert token["azp"] == "http://127.0.0.1:5173"
    session = jwt.decode(seen.pop("sessionToken"), key, algorithms=["RS256"], issuer=clerk.url)
    assert session["sub"] == user_id
    requests = [
        request for request in seen.pop("requests") if "sess_" not in request and "sia_" not in request
    ]
    assert requests == [
        "PATCH /__clerk/v1/environment",
        "GET /__clerk/v1/client",
        "POST /__clerk/v1/client/sign_ins",
        "DELETE /__clerk/v1/client/sessions",
    ]
    assert seen == {
        "status": "ready",
        "signedInAtStart": False,
        "signIn": "complete",
        "userId": user_id,
        "unknownTemplate": {"status": 404, "code": "resource_not_found"},
        "usedTicket": {"status": 400, "code": "sign_in_token_already_used_code"},
        "signedInAfterSignOut": False,
        "userIdByCode": user_id,
    }
