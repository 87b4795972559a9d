"""Caddy's configuration as data: who reaches what, with what taken away."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, cast

import pulumi
import pytest

from components.hasura.serving import Serving
from components.ingress.caddy_config import caddy_config
from components.settings import IngressSettings

INGRESS = IngressSettings(
    domain="api.example.com",
    email="ops@example.com",
    acme_directory="https://acme.example.com/directory",
    acme_ca_certificate="",
    certificate="",
    certificate_key="",
    address="0.0.0.0",
    http_port=80,
    https_port=443,
    body_kb=64,
    requests_per_minute=600,
    trusted_proxies=(),
)
NOBODY = cast(pulumi.Resource, None)
ID = cast("pulumi.Output[str]", None)
ONE = Serving(healthy=NOBODY, home=NOBODY, identity=ID, host="dev-hasura")
SEVERAL = replace(ONE, host="dev_hasura", service="dev_hasura")


def config(serving: Serving = ONE, **change: Any) -> dict[str, Any]:
    return caddy_config(serving, replace(INGRESS, **change), files="/files")


def servers(made: dict[str, Any]) -> dict[str, Any]:
    return dict(made["apps"]["http"]["servers"])


def found(node: Any, handler: str) -> list[dict[str, Any]]:
    """Every handler of that name, wherever it stands."""
    if isinstance(node, list):
        return [each for item in node for each in found(item, handler)]
    if not isinstance(node, dict):
        return []
    own = [node] if node.get("handler") == handler else []
    return own + [each for value in node.values() for each in found(value, handler)]


def request_changes(node: Any) -> list[dict[str, Any]]:
    return [each["request"] for each in found(node, "headers") if "request" in each]


def test_before_replicas_only_there_is_no_public_server() -> None:
    made = caddy_config(SEVERAL, None, files="/files")
    assert set(servers(made)) == {"status", "inner"}
    assert "tls" not in made["apps"]


def test_one_engine_needs_no_inner_server() -> None:
    assert set(servers(config())) == {"status", "http", "https"}
    assert set(servers(config(SEVERAL))) == {"status", "inner", "http", "https"}


@pytest.mark.parametrize(
    ("uri", "is_exposed"),
    [
        ("/v1/graphql", True),
        ("/v1/graphql?x=1", True),
        ("/healthz", True),
        ("/healthz?strict=true", True),
        ("/v1/graphql/", False),
        ("/v1/graphql/explain", False),
        ("/V1/graphql", False),
        ("//v1/graphql", False),
        ("/v1/graphql;a", False),
        ("/v1/graphql%2f..%2fmetadata", False),
        ("/v1/metadata", False),
        ("//v1/metadata", False),
        ("/v1/./metadata", False),
        ("/v1/graphql/../metadata", False),
        ("/v1/%6detadata", False),
        ("/healthz/../v1/metadata", False),
        ("/v2/query", False),
        ("/v1/version", False),
        ("/console", False),
        ("/", False),
    ],
)
def test_only_two_paths_are_exposed_as_they_are_written(uri: str, is_exposed: bool) -> None:
    routes = servers(config())["https"]["routes"]
    patterns = [
        match["vars_regexp"]["{http.request.orig_uri}"]["pattern"]
        for route in routes
        for match in route.get("match", [])
        if "vars_regexp" in match
    ]
    assert len(patterns) == 2
    assert any(re.search(pattern, uri) for pattern in patterns) is is_exposed
    # And whatever was matched, the engine is asked for one path.
    rewritten = {handler["uri"] for handler in found(routes, "rewrite")}
    assert rewritten == {"/v1/graphql", "/healthz"}


def test_everything_else_and_every_other_host_is_not_found() -> None:
    routes = servers(config())["https"]["routes"]
    assert routes[-1] == {"handle": [{"handler": "static_response", "status_code": 404}]}
    assert routes[1]["match"] == [{"not": [{"host": ["api.example.com"]}]}]


def test_headers_that_speak_to_the_engine_itself_are_taken_out() -> None:
    routes = servers(config())["https"]["routes"]
    taken = [each["delete"] for each in request_changes(routes) if "delete" in each]
    assert taken == [["X-Hasura-*"], ["X-Hasura-*"]]
    put_back = [each["set"] for each in request_changes(routes) if "set" in each]
    assert [list(each) for each in put_back] == [["X-Hasura-Role"]]


def test_a_header_of_ones_own_for_the_token_stays() -> None:
    made = caddy_config(ONE, INGRESS, files="/files", token_header="X-Hasura-Token")
    put_back = [each["set"] for each in request_changes(servers(made)["https"]) if "set" in each]
    assert [list(each) for each in put_back] == [["X-Hasura-Role"], ["X-Hasura-Token"]]
    elsewhere = caddy_config(ONE, INGRESS, files="/files", token_header="X-Token")
    assert servers(elsewhere) == servers(config())


def test_limits() -> None:
    https = servers(config())["https"]
    assert [each["max_size"] for each in found(https, "request_body")] == [64 * 1024]
    [limit] = found(https, "rate_limit")
    assert limit["rate_limits"]["client"]["max_events"] == 600
    assert not found(servers(config(requests_per_minute=0))["https"], "rate_limit")


def test_certificates() -> None:
    own = config(certificate="pem", certificate_key="pem")
    assert own["apps"]["tls"] == {
        "certificates": {
            "load_files": [{"certificate": "/files/certificate.pem", "key": "/files/certificate-key.pem"}]
        }
    }
    assert config()["apps"]["tls"]["certificates"] == {"automate": ["api.example.com"]}
    [policy] = config()["apps"]["tls"]["automation"]["policies"]
    assert policy == {
        "subjects": ["api.example.com"],
        "issuers": [
            {"module": "acme", "ca": "https://acme.example.com/directory", "email": "ops@example.com"}
        ],
    }
    [policy] = config(acme_ca_certificate="pem", email="")["apps"]["tls"]["automation"]["policies"]
    assert policy["issuers"] == [
        {
            "module": "acme",
            "ca": "https://acme.example.com/directory",
            "trusted_roots_pem_files": ["/files/acme-ca.pem"],
        }
    ]


def test_plain_http_redirects_to_the_address_that_is_published() -> None:
    [route] = servers(config(https_port=8443))["http"]["routes"]
    assert route["handle"][0]["headers"]["Location"] == [
        "https://api.example.com:8443{http.request.orig_uri}"
    ]


def test_requests_are_sent_again_only_where_nothing_was_sent() -> None:
    for proxy in found(servers(config(SEVERAL)), "reverse_proxy"):
        assert "retry_match" not in proxy.get("load_balancing", {})


def test_no_part_of_a_key_is_in_it() -> None:
    assert "canary" not in json.dumps(config(certificate="canary-1", certificate_key="canary-2"))
