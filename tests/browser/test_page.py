"""The page in real Chromium: two users, two browsers, one stack. In the order in which one would show it."""

from __future__ import annotations

import functools
import http.server
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from selenium.webdriver.common.by import By

from components.clerk.client import ClerkClient
from components.clerk.errors import ClerkError
from components.clerk.keys import LOCAL_SECRET_KEY, publishable_key_for
from components.hasura.client import HasuraClient
from tests.browser.chromium import Browser, Exchange
from tests.browser.web_page import LIFETIME, TEMPLATE, WebPage
from tests.free_ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

NOTHING = '{"data":{"users":[]}}'


@dataclass(frozen=True, kw_only=True)
class Person:
    """A demo user, signed in in a browser of their own."""

    name: str
    id: str
    browser: Browser


def demo_user(page: WebPage, name: str) -> dict[str, str]:
    users = page.configuration()["demoUsers"]
    assert isinstance(users, list)
    return next(user for user in users if user["name"] == name)


def ticket_url(page: WebPage, user_id: str) -> str:
    with ClerkClient(page.outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        return f"{page.url}/?__clerk_ticket={clerk.create_sign_in_token(user_id)}"


@pytest.fixture(scope="module")
def ada(page: WebPage, browser: Callable[[], Browser]) -> Person:
    """Signed in by e-mail code."""
    window, user = browser(), demo_user(page, "Ada Lovelace")
    window.open(page.url)
    window.until(lambda: window.state() == "signed-out")
    window.screenshot("01-signed-out")
    window.type("email", user["email"])
    window.driver.find_element(By.CSS_SELECTOR, "#email-form button").click()
    window.until(lambda: "ada" in window.text("code-email"))
    window.type("code", "000000")
    window.driver.find_element(By.CSS_SELECTOR, "#code-form button").click()
    assert "424242" in window.until(lambda: window.text("problem-remedy"))
    window.type("code", "424242")
    window.until(lambda: not window.attribute("code", "disabled"))
    window.driver.find_element(By.CSS_SELECTOR, "#code-form button").click()
    window.until(lambda: window.state() == "signed-in")
    return Person(name=user["name"], id=user["id"], browser=window)


@pytest.fixture(scope="module")
def grace(page: WebPage, browser: Callable[[], Browser]) -> Person:
    """Signed in by a ticket."""
    window, user = browser(), demo_user(page, "Grace Hopper")
    window.open(ticket_url(page, user["id"]))
    window.until(lambda: window.state() == "signed-in")
    assert "ticket" not in window.driver.current_url
    return Person(name=user["name"], id=user["id"], browser=window)


@pytest.fixture(params=["ada", "grace"])
def pair(request: pytest.FixtureRequest, ada: Person, grace: Person) -> tuple[Person, Person]:
    return (ada, grace) if request.param == "ada" else (grace, ada)


def queries(page: WebPage, browser: Browser) -> list[Exchange]:
    """What the engine was asked and answered."""
    graphql = page.outputs["graphqlUrl"]
    return [each for each in browser.exchanges() if each.url == graphql and each.method == "POST"]


def bearer(exchange: Exchange) -> str:
    return exchange.headers["authorization"].removeprefix("Bearer ")


def test_make_web_says_where_the_page_is_and_how_to_sign_in(page: WebPage) -> None:
    for words in (
        page.url,
        "LOCAL CLERK",
        "424242",
        "ada+clerk_test@example.com",
        "grace+clerk_test@example.com",
    ):
        assert words in page.said
    changed = page.project.run("git", "status", "--porcelain").ok().splitlines()
    assert changed == [f" M Pulumi.{page.project.stack}.yaml"], (
        "only the stack's own settings, which the test changed"
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"STACK": "nowhere", "WEB_PORT": "{free}"}, "There is no stack nowhere here yet. `make up`"),
        ({"WEB_PORT": "http"}, "it must be a port"),
        ({"WEB_PORT": "{taken}"}, "is taken, perhaps by another `make web`"),
        ({"WEB_PORT": "{free}"}, "pulumi config set --path 'hasuraCorsDomains[0]' http://127.0.0.1:{free}"),
    ],
    ids=["no-stack", "no-port", "port-taken", "origin-not-let-in"],
)
def test_what_keeps_the_page_from_being_served_is_said(
    page: WebPage, environment: dict[str, str], said: str
) -> None:
    ports = {"taken": page.url.rsplit(":", 1)[1], "free": str(free_port())}
    given = {name: value.format(**ports) for name, value in environment.items()}
    assert said.format(**ports) in page.project.run("make", "web", timeout=120, **given).failed()


def test_each_user_sees_their_own_row(page: WebPage, pair: tuple[Person, Person]) -> None:
    own, other = pair
    window = own.browser
    window.until(lambda: window.text("row-name"))
    assert (window.text("row-id"), window.text("row-name")) == (own.id, own.name)
    assert window.text("row-count") == "One row came back: yours."
    assert window.text("token-user") == own.id
    assert window.text("token-template") == TEMPLATE
    window.screenshot(f"02-row-of-{own.name.split()[0].lower()}")
    for asked in queries(page, window):
        assert asked.status == 200
        assert other.id not in asked.body.decode() and other.name not in asked.body.decode()


def test_the_row_of_another_never_comes_back(page: WebPage, pair: tuple[Person, Person]) -> None:
    own, other = pair
    window = own.browser
    window.driver.find_element(By.CSS_SELECTOR, "#other-demo button").click()
    window.until(lambda: window.text("other-raw"))
    assert window.attribute("other-id", "value") == other.id
    assert window.text("other-raw") == NOTHING
    assert window.text("other-verdict") == "Nothing came back."
    assert "cannot tell" in window.text("other-meaning")
    window.screenshot(f"03-{own.name.split()[0].lower()}-asks-for-the-other")
    asked = queries(page, window)[-1]
    assert json.loads(asked.sent)["variables"] == {"id": other.id}
    assert asked.body.decode() == NOTHING


def ask_for(window: Browser, user_id: str) -> str:
    """The verdict on the row of this id."""
    window.type("other-id", user_id)
    window.driver.find_element(By.CSS_SELECTOR, "#other-form button[type=submit]").click()
    return window.until(lambda: user_id in window.text("other-query") and window.text("other-verdict"))


def test_an_id_that_nobody_has_gets_the_same_answer(ada: Person) -> None:
    window = ada.browser
    for asked_for, verdict in (("user_nobody", "Nothing came back."), (ada.id, "Your own row came back.")):
        assert ask_for(window, asked_for) == verdict


def test_a_permission_that_lets_every_row_through_is_cried_out(
    page: WebPage, ada: Person, grace: Person
) -> None:
    window = ada.browser
    with HasuraClient(page.engine_origin, page.outputs["adminSecret"]) as engine:
        version, sound = engine.export_metadata()
        broken = json.loads(json.dumps(sound))
        broken["sources"][0]["tables"][0]["select_permissions"][0]["permission"]["filter"] = {}
        engine.replace_metadata(broken, resource_version=version)
        try:
            window.click("read-again")
            said = window.until(lambda: "broken" in window.text("row-count") and window.text("row-count"))
            assert said.startswith("A row of another user came back")
            assert "isolation is broken" in ask_for(window, grace.id)
            window.screenshot("04-broken-isolation")
        finally:
            engine.replace_metadata(sound, resource_version=engine.export_metadata()[0])
    window.click("read-again")
    window.until(lambda: window.text("row-count") == "One row came back: yours.")
    assert ask_for(window, grace.id) == "Nothing came back."


def test_the_token_is_renewed_in_time_and_without_clerk_it_is_said_that_it_is_not(
    page: WebPage, ada: Person, grace: Person
) -> None:
    window, cut_off = ada.browser, grace.browser
    cut_off.block(f"{page.outputs['clerkApiUrl']}/*")
    window.click("read-again")
    first_id = window.until(lambda: window.attribute("token-id", "data-jti"))
    old = bearer(queries(page, window)[-1])
    expires = jwt.decode(old, options={"verify_signature": False})["exp"]
    window.until(lambda: window.attribute("token-id", "data-jti") != first_id, seconds=LIFETIME + 10)
    window.until(lambda: bearer(queries(page, window)[-1]) != old)
    assert time.time() < expires, "renewed before the old one expired"
    renewed = window.until(lambda: queries(page, window)[-1] if queries(page, window)[-1].body else None)
    assert renewed.status == 200 and ada.name in renewed.body.decode()
    assert "time" in window.text("token-renewals")
    window.screenshot("05-token-renewed")

    window.until(lambda: time.time() > expires + 1, seconds=LIFETIME + 10)
    refusal = ask(page, old)
    assert "data" not in refusal and "JWTExpired" in json.dumps(refusal)
    assert ask(page, bearer(queries(page, window)[-1])) == {"data": {"users": [{"id": ada.id}]}}

    said = cut_off.until(lambda: cut_off.text("row-problem-what"), seconds=LIFETIME + 30)
    assert page.outputs["clerkApiUrl"] in said and "does not answer" in said
    assert cut_off.text("row-name") == ""
    cut_off.screenshot("05-clerk-gone")
    cut_off.block()
    cut_off.until(lambda: cut_off.text("row-name") == grace.name)


def ask(page: WebPage, token: str) -> dict[str, object]:
    """What the engine answers to a token without a browser around it."""
    headers = {"Authorization": f"Bearer {token}"}
    return dict(
        httpx.post(page.outputs["graphqlUrl"], json={"query": "{ users { id } }"}, headers=headers).json()
    )


def test_a_user_without_a_row_is_told_what_to_do(page: WebPage, browser: Callable[[], Browser]) -> None:
    window = browser()
    with ClerkClient(page.outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk:
        user = clerk.create_user(email_address="new+clerk_test@example.com")
    window.open(ticket_url(page, user.id))
    sql = window.until(lambda: window.text("no-row-sql"))
    assert "may only read" in window.text("no-row-remedy") and "make web" in window.text("no-row-remedy")
    window.screenshot("06-no-row-yet")
    with HasuraClient(page.engine_origin, page.outputs["adminSecret"]) as engine:
        engine.run_sql(sql)
    window.click("read-again")
    window.until(lambda: window.text("row-name") == "your name")
    assert window.text("no-row") == ""


@pytest.mark.parametrize(
    ("name", "change", "place", "what", "remedy"),
    [
        (
            "engine-down",
            {"graphqlUrl": "http://CLOSED/v1/graphql"},
            "row-problem",
            "does not answer",
            "make up",
        ),
        (
            "no-template",
            {"jwtTemplate": "hasurra"},
            "row-problem",
            "no JWT template named “hasurra”",
            "pulumi up",
        ),
        ("no-configuration", None, "problem", "no stack.json", "make web"),
        (
            "incomplete",
            {"jwtTemplate": "", "graphqlUrl": ""},
            "problem",
            "jwtTemplate, graphqlUrl",
            "make web",
        ),
        ("clerk-down", {"jwksUrl": "http://CLOSED/jwks.json"}, "problem", "does not answer", "make up"),
        (
            "cookie-only",
            {"jwtHeader": {"type": "Cookie", "name": "session"}},
            "row-problem",
            "from the cookie session only",
            "config rm jwtHeader",
        ),
        (
            "another-header",
            {"jwtHeader": {"type": "CustomHeader", "name": "X-Token"}},
            "row-problem",
            "Missing 'Authorization'",
            "make prove",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(
    page: WebPage,
    grace: Person,
    name: str,
    change: dict[str, object] | None,
    place: str,
    what: str,
    remedy: str,
) -> None:
    window = grace.browser
    # A port where nobody listens.
    change = json.loads(json.dumps(change).replace("CLOSED", f"127.0.0.1:{free_port()}"))
    with page.configured(change):
        window.open(page.url)
        assert what in window.until(lambda: window.text(f"{place}-what"), seconds=60)
        assert remedy in window.text(f"{place}-remedy")
        assert window.text("row-name") == ""
        window.screenshot(f"07-{name}")
    window.open(page.url)
    window.until(lambda: window.text("row-name") == grace.name)


def test_a_clerk_that_is_slow_is_told_while_the_page_waits(page: WebPage, grace: Person) -> None:
    window = grace.browser
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        page.configured({"jwksUrl": f"http://127.0.0.1:{silent.getsockname()[1]}/jwks.json"}),
    ):
        window.open(page.url)
        assert window.until(lambda: window.text("loading-text")) == "Loading Clerk …"
        window.until(lambda: "has not answered yet" in window.text("loading-text"))
        window.screenshot("08-loading")
    window.open(page.url)
    window.until(lambda: window.state() == "signed-in")


def test_an_application_is_called_where_its_key_says(page: WebPage, browser: Callable[[], Browser]) -> None:
    window, host = browser(), "quick-fox-1.clerk.accounts.dev"
    change: dict[str, object] = {
        "publishableKey": publishable_key_for(host),
        "proxyUrl": None,
        "localClerk": False,
        "demoUsers": [],
    }
    with page.configured(change):
        window.open(page.url)
        window.until(lambda: any(each.url.startswith(f"https://{host}/v1/") for each in window.exchanges()))
        assert "Check the network" in window.until(lambda: window.text("problem-remedy"), seconds=60)
    assert not any(
        each.url.startswith(page.outputs["clerkApiUrl"] + "/__clerk") for each in window.exchanges()
    )


def test_without_javascript_the_page_says_so(page: WebPage, browser: Callable[[], Browser]) -> None:
    window = browser()
    window.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    window.open(page.url)
    shown = window.driver.find_element(By.TAG_NAME, "main").text
    assert "needs JavaScript" in shown and "Loading" not in shown
    window.screenshot("09-no-javascript")


@contextmanager
def serving_built(page: WebPage, port: int = 0, policy: str = "") -> Iterator[str]:
    """The page that was built, served by somebody else."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            if policy:
                self.send_header("Content-Security-Policy", policy)
            super().end_headers()

    handler = functools.partial(Handler, directory=str(page.folder / "dist"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def built(page: WebPage) -> Iterator[str]:
    """The page as `npm run build` makes it."""
    done = subprocess.run(
        ["npm", "run", "build"],
        cwd=page.folder,
        env=page.project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with serving_built(page) as url:
        yield url


def policy(page: WebPage) -> str:
    """The one that the page's README asks for, with this stack's addresses."""
    text = re.search(r"Content-Security-Policy: (.+)", (page.folder / "README.md").read_text())
    assert text
    return (
        text[1]
        .replace("https://CLERK", page.outputs["clerkApiUrl"])
        .replace("https://HASURA", page.engine_origin)
    )


def test_the_built_page_works_under_the_policy_of_its_readme(
    page: WebPage, built: str, browser: Callable[[], Browser]
) -> None:
    window, user = browser(), demo_user(page, "Ada Lovelace")
    with serving_built(page, page.let_in, policy(page)) as url:
        window.open(ticket_url(page, user["id"]).replace(page.url, url))
        window.until(lambda: window.text("row-name") == user["name"])
        assert window.driver.execute_script("return getComputedStyle(document.body).margin") != "8px"
    refused = policy(page).replace(page.engine_origin, "")
    with serving_built(page, page.let_in, refused) as url:
        window.open(url)
        assert "does not answer" in window.until(lambda: window.text("row-problem-what"))


def test_the_built_page_signs_in_as_well(page: WebPage, built: str, browser: Callable[[], Browser]) -> None:
    window = browser()
    window.open(ticket_url(page, demo_user(page, "Ada Lovelace")["id"]).replace(page.url, built))
    window.until(lambda: window.attribute("token-id", "data-jti"))
    # The engine does not let this origin in, and the page says how to change that.
    assert built in window.until(lambda: window.text("row-problem-remedy"))


def test_no_secret_is_in_anything_that_a_browser_gets(
    page: WebPage, built: str, ada: Person, grace: Person
) -> None:
    password = re.search(r"://[^:]+:([^@]+)@", page.outputs["databaseUrl"])
    assert password
    secrets = [page.outputs["adminSecret"], password[1], LOCAL_SECRET_KEY]
    assert all(len(secret) > 20 for secret in secrets)
    seen = {str(file): file.read_bytes() for file in (page.folder / "dist").rglob("*") if file.is_file()}
    seen |= {str(file): file.read_bytes() for file in (page.folder / "public").iterdir()}
    seen["the output of make web"] = page.said.encode()
    for person in (ada, grace):
        for number, each in enumerate(person.browser.exchanges()):
            sent = json.dumps([each.url, each.headers, each.sent])
            seen[f"{person.name} {number} {each.method} {each.url}"] = sent.encode() + each.body
    for secret in secrets:
        assert [name for name, content in seen.items() if secret.encode() in content] == []
    # The search sees what it is to search: what is public is found in each kind of place.
    key, template = page.outputs["publishableKey"], TEMPLATE
    found = [name for name, content in seen.items() if key.encode() in content]
    assert any("/dist/" in name for name in found) and any(
        name.endswith("GET " + page.url + "/stack.json") for name in found
    )
    assert any(f"/tokens/{template}" in name and b'"jwt"' in content for name, content in seen.items())
    assert any(
        name.endswith(page.outputs["graphqlUrl"]) and b"last_seen" in content
        for name, content in seen.items()
    )


def test_pages_speak_to_this_stack_only(page: WebPage, ada: Person) -> None:
    expected = {urlsplit(url).netloc for url in (page.url, page.outputs["clerkApiUrl"], page.engine_origin)}
    assert {urlsplit(each.url).netloc for each in ada.browser.exchanges()} == expected


def test_files_beside_the_page_are_not_served(page: WebPage) -> None:
    secret = page.outputs["adminSecret"]
    state = next((page.project.folder / ".local").rglob(f"{page.project.stack}.json"))
    for file in (state, page.project.folder / f"Pulumi.{page.project.stack}.yaml"):
        assert file.is_file()
        for path in (f"/@fs{file}", f"/@fs{file}?raw", f"/@fs{file}?import&raw", f"/../../{file.name}"):
            answer = httpx.get(page.url + path)
            assert answer.status_code in (403, 404), path
            assert secret not in answer.text
    assert httpx.get(f"{page.url}/@fs{page.folder}/src/token.ts").status_code == 200


def test_sign_out_leaves_nothing_and_touches_nobody_else(page: WebPage, ada: Person, grace: Person) -> None:
    window = ada.browser
    assert ada.id in window.source()
    [session] = {
        found[1]
        for each in window.exchanges()
        if (found := re.search(r"/sessions/(sess_\w+)/tokens", each.url))
    }
    window.click("sign-out")
    window.until(lambda: window.state() == "signed-out")
    assert ada.id not in window.source() and window.text("row-name") == ""
    window.screenshot("10-signed-out-again")
    window.open(page.url)
    window.until(lambda: window.state() == "signed-out")
    with ClerkClient(page.outputs["clerkApiUrl"], LOCAL_SECRET_KEY) as clerk, pytest.raises(ClerkError):
        clerk.session_token(session, TEMPLATE)
    grace.browser.click("read-again")
    grace.browser.until(lambda: grace.browser.text("row-name") == grace.name)
