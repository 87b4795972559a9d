"""What survives a restart, and who may read it."""

import stat
from pathlib import Path

import httpx
import jwt

from local.clerk.server import serving


def test_key_and_data_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        backend = httpx.Client(base_url=first.url, headers={"Authorization": f"Bearer {first.secret_key}"})
        template = backend.post(
            "/v1/jwt_templates", json={"name": "t", "claims": {"u": "{{user.id}}"}}
        ).json()
        user = backend.post("/v1/users", json={"email_address": ["a@example.com"]}).json()
        session = backend.post("/v1/sessions", json={"user_id": user["id"]}).json()
        token = backend.post(f"/v1/sessions/{session['id']}/tokens/t").json()["jwt"]
        jwks = httpx.get(f"{first.url}/.well-known/jwks.json").json()
        port = int(first.url.rsplit(":", 1)[1])
        backend.close()

    with serving(tmp_path, port=port) as second:
        backend = httpx.Client(base_url=second.url, headers={"Authorization": f"Bearer {second.secret_key}"})
        assert httpx.get(f"{second.url}/.well-known/jwks.json").json() == jwks
        assert backend.get(f"/v1/jwt_templates/{template['id']}").json() == template
        assert backend.get(f"/v1/users/{user['id']}").json()["email_addresses"] == user["email_addresses"]
        key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(token)["kid"]]
        assert jwt.decode(token, key, algorithms=["RS256"], issuer=second.url)["u"] == user["id"]
        assert backend.post(f"/v1/sessions/{session['id']}/tokens/t").status_code == 200
        backend.close()


def test_only_the_owner_can_read_the_keys(tmp_path: Path) -> None:
    with serving(tmp_path):
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
