"""The one call to Graph: read a lead. It is always safe to repeat."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from leadbridge.auth.secret_forms import unquoted
from leadbridge.domain.errors.partner_errors import Misconfigured, Unavailable, Unknown, secret_incomplete
from leadbridge.partners.graph.answers import OPERATION, PARTNER, lead_in
from leadbridge.partners.http import Transport
from leadbridge.partners.kind import SecretSource
from leadbridge.runtime.budget import Budget

GRAPH_URL = "https://graph.facebook.com/v26.0"  # the default; a secret may have `graph_url`
# Fields that need only the permission to read leads. The names of ads and campaigns need other permissions.
FIELDS = "id,created_time,form_id,field_data,platform,custom_disclaimer_responses"


@dataclass(frozen=True)
class GraphCredentials:
    """A source's entry in the secret `{prefix}/sources`: the page's token, the app's secret, the URL."""

    access_token: str
    app_secret: str
    graph_url: str

    @classmethod
    def of(cls, entry: dict[str, Any]) -> GraphCredentials:
        """Read the entry. Raises Misconfigured with the names of the wrong keys, without values."""
        token, url, secrets = entry.get("access_token"), entry.get("graph_url") or GRAPH_URL, entry.get("secrets")
        secret = secrets[0] if isinstance(secrets, list) and secrets else None
        given = {"access_token": token, "graph_url": url, "secrets": secret}
        texts = {name: unquoted(text) if isinstance(text, str) else text for name, text in given.items()}
        wrong = [name for name, text in texts.items() if not _is_usable(text)]
        if wrong:
            raise secret_incomplete(PARTNER, OPERATION, wrong, of="the source's secret")
        return cls(str(texts["access_token"]), str(texts["secrets"]), str(texts["graph_url"]))

    @property
    def app_secret_proof(self) -> str:
        """`appsecret_proof`: proof that the owner of the token also has the app's secret."""
        return hmac.digest(self.app_secret.encode(), self.access_token.encode(), hashlib.sha256).hex()

    def __repr__(self) -> str:
        return "GraphCredentials(…)"


class Graph:
    """Reads leads."""

    def __init__(self, transport: Transport, secret: SecretSource) -> None:
        self._transport = transport
        self._secret = secret

    @property
    def seconds_per_fetch(self) -> float:
        """Seconds that one fetch can take, including a second attempt with rotated credentials."""
        return 2 * self._transport.max_seconds

    def lead(self, keys: Mapping[str, str], budget: Budget) -> dict[str, Any]:
        """`GET /{leadgen_id}`. After a rejection the secret is read again once. Raises PartnerError."""
        secret = self._secret.get()
        try:
            return self._read(secret, keys["leadgen_id"], budget)
        except Misconfigured:
            refreshed = self._secret.refresh()
            if refreshed is None or refreshed == secret:
                raise
        return self._read(refreshed, keys["leadgen_id"], budget)

    def _read(self, entry: dict[str, Any], leadgen_id: str, budget: Budget) -> dict[str, Any]:
        credentials = GraphCredentials.of(entry)
        query = urlencode({"fields": FIELDS, "appsecret_proof": credentials.app_secret_proof}, safe=",")
        url = f"{credentials.graph_url.rstrip('/')}/{leadgen_id}?{query}"
        headers = {"Authorization": f"Bearer {credentials.access_token}"}
        try:
            answer = self._transport.call(OPERATION, "GET", url, headers=headers, budget=budget)
        except Unknown as error:
            raise Unavailable.of(error) from None
        return lead_in(answer, leadgen_id)


def _is_usable(text: object) -> bool:
    return isinstance(text, str) and bool(text) and text.isascii() and text.isprintable() and " " not in text
