"""Records as the JSON objects of Clerk's APIs. Timestamps are milliseconds since 1970."""

from __future__ import annotations

from local.clerk.shortcodes import Json
from local.clerk.state import Client, Session, SignInToken, Template, User, now_ms

JsonObject = dict[str, Json]

SIGN_IN_LIFETIME_MS = 24 * 3600 * 1000


def deleted(kind: str, record_id: str) -> JsonObject:
    """Clerk's DeletedObject."""
    return {"object": kind, "id": record_id, "deleted": True}


def template_json(template: Template) -> JsonObject:
    """A JWT template; its signing key never leaves the instance."""
    return {
        "object": "jwt_template",
        "id": template.id,
        "name": template.name,
        "claims": template.claims,
        "lifetime": template.lifetime,
        "allowed_clock_skew": template.allowed_clock_skew,
        "custom_signing_key": template.custom_signing_key,
        "signing_algorithm": template.signing_algorithm,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }


def user_json(user: User) -> JsonObject:
    """A user as the Backend API shows it."""
    return public_user_json(user) | {"private_metadata": user.private_metadata}


def public_user_json(user: User) -> JsonObject:
    """A user as it may be shown to a browser: without private metadata."""
    addresses: list[Json] = [
        {
            "id": f"idn_{user.id.removeprefix('user_')}{number}",
            "object": "email_address",
            "email_address": address,
            "reserved": False,
            "verification": {
                "object": "verification_admin",
                "status": "verified",
                "strategy": "admin",
                "attempts": None,
                "expire_at": None,
            },
            "linked_to": [],
            "matches_sso_connection": False,
            "created_at": user.created_at,
            "updated_at": user.created_at,
        }
        for number, address in enumerate(user.email_addresses)
    ]
    primary = addresses[0] if addresses else None
    return {
        "id": user.id,
        "object": "user",
        "username": None,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "locale": None,
        "image_url": "",
        "profile_image_url": "",
        "has_image": False,
        "primary_email_address_id": primary["id"] if isinstance(primary, dict) else None,
        "primary_phone_number_id": None,
        "primary_web3_wallet_id": None,
        "password_enabled": False,
        "two_factor_enabled": False,
        "totp_enabled": False,
        "backup_code_enabled": False,
        "email_addresses": addresses,
        "phone_numbers": [],
        "web3_wallets": [],
        "passkeys": [],
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "organization_memberships": [],
        "public_metadata": user.public_metadata,
        "unsafe_metadata": user.unsafe_metadata,
        "external_id": user.external_id,
        "last_sign_in_at": user.last_sign_in_at,
        "banned": False,
        "locked": False,
        "lockout_expires_in_seconds": None,
        "verification_attempts_remaining": None,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "delete_self_enabled": False,
        "create_organization_enabled": False,
        "last_active_at": user.last_sign_in_at,
        "mfa_enabled_at": None,
        "mfa_disabled_at": None,
        "legal_accepted_at": None,
    }


def session_json(session: Session) -> JsonObject:
    """A session as the Backend API shows it."""
    return {
        "object": "session",
        "id": session.id,
        "user_id": session.user_id,
        "client_id": session.client_id,
        "status": session.status,
        "actor": None,
        "last_active_organization_id": None,
        "last_active_at": session.updated_at,
        "expire_at": session.expire_at,
        "abandon_at": session.expire_at,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
    }


def browser_session_json(session: Session, user: User, token: str | None) -> JsonObject:
    """A session as the front-end API shows it, with its user and, if given, a session token."""
    return session_json(session) | {
        "user": public_user_json(user),
        "public_user_data": {
            "first_name": user.first_name,
            "last_name": user.last_name,
            "image_url": "",
            "has_image": False,
            "identifier": user.email_addresses[0] if user.email_addresses else user.id,
            "user_id": user.id,
        },
        "factor_verification_age": [0, -1],
        "tasks": None,
        "last_active_token": None if token is None else {"object": "token", "jwt": token},
    }


def client_json(client: Client, sessions: list[JsonObject]) -> JsonObject:
    """A browser's client with its sessions."""
    return {
        "object": "client",
        "id": client.id,
        "sessions": [*sessions],
        "sign_in": None,
        "sign_up": None,
        "last_active_session_id": client.last_active_session_id,
        "last_authentication_strategy": None,
        "cookie_expires_at": None,
        "captcha_bypass": False,
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    }


def sign_in_json(
    sign_in_id: str, *, user: User, status: str, strategy: str, session_id: str | None
) -> JsonObject:
    """A sign-in attempt; `session_id` is set once it is complete."""
    email = public_user_json(user)["primary_email_address_id"]
    first_factors: list[Json] = []
    if status == "needs_first_factor":
        first_factors.append(
            {
                "strategy": "email_code",
                "email_address_id": email,
                "safe_identifier": user.email_addresses[0],
                "primary": True,
            }
        )
    return {
        "object": "sign_in_attempt",
        "id": sign_in_id,
        "status": status,
        "supported_identifiers": ["email_address"],
        "supported_first_factors": first_factors,
        "supported_second_factors": None,
        "first_factor_verification": {
            "object": "verification_ticket" if strategy == "ticket" else "verification_otp",
            "status": "verified" if status == "complete" else "unverified",
            "strategy": strategy,
            "attempts": None,
            "expire_at": now_ms() + SIGN_IN_LIFETIME_MS,
        },
        "second_factor_verification": None,
        "identifier": user.email_addresses[0] if user.email_addresses else None,
        "user_data": {
            "first_name": user.first_name,
            "last_name": user.last_name,
            "image_url": "",
            "has_image": False,
        },
        "created_session_id": session_id,
        "abandon_at": now_ms() + SIGN_IN_LIFETIME_MS,
    }


def sign_in_token_json(ticket: SignInToken, *, with_token: bool) -> JsonObject:
    """A ticket; its token is shown when it is made and not again."""
    body: JsonObject = {
        "object": "sign_in_token",
        "id": ticket.id,
        "user_id": ticket.user_id,
        "status": ticket.status,
        "url": None,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
    }
    return body | {"token": ticket.token} if with_token else body
