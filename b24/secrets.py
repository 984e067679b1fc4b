"""Keeping secrets: encryption at rest, signed tokens for pages and links, comparison in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random_source
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from itsdangerous import BadData, URLSafeTimedSerializer

from b24.errors import SetupMissing, Untrusted

MIN_KEY_LENGTH = 32


class Secrets:
    """Everything done with the app's own secret key.

    Args:
        keys: one or more random texts of at least 32 characters; the first encrypts and signs, the others
            still read what was written before a rotation.

    Raises:
        ValueError: no key, or one that is too short to be random.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or min(map(len, keys)) < MIN_KEY_LENGTH:
            raise ValueError(f"secret keys need at least {MIN_KEY_LENGTH} characters")
        boxes = [Fernet(base64.urlsafe_b64encode(_derive(key, "encrypt"))) for key in keys]
        self._newest_box, self._box = boxes[0], MultiFernet(boxes)
        self._newest = keys[0]
        # itsdangerous signs with the last key of the list.
        self._signing_keys = [_derive(key, "sign") for key in reversed(keys)]

    def encrypt(self, text: str) -> str:
        """Text as it may stand in the database; the same text is encrypted differently each time."""
        return self._box.encrypt(text.encode()).decode()

    def decrypt(self, text: str) -> str:
        """What :meth:`encrypt` was given.

        Raises:
            SetupMissing: encrypted with a key that is not among ours (the key file was lost or replaced).
        """
        try:
            return self._box.decrypt(text.encode()).decode()
        except InvalidToken:
            raise SetupMissing("SECRET_KEY", "stored secrets were encrypted with another key") from None

    def renewed(self, text: str) -> str | None:
        """The same secret under the newest key; ``None`` where it is already, or no key of ours reads it."""
        try:
            self._newest_box.decrypt(text.encode())
        except InvalidToken:
            try:
                return self._box.rotate(text.encode()).decode()
            except InvalidToken:
                return None
        return None

    def key_for(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same as long as the newest key stays."""
        return _derive(self._newest, purpose)

    def sign(self, payload: Mapping[str, Any], purpose: str) -> str:
        """A URL-safe token that carries ``payload`` (readable by everybody) for one purpose."""
        token: str | bytes = self._signer(purpose).dumps(dict(payload))
        return token if isinstance(token, str) else token.decode()

    def unsign(self, token: str, purpose: str, max_age_s: float) -> dict[str, Any]:
        """The payload of a token of ours that is not older than ``max_age_s`` seconds.

        Raises:
            Untrusted: ``EXPIRED_TOKEN`` for an old one, ``BAD_TOKEN`` for anything else we did not sign.
        """
        try:
            payload, signed_at = self._signer(purpose).loads(token, return_timestamp=True)
        except (BadData, ValueError):
            raise Untrusted("BAD_TOKEN") from None
        age_s = time.time() - signed_at.timestamp()
        if not isinstance(payload, dict) or age_s < -60:
            raise Untrusted("BAD_TOKEN")
        if age_s > max_age_s:
            raise Untrusted("EXPIRED_TOKEN")
        return payload

    @staticmethod
    def equal(one: str, other: str) -> bool:
        """Whether two secrets are equal, in a time that tells nothing about them."""
        return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))

    @staticmethod
    def new_key() -> str:
        """A fresh random key for the key file."""
        return random_source.token_urlsafe(48)

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._signing_keys, salt=purpose.encode(), signer_kwargs={"digest_method": hashlib.sha256}
        )


def _derive(key: str, use: str) -> bytes:
    return hmac.digest(key.encode(), f"b24-event-app/{use}".encode(), "sha256")
