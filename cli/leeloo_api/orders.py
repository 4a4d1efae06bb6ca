"""Orders. Times are aware datetimes, prices Decimals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models import PersonId
from leadbridge.runtime.budget import Budget
from leeloo_api import formats
from leeloo_api.models import Order
from leeloo_api.paging import MAX_PAGES, PAGE_SIZE, paged


@dataclass(frozen=True)
class Orders:
    """`orders/…`"""

    client: Client

    def create(
        self,
        *,
        budget: Budget,
        payment_credits_id: str,
        offer_id: str,
        person_id: PersonId,
        email: str,
        phone: str,
        at: datetime,
        notify_account: bool = False,
        manager_id: str | None = None,
    ) -> Order:
        """`POST orders`: create an order. `at` is the time of the transaction. Raises ValueError if it is naive."""
        fields = {
            "paymentCreditsId": payment_credits_id,
            "email": email,
            "phone": phone,
            "transactionDate": formats.timestamp(at),
            "offerId": offer_id,
            "isNotifyAccount": formats.flag(notify_account),
            "personId": person_id,
            "managerId": manager_id,
        }
        return self.client.send("order_create", "POST", ("orders",), fields, budget).one(Order)

    def list(self, *, budget: Budget, limit: int = PAGE_SIZE, pages: int = MAX_PAGES) -> Iterator[Order]:
        """`GET orders`: list the orders, all pages."""
        return paged(
            Order,
            lambda page: self.client.read("orders_list", ("orders",), budget, page),
            limit=limit,
            pages=pages,
        )

    def get(self, order_id: str, *, budget: Budget) -> Order:
        """`GET orders/{order_id}`: show an order with its description and payment method. Raises NotFound."""
        return self.client.read("order_get", ("orders", order_id), budget).one(Order)

    def update(
        self,
        order_id: str,
        status: Literal["RESOLVED", "REJECTED"],
        *,
        budget: Budget,
        paid_at: datetime | None = None,
        currency: str | None = None,
        price: Decimal | None = None,
        comments: str | None = None,
    ) -> None:
        """`POST orders/{order_id}`: change a manual order without partial payments. Raises ValueError."""
        fields = {
            "status": status,
            "paymentDate": None if paid_at is None else formats.minute(paid_at),
            "currency": currency,
            "price": None if price is None else formats.price(price),
            "userComments": comments,
        }
        self.client.send("order_update", "POST", ("orders", order_id), fields, budget)
