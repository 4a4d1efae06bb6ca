"""Leeloo, which talks to people in their messengers: API v2, thirty endpoints in seven groups.

    leeloo = Leeloo(Client(transport, secret))
    leeloo.messages.send_template(account_id, template_id, {"status": "…"}, budget=budget)

A group is imported when it is first asked for: a flow that sends messages loads no tunnels.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models.ids import AccountId, PersonId, TagId

if TYPE_CHECKING:
    from leadbridge.partners.leeloo.calls import Calls
    from leadbridge.partners.leeloo.catalog import Catalog
    from leadbridge.partners.leeloo.channels import Channels
    from leadbridge.partners.leeloo.messages import Messages
    from leadbridge.partners.leeloo.orders import Orders
    from leadbridge.partners.leeloo.people import People
    from leadbridge.partners.leeloo.tunnels import Tunnels

__all__ = ["AccountId", "Client", "Leeloo", "PersonId", "TagId"]


class Leeloo:
    """The partner's API. Every call raises PartnerError: a lost reply is Unavailable to a read, Unknown to a send."""

    def __init__(self, client: Client, *, always_by_last_message: bool = False) -> None:
        """`always_by_last_message`: lists of people must have the filter on the last message, as the document says."""
        self._client = client
        self._always_by_last_message = always_by_last_message

    @property
    def seconds_per_call(self) -> float:
        """Seconds that a call can take."""
        return self._client.seconds_per_call

    @cached_property
    def messages(self) -> Messages:
        """Sending messages."""
        from leadbridge.partners.leeloo.messages import Messages

        return Messages(self._client)

    @cached_property
    def people(self) -> People:
        """People: finding, making and changing them."""
        from leadbridge.partners.leeloo.people import People

        return People(self._client, always_by_last_message=self._always_by_last_message)

    @cached_property
    def channels(self) -> Channels:
        """People's accounts and what was said there."""
        from leadbridge.partners.leeloo.channels import Channels

        return Channels(self._client)

    @cached_property
    def orders(self) -> Orders:
        """Orders."""
        from leadbridge.partners.leeloo.orders import Orders

        return Orders(self._client)

    @cached_property
    def tunnels(self) -> Tunnels:
        """Tunnels, their figures, the ways into them."""
        from leadbridge.partners.leeloo.tunnels import Tunnels

        return Tunnels(self._client)

    @cached_property
    def catalog(self) -> Catalog:
        """What the company has set up: templates, connections, tags, users."""
        from leadbridge.partners.leeloo.catalog import Catalog

        return Catalog(self._client)

    @cached_property
    def calls(self) -> Calls:
        """Telephone calls."""
        from leadbridge.partners.leeloo.calls import Calls

        return Calls(self._client)
