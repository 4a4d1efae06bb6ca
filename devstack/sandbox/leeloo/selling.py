"""Orders and tunnels. Creating an order is not idempotent."""

import secrets
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.company import Tunnel
from devstack.sandbox.leeloo.requests import NOT_ALLOWED, Given, find, page, refusal, success
from devstack.sandbox.leeloo.state import RESOLVED, State, number
from devstack.sandbox.partner import Answer


def create_order(state: State, given: Given) -> Answer:
    payment = find(company.PAYMENT_CREDITS, given, "paymentCreditsId")
    offer, person = find(company.OFFERS, given, "offerId"), find(state.people, given, "personId")
    if "managerId" in given:
        find(company.USERS, given, "managerId")
    order = state.add_order(person, offer, payment)
    return success(order.as_json(), order_id=order.id)


def list_orders(state: State, given: Given) -> Answer:
    rows = [order.as_json() | {"person_id": order.person.id} for order in reversed(state.orders.values())]
    return page(given, rows, len(rows))


def get_order(state: State, given: Given) -> Answer:
    order = find(state.orders, given, "order_id")
    return success({**order.as_json(), "description": order.offer.description, "paymentMethod": order.payment.name})


def update_order(state: State, given: Given) -> Answer:
    order = find(state.orders, given, "order_id")
    if not order.payment.manual:
        raise refusal(400, {"order_id": NOT_ALLOWED})
    order.status = given["status"]
    order.price = Decimal(given.get("price", order.price))
    order.currency = given.get("currency", order.currency)
    order.updated_at = state.clock()
    return success({})


def create_traffic_source(state: State, given: Given) -> Answer:
    tunnel = find(company.TUNNELS_BY_LEADGENTOOL, given, "leadgentool_id")
    made = {"id": state.new_id(), "type": "CUSTOM", **given, "tunnel_id": tunnel.id, "hash": secrets.token_hex(4)}
    return success({**made, **state.stamps()})


def list_tunnels(_state: State, given: Given) -> Answer:
    return page(given, [tunnel.dated() for tunnel in company.TUNNELS.values()], len(company.TUNNELS))


def get_tunnel(_state: State, given: Given) -> Answer:
    """The requested `include` is returned as `linked`, not as `included`."""
    tunnel = find(company.TUNNELS, given, "tunnel_id")
    data = {**tunnel.dated(), "links": {"leadgentools": [tool.id for tool in tunnel.leadgentools]}}
    linked = {"linked": {"leadgentools": [asdict(tool) for tool in tunnel.leadgentools]}}
    return success(data, linked if "include" in given else None)


def list_stats(state: State, _given: Given) -> Answer:
    return success([_stats(state, tunnel) for tunnel in company.TUNNELS.values()])


def get_stats(state: State, given: Given) -> Answer:
    return success([_stats(state, find(company.TUNNELS, given, "tunnel_id"))])


def _stats(state: State, tunnel: Tunnel) -> dict[str, Any]:
    """Visits and shows do not exist here, so their counts are 0."""
    people = state.people.values()
    entered = [sum(each["tunnel_id"] == tunnel.id for each in person.subscriptions) for person in people]
    orders = [order for order in state.orders.values() if order.offer.tunnel_id == tunnel.id]
    sales = [order for order in orders if order.status == RESOLVED]
    return {
        "subscribers": sum(entered),
        "uniqSubscribers": sum(map(bool, entered)),
        "orders": len(orders),
        "sales": len(sales),
        "uniqSales": len({order.person.id for order in sales}),
        **dict.fromkeys(("visits", "uniqVisits", "shows", "uniqShows", "totalExpenses"), 0),
        "totalSale": number(sum((order.price for order in sales), Decimal(0))),
    }
