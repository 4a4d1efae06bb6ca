"""The thirty endpoints: their fields, and a table of the endpoints by the groups of the document."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, Field, with_config

from devstack.sandbox.leeloo import company, endpoints
from devstack.sandbox.leeloo.company import Named
from devstack.sandbox.leeloo.endpoints import Endpoints
from devstack.sandbox.leeloo.requests import ID, STRICT, Given, Route, page, success
from devstack.sandbox.partner import Answer, Filled, rfc3339, written_as


def date_as(show: Callable[[datetime], str]) -> Callable[[str], str]:
    """A validator of dates that are written so."""

    def check(text: str) -> str:
        if show(datetime.fromisoformat(text)) != text:
            raise ValueError("another format")
        return text

    return check


Id = Annotated[str, AfterValidator(written_as(ID))]
Text = Filled
Phone = Annotated[str, AfterValidator(written_as(r"\+?[0-9]{9,15}"))]
Line = Annotated[str, AfterValidator(written_as(r"\+?[0-9]{2,15}"))]  # a phone, or an extension such as `606`
Email = Annotated[str, AfterValidator(written_as(r"[^@\s]+@[^@\s]+\.[^@\s]+"))]
Currency = Annotated[str, AfterValidator(written_as("[A-Z]{3}"))]
Money = Annotated[str, AfterValidator(written_as(r"[0-9]{1,12}(\.[0-9]{1,2})?"))]
Link = Annotated[str, AfterValidator(written_as(r"https?://[^\s]+|NOT_DEFINED"))]
Digits = Annotated[str, AfterValidator(written_as("[0-9]{1,9}"))]
Positive = Annotated[str, AfterValidator(written_as("(?=.*[1-9])[0-9]{1,9}"))]
Seconds = Annotated[int, Field(ge=0, lt=10**9)] | Digits
Instant = Annotated[str, AfterValidator(date_as(lambda at: rfc3339(at.timestamp())))]
Minute = Annotated[str, AfterValidator(date_as(lambda at: f"{at:%Y-%m-%d %H:%M}"))]
Day = Annotated[str, AfterValidator(date_as(lambda at: f"{at:%Y-%m-%d}"))]
Flag = Literal["true", "false"]
CallStatus = Literal["TALKING", "SUCCESS", "NO_ANSWER", "CLOSED_BY_SYSTEM"]
Direction = Literal["INBOUND", "OUTBOUND"]
Outcome = Literal["RESOLVED", "REJECTED"]


@with_config(STRICT)
class Who(TypedDict):
    """A person of an import."""

    name: Text
    email: Email
    phone: Phone


Recipients = Annotated[list[Who], Field(min_length=1)]


@with_config(STRICT)
class CustomField(TypedDict):
    """A further field of a person."""

    type: Text
    name: Text
    value: str


def some_of(*words: str) -> Any:
    """Comma-separated words."""
    return Annotated[str, AfterValidator(written_as(f"({'|'.join(words)})(,({'|'.join(words)}))*"))]


PAGE = {"limit": Positive, "offset": Digits}
LAST_MESSAGE = {endpoints.FROM: Day, endpoints.TO: Day}
PEOPLE_FILTER = {endpoints.TAGS: Text | list[Text], endpoints.PHONE: str, endpoints.EMAIL: str}
NEW_PERSON = {"name": Text, "email": Email, "phone": Phone, "leadgentool_id": Id}
IMPORT = {"data": Recipients, "connection_id": Id, "leadgentool_id": Id, "tags": list[Id]}
PERSON_UPDATE = {"phone": Phone, "email": Email, "custom_fields": list[CustomField]}
CALL = {
    "user_id": Id,
    "from": Line,
    "to": Line,
    "date": Instant,
    "account_id": Id,
    "record_link": Link,
    "status": CallStatus,
    "duration": Seconds,
    "type": Direction,
}
ORDER = {
    "paymentCreditsId": Id,
    "email": Email,
    "phone": Phone,
    "transactionDate": Instant,
    "offerId": Id,
    "isNotifyAccount": Flag,
    "personId": Id,
}
OUTCOME = {"status": Outcome}
PAYMENT = {"paymentDate": Minute, "currency": Currency, "price": Money, "userComments": str}

CHANNELS = "/communication-channels"
CHANNEL, PERSON = f"{CHANNELS}/{{account_id}}", "/people/{person_id}"
TAG, BLOCK = {"tag_id": Id}, {"tunnel_id": Id, "tunnel_block_id": Id}
TEMPLATE, MESSAGE = {"account_id": Id, "template_id": Id}, {"account_id": Id, "text": Text}
VARIABLES, SOURCE = {"variables": dict[str, str]}, {"name": Text, "description": Text}
USERS, MANAGER = {"connected_users_ids": list[Id]}, {"managerId": Id}
LINKED, TOOLS = {"include": some_of("contactedUsers", "orders")}, {"include": some_of("leadgentools")}
TRAFFIC_SOURCE = "/leadgentools/{leadgentool_id}/create-traffic-source"


def _all(things: Mapping[str, Any], name: str = "") -> Callable[[Endpoints, Given], Answer]:
    """All things, in an object with this name if the document has one."""
    rows = [asdict(thing) for thing in things.values()]
    return lambda _state, _given: success({name: rows} if name else rows)


def _pages(things: Mapping[str, Named]) -> Callable[[Endpoints, Given], Answer]:
    rows = [thing.dated() for thing in things.values()]
    return lambda _state, given: page(given, rows, len(rows))


ROUTES = (
    Route("categories_list", "GET", "/categories/templates", _all(company.CATEGORIES, "categories")),
    Route("templates_list", "GET", "/categories/templates/{category_id}", Endpoints.list_templates),
    Route("send_template", "POST", "/messages/send-template", Endpoints.send_template, TEMPLATE, VARIABLES),
    Route("send_message", "POST", "/messages/send-message", Endpoints.send_message, MESSAGE),
    Route("chat_messages", "GET", f"{CHANNELS}/{{person_id}}/chat-messages", Endpoints.list_chat, {}, PAGE),
    Route("channels_list", "GET", CHANNELS, Endpoints.list_channels, {}, PAGE | LAST_MESSAGE),
    Route("channel_person", "GET", f"{CHANNEL}/person", Endpoints.get_channel_person),
    Route("manual_subscribe", "POST", f"{CHANNEL}/manual-subscribe", Endpoints.subscribe, BLOCK, forms=True),
    Route("connections_list", "GET", "/connections", _all(company.CONNECTIONS, "connections")),
    Route("traffic_source_create", "POST", TRAFFIC_SOURCE, Endpoints.create_traffic_source, SOURCE),
    Route("order_create", "POST", "/orders", Endpoints.create_order, ORDER, MANAGER),
    Route("orders_list", "GET", "/orders", Endpoints.list_orders, {}, PAGE),
    Route("order_get", "GET", "/orders/{order_id}", Endpoints.get_order),
    Route("order_update", "POST", "/orders/{order_id}", Endpoints.update_order, OUTCOME, PAYMENT, forms=True),
    Route("people_list", "GET", "/people", Endpoints.list_people, {}, PAGE | LAST_MESSAGE | PEOPLE_FILTER),
    Route("person_get", "GET", PERSON, Endpoints.get_person, {}, LINKED),
    Route("person_update", "PUT", PERSON, Endpoints.update_person, {}, PERSON_UPDATE),
    Route("person_create", "POST", "/people", Endpoints.create_person, NEW_PERSON, USERS),
    Route("people_sms", "POST", "/people/sms", Endpoints.import_for_sms, IMPORT),
    Route("add_comment", "PUT", f"{PERSON}/add-comment", Endpoints.add_comment, {"comment": Text}),
    Route("add_tag", "PUT", f"{PERSON}/add-tag", Endpoints.add_tag, TAG, forms=True),
    Route("remove_tag", "PUT", f"{PERSON}/remove-tag", Endpoints.remove_tag, TAG, forms=True),
    Route("call_create", "POST", "/calls", Endpoints.create_call, CALL, forms=True),
    Route("tags_list", "GET", "/tags", _all(company.TAGS)),
    Route("tunnels_list", "GET", "/tunnels", _pages(company.TUNNELS), {}, PAGE),
    Route("tunnels_stats", "GET", "/tunnels/stats", Endpoints.list_stats),
    Route("tunnel_get", "GET", "/tunnels/{tunnel_id}", Endpoints.get_tunnel, {}, TOOLS),
    Route("tunnel_stats", "GET", "/tunnels/{tunnel_id}/stats", Endpoints.get_stats),
    Route("users_list", "GET", "/users", _pages(company.USERS), {}, PAGE),
    Route("user_get", "GET", "/users/{user_id}", Endpoints.get_user),
)
