"""The front-end API's description of the instance: what clerk-js must know to start.

Without display, organization and commerce settings clerk-js reports the status `degraded`.
"""

from __future__ import annotations

from local.clerk.shortcodes import Json


def environment(instance_id: str, public_url: str) -> dict[str, Json]:
    """The body of /v1/environment: sign-in by ticket or by e-mail code, all else switched off."""
    off: dict[str, Json] = {"enabled": False}
    return {
        "object": "environment",
        "id": instance_id,
        "maintenance_mode": False,
        "auth_config": {
            "object": "auth_config",
            "id": f"aac_{instance_id}",
            "single_session_mode": True,
            "claimed_at": None,
            "reverification": False,
            "session_minter": False,
            "preferred_channels": None,
        },
        "display_config": {
            "object": "display_config",
            "id": f"display_config_{instance_id}",
            "instance_environment_type": "development",
            "application_name": "Local Clerk (stand-in)",
            "theme": {"buttons": {}, "general": {}, "accounts": {}},
            "preferred_sign_in_strategy": "otp",
            "logo_image_url": "",
            "favicon_image_url": "",
            "home_url": public_url,
            "sign_in_url": public_url,
            "sign_up_url": public_url,
            "user_profile_url": public_url,
            "after_sign_in_url": public_url,
            "after_sign_up_url": public_url,
            "after_sign_out_one_url": public_url,
            "after_sign_out_all_url": public_url,
            "after_switch_session_url": public_url,
            "branded": False,
            "captcha_public_key": None,
            "captcha_widget_type": None,
            "captcha_provider": None,
            "captcha_oauth_bypass": [],
            "experimental_force_oauth_first": False,
            "google_one_tap_client_id": None,
            "show_devmode_warning": True,
            "support_email": "",
            "clerk_js_version": "6",
            "organization_profile_url": public_url,
            "create_organization_url": public_url,
            "after_leave_organization_url": public_url,
            "after_create_organization_url": public_url,
        },
        "user_settings": {
            "attributes": {
                "email_address": {
                    "name": "email_address",
                    "enabled": True,
                    "required": True,
                    "used_for_first_factor": True,
                    "first_factors": ["email_code"],
                    "used_for_second_factor": False,
                    "second_factors": [],
                    "verifications": ["email_code"],
                    "verify_at_sign_up": True,
                }
            },
            "social": {},
            "saml": off,
            "enterprise_sso": off,
            "sign_in": {"second_factor": {"required": False}},
            "sign_up": {"progressive": True, "captcha_enabled": False, "mode": "restricted"},
            "actions": {"delete_self": False, "create_organization": False},
            "password_settings": {},
            "username_settings": {},
            "passkey_settings": {"allow_autofill": False, "show_sign_in_button": False},
            "attack_protection": {},
        },
        "organization_settings": {
            "enabled": False,
            "max_allowed_memberships": 1,
            "force_organization_selection": False,
            "actions": {"admin_delete": False},
            "domains": {"enabled": False, "enrollment_modes": [], "default_role": None},
            "slug": {"disabled": True},
        },
        "commerce_settings": {
            "billing": {
                "stripe_publishable_key": None,
                "organization": {"enabled": False, "has_paid_plans": False},
                "user": {"enabled": False, "has_paid_plans": False},
            }
        },
        "fraud_settings": {"object": "fraud_settings", "native": {"device_attestation_mode": "disabled"}},
        "api_keys_settings": {
            "enabled": False,
            "user_api_keys_enabled": False,
            "orgs_api_keys_enabled": False,
        },
    }
