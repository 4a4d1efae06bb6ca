"""Leeloo sends messages to people in their messengers. API v2: the part that `LeelooMessenger` calls.

`leeloo_api`, a package of the CLI's, adds the other endpoints.
"""

from __future__ import annotations

from leadbridge.partners.leeloo.catalog import Catalog
from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.messages import Messages
from leadbridge.partners.leeloo.models import AccountId, PersonId, TagId
from leadbridge.partners.leeloo.people import People

__all__ = ["AccountId", "Client", "Leeloo", "PersonId", "TagId"]


class Leeloo:
    """The endpoints by group. Every call raises PartnerError; after a lost reply, Unavailable (reads) or Unknown."""

    def __init__(self, client: Client, *, always_by_last_message: bool = False) -> None:
        """`always_by_last_message`: send the last-message filter with every list of people."""
        self.seconds_per_call = client.seconds_per_call
        self.messages = Messages(client)
        self.people = People(client, always_by_last_message)
        self.catalog = Catalog(client)
