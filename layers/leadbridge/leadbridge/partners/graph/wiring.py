"""Graph's client for the functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from leadbridge.auth.partner_secret import PartnerSecret
from leadbridge.auth.secrets import Secrets
from leadbridge.partners.graph.answers import is_own
from leadbridge.partners.graph.client import Graph
from leadbridge.partners.http import Transport
from leadbridge.runtime.logs import record_call
from leadbridge.settings import settings


@dataclass(frozen=True)
class SourceSecret:
    """One source's entry in the secret `{prefix}/sources`; empty if it has none."""

    secret: PartnerSecret
    source: str

    def get(self) -> dict[str, Any]:
        """Return the entry, at most a minute old. Raises Unavailable while the secret has no value."""
        return self._entry(self.secret.get())

    def refresh(self) -> dict[str, Any] | None:
        """Read the entry again; None if it was read a few seconds ago, or cannot be read at the moment."""
        refreshed = self.secret.refresh()
        return None if refreshed is None else self._entry(refreshed)

    def _entry(self, sources: dict[str, Any]) -> dict[str, Any]:
        entry = sources.get(self.source)
        return entry if isinstance(entry, dict) else {}


def graph(source: str, secrets: Secrets) -> Graph:
    """Make a client for the leads of one source. Raises KeyError, LookupError if the source has no `fetch`."""
    fetch = settings().sources[source].fetch
    if fetch is None:
        raise LookupError(f"source {source}: its configuration has no `fetch` section")
    transport = Transport("graph", fetch.timeouts, observer=record_call, is_own=is_own)
    return Graph(transport, SourceSecret(PartnerSecret(secrets, "sources"), source))
