"""Tokens of the local profile: one key pair, made once; every other profile has an identity provider of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from searchloom.errors import Terminal, UsageError
from searchloom.settings import Settings

ALGORITHM = "ES256"
_FOLDER = "tokens"


def ensure_keys(state: Path) -> Path:
    """Make the key pair below ``state`` where there is none yet, and return the path of its ``jwks.json``.

    Safe when several processes do it at once: exactly one key wins. Both files are readable by their owner alone.
    """
    folder = state / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = folder / "private.pem", folder / "jwks.json"
    if not private.exists():
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = _write_private(private, pem)
        try:
            os.link(draft, private)
        except FileExistsError:  # another process was faster, and its key counts
            pass
        finally:
            draft.unlink()
    if not public.exists():
        _write_private(public, json.dumps({"keys": [_public_jwk(_read(private))]}, indent=1).encode()).replace(public)
    return public


def sign(
    settings: Settings,
    *,
    user: str,
    tenant: str = "default",
    groups: Sequence[str] = (),
    roles: Sequence[str] = (),
    lifetime_s: int = 3600,
) -> str:
    """Sign a token for a user of the local profile.

    Raises ``UsageError`` in every other profile, and for an empty user or tenant.
    """
    if settings.profile != "local":
        raise UsageError(
            f"tokens of profile {settings.profile!r} come from its identity provider {settings.query.issuer!r}, "
            "not from here; sign in there"
        )
    if not user or not tenant:
        raise UsageError(f"user {user!r} of tenant {tenant!r}: neither may be empty; give both a name")
    ensure_keys(settings.state)
    key = _read(settings.state / _FOLDER / "private.pem")
    now = int(time.time())
    claims = {
        "iss": settings.query.issuer,
        "aud": settings.query.audience,
        "sub": user,
        "tenant": tenant,
        "groups": list(groups),
        "roles": list(roles),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_s,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": _kid(key)})


def _read(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Terminal(f"{path} holds no EC key; delete it and start again, a new one is made")
    return key


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers: dict[str, str] = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**numbers, "kid": _kid(key), "use": "sig", "alg": ALGORITHM}


def _kid(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(key.public_key().public_bytes(serialization.Encoding.DER, form)).hexdigest()[:16]


def _write_private(beside: Path, data: bytes) -> Path:
    draft = beside.with_name(f".{beside.name}.{os.getpid()}.{time.monotonic_ns()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    return draft
