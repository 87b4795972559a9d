"""Caddy's configuration, before the engine's replicas and before everybody. Pure.

Names: https://caddyserver.com/docs/json/, and for the limit of requests
https://github.com/mholt/caddy-ratelimit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from components.hasura.serving import PORT, Serving

if TYPE_CHECKING:
    from components.settings import IngressSettings

ADMIN_SOCKET: Final = "unix//tmp/caddy-admin.sock"
"""Caddy's own administration, within its container only."""
INNER_PORT: Final = 8080
"""Of everything that the engine serves, where it has replicas: for the deployment."""
HTTP_PORT: Final = 8081
HTTPS_PORT: Final = 8443
"""Of what everybody reaches. Above 1024, because Caddy is not root; published on the ports that are configured."""
STATUS_ADDRESS: Final = "127.0.0.1:2020"
"""Of the health check."""
STORAGE: Final = "/data"
"""Of certificates that Caddy obtains, and of its account at their authority."""

CONFIG_FILE: Final = "caddy.json"
CERTIFICATE_FILE: Final = "certificate.pem"
KEY_FILE: Final = "certificate-key.pem"
ACME_CA_FILE: Final = "acme-ca.pem"

EXPOSED: Final = ("/v1/graphql", "/healthz")
"""All that everybody reaches."""
KEPT_HEADERS: Final = ("X-Hasura-Role",)
"""Of the engine's own headers, what a browser needs: the engine holds the role to those of the token."""

_REFRESH_SECONDS: Final = 1
"""Docker takes a task out of the DNS two seconds before it stops it, so by then no request goes there any more."""
_TRY_SECONDS: Final = 15
"""How long a request waits for an engine that takes a connection; an engine's container is replaced in less."""
_DAY: Final = 24 * 3600


def caddy_config(
    serving: Serving,
    ingress: IngressSettings | None,
    *,
    files: str,
    token_header: str | None = None,
) -> dict[str, Any]:
    """The configuration.

    :param ingress: what everybody reaches; None where Caddy stands before replicas only.
    :param files: folder in which Caddy finds the files that the configuration names.
    :param token_header: a header of one's own that carries the token, if any.
    """
    replicated = serving.service is not None
    servers: dict[str, Any] = {"status": _status()}
    if replicated:
        servers["inner"] = _inner(serving)
    apps: dict[str, Any] = {
        "http": {
            "http_port": HTTP_PORT,
            "https_port": HTTPS_PORT,
            "grace_period": "30s",
            "servers": servers,
        }
    }
    if ingress is not None:
        servers["http"] = _redirects(ingress)
        servers["https"] = _public(serving, ingress, token_header)
        apps["tls"] = _tls(ingress, files)
    return {
        "admin": {"listen": ADMIN_SOCKET, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": STORAGE},
        "logging": _logging(),
        "apps": apps,
    }


def _status() -> dict[str, Any]:
    return {
        "listen": [STATUS_ADDRESS],
        "automatic_https": {"disable": True},
        "routes": [{"handle": [{"handler": "static_response", "status_code": 200}]}],
    }


def _inner(serving: Serving) -> dict[str, Any]:
    """Everything that the engine serves. What an administrator does goes to one replica, so that it finds there what
    it has just changed; and each replica can be asked how it is, under its address on the stack's network.
    """
    replica = {
        "match": [
            {
                "method": ["GET"],
                "path_regexp": {
                    "name": "replica",
                    "pattern": r"^/replicas/(\d{1,3}(?:\.\d{1,3}){3})/healthz$",
                },
            }
        ],
        "handle": [
            {"handler": "rewrite", "uri": "/healthz?{http.request.uri.query}"},
            {
                "handler": "reverse_proxy",
                "upstreams": [{"dial": f"{{http.regexp.replica.1}}:{PORT}"}],
                "transport": {"protocol": "http", "dial_timeout": "2s"},
            },
        ],
        "terminal": True,
    }
    administrator = {
        "match": [{"header": {"X-Hasura-Admin-Secret": ["*"]}}],
        "handle": [
            _proxy(serving, selection={"policy": "header", "field": "X-Hasura-Admin-Secret"}),
        ],
        "terminal": True,
    }
    return {
        "listen": [f":{INNER_PORT}"],
        "automatic_https": {"disable": True},
        "routes": [replica, administrator, {"handle": [_proxy(serving)]}],
    }


def _proxy(
    serving: Serving, *, selection: dict[str, Any] | None = None, buffer_bytes: int = 0
) -> dict[str, Any]:
    """The way to the engine. A request is sent again only if no connection could be made for it, so none is carried
    out twice.
    """
    balanced = {
        "selection_policy": selection or {"policy": "least_conn"},
        "try_duration": f"{_TRY_SECONDS}s",
        "try_interval": "100ms",
    }
    proxy: dict[str, Any] = {
        "handler": "reverse_proxy",
        "transport": {"protocol": "http", "dial_timeout": "2s"},
        "upstreams": [{"dial": f"{serving.host}:{PORT}"}],
        "load_balancing": balanced,
        # A subscription outlives a change of this configuration.
        "stream_close_delay": f"{_DAY}s",
    }
    if buffer_bytes:
        proxy["request_buffers"] = buffer_bytes
    if serving.service is not None:
        proxy["dynamic_upstreams"] = {
            "source": "a",
            "name": serving.host,
            "port": str(PORT),
            "refresh": f"{_REFRESH_SECONDS}s",
            "versions": {"ipv4": True, "ipv6": False},
        }
        proxy["health_checks"] = {"passive": {"fail_duration": "2s", "max_fails": 1}}
    return proxy


def _redirects(ingress: IngressSettings) -> dict[str, Any]:
    """HTTP, which knows one answer, besides what an authority asks of it."""
    return {
        "listen": [f":{HTTP_PORT}"],
        "automatic_https": {"disable": True},
        "read_header_timeout": "10s",
        "read_timeout": "10s",
        "idle_timeout": "1m",
        "max_header_bytes": 32768,
        "routes": [
            {
                "handle": [
                    {
                        "handler": "static_response",
                        "status_code": 308,
                        "headers": {"Location": [f"{ingress.url}{{http.request.orig_uri}}"]},
                        "close": True,
                    }
                ]
            }
        ],
    }


def _public(serving: Serving, ingress: IngressSettings, token_header: str | None) -> dict[str, Any]:
    graphql, health = EXPOSED
    body = ingress.body_kb * 1024
    routes: list[dict[str, Any]] = [
        {"handle": [_response_headers()]},
        {"match": [{"not": [{"host": [ingress.domain]}]}], "handle": [_NOT_FOUND], "terminal": True},
    ]
    if ingress.requests_per_minute:
        routes.append({"handle": [_rate_limit(ingress.requests_per_minute)]})
    routes += [
        {
            "match": [_exactly(graphql, methods=("GET", "POST", "OPTIONS"))],
            "handle": [
                {"handler": "request_body", "max_size": body},
                *_without_engine_headers([*KEPT_HEADERS, *([token_header] if token_header else [])]),
                # Whatever was asked for, this is what the engine is asked.
                {"handler": "rewrite", "uri": graphql},
                _proxy(serving, buffer_bytes=body + 1),
            ],
            "terminal": True,
        },
        {
            "match": [_exactly(health, methods=("GET", "HEAD"))],
            "handle": [
                *_without_engine_headers([]),
                {"handler": "rewrite", "uri": health},
                _proxy(serving),
            ],
            "terminal": True,
        },
        {"handle": [_NOT_FOUND]},
    ]
    server: dict[str, Any] = {
        "listen": [f":{HTTPS_PORT}"],
        "protocols": ["h1", "h2"],
        "automatic_https": {
            "disable_redirects": True,
            **({"disable_certificates": True} if ingress.certificate else {}),
        },
        "tls_connection_policies": [{"protocol_min": "tls1.2"}],
        # Of the request only: a subscription is a connection of its own kind, for which they do not count.
        "read_header_timeout": "10s",
        "read_timeout": "30s",
        "idle_timeout": "2m",
        "max_header_bytes": 32768,
        "logs": {"default_logger_name": "ingress"},
        "routes": routes,
    }
    if ingress.trusted_proxies:
        server["trusted_proxies"] = {"source": "static", "ranges": list(ingress.trusted_proxies)}
        server["trusted_proxies_strict"] = 1
    return server


_NOT_FOUND: Final[dict[str, Any]] = {"handler": "static_response", "status_code": 404}


def _exactly(path: str, *, methods: Sequence[str]) -> dict[str, Any]:
    """A request whose path is written so and in no other way; Caddy's own matcher would tidy it up first."""
    return {
        "method": list(methods),
        "vars_regexp": {"{http.request.orig_uri}": {"pattern": rf"^{path}(\?|$)"}},
    }


def _response_headers() -> dict[str, Any]:
    return {
        "handler": "headers",
        "response": {
            "deferred": True,
            "set": {"Strict-Transport-Security": ["max-age=31536000"]},
            "delete": ["Server", "Via"],
        },
    }


def _rate_limit(requests: int) -> dict[str, Any]:
    zone = {"key": "{http.vars.client_ip}", "window": "1m", "max_events": requests}
    return {"handler": "rate_limit", "rate_limits": {"client": zone}}


def _without_engine_headers(kept: Sequence[str]) -> list[dict[str, Any]]:
    """Takes out every header that speaks to the engine itself: the admin secret above all, whoever knows it."""
    engines = [header for header in kept if header.lower().startswith("x-hasura-")]
    remembered = {
        f"kept_{index}": f"{{http.request.header.{header}}}" for index, header in enumerate(engines)
    }
    handlers: list[dict[str, Any]] = [{"handler": "vars", **remembered}] if engines else []
    handlers.append({"handler": "headers", "request": {"delete": ["X-Hasura-*"]}})
    if engines:
        handlers.append(
            {
                "handler": "subroute",
                "routes": [
                    {
                        "match": [{"not": [{"vars": {f"{{http.vars.kept_{index}}}": [""]}}]}],
                        "handle": [
                            {
                                "handler": "headers",
                                "request": {"set": {header: [f"{{http.vars.kept_{index}}}"]}},
                            }
                        ],
                    }
                    for index, header in enumerate(engines)
                ],
            }
        )
    return handlers


def _tls(ingress: IngressSettings, files: str) -> dict[str, Any]:
    if ingress.certificate:
        pair = {"certificate": f"{files}/{CERTIFICATE_FILE}", "key": f"{files}/{KEY_FILE}"}
        return {"certificates": {"load_files": [pair]}}
    issuer: dict[str, Any] = {"module": "acme", "ca": ingress.acme_directory}
    if ingress.email:
        issuer["email"] = ingress.email
    if ingress.acme_ca_certificate:
        issuer["trusted_roots_pem_files"] = [f"{files}/{ACME_CA_FILE}"]
    return {
        "certificates": {"automate": [ingress.domain]},
        "automation": {"policies": [{"subjects": [ingress.domain], "issuers": [issuer]}]},
    }


def _logging() -> dict[str, Any]:
    """Lines of JSON for Docker, which rotates them: no header, where tokens are, and no query."""
    without_tokens = {
        "format": "filter",
        "wrap": {"format": "json", "time_format": "iso8601"},
        "fields": {
            "request>headers": {"filter": "delete"},
            "resp_headers": {"filter": "delete"},
            "request>uri": {"filter": "regexp", "regexp": r"\?.*", "value": ""},
        },
    }
    return {"logs": {"default": {"level": "INFO", "writer": {"output": "stdout"}, "encoder": without_tokens}}}
