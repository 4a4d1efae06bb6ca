"""All thirty endpoints of Leeloo's API v2, for the CLI.

The functions use the part in `leadbridge.partners.leeloo`; this package adds the rest to it.

    leeloo = LeelooApi(Client(transport, secret))
    leeloo.orders.get(order_id, budget=budget)
"""

from __future__ import annotations

from leadbridge.partners.leeloo import Client, Leeloo
from leadbridge.partners.leeloo.messages import Messages
from leeloo_api.calls import Calls
from leeloo_api.catalog import Catalog
from leeloo_api.channels import Channels
from leeloo_api.orders import Orders
from leeloo_api.people import People
from leeloo_api.tunnels import Tunnels

__all__ = ["LeelooApi"]


class LeelooApi(Leeloo):
    """The endpoints by group. The annotations below list the groups."""

    messages: Messages
    people: People
    channels: Channels
    orders: Orders
    tunnels: Tunnels
    catalog: Catalog
    calls: Calls

    def __init__(self, client: Client, *, always_by_last_message: bool = False) -> None:
        """`always_by_last_message`: send the last-message filter with every list of people."""
        super().__init__(client)
        self.people = People(client, always_by_last_message)
        self.channels = Channels(client)
        self.orders = Orders(client)
        self.tunnels = Tunnels(client)
        self.catalog = Catalog(client)
        self.calls = Calls(client)
