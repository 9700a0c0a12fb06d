"""Only a token that holds in every respect opens anything."""

from __future__ import annotations

import base64
import json
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.testclient import TestClient

from searchloom.errors import ServiceUnavailable, UsageError
from searchloom.query import auth, tokens
from searchloom.query.auth import Authenticator, Unauthorized
from searchloom.settings import Query, Settings

Claims = dict[str, Any]


@pytest.fixture
def settings_here(tmp_path: Path) -> Settings:
    """The local profile with a state folder of its own."""
    return Settings(state=tmp_path / "state")


@pytest.fixture
def authenticator(settings_here: Settings) -> Authenticator:
    return Authenticator(settings_here.query, str(tokens.ensure_keys(settings_here.state)))


@pytest.fixture
def forge(settings_here: Settings) -> Callable[..., str]:
    """Sign any claims with the real key, or with another one."""
    tokens.ensure_keys(settings_here.state)
    key = (settings_here.state / "tokens" / "private.pem").read_bytes()
    kid = jwt.get_unverified_header(tokens.sign(settings_here, user="x"))["kid"]

    def sign(
        changes: Claims, *, signing_key: Any = None, algorithm: str = "ES256", header: Claims | None = None
    ) -> str:
        now = int(time.time())
        claims = {
            "iss": settings_here.query.issuer,
            "aud": settings_here.query.audience,
            "sub": "ann",
            "tenant": "acme",
            "groups": ["hr"],
            "exp": now + 60,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"kid": kid} if header is None else header
        return jwt.encode(claims, signing_key or key, algorithm=algorithm, headers=headers)

    return sign


def test_a_token_of_the_local_profile_says_who_asks(settings_here: Settings, authenticator: Authenticator) -> None:
    caller = authenticator.check(tokens.sign(settings_here, user="ann", tenant="acme", groups=["hr", "legal"]))
    assert (caller.user, caller.access.tenant, caller.access.groups) == ("ann", "acme", ("hr", "legal"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"iss": "somebody-else"}, "issued by another"),
        ({"iss": None}, "iss"),
        ({"aud": "another-service"}, "another audience"),
        ({"aud": None}, "aud"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "no user"),
        ({"tenant": None}, "no tenant"),
        ({"tenant": ""}, "no tenant"),
        ({"tenant": ["acme"]}, "no tenant"),
        ({"groups": "hr"}, "groups"),
        ({"groups": ["hr", 1]}, "groups"),
        ({"groups": [""]}, "groups"),
    ],
)
def test_claims_that_do_not_hold_are_refused(
    authenticator: Authenticator, forge: Callable[..., str], changes: Claims, words: str
) -> None:
    assert authenticator.check(forge({})).user == "ann"
    with pytest.raises(Unauthorized, match=words):
        authenticator.check(forge(changes))


def test_another_key_with_the_right_name_is_refused(authenticator: Authenticator, forge: Callable[..., str]) -> None:
    with pytest.raises(Unauthorized, match="does not hold"):
        authenticator.check(forge({}, signing_key=ec.generate_private_key(ec.SECP256R1())))


def test_an_unknown_key_is_refused(authenticator: Authenticator, forge: Callable[..., str]) -> None:
    with pytest.raises(Unauthorized, match="not known"):
        authenticator.check(forge({}, header={"kid": "unknown"}))
    with pytest.raises(Unauthorized, match="kid"):
        authenticator.check(forge({}, header={}))


def test_only_asymmetric_algorithms_are_taken(authenticator: Authenticator, forge: Callable[..., str]) -> None:
    with pytest.raises(Unauthorized, match="HS256"):
        authenticator.check(forge({}, signing_key="a shared secret of more than 32 bytes", algorithm="HS256"))
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(Unauthorized, match="does not hold"):  # RS256 is taken, but this key is an ES256 one
        authenticator.check(forge({}, signing_key=rsa_key, algorithm="RS256"))
    header, payload, _ = forge({}).split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "x"}).encode()).rstrip(b"=").decode()
    for token in (f"{none}.{payload}.", f"{header}.{payload}.", "no token", "a.b.c", ""):
        with pytest.raises(Unauthorized):
            authenticator.check(token)


def test_rsa_keys_of_an_identity_provider_are_taken(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [{**public, "kid": "k1", "alg": "RS256"}]}))
    claims = {"iss": "https://id.example", "aud": "search", "sub": "ann", "tenant": "acme", "exp": time.time() + 60}
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})
    settings = Query(issuer="https://id.example", audience="search")
    assert Authenticator(settings, str(tmp_path / "jwks.json")).check(token).access.groups == ()


def test_a_new_key_is_found_and_unknown_ones_do_not_hammer_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Settings(state=tmp_path / "old"), Settings(state=tmp_path / "new")
    source = tmp_path / "jwks.json"
    source.write_bytes(tokens.ensure_keys(old.state).read_bytes())
    authenticator = Authenticator(old.query, str(source))
    assert authenticator.check(tokens.sign(old, user="ann"))
    source.write_bytes(tokens.ensure_keys(new.state).read_bytes())
    with pytest.raises(Unauthorized):  # read a moment ago: not again for every unknown key
        authenticator.check(tokens.sign(new, user="ann"))
    monkeypatch.setattr(auth, "_PAUSE_S", 0.0)
    assert authenticator.check(tokens.sign(new, user="ann"))


def test_the_known_keys_stay_when_their_source_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(state=tmp_path)
    source = tokens.ensure_keys(settings.state)
    authenticator = Authenticator(settings.query, str(source))
    assert authenticator.check(tokens.sign(settings, user="ann"))
    token = tokens.sign(settings, user="ann")
    source.unlink()
    monkeypatch.setattr(auth, "_KEEP_S", 0.0)
    assert authenticator.check(token)


def test_a_source_that_was_never_read_is_not_the_callers_fault(settings_here: Settings) -> None:
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        Authenticator(settings_here.query, "/nowhere/jwks.json").check(tokens.sign(settings_here, user="ann"))
    with pytest.raises(UsageError, match=r"query\.jwks"):
        Authenticator(settings_here.query, "")


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: tokens.ensure_keys(tmp_path), range(16)))
    assert len(paths) == 1
    folder = tmp_path / "tokens"
    assert sorted(path.name for path in folder.iterdir()) == ["jwks.json", "private.pem"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    private = serialization.load_pem_private_key((folder / "private.pem").read_bytes(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    (published,) = json.loads((folder / "jwks.json").read_text())["keys"]
    assert "d" not in published


def test_other_profiles_sign_nothing(settings_here: Settings) -> None:
    with pytest.raises(UsageError, match="identity provider"):
        tokens.sign(settings_here.model_copy(update={"profile": "production"}), user="ann")
    with pytest.raises(UsageError, match="tenant"):
        tokens.sign(settings_here, user="ann", tenant="")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x.y.z"}],
)
def test_the_service_says_why_it_refuses(client: TestClient, headers: dict[str, str]) -> None:
    for path, body in (("/v1/search", {"query": "x"}), ("/v1/corpora", None)):
        request = client.build_request("POST" if body else "GET", path, json=body)
        request.headers.pop("authorization")
        request.headers.update(headers)
        response = client.send(request)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        error = response.json()["error"]
        assert error["code"] == "unauthorized"
        assert "token" in error["message"]
        assert error["request_id"] == response.headers["x-request-id"]
