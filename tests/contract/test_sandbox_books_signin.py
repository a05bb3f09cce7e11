"""Signing in to the books' sandbox: the page, the code, the tokens, and which of them opens what."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.sandbox.eaccounting.facts import facts
from tests.contract.books_support import NIL, Shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

BACK = "http://127.0.0.1:40123/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PROOF = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A shop with everything at its default."""
    async with Shop.open() as opened:
        yield opened


def asked(shop: Shop, **changes: str) -> dict[str, str]:
    """Return what a program asks for."""
    basic = {
        "client_id": shop.sandbox.client_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "ea:api offline_access ea:sales",
        "state": "s t&te",
    }
    return {name: value for name, value in {**basic, **changes}.items() if value}


async def pressed(shop: Shop, **changes: str) -> dict[str, str]:
    """Open the page, press its button, and return what comes back in the address."""
    page = await shop.client.get("/connect/authorize", params=asked(shop, **changes))
    assert page.status_code == 200, page.text
    assert page.text.count("<button") == 1
    fields = {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', page.text)}
    answer = await shop.client.post("/connect/authorize", data=fields)
    assert answer.status_code == 302
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def exchanged(shop: Shop, code: str, **changes: str) -> httpx2.Response:
    """Exchange a code."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **shop.credentials, **changes}
    return await shop.client.post("/connect/token", data={name: value for name, value in form.items() if value})


async def status_with(shop: Shop, token: str, path: str = "/units") -> int:
    """Return what a token gets."""
    return (await shop.client.get(f"/v2{path}", headers={"authorization": f"Bearer {token}"})).status_code


async def test_a_person_lets_a_program_in(shop: Shop) -> None:
    """One button, the state comes back untouched, the code is worth tokens, and the tokens work and are renewed."""
    answer = await pressed(shop, **PROOF, prompt="select_account")
    assert answer["state"] == "s t&te"
    granted = (await exchanged(shop, answer["code"], code_verifier=VERIFIER)).json()
    assert (granted["expires_in"], granted["token_type"], granted["scope"]) == (3600, "Bearer", "ea:api ea:sales offline_access")
    assert await status_with(shop, granted["access_token"]) == 200
    assert await status_with(shop, granted["access_token"], "/vatcodes") == 403
    assert (await shop.refresh(granted["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("http://127.0.0.1:1/callback", True),
        ("http://localhost:65535/callback", True),
        ("http://[::1]:8080/", True),
        ("https://localhost:44300/callback", True),
        ("https://localhost:44301/callback", False),
        ("http://127.0.0.1:8080/elsewhere", False),
        ("http://127.0.0.1.evil.example/callback", False),
        ("http://evil@127.0.0.1:80/callback", False),
        ("http://127.0.0.1:99999/callback", False),
        ("https://evil.example/callback", False),
        ("", False),
    ],
)
async def test_only_a_registered_address_is_sent_back_to(shop: Shop, address: str, good: bool) -> None:
    """Exactly as registered, on loopback with any port; otherwise a page says no and nobody is sent anywhere."""
    page = await shop.client.get("/connect/authorize", params=asked(shop, redirect_uri=address))
    assert (page.status_code == 200) is good
    assert good or (page.status_code, "location" in page.headers) == (400, False)
    forged = await shop.client.post("/connect/authorize", data=asked(shop, redirect_uri=address))
    assert (forged.status_code == 302) is good


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "ea:api ea:everything"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"prompt": "dance"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_a_request_that_cannot_be_granted_is_sent_back_with_its_error(shop: Shop, changes: dict[str, str], error: str) -> None:
    """With the state, and before any page."""
    answer = await shop.client.get("/connect/authorize", params=asked(shop, **changes))
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["error"], query["state"], "code" in query) == ([error], ["s t&te"], False)


async def test_an_unknown_client_gets_a_page(shop: Shop) -> None:
    """It is not sent back: its address may be anybody's."""
    page = await shop.client.get("/connect/authorize", params=asked(shop, client_id="somebody"))
    assert (page.status_code, "location" in page.headers) == (400, False)


async def test_the_page_shows_what_it_was_given_as_text(shop: Shop) -> None:
    """No markup gets in by the state."""
    page = await shop.client.get("/connect/authorize", params=asked(shop, state='"><script>'))
    assert "<script>" not in page.text


async def test_prompt_chooses_what_the_page_says(shop: Shop) -> None:
    """select_account names the company, login the person."""
    pages = {
        prompt: (await shop.client.get("/connect/authorize", params=asked(shop, prompt=prompt))).text
        for prompt in ("select_account", "login")
    }
    assert "Choose a company: De Winkel" in pages["select_account"]
    assert "Sign in again" in pages["login"]


@pytest.mark.parametrize(
    ("proof", "verifier", "good"),
    [(PROOF, VERIFIER, True), (PROOF, "w" * 43, False), (PROOF, "", False), ({}, "", True), ({}, VERIFIER, False)],
)
async def test_the_proof_is_demanded_when_it_was_announced(shop: Shop, proof: dict[str, str], verifier: str, good: bool) -> None:
    """S256; a verifier without a challenge is refused as well."""
    answer = await pressed(shop, **proof)
    result = await exchanged(shop, answer["code"], code_verifier=verifier)
    assert (result.status_code == 200) is good
    assert good or result.json() == {"error": "invalid_grant"}


async def test_a_code_works_once_and_for_five_minutes(shop: Shop) -> None:
    """Used again, it ends what it gave; too late or for another address it gives nothing."""
    code = (await pressed(shop))["code"]
    granted = (await exchanged(shop, code)).json()
    assert (await exchanged(shop, code)).json() == {"error": "invalid_grant"}
    assert await status_with(shop, granted["access_token"]) == 401
    other = (await pressed(shop))["code"]
    assert (await exchanged(shop, other, redirect_uri="http://127.0.0.1:40124/callback")).json() == {"error": "invalid_grant"}
    late = (await pressed(shop))["code"]
    shop.clock.forward(minutes=5)
    assert (await exchanged(shop, late)).json() == {"error": "invalid_grant"}


async def test_without_offline_access_there_is_no_refresh_token(shop: Shop) -> None:
    """The access token is all there is."""
    granted = (await exchanged(shop, (await pressed(shop, scope="ea:api ea:sales"))["code"])).json()
    assert "refresh_token" not in granted
    assert await status_with(shop, granted["access_token"]) == 200


async def test_other_grants_are_not_for_this_client(shop: Shop) -> None:
    """client_credentials is known and not allowed, anything else is not known."""
    for kind, error in (("client_credentials", "unauthorized_client"), ("password", "unsupported_grant_type")):
        answer = await shop.client.post("/connect/token", data={"grant_type": kind, **shop.credentials})
        assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_a_new_password_ends_every_token(shop: Shop) -> None:
    """Those of the start and those of a later sign-in."""
    granted = (await exchanged(shop, (await pressed(shop))["code"])).json()
    assert (await shop.client.post("/_sandbox/password")).json() == {"grants_ended": 2}
    assert (await shop.refused("GET", "/units"))[:2] == (401, 4005)
    assert await status_with(shop, granted["access_token"]) == 401
    for token in (shop.sandbox.refresh_token, granted["refresh_token"]):
        assert (await shop.refresh(token)).json() == {"error": "invalid_grant"}


async def test_a_lost_answer_may_be_forgiven() -> None:
    """Within the grace a used refresh token works again; after it, it does not."""
    async with Shop.open(refresh_reuse_grace_seconds=60) as shop:
        first = shop.sandbox.refresh_token
        assert [(await shop.refresh(first)).status_code for _ in range(2)] == [200, 200]
        shop.clock.forward(seconds=60)
        assert (await shop.refresh(first)).json() == {"error": "invalid_grant"}


async def test_a_second_use_may_end_only_itself() -> None:
    """With the switch the successor goes on working."""
    async with Shop.open(refresh_reuse_ends_grant=False) as shop:
        granted = (await shop.refresh(shop.sandbox.refresh_token)).json()
        assert (await shop.refresh(shop.sandbox.refresh_token)).status_code == 400
        assert (await shop.refresh(granted["refresh_token"])).status_code == 200


async def test_a_refresh_token_ends_after_its_years() -> None:
    """Two years by default, fifty on demand."""
    for switches, status in (({}, 400), ({"refresh_lifetime_days": 18262}, 200)):
        settings: dict[str, Any] = dict(switches)
        async with Shop.open(**settings) as shop:
            shop.clock.forward(days=730)
            assert (await shop.refresh(shop.sandbox.refresh_token)).status_code == status


async def test_every_operation_asks_for_its_scopes(shop: Shop) -> None:
    """Each of the scopes that the document names opens it, another one does not, and none does without ea:api."""
    identity = shop.sandbox.identity
    tokens = {
        scope: identity.consent(f"ea:api {scope}")[1]
        for scope in {one for operation in facts().operations for one in operation.scopes} | {"ea:settings"}
    }
    bare = identity.consent("ea:sales ea:purchase ea:accounting")[1]
    for operation in facts().operations:
        path = "/v2" + re.sub(r"\{[^}]+\}", NIL, operation.path)
        codes = {}
        for scope in (*operation.scopes, *(("ea:settings",) if operation.scopes else ())):
            answer = await shop.client.request(operation.method, path, headers={"authorization": f"Bearer {tokens[scope]}"})
            codes[scope] = answer.content and b'"ErrorCode": 4006' in answer.content
        assert [scope for scope, closed in codes.items() if closed] == (["ea:settings"] if operation.scopes else []), operation
        answer = await shop.client.request(operation.method, path, headers={"authorization": f"Bearer {bare}"})
        assert (answer.status_code, answer.json()["ErrorCode"]) == (403, 4006) or not operation.scopes
