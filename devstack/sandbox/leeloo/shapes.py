"""The API's representation of people, channels, messages and orders."""

from collections.abc import Iterable
from typing import Any

from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.company import SET_UP_AT, Named, Tunnel
from devstack.sandbox.leeloo.replies import instant, minute, number
from devstack.sandbox.leeloo.state import Account, Message, Order, Person, State, Subscription

NOT_DEFINED = "NOT_DEFINED"


def named(each: Named) -> dict[str, Any]:
    return {"id": each.id, "name": each.name}


def dated(each: Named | Tunnel) -> dict[str, Any]:
    """A user or a tunnel."""
    at = minute(SET_UP_AT)
    return {"id": each.id, "name": each.name, "createdAt": at, "updatedAt": at}


def tag_names(tag_ids: Iterable[str]) -> list[str]:
    return [company.TAGS[tag_id].name for tag_id in tag_ids]


def person_row(person: Person) -> dict[str, Any]:
    """A person in a list."""
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "tags": tag_names(person.tag_ids),
        "accounts": [_account(account) for account in person.accounts],
        "lastMessageTime": instant(person.last_message_at),
    }


def person(each: Person, state: State) -> dict[str, Any]:
    """A single person."""
    return {
        "id": each.id,
        "name": each.name,
        "tags": tag_names(each.tag_ids),
        "gender": NOT_DEFINED,
        "phone": each.phone,
        "email": each.email,
        "locale": NOT_DEFINED,
        "accounts": [_account(account) for account in each.accounts],
        "subscribeHistory": [_subscription(subscription) for subscription in each.subscriptions],
        "links": {"contactedUsers": list(each.user_ids), "orders": [order.id for order in state.orders_of(each)]},
        "custom_fields": list(each.custom_fields.values()),
        "created_at": instant(each.created_at),
        "updated_at": instant(each.updated_at),
    }


def channel_row(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "person_id": account.person.id,
        "name": account.person.name,
        "from": account.kind,
        "botStatus": NOT_DEFINED if account.connection_id is None else "ACTIVE",
        "lastMessageTime": instant(account.last_message_at),
        "createdAt": instant(account.created_at),
        "utmMarks": {},
    }


def message_row(message: Message) -> dict[str, Any]:
    at = instant(message.at)
    return {"id": message.id, "text": message.text, "type": "OUT", "read": False, "createdAt": at, "updatedAt": at}


def order(each: Order) -> dict[str, Any]:
    return {
        "id": each.id,
        "title": each.offer.title,
        "price": number(each.price),
        "currency": each.currency,
        "status": each.status,
        "createdAt": instant(each.created_at),
        "updatedAt": instant(each.updated_at),
    }


def order_row(each: Order) -> dict[str, Any]:
    """An order in a list."""
    return {**order(each), "person_id": each.person.id}


def order_in_full(each: Order) -> dict[str, Any]:
    """A single order."""
    return {**order(each), "description": each.offer.description, "paymentMethod": each.payment.name}


def _account(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "connection_id": account.connection_id,
        "connection_status": NOT_DEFINED if account.connection_id is None else "ACTIVE",
        "from": account.kind,
    }


def _subscription(each: Subscription) -> dict[str, Any]:
    return {
        "tunnel_id": each.tunnel_id,
        "tunnel_block_id": each.block_id,
        "leadgentool_id": each.leadgentool_id,
        "createdAt": instant(each.at),
    }
