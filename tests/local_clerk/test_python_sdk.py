"""The official Python SDK works against the local Clerk."""

import httpx
import jwt
import pytest
from clerk_backend_api import Clerk, models

from local.clerk.server import Running


@pytest.fixture
def sdk(clerk: Running) -> Clerk:
    # This SDK's server_url includes /v1.
    return Clerk(bearer_auth=clerk.secret_key, server_url=f"{clerk.url}/v1")


def test_users_sessions_and_tokens(sdk: Clerk, backend: httpx.Client, clerk: Running) -> None:
    # The SDK drops claims when it creates a template, so the template is made by hand.
    backend.post("/v1/jwt_templates", json={"name": "hasura", "claims": {"u": "{{user.id}}"}})
    user = sdk.users.create(email_address=["a+clerk_test@example.com"], skip_password_requirement=True)
    assert user.email_addresses[0].email_address == "a+clerk_test@example.com"
    assert [each.id for each in sdk.users.list(request={"email_address": ["a+clerk_test@example.com"]})] == [
        user.id
    ]
    assert sdk.users.get(user_id=user.id).id == user.id

    session = sdk.sessions.create(request={"user_id": user.id})
    assert sdk.sessions.get(session_id=session.id).status == "active"
    token = sdk.sessions.create_token_from_template(session_id=session.id, template_name="hasura").jwt
    short = sdk.sessions.create_token_from_template(
        session_id=session.id, template_name="hasura", expires_in_seconds=45
    ).jwt
    jwks = sdk.jwks.get_jwks()
    public = httpx.get(f"{clerk.url}/.well-known/jwks.json").json()
    assert [key.kid for key in jwks.keys] == [key["kid"] for key in public["keys"]]
    key = jwt.PyJWKSet.from_dict(public)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], issuer=clerk.url)
    assert claims["u"] == claims["sub"] == user.id
    assert claims["exp"] - claims["iat"] == 60
    assert claims["iat"] - claims["nbf"] == 5
    assert "azp" not in claims
    shortened = jwt.decode(short, key, algorithms=["RS256"], issuer=clerk.url)
    assert shortened["exp"] - shortened["iat"] == 45

    plain = sdk.sessions.create_token(session_id=session.id).jwt
    assert jwt.decode(plain, key, algorithms=["RS256"])["sid"] == session.id

    assert sdk.sessions.revoke(session_id=session.id).status == "revoked"
    assert [each.status for each in sdk.sessions.list(user_id=user.id)] == ["revoked"]
    assert sdk.users.delete(user_id=user.id).deleted is True
    assert sdk.users.list(request={}) == []


def test_templates_instance_and_tickets(sdk: Clerk, backend: httpx.Client, clerk: Running) -> None:
    made = backend.post("/v1/jwt_templates", json={"name": "hasura", "claims": {}}).json()
    assert [each.name for each in sdk.jwt_templates.list()] == ["hasura"]
    assert sdk.jwt_templates.get(template_id=made["id"]).lifetime == 60
    assert sdk.jwt_templates.delete(template_id=made["id"]).deleted is True
    assert sdk.domains.list().data[0].frontend_api_url == clerk.url
    user = sdk.users.create(email_address=["b@example.com"])
    assert sdk.sign_in_tokens.create(request={"user_id": user.id}).status == "pending"
    assert sdk.testing_tokens.create().token


def test_errors_are_clerks(sdk: Clerk, clerk: Running) -> None:
    with pytest.raises(models.ClerkErrors) as refused:
        sdk.users.get(user_id="user_nobody")
    assert refused.value.data.errors[0].code == "resource_not_found"
    stranger = Clerk(bearer_auth="sk_test_other", server_url=f"{clerk.url}/v1")
    with pytest.raises(models.ClerkErrors) as refused:
        stranger.users.list(request={})
    assert refused.value.data.errors[0].code == "clerk_key_invalid"
    assert "sk_test_other" not in refused.value.data.model_dump_json()
