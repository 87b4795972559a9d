"""The provider's methods, called as Pulumi's host calls them, against the local Clerk."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent import futures
from typing import Any

import grpc
import httpx
import pytest
from pulumi.dynamic import ConfigureRequest
from pulumi.dynamic.config import Config
from pulumi.output import Unknown
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components.clerk import client as client_module
from components.clerk import keys
from components.clerk.claims import template_claims
from components.clerk.provider import JwtTemplateProvider
from components.clerk.retries import RetryPolicy
from components.provider_error import UNSEEN, ProviderError

from .conftest import QUICK, SECRET_KEY, LocalClerk, RawServers, http

SIGNING_KEY = "CANARYsigningkey-0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLERK_SECRET_KEY", raising=False)
    original = client_module.ClerkClient.__init__

    def init(self: Any, *args: Any, retry: RetryPolicy = QUICK, **kwargs: Any) -> None:
        original(self, *args, retry=retry, **kwargs)

    monkeypatch.setattr(client_module.ClerkClient, "__init__", init)


def provider(**config: str) -> JwtTemplateProvider:
    made = JwtTemplateProvider()
    raw = {f"clerk-hasura:{key}": value for key, value in config.items()}
    made.configure(ConfigureRequest(Config(raw, "clerk-hasura")))
    return made


def local() -> JwtTemplateProvider:
    return provider(localClerk="true")


def props(url: str, **changes: Any) -> dict[str, Any]:
    """Inputs as the host hands them over: every number a float."""
    return {
        "name": "hasura",
        "claims": template_claims("user", ["user"], {"level": 2.0}),
        "lifetime": 60.0,
        "allowed_clock_skew": 5.0,
        "api_url": url,
        "adopt": False,
        **changes,
    }


def names(clerk: LocalClerk) -> list[str]:
    return [template.name for template in clerk.client().jwt_templates()]


def by_hand(clerk: LocalClerk, template_id: str, **changes: Any) -> None:
    """What somebody does in the dashboard."""
    headers = {"Authorization": f"Bearer {clerk.running.secret_key}"}
    url = f"{clerk.url}/v1/jwt_templates/{template_id}"
    found = httpx.get(url, headers=headers).json()
    body = {"name": found["name"], "claims": found["claims"], **changes}
    httpx.patch(url, headers=headers, json=body).raise_for_status()


def settled(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether a preview right after would show no change."""
    assert found is not None
    return local().diff("id", dict(found), dict(wanted)).changes is False


def test_create_then_nothing_to_do(local_clerk: LocalClerk) -> None:
    wanted = props(local_clerk.url)
    made = local().create(wanted)
    assert made.id.startswith("jtmpl_")
    assert settled(made.outs, wanted)
    template = local_clerk.client().jwt_template(made.id)
    assert (template.lifetime, template.allowed_clock_skew) == (60, 5)
    assert template.claims == template_claims("user", ["user"], {"level": 2})
    assert isinstance(template.claims["level"], int)


def test_a_read_after_create_gives_inputs_that_need_no_change(local_clerk: LocalClerk) -> None:
    wanted = props(local_clerk.url)
    made = local().create(wanted)
    assert made.outs is not None
    found = local().read(made.id, made.outs)
    assert found.id == made.id
    assert settled(found.outs, wanted)
    assert found.inputs is not None
    assert set(found.inputs) == set(wanted)
    assert settled(found.inputs, wanted)


def test_drift_is_found_claim_by_claim_and_repaired(local_clerk: LocalClerk) -> None:
    wanted = props(local_clerk.url)
    made = local().create(wanted)
    assert made.outs is not None
    by_hand(local_clerk, made.id, claims={"foreign": 1}, lifetime=300)
    found = local().read(made.id, made.outs)
    assert found.inputs is not None
    assert found.inputs["claims"] == {"foreign": 1}
    assert found.inputs["lifetime"] == 300
    assert not settled(found.outs, wanted)
    assert found.outs is not None
    updated = local().update(made.id, found.outs, wanted)
    assert settled(updated.outs, wanted)
    assert local_clerk.client().jwt_template(made.id).claims == template_claims(
        "user", ["user"], {"level": 2}
    )


def test_renamed_by_hand_is_drift_of_the_same_template(local_clerk: LocalClerk) -> None:
    wanted = props(local_clerk.url)
    made = local().create(wanted)
    assert made.outs is not None
    by_hand(local_clerk, made.id, name="renamed")
    found = local().read(made.id, made.outs)
    assert found.outs is not None
    assert (found.id, found.outs["name"]) == (made.id, "renamed")
    assert not settled(found.outs, wanted)
    local().update(made.id, found.outs, wanted)
    assert names(local_clerk) == ["hasura"]


def test_deleted_by_hand_is_absence(local_clerk: LocalClerk) -> None:
    wanted = props(local_clerk.url)
    made = local().create(wanted)
    assert made.outs is not None
    local_clerk.client().delete_jwt_template(made.id)
    found = local().read(made.id, made.outs)
    assert (found.id, found.outs) == ("", {})
    with pytest.raises(ProviderError, match=r"gone from Clerk.*pulumi refresh"):
        local().update(made.id, made.outs, props(local_clerk.url, lifetime=90.0))
    local().delete(made.id, made.outs)


def test_delete(local_clerk: LocalClerk) -> None:
    made = local().create(props(local_clerk.url))
    local().delete(made.id, made.outs or {})
    assert names(local_clerk) == []


def test_an_existing_name_is_an_error_that_tells_of_adoption(local_clerk: LocalClerk) -> None:
    made = local().create(props(local_clerk.url, lifetime=300.0))
    with pytest.raises(ProviderError) as caught:
        local().create(props(local_clerk.url))
    assert made.id in str(caught.value)
    assert "adoptTemplate" in str(caught.value)
    assert local_clerk.client().jwt_template(made.id).lifetime == 300


def test_adoption_takes_over_by_id_and_updates(local_clerk: LocalClerk) -> None:
    first = local().create(props(local_clerk.url, claims=template_claims("old", ["old"], {}), lifetime=300.0))
    wanted = props(local_clerk.url, adopt=True)
    adopted = local().create(wanted)
    assert adopted.id == first.id
    assert settled(adopted.outs, wanted)
    assert [t.lifetime for t in local_clerk.client().jwt_templates()] == [60]


def test_adoption_of_what_is_as_wanted_writes_nothing(local_clerk: LocalClerk) -> None:
    first = local().create(props(local_clerk.url))
    local_clerk.fault("500", method="PATCH")
    wanted = props(local_clerk.url, adopt=True)
    adopted = local().create(wanted)
    assert adopted.id == first.id
    assert settled(adopted.outs, wanted)
    assert local_clerk.pending_faults() == 1, "no request met it"


def test_a_preview_says_what_is_taken_over_and_changed(
    local_clerk: LocalClerk, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = provider(clerkSecretKey=local_clerk.running.secret_key, clerkApiUrl=local_clerk.url)
    wanted = props(local_clerk.url, adopt=True)
    stack.check({}, wanted)
    assert capsys.readouterr().err == ""
    made = local().create(props(local_clerk.url, lifetime=300.0))
    stack.check({}, wanted)
    said = capsys.readouterr().err
    assert f"'hasura' ({made.id}) is there already and is taken over, and changed." in said
    assert "warning: JWT template 'hasura' is changed: lifetime: 300 -> 60" in said
    stack.check({}, props(local_clerk.url, adopt=True, lifetime=300.0))
    assert "is taken over, as it is." in capsys.readouterr().err
    stack.check({}, props(local_clerk.url))
    stack.check(dict(wanted), wanted)
    assert capsys.readouterr().err == ""
    assert local_clerk.client().jwt_template(made.id).lifetime == 300


def test_adoption_of_nothing_creates(local_clerk: LocalClerk) -> None:
    local().create(props(local_clerk.url, adopt=True))
    assert names(local_clerk) == ["hasura"]


def test_several_templates_of_one_name_are_never_chosen_from(raw_server: RawServers) -> None:
    both = b'[{"id":"jtmpl_1","name":"hasura","claims":{}},{"id":"jtmpl_2","name":"hasura","claims":{}}]'
    server = raw_server([http("200 OK", both)])
    real = provider(clerkSecretKey=SECRET_KEY, clerkApiUrl=server.url)
    with pytest.raises(ProviderError, match="2 JWT templates named 'hasura': jtmpl_1, jtmpl_2"):
        real.create(props(server.url, adopt=True))
    assert len(server.received) == 1


@pytest.mark.parametrize("kind", ["malformed", "truncated", "html"])
def test_a_create_whose_answer_was_lost_is_settled_by_looking(
    local_clerk: LocalClerk, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    local_clerk.fault(kind, method="POST")
    wanted = props(local_clerk.url)
    made = local().create(wanted)
    assert local_clerk.pending_faults() == 0
    assert [t.id for t in local_clerk.client().jwt_templates()] == [made.id]
    assert settled(made.outs, wanted)
    assert "was lost; found it as" in capsys.readouterr().err


def test_a_time_out_after_success_is_settled_by_looking(
    local_clerk: LocalClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "TIMEOUT", httpx.Timeout(1.0))
    local_clerk.fault("timeout_after", method="POST")
    made = local().create(props(local_clerk.url))
    assert [t.id for t in local_clerk.client().jwt_templates()] == [made.id]


def test_a_create_that_failed_for_good_says_that_nothing_is_there(local_clerk: LocalClerk) -> None:
    local_clerk.fault("500", method="POST")
    with pytest.raises(ProviderError, match="nothing was created"):
        local().create(props(local_clerk.url))
    assert names(local_clerk) == []
    local().create(props(local_clerk.url))


@pytest.mark.parametrize("kind", ["500", "429", "truncated"])
def test_faults_that_pass_do_not_stop_read_update_and_delete(local_clerk: LocalClerk, kind: str) -> None:
    made = local().create(props(local_clerk.url))
    assert made.outs is not None
    local_clerk.fault(kind, method="GET")
    assert local().read(made.id, made.outs).id == made.id
    local_clerk.fault(kind, method="PATCH")
    updated = local().update(made.id, made.outs, props(local_clerk.url, lifetime=90.0))
    assert updated.outs is not None
    assert updated.outs["lifetime"] == 90
    local_clerk.fault(kind, method="DELETE")
    # After a lost answer the second deletion finds nothing, which is what was wanted.
    local().delete(made.id, made.outs)
    assert names(local_clerk) == []


def test_a_refused_key_is_one_clear_error(local_clerk: LocalClerk) -> None:
    local_clerk.fault("401")
    with pytest.raises(ProviderError) as caught:
        local().create(props(local_clerk.url))
    assert "clerk_key_invalid" in str(caught.value)
    assert "clerkSecretKey" in str(caught.value)


def test_renaming_to_a_taken_name_is_refused_before_anything_changes(local_clerk: LocalClerk) -> None:
    local().create(props(local_clerk.url, name="taken"))
    made = local().create(props(local_clerk.url))
    assert made.outs is not None
    with pytest.raises(ProviderError, match="cannot be renamed: 'taken'"):
        local().update(made.id, made.outs, props(local_clerk.url, name="taken", lifetime=90.0))
    assert local_clerk.client().jwt_template(made.id).lifetime == 60


def test_one_renamed_by_hand_whose_name_is_taken_is_told_as_that(local_clerk: LocalClerk) -> None:
    made = local().create(props(local_clerk.url))
    assert made.outs is not None
    by_hand(local_clerk, made.id, name="renamed")
    other = local().create(props(local_clerk.url))
    with pytest.raises(ProviderError, match=f"cannot be renamed: 'hasura' is the name of {other.id}"):
        local().update(made.id, made.outs, props(local_clerk.url, lifetime=90.0))


def test_renaming_keeps_the_id(local_clerk: LocalClerk) -> None:
    made = local().create(props(local_clerk.url))
    assert made.outs is not None
    local().update(made.id, made.outs, props(local_clerk.url, name="other"))
    assert [(t.id, t.name) for t in local_clerk.client().jwt_templates()] == [(made.id, "other")]


def test_the_session_token_template_cannot_be_deleted_and_says_so(raw_server: RawServers) -> None:
    body = b'{"errors":[{"code":"session_token_jwt_template","message":"m"}]}'
    server = raw_server([http("403 Forbidden", body)])
    real = provider(clerkSecretKey=SECRET_KEY, clerkApiUrl=server.url)
    with pytest.raises(ProviderError, match=r"cannot be deleted; .*pulumi state delete"):
        real.delete("jtmpl_1", props(server.url))


class TestSigningKey:
    def wanted(self, url: str, key: str = SIGNING_KEY) -> dict[str, Any]:
        return props(url, signing_key=key, signing_algorithm="HS256")

    def test_its_change_is_seen_though_clerk_never_returns_it(self, local_clerk: LocalClerk) -> None:
        wanted = self.wanted(local_clerk.url)
        made = local().create(wanted)
        assert made.outs is not None
        assert local_clerk.client().jwt_template(made.id).custom_signing_key
        found = local().read(made.id, made.outs)
        assert settled(found.outs, wanted)
        assert not settled(found.outs, self.wanted(local_clerk.url, SIGNING_KEY + "x"))

    def test_its_removal_by_hand_is_drift(self, local_clerk: LocalClerk) -> None:
        wanted = self.wanted(local_clerk.url)
        made = local().create(wanted)
        assert made.outs is not None
        by_hand(local_clerk, made.id, custom_signing_key=False)
        found = local().read(made.id, made.outs)
        assert found.outs is not None
        assert "signing_key" not in found.outs
        assert not settled(found.outs, wanted)

    def test_it_can_be_given_up(self, local_clerk: LocalClerk) -> None:
        made = local().create(self.wanted(local_clerk.url))
        assert made.outs is not None
        plain = props(local_clerk.url)
        updated = local().update(made.id, made.outs, plain)
        assert settled(updated.outs, plain)
        assert not local_clerk.client().jwt_template(made.id).custom_signing_key

    def test_errors_never_hold_it(self, local_clerk: LocalClerk) -> None:
        with pytest.raises(ProviderError) as caught:
            local().create(props(local_clerk.url, signing_key=SIGNING_KEY, signing_algorithm="HS1"))
        assert "CANARY" not in str(caught.value)
        failures = local().check({}, props(local_clerk.url, signing_key=SIGNING_KEY)).failures
        assert [failure.property for failure in failures] == ["signing_algorithm"]
        assert "CANARY" not in failures[0].reason


class TestDiff:
    URL = "http://127.0.0.1:9"

    def test_numbers_of_either_type_are_the_same(self) -> None:
        assert settled(props(self.URL, lifetime=60), props(self.URL, lifetime=60.0))

    @pytest.mark.parametrize(
        "change", [{"name": "x"}, {"claims": {}}, {"lifetime": 61.0}, {"allowed_clock_skew": 0.0}]
    )
    def test_each_input_counts(self, change: dict[str, Any]) -> None:
        result = local().diff("id", props(self.URL), props(self.URL, **change))
        assert (result.changes, result.replaces) == (True, [])

    def test_adopt_alone_changes_nothing(self) -> None:
        assert settled(props(self.URL), props(self.URL, adopt=True))

    def test_an_unknown_value_is_a_change_and_no_error(self) -> None:
        claims = {"x": [Unknown()]}
        result = local().diff("id", props(self.URL), props(self.URL, claims=claims))
        assert (result.changes, result.replaces) == (True, [])
        assert local().diff("id", props(self.URL), props(self.URL, api_url=Unknown())).replaces == []

    def test_another_address_is_another_instance(self) -> None:
        result = local().diff("id", props(self.URL), props("https://api.clerk.com"))
        assert (result.changes, result.replaces) == (True, ["api_url"])
        assert not result.delete_before_replace


class TestCheck:
    URL = "http://127.0.0.1:9"

    def test_good_inputs_pass_untouched(self) -> None:
        wanted = props(self.URL)
        result = local().check({}, wanted)
        assert (result.failures, result.inputs) == ([], wanted)

    @pytest.mark.parametrize(
        ("change", "where", "says"),
        [
            ({"name": " "}, "name", "needs a name"),
            ({"name": "a/b"}, "name", "without a slash"),
            ({"lifetime": 29.0}, "lifetime", "is 29; write whole seconds from 30 to 315360000"),
            ({"lifetime": 315_360_001.0}, "lifetime", "from 30 to 315360000"),
            ({"lifetime": 60.5}, "lifetime", "60.5"),
            ({"lifetime": True}, "lifetime", "True"),
            ({"allowed_clock_skew": 301.0}, "allowed_clock_skew", "from 0 to 300"),
            ({"allowed_clock_skew": -1.0}, "allowed_clock_skew", "from 0 to 300"),
            ({"claims": "x"}, "claims", "must be an object"),
            ({"claims": {**template_claims("user", ["user"], {}), "iss": "x"}}, "claims", "claim iss"),
            ({"signing_algorithm": "HS256"}, "signing_key", "belong together"),
            ({"signing_algorithm": "none", "signing_key": "x"}, "signing_algorithm", "'none' is none of"),
        ],
    )
    def test_bad_inputs_are_named(self, change: dict[str, Any], where: str, says: str) -> None:
        failures = local().check({}, props(self.URL, **change)).failures
        assert [failure.property for failure in failures] == [where]
        assert says in failures[0].reason

    def test_all_at_once(self) -> None:
        bad = props(self.URL, name="", lifetime=0.0, allowed_clock_skew=-1.0, claims={"iss": 1})
        assert len(local().check({}, bad).failures) == 5

    def test_unknown_values_are_passed_over(self) -> None:
        unknown = props(self.URL, name=Unknown(), lifetime=Unknown(), claims={"x": Unknown()})
        assert local().check({}, unknown).failures == []


class TestAnotherInstance:
    """One address serves every application: which one it is, the keys say."""

    OLD, NEW = (keys.publishable_key_for(host, "live") for host in ("clerk.old.example", "clerk.new.example"))

    def stack(self, clerk: LocalClerk, publishable_key: str) -> JwtTemplateProvider:
        return provider(
            clerkSecretKey=clerk.running.secret_key,
            clerkApiUrl=clerk.url,
            clerkPublishableKey=publishable_key,
        )

    def test_another_application_gets_a_template_of_its_own(
        self, local_clerk: LocalClerk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old = props(local_clerk.url, publishable_key=self.OLD)
        new = props(local_clerk.url, publishable_key=self.NEW)
        moved = self.stack(local_clerk, self.NEW)
        result = moved.diff("jtmpl_old", old, new)
        assert (result.changes, result.replaces) == (True, ["publishable_key"])
        assert moved.create(new).id.startswith("jtmpl_")
        moved.delete("jtmpl_old", old)
        said = capsys.readouterr().err
        assert "'hasura' (jtmpl_old) may be left" in said
        assert "clerk.old.example" in said
        assert names(local_clerk) == ["hasura"]

    def test_another_domain_of_the_same_application_keeps_it(
        self, local_clerk: LocalClerk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old = props(local_clerk.url, publishable_key=self.OLD)
        new = props(local_clerk.url, publishable_key=self.NEW)
        made = self.stack(local_clerk, self.OLD).create(old)
        moved = self.stack(local_clerk, self.NEW)
        assert made.outs is not None
        result = moved.diff(made.id, made.outs, new)
        assert (result.changes, result.replaces) == (True, [])
        assert settled(moved.update(made.id, made.outs, new).outs, new)
        # Whatever led to a replacement all the same, as a preview without network: it lives on.
        moved.delete(made.id, old)
        assert names(local_clerk) == ["hasura"]

    def test_a_refresh_does_not_forget_what_is_in_the_application_before(
        self, local_clerk: LocalClerk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old = props(local_clerk.url, publishable_key=self.OLD)
        found = self.stack(local_clerk, self.NEW).read("jtmpl_old", old)
        assert (found.id, found.inputs) == ("jtmpl_old", old)
        assert "not refreshed: the JWT template of the Clerk application that was used before" in (
            capsys.readouterr().err
        )
        assert self.stack(local_clerk, self.OLD).read("jtmpl_old", old).id == ""

    def test_a_state_of_before_is_completed_and_not_replaced(self, local_clerk: LocalClerk) -> None:
        new = props(local_clerk.url, publishable_key=self.NEW)
        result = self.stack(local_clerk, self.NEW).diff("jtmpl_1", props(local_clerk.url), new)
        assert (result.changes, result.replaces) == (True, [])

    def test_another_way_to_the_same_application_is_no_move(self, local_clerk: LocalClerk) -> None:
        old = props("https://api.clerk.example", publishable_key=self.NEW)
        new = props(local_clerk.url, publishable_key=self.NEW)
        result = self.stack(local_clerk, self.NEW).diff("jtmpl_1", old, new)
        assert (result.changes, result.replaces) == (True, [])

    def test_padding_is_no_other_key(self, local_clerk: LocalClerk) -> None:
        old = props(local_clerk.url, publishable_key=f"{self.NEW}==")
        new = props(local_clerk.url, publishable_key=self.NEW)
        assert self.stack(local_clerk, self.NEW).diff("jtmpl_1", old, new).replaces == []

    @pytest.mark.parametrize("key", ["", SECRET_KEY])
    def test_back_at_the_local_clerk_nothing_hangs_on_a_real_ones_key(
        self, key: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stack = provider(localClerk="true", clerkSecretKey=key)
        stack.delete("jtmpl_1", props("https://127.0.0.1:1", publishable_key=self.OLD))
        said = capsys.readouterr().err
        assert "Delete it in that application's dashboard" in said
        assert ("cannot connect" in said) is bool(key)
        assert "CANARY" not in said


class TestKeys:
    def test_the_environment_comes_before_the_configuration(
        self, raw_server: RawServers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = raw_server([http("404 Not Found", b"{}")])
        monkeypatch.setenv("CLERK_SECRET_KEY", SECRET_KEY)
        provider(clerkSecretKey="sk_test_of_the_configuration", clerkApiUrl=server.url).delete(
            "x", props(server.url)
        )
        assert SECRET_KEY.encode() in server.received[0]

    def test_a_real_key_never_goes_to_the_address_of_the_local_clerk(self, raw_server: RawServers) -> None:
        # The stack was local before and has moved on: the old template is still to be deleted.
        server = raw_server([http("404 Not Found", b"{}")])
        provider(clerkSecretKey=SECRET_KEY, clerkApiUrl="https://api.clerk.com").delete(
            "x", props(server.url)
        )
        assert keys.LOCAL_SECRET_KEY.encode() in server.received[0]
        assert b"CANARY" not in server.received[0]

    def test_no_key_is_one_clear_error(self) -> None:
        with pytest.raises(ProviderError, match=r"No secret key is configured .*clerkSecretKey"):
            provider().delete("x", props("https://api.clerk.com"))

    def test_a_malformed_key_is_one_clear_error_without_it(self) -> None:
        with pytest.raises(ProviderError) as caught:
            provider(clerkSecretKey="CANARY").delete("x", props("https://api.clerk.com"))
        assert "sk_test_" in str(caught.value)
        assert "CANARY" not in str(caught.value)

    def test_a_local_clerk_that_is_gone_does_not_stop_a_refresh(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        gone = props("http://127.0.0.1:1")
        found = local().read("jtmpl_1", gone)
        reason = found.inputs.pop(UNSEEN)
        assert (found.id, found.inputs) == ("jtmpl_1", gone)
        assert f"not refreshed: the JWT template of the local Clerk: {reason}" in capsys.readouterr().err
        assert "cannot connect" in reason

    @pytest.mark.parametrize("deleted", [False, True])
    def test_what_a_refresh_could_not_see_is_brought_in_line(
        self, local_clerk: LocalClerk, deleted: bool
    ) -> None:
        """Once the local Clerk is back. While it is away, a preview shows an update; its twin shows nothing."""
        stack, wanted, away = local(), props(local_clerk.url), "http://127.0.0.1:1"
        made = stack.create(wanted)
        assert settled(made.outs, wanted)
        state = dict(made.outs or {})
        found = dict(stack.read(made.id, state | {"api_url": away}).outs or {})
        shown = stack.diff(made.id, found, props(away))
        assert (shown.changes, shown.replaces) == (True, [])
        found["api_url"] = local_clerk.url
        if deleted:
            stack.delete(made.id, state)
            shown = stack.diff(made.id, found, wanted)
            assert (shown.changes, shown.replaces) == (True, ["name"])
            outs = stack.create(wanted).outs
            stack.delete(made.id, found)
        else:
            by_hand(local_clerk, made.id, name="renamed")
            shown = stack.diff(made.id, found, wanted)
            assert (shown.changes, shown.replaces) == (True, [])
            outs = stack.update(made.id, found, wanted).outs
        assert UNSEEN not in (outs or {}) and settled(outs, wanted)
        assert names(local_clerk) == ["hasura"]

    def test_a_local_clerk_that_is_gone_does_not_stop_a_destroy(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        local().delete("jtmpl_1", props("http://127.0.0.1:1"))
        assert "gone with it" in capsys.readouterr().err

    def test_a_real_clerk_that_cannot_be_reached_does(self) -> None:
        url = "http://127.0.0.1:1"
        with pytest.raises(ProviderError, match="cannot connect"):
            provider(clerkSecretKey=SECRET_KEY, clerkApiUrl=url).delete("jtmpl_1", props(url))
        with pytest.raises(ProviderError, match="cannot connect"):
            provider(clerkSecretKey=SECRET_KEY, clerkApiUrl=url).read("jtmpl_1", props(url))


def test_the_provider_is_stored_by_reference_without_a_secret() -> None:
    import base64

    from pulumi.dynamic.dynamic import serialize_provider

    stored = base64.b64decode(serialize_provider(JwtTemplateProvider()))
    assert b"components.clerk.provider" in stored
    assert len(stored) < 120


class TestAsTheHostCalls:
    """Calls over gRPC, with the host's own server."""

    def test_an_error_is_its_text_and_nothing_else(
        self, local_clerk: LocalClerk, caplog: pytest.LogCaptureFixture
    ) -> None:
        local().create(props(local_clerk.url))
        with pytest.raises(grpc.RpcError) as caught:
            _call_create(props(local_clerk.url))
        details = caught.value.details()
        assert details.startswith("Clerk has a JWT template named 'hasura' already")
        assert caplog.records == []

    def test_a_defect_keeps_its_traceback(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            _call_create({"api_url": "http://127.0.0.1:1"})
        assert caught.value.details() == "Exception calling application: 'name'"
        assert "KeyError" in caplog.text


def _call_create(inputs: dict[str, Any]) -> None:
    class Servicer(provider_pb2_grpc.ResourceProviderServicer):
        def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
            local().create(inputs)
            return provider_pb2.CreateResponse(id="x")

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            provider_pb2_grpc.ResourceProviderStub(channel).Create(provider_pb2.CreateRequest())
    finally:
        server.stop(0)
