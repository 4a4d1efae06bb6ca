"""Orders and tunnels."""

import secrets
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from devstack.sandbox.leeloo import company, fields, shapes
from devstack.sandbox.leeloo.company import Tunnel
from devstack.sandbox.leeloo.endpoints.paging import PAGE
from devstack.sandbox.leeloo.fields import Fields, an_id, any_text, text
from devstack.sandbox.leeloo.ids import find
from devstack.sandbox.leeloo.refusals import Wrong, malformed
from devstack.sandbox.leeloo.replies import instant, number, page, success
from devstack.sandbox.leeloo.requests import Asked, Route
from devstack.sandbox.leeloo.state import RESOLVED, Order, State
from devstack.sandbox.partner import Answer

ORDER = Fields(
    {
        "paymentCreditsId": an_id,
        "email": fields.email,
        "phone": fields.phone,
        "transactionDate": fields.instant,
        "offerId": an_id,
        "isNotifyAccount": fields.true_or_false,
        "personId": an_id,
    },
    {"managerId": an_id},
)
ORDER_UPDATE = Fields(
    {"status": fields.one_of(RESOLVED, "REJECTED")},
    {
        "paymentDate": fields.minute,
        "currency": fields.currency,
        "price": fields.money,
        "userComments": any_text,
    },
)


class Selling:
    """Creating an order is not idempotent."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("order_create", "POST", "/orders", self._create, body=ORDER),
            Route("orders_list", "GET", "/orders", self._list, query=PAGE),
            Route("order_get", "GET", "/orders/{order_id}", self._get),
            Route("order_update", "POST", "/orders/{order_id}", self._update, body=ORDER_UPDATE, forms=True),
            Route(
                "traffic_source_create",
                "POST",
                "/leadgentools/{leadgentool_id}/create-traffic-source",
                self._create_traffic_source,
                body=Fields({"name": text, "description": text}),
            ),
            Route("tunnels_list", "GET", "/tunnels", _tunnels, query=PAGE),
            Route("tunnels_stats", "GET", "/tunnels/stats", self._stats),
            Route("tunnel_stats", "GET", "/tunnels/{tunnel_id}/stats", self._stats_of_one),
            Route(
                "tunnel_get", "GET", "/tunnels/{tunnel_id}", _tunnel, query={"include": fields.some_of("leadgentools")}
            ),
        ]

    def _create(self, asked: Asked) -> Answer:
        body = asked.body
        payment = find(company.PAYMENT_CREDITS, body["paymentCreditsId"], "paymentCreditsId")
        offer = find(company.OFFERS, body["offerId"], "offerId")
        person = find(self._state.people, body["personId"], "personId")
        if "managerId" in body:
            find(company.USERS, body["managerId"], "managerId")
        order = self._state.add_order(person, offer, payment)
        return success(shapes.order(order), order_id=order.id)

    def _list(self, asked: Asked) -> Answer:
        return page(asked, self._state.orders.newest_first(), len(self._state.orders), shapes.order_row)

    def _get(self, asked: Asked) -> Answer:
        return success(shapes.order_in_full(self._order(asked)))

    def _update(self, asked: Asked) -> Answer:
        order, body = self._order(asked), asked.body
        if not order.payment.manual:
            raise malformed(order_id=Wrong.NOT_ALLOWED)
        order.status = body["status"]
        order.price = Decimal(body.get("price", order.price))
        order.currency = body.get("currency", order.currency)
        order.updated_at = self._state.clock()
        return success({})

    def _create_traffic_source(self, asked: Asked) -> Answer:
        tool_id, now = asked.params["leadgentool_id"], instant(self._state.clock())
        tunnel = find(company.TUNNELS_BY_LEADGENTOOL, tool_id, "leadgentool_id")
        return success(
            {
                "id": self._state.ids.new(),
                "type": "CUSTOM",
                **asked.body,
                "leadgentool_id": tool_id,
                "tunnel_id": tunnel.id,
                "hash": secrets.token_hex(4),
                "createdAt": now,
                "updatedAt": now,
            }
        )

    def _stats(self, _asked: Asked) -> Answer:
        return success([self._stats_of(tunnel) for tunnel in company.TUNNELS.values()])

    def _stats_of_one(self, asked: Asked) -> Answer:
        return success([self._stats_of(find(company.TUNNELS, asked.params["tunnel_id"], "tunnel_id"))])

    def _stats_of(self, tunnel: Tunnel) -> dict[str, Any]:
        """Visits and shows do not exist here, so their counts are 0."""
        entered = [sum(each.tunnel_id == tunnel.id for each in person.subscriptions) for person in self._state.people]
        orders = [order for order in self._state.orders if order.offer.tunnel_id == tunnel.id]
        sales = [order for order in orders if order.status == RESOLVED]
        return {
            "subscribers": sum(entered),
            "uniqSubscribers": sum(map(bool, entered)),
            "orders": len(orders),
            "sales": len(sales),
            "uniqSales": len({order.person.id for order in sales}),
            "visits": 0,
            "uniqVisits": 0,
            "shows": 0,
            "uniqShows": 0,
            "totalSale": number(_sum(sales)),
            "totalExpenses": 0,
        }

    def _order(self, asked: Asked) -> Order:
        return find(self._state.orders, asked.params["order_id"], "order_id")


def _sum(orders: Iterable[Order]) -> Decimal:
    return sum((order.price for order in orders), Decimal(0))


def _tunnels(asked: Asked) -> Answer:
    return page(asked, company.TUNNELS.values(), len(company.TUNNELS), shapes.dated)


def _tunnel(asked: Asked) -> Answer:
    """The requested `include` is returned as `linked`, not as `included`."""
    tunnel = find(company.TUNNELS, asked.params["tunnel_id"], "tunnel_id")
    tools = [{"id": tool.id, "name": tool.name, "type": tool.type} for tool in tunnel.leadgentools]
    data = {**shapes.dated(tunnel), "links": {"leadgentools": [tool["id"] for tool in tools]}}
    return success(data, more={"linked": {"leadgentools": tools}} if "include" in asked.query else None)
