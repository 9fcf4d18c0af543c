"""Caddy's configuration as a pure function of the gateway's configuration.

JSON and no Caddyfile: typed, and without rules of quoting. Reference: https://caddyserver.com/docs/json/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.gateway import errors, paths
from components.gateway.monitoring_routes import Monitored, metrics_server, monitoring_route

Json = dict[str, Any]

KEY_PATTERN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""A bearer token's characters (RFC 6750, 2.1)."""
FOLDER = "/gateway"
"""Where the gateway has its own folder: configuration, admin socket, what ACME keeps."""
PLACE = "@GATEWAY@"
"""Stands for that folder, which is another one for a native process; files/configure.py fills it in."""
KEYS_LOG, KEYS_SOCKET = "keys.log", "keys.socket"
"""In that folder: what files/key_metrics.py counts by key, and where it answers."""
ANY = "0.0.0.0/0"
LOOPBACK = ("127.0.0.1/32", "::1/128")
NOBODY = "-"
"""The name of a key that nobody has."""
TEAM = "team"
"""The name of all keys that LiteLLM is to know, which begin with `sk-`."""
TARGET = "{http.request.uri}"
"""Path and query as they are sent; `path` and `path_regexp` compare what was decoded and cleaned."""
REQUEST_ID = "{http.request.header.X-Request-Id}"
CREDENTIALS = ("Authorization", "X-Api-Key")
ENDS_HERE = [*CREDENTIALS, "Cookie", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"]
"""Request headers that the engine need not know: credentials, and where the request came from."""
WRITTEN_HERE = ["Access-Control-*", "Server", "X-Request-Id"]
"""Headers of the engine's answer that the gateway writes."""


@dataclass(frozen=True)
class Page:
    """A page beside the API: another port with its own ranges, passed on whole to one of loopback.

    Without any ranges the port is for the machine itself.
    """

    port: int
    inner_port: int
    allowed_cidrs: tuple[str, ...]


@dataclass(frozen=True)
class Tls:
    """Where the certificate comes from.

    Attributes:
        mode: `given`: `certificate` and `key`; `acme`: from a certificate authority; `none`: no TLS.
        certificate: PEM, the leaf first.
        key: its private key, PEM, a secret.
        name: name or address that clients without SNI get the certificate of; with ACME the one that it is for.
        directory: URL of the ACME server; Let's Encrypt's when empty.
        email: account's address for the ACME server.
        root: PEM of the certificate authority that the ACME server itself is verified with; empty for the public ones.
        http_port: where HTTP-01 challenges are answered.
    """

    mode: Literal["given", "acme", "none"] = "none"
    certificate: str = ""
    key: str = ""
    name: str = ""
    directory: str = ""
    email: str = ""
    root: str = ""
    http_port: int = 80


@dataclass(frozen=True)
class Config:
    """The gateway's configuration.

    Attributes:
        keys: key by name; both are unique.
        port: of the URL.
        engine_port: where the engine listens on loopback.
        allowed_cidrs: who may use the URL.
        metrics_cidrs: who may read `/metrics` (the engine's), `/gateway/metrics` (Caddy's) and `/gateway/metrics/keys`
            (requests and bytes by key), without a key.
        cors_origins: origins whose pages may call the API from a browser; `*` for all.
        more_paths: paths of the engine that are open beside those of its task.
        task: what the model is for.
        max_request_mib: longest request, MiB.
        access_log: one line of JSON a request, on standard output.
        page: a page beside the API.
        monitored: monitoring behind a login of its own; None for none.
        team: LiteLLM, on a port of its own; on the API's it is asked with keys that begin with `sk-` and are no other.
        tls: the certificate of all.
    """

    keys: Mapping[str, str]
    port: int
    engine_port: int
    allowed_cidrs: Sequence[str] = (ANY,)
    metrics_cidrs: Sequence[str] = ()
    cors_origins: Sequence[str] = ()
    more_paths: Sequence[str] = ()
    task: str = "chat"
    max_request_mib: int = 64
    access_log: bool = True
    page: Page | None = None
    monitored: Monitored | None = None
    team: Page | None = None
    tls: Tls = field(default_factory=Tls)

    @property
    def counts(self) -> bool:
        """Whether requests are counted, Caddy's own way and by key."""
        return bool(self.metrics_cidrs) or self.monitored is not None


BY_TEAM: Json = {"vars": {"{key_name}": [TEAM]}}


def check_keys(keys: Mapping[str, str]) -> None:
    """Looks at the keys.

    Raises:
        ValueError: a key that no header can carry, or that two names have.
    """
    for name, key in keys.items():
        if not KEY_PATTERN.fullmatch(key):
            raise ValueError(
                f"the API key {name} may hold letters, digits and . _ ~ + / = - only; make one with "
                "`openssl rand -hex 24`"
            )
    if len(set(keys.values())) < len(keys):
        raise ValueError("two names have the same API key; give each its own, so that one can be revoked alone")


def render(config: Config) -> Json:
    """The whole configuration.

    Raises:
        ValueError: as `check_keys`.
    """
    check_keys(config.keys)
    servers = {"api": _server(config, f":{config.port}", _api(config), _api_errors())}
    if config.access_log or config.counts:
        servers["api"]["logs"] = {}
    for name, page in (("page", config.page), ("team", config.team)):
        if page:
            address = f":{page.port}" if page.allowed_cidrs else f"127.0.0.1:{page.port}"
            servers[name] = _server(config, address, _page(page), _page_errors())
    if config.monitored:
        servers["metrics"] = metrics_server(config.monitored, _proxy(f"unix/{PLACE}/{KEYS_SOCKET}"))
    http: Json = {"http_port": config.tls.http_port, "servers": servers}
    if config.counts:
        http["metrics"] = {}
    apps: Json = {"http": http}
    if config.tls.mode != "none":
        apps["tls"] = _tls(config.tls)
        # Caddy's own authority is for no one here, and must never become one that the machine trusts.
        apps["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    return {
        "admin": {"listen": f"unix/{PLACE}/admin", "config": {"persist": False}},
        "logging": {"logs": _logs(config)},
        "apps": apps,
    }


def _server(config: Config, address: str, routes: list[Json], error_routes: list[Json]) -> Json:
    name = config.tls.name
    policy = {"default_sni": name, "fallback_sni": name} if name else {}
    return {
        "listen": [address],
        # Who is slow with the head of a request, or with TLS, holds a connection no longer than this.
        "read_header_timeout": "15s",
        "idle_timeout": "2m",
        "max_header_bytes": 65536,
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable": True},
        **({"tls_connection_policies": [policy]} if config.tls.mode != "none" else {}),
        "routes": routes,
        "errors": {"routes": error_routes},
    }


def _tls(tls: Tls) -> Json:
    if tls.mode == "given":
        return {"certificates": {"load_pem": [{"certificate": tls.certificate, "key": tls.key}]}}
    challenges = {"http": {"alternate_port": tls.http_port}, "tls-alpn": {"disabled": True}}
    issuer: Json = {"module": "acme", "challenges": challenges}
    if tls.directory:
        issuer["ca"] = tls.directory
    if tls.email:
        issuer["email"] = tls.email
    if tls.root:
        issuer["trusted_roots_pem_files"] = [f"{PLACE}/acme-root.pem"]
    if re.fullmatch(r"[0-9.]+|[0-9a-f:]+", tls.name):
        issuer["profile"] = "shortlived"  # the only one that Let's Encrypt has for addresses
    policy = {"subjects": [tls.name], "issuers": [issuer]}
    return {"certificates": {"automate": [tls.name]}, "automation": {"policies": [policy]}}


def _logs(config: Config) -> Json:
    """Neither headers nor queries are written: they may hold keys and prompts."""
    unsaid = ("request>headers", "request>tls", "resp_headers", "user_id", "uuid")
    access = _encoder(unsaid, {"request>uri": {"filter": "regexp", "regexp": r"\?.*", "value": ""}})
    about_requests = ["http.log.access"]
    logs = {"default": {"level": "WARN", "encoder": access, "exclude": about_requests}}
    if config.access_log:
        logs["access"] = {"writer": {"output": "stdout"}, "encoder": access, "include": about_requests}
    if config.counts:
        file = {
            "output": "file",
            "filename": f"{PLACE}/{KEYS_LOG}",
            "roll_size_mb": 10,
            "roll_keep": 2,
            "roll_gzip": False,
        }
        counted = _encoder(("request", "resp_headers", "user_id", "uuid", "request_id"))
        logs["keys"] = {"writer": file, "encoder": counted, "include": about_requests}
    return logs


def _encoder(unsaid: Sequence[str], fields: Json | None = None) -> Json:
    deleted: Json = {name: {"filter": "delete"} for name in unsaid}
    return {"format": "filter", "wrap": {"format": "json"}, "fields": {**deleted, **(fields or {})}}


def _target(pattern: str) -> Json:
    return {"vars_regexp": {TARGET: {"pattern": pattern}}}


ANTHROPIC = (
    _target(r"^/v1/messages(?:[/?]|$)"),
    {"header": {"X-Api-Key": ["*"]}},
    {"header": {"Anthropic-Version": ["*"]}},
)
"""Requests of Anthropic's clients; one must hold."""


def _route(handle: Json | list[Json], *match: Json) -> Json:
    """A route; one of several matchers must hold."""
    handlers = handle if isinstance(handle, list) else [handle]
    return {**({"match": list(match)} if match else {}), "handle": handlers}


def _not(match: Json) -> Json:
    return {"not": [match]}


def _error(code: int) -> Json:
    return {"handler": "error", "status_code": code}


def _set_response(**headers: str) -> Json:
    return {"handler": "headers", "response": {"set": {k.replace("_", "-"): [v] for k, v in headers.items()}}}


def _api(config: Config) -> list[Json]:
    proxy = _proxy(f"127.0.0.1:{config.engine_port}")
    routes = [
        _route(
            {"handler": "headers", "request": {"set": {"X-Request-Id": ["{http.request.uuid}"]}}},
            _not({"header": {"X-Request-Id": ["*"]}}),
        ),
        _route(_set_response(X_Request_Id=REQUEST_ID)),
        *_keys(config.keys, team=config.team is not None),
    ]
    if config.metrics_cidrs:
        inside = {"remote_ip": {"ranges": list(config.metrics_cidrs)}, "method": ["GET"]}
        routes += [
            _route(proxy, {**inside, **_target(f"^/metrics{paths.QUERY}$")}),
            _route({"handler": "metrics"}, {**inside, **_target(f"^/gateway/metrics{paths.QUERY}$")}),
            _route(
                _proxy(f"unix/{PLACE}/{KEYS_SOCKET}"), {**inside, **_target(f"^/gateway/metrics/keys{paths.QUERY}$")}
            ),
        ]
    if ANY not in config.allowed_cidrs:
        routes.append(_route(_error(403), _not({"remote_ip": {"ranges": list(config.allowed_cidrs)}})))
    if config.monitored:
        routes.append(monitoring_route(config.monitored, _proxy))
    routes += _cors(config.cors_origins)
    health = {"method": ["GET", "HEAD"], **_target(f"^/health{paths.QUERY}$")}
    routes.append(_route([{"handler": "vars", "log_skip": True}, proxy], health))
    open_paths = paths.allowed(config.task, config.more_paths)
    routes.append(_route(_error(404), _not(_target("|".join(open_paths.values())))))
    for methods, pattern in open_paths.items():
        if methods:
            refuse = [_set_response(Allow=", ".join(methods)), _error(405)]
            routes.append(_route(refuse, {**_target(pattern), **_not({"method": list(methods)})}))
    routes += [
        _route([_set_response(WWW_Authenticate="Bearer"), _error(401)], {"vars": {"{key_name}": [NOBODY]}}),
        _route({"handler": "request_body", "max_size": config.max_request_mib << 20}),
    ]
    if config.team:
        litellm = _proxy(f"127.0.0.1:{config.team.inner_port}", passed=CREDENTIALS)
        # It refuses a key in OpenAI's shape, whoever asks.
        refusal = {"match": {"status_code": [401]}, "routes": [_route(_error(401))]}
        routes += [
            _route({**litellm, "handle_response": [refusal]}, *({**BY_TEAM, **client} for client in ANTHROPIC)),
            _route(litellm, BY_TEAM),
        ]
    return [*routes, _route(proxy)]


def _keys(keys: Mapping[str, str], *, team: bool) -> list[Json]:
    """The name of the key that was sent, in `{key_name}`.

    Keys are compared whole, never as part of a regular expression, which would compare them character by character, in
    a time that tells how many were right (docs/decisions/0015-caddy-is-the-gateway.md).
    """
    bearer = {"name": "bearer", "pattern": f"^(?i:bearer) +({KEY_PATTERN.pattern}) *$"}
    return [
        _route({"handler": "vars", "token": "{http.request.header.X-Api-Key}"}),
        _route({"handler": "vars", "token": "{http.regexp.bearer.1}"}, {"header_regexp": {"Authorization": bearer}}),
        _route(
            [
                {
                    "handler": "map",
                    "source": "{http.vars.token}",
                    "destinations": ["{key_name}"],
                    "mappings": [
                        *({"input": key, "outputs": [name]} for name, key in keys.items()),
                        *([{"input_regexp": "^sk-", "outputs": [TEAM]}] if team else []),
                    ],
                    "defaults": [NOBODY],
                },
                {"handler": "log_append", "key": "key", "value": "{key_name}"},
                {"handler": "log_append", "key": "request_id", "value": REQUEST_ID},
            ]
        ),
    ]


def _cors(origins: Sequence[str]) -> list[Json]:
    """Pages of these origins may call the API; their browsers ask before they send a key."""
    if not origins:
        return []
    origin = {"header": {"Origin": ["*" if "*" in origins else each for each in origins]}}
    preflight = {**origin, "method": ["OPTIONS"]}
    preflight["header"] = {**origin["header"], "Access-Control-Request-Method": ["*"]}
    return [
        _route(
            _set_response(
                Access_Control_Allow_Origin="{http.request.header.Origin}",
                Access_Control_Expose_Headers="X-Request-Id",
                Vary="Origin",
            ),
            origin,
        ),
        _route(
            [
                _set_response(
                    Access_Control_Allow_Methods="GET, POST, DELETE",
                    Access_Control_Allow_Headers="{http.request.header.Access-Control-Request-Headers}",
                    Access_Control_Max_Age="7200",
                ),
                {"handler": "static_response", "status_code": 204},
            ],
            preflight,
        ),
    ]


def _proxy(address: str, passed: Sequence[str] = ()) -> Json:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address}],
        "transport": {
            "protocol": "http",
            "dial_timeout": "5s",
            "compression": False,
            # Engines close what was idle for 5 s (uvicorn, llama.cpp): a request must not meet that.
            "keep_alive": {"idle_timeout": "2s", "max_idle_conns_per_host": 512},
        },
        "headers": {
            "request": {"delete": [name for name in ENDS_HERE if name not in passed]},
            "response": {"delete": WRITTEN_HERE},
        },
        # A WebSocket outlives a new configuration.
        "stream_close_delay": "24h",
    }


def _api_errors() -> list[Json]:
    answers, of_team = (_answers(errors.rows(changed)) for changed in ({}, errors.OF_TEAM))
    return [
        # The first that says what a word stands for is heard.
        _route(of_team, BY_TEAM),
        _route(answers),
        _route(_set_response(Retry_After=errors.RETRY_AFTER), {"vars": {"{http.error.status_code}": ["502", "503"]}}),
        {**_route(_json_answer(errors.ANTHROPIC_BODY), *ANTHROPIC), "terminal": True},
        _route(_json_answer(errors.OPENAI_BODY)),
    ]


def _answers(rows: dict[str, list[str]]) -> Json:
    default = rows.pop("")
    return {
        "handler": "map",
        "source": "{http.error.status_code}",
        "destinations": list(errors.FIELDS),
        "mappings": [{"input": code, "outputs": row} for code, row in rows.items()],
        "defaults": default,
    }


def _json_answer(body: str) -> Json:
    headers = {"Content-Type": ["application/json"]}
    return {"handler": "static_response", "status_code": "{status}", "headers": headers, "body": body}


def _page(page: Page) -> list[Json]:
    proxy = _proxy(f"127.0.0.1:{page.inner_port}")
    del proxy["headers"]  # its login is a cookie, and it has to know its address from outside
    routes = [_route(proxy)]
    if page.allowed_cidrs and ANY not in page.allowed_cidrs:
        # Also the machine itself, which asks whether the page is there, and whoever has a tunnel to it.
        routes.insert(0, _route(_error(403), _not({"remote_ip": {"ranges": [*LOOPBACK, *page.allowed_cidrs]}})))
    return routes


def _page_errors() -> list[Json]:
    starting = {"vars": {"{http.error.status_code}": ["502", "503", "504"]}}
    text = {"Content-Type": ["text/plain; charset=utf-8"]}
    answer = {"handler": "static_response", "headers": text}
    return [
        {**_route({**answer, "status_code": 503, "body": "The page is starting.\n"}, starting), "terminal": True},
        _route({**answer, "status_code": "{http.error.status_code}", "body": "{http.error.status_text}\n"}),
    ]
