"""Leeloo's contract, endpoint by endpoint: what arrives at the partner, and what is made of its answers."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import RateLimited, Rejected, Unauthorized
from leadbridge.partners.leeloo import AccountId, PersonId, TagId
from leadbridge.partners.leeloo.answers import NotFound
from leadbridge.partners.leeloo.people import SmsRecipient
from leadbridge.partners.leeloo.recipients import account_of as chosen_account
from leeloo_api import LeelooApi
from leeloo_api.models import CustomField, Order
from quality.testkit.clients.leeloo import EMAIL, PARTNER, PHONE, LeelooWorld, budget, leeloo_world

SET_UP_AT = datetime(2025, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
UNKNOWN_ID = "0" * 24

encodings = pytest.mark.parametrize("encoding", ["json", "form data"])


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[LeelooWorld]:
    with leeloo_world(sandbox) as surroundings:
        yield surroundings


@pytest.fixture
def api(world: LeelooWorld) -> LeelooApi:
    return world.api()


def encoded(world: LeelooWorld, encoding: str, operation: str) -> LeelooApi:
    """A client that sends the operation's body so."""
    return world.api(form_data=[operation] if encoding == "form data" else [])


def account_of(person: dict[str, Any], number: int = 0) -> AccountId:
    return AccountId(person["accounts"][number]["account_id"])


def id_of(person: dict[str, Any]) -> PersonId:
    return PersonId(person["id"])


# Messages


def test_a_template_is_sent_with_its_variables(world: LeelooWorld, api: LeelooApi) -> None:
    account_id = account_of(world.person())
    template_id = world.id_of("templates", "Кошти видано")
    api.messages.send_template(account_id, template_id, {"name": "Ольго", "amount": "6000"}, budget=budget())
    (message,) = world.remote.rows("leeloo/messages")
    assert message["account_id"] == account_id
    assert message["text"] == "Ольго, 6000 грн видано. Дякуємо, що ви з нами!"


def test_a_template_is_sent_without_variables(world: LeelooWorld, api: LeelooApi) -> None:
    api.messages.send_template(account_of(world.person()), world.id_of("templates"), budget=budget())
    assert "variables" not in world.arrived("send_template")["body"]
    assert len(world.remote.rows("leeloo/messages")) == 1


@pytest.mark.parametrize("text", ["Вітаю, Мар'яно! 😀", 'a"\\\u2028\n+%20&'])
def test_a_text_arrives_letter_for_letter(world: LeelooWorld, api: LeelooApi, text: str) -> None:
    account_id = account_of(world.person())
    api.messages.send_text(account_id, text, budget=budget())
    (message,) = world.remote.rows("leeloo/messages")
    assert (message["account_id"], message["text"]) == (account_id, text)


def test_a_message_without_a_recipient_is_rejected(api: LeelooApi) -> None:
    with pytest.raises(Rejected, match="HTTP 404"):
        api.messages.send_text(AccountId(UNKNOWN_ID), "Вітаю", budget=budget())


# Channels


def test_channels_are_listed_page_by_page(world: LeelooWorld, api: LeelooApi) -> None:
    people = [world.person(accounts=["TELEGRAM", "FACEBOOK"]) for _ in range(3)]
    channels = list(api.channels.list(limit=2, budget=budget()))
    assert {each.id for each in channels} == {account_of(person, number) for person in people for number in (0, 1)}
    assert {each.person_id for each in channels} == {person["id"] for person in people}
    assert {(each.connection_type, each.last_message_time) for each in channels} == {
        ("TELEGRAM", None),
        ("FACEBOOK", None),
    }
    assert all(each.created_at for each in channels)
    assert len(world.remote.calls(PARTNER, "channels_list")) == 3


def test_channels_are_found_by_the_day_of_the_last_message(world: LeelooWorld, api: LeelooApi) -> None:
    written, _ = account_of(world.person()), world.person()
    api.messages.send_text(written, "Вітаю", budget=budget())
    now = datetime.now(UTC)
    day = timedelta(days=1)
    found = api.channels.list(last_message_since=now - day, last_message_until=now + day, budget=budget())
    assert [each.id for each in found] == [written]
    assert list(api.channels.list(last_message_since=now + 2 * day, budget=budget())) == []


@pytest.mark.parametrize("whose", [account_of, id_of])
def test_chat_messages_are_those_of_an_account_or_of_a_person(
    world: LeelooWorld, api: LeelooApi, whose: Callable[[dict[str, Any]], AccountId | PersonId]
) -> None:
    person = world.person()
    for number in range(3):
        api.messages.send_text(account_of(person), f"Лист {number}", budget=budget())
    messages = list(api.channels.chat_messages(whose(person), limit=2, budget=budget()))
    assert sorted(each.text or "" for each in messages) == ["Лист 0", "Лист 1", "Лист 2"]
    assert messages[0].read is False
    assert messages[0].created_at is not None


def test_an_account_leads_to_its_person(world: LeelooWorld, api: LeelooApi) -> None:
    person = world.person(tags=["лід"])
    found = api.channels.person(account_of(person), budget=budget())
    assert (found.id, found.phone, found.tags, found.gender, found.locale) == (
        person["id"],
        PHONE,
        ("лід",),
        None,
        None,
    )
    assert found.created_at is not None


@encodings
def test_an_account_is_put_into_a_block_of_a_tunnel(world: LeelooWorld, encoding: str) -> None:
    person, tunnel = world.person(), world.company["tunnels"][0]
    api = encoded(world, encoding, "manual_subscribe")
    block_id = tunnel["blocks"][0]["id"]
    api.channels.subscribe(account_of(person), tunnel_id=tunnel["id"], tunnel_block_id=block_id, budget=budget())
    (found,) = world.remote.rows("leeloo/people")
    assert [each["tunnel_block_id"] for each in found["subscribeHistory"]] == [block_id]


# People


def test_people_are_listed_page_by_page(world: LeelooWorld, api: LeelooApi) -> None:
    made = {world.person()["id"] for _ in range(5)}
    people = list(api.people.list(limit=2, budget=budget()))
    assert (len(people), {each.id for each in people}) == (5, made)
    assert (people[0].name, people[0].phone, people[0].email) == ("Ольга", PHONE, EMAIL)


def test_people_are_found_by_a_phone_with_its_plus(world: LeelooWorld, api: LeelooApi) -> None:
    person, _ = world.person(), world.person(phone="+380671112233")
    assert [each.id for each in api.people.list(phone=PHONE, budget=budget())] == [person["id"]]


def test_people_are_found_by_email_and_by_the_day_of_the_last_message(world: LeelooWorld, api: LeelooApi) -> None:
    person, _ = world.person(), world.person(email="other@example.com")
    assert [each.id for each in api.people.list(email=EMAIL, budget=budget())] == [person["id"]]
    api.messages.send_text(account_of(person), "Вітаю", budget=budget())
    (found,) = api.people.list(last_message_since=datetime.now(UTC) - timedelta(days=1), budget=budget())
    assert found.last_message_time is not None


def test_people_are_found_by_several_tags(world: LeelooWorld, api: LeelooApi) -> None:
    people = [world.person(tags=[tag]) for tag in ("лід", "видано", "трейдер")]
    found = api.people.list(tags=["лід", "видано"], budget=budget())
    assert {each.id for each in found} == {people[0]["id"], people[1]["id"]}
    query = world.remote.calls(PARTNER, "people_list")[0]["query"]
    assert [value for name, value in query if name == "filter[tags]"] == ["лід", "видано"]


@pytest.mark.parametrize(("preferred", "number"), [(None, 0), ("TELEGRAM", 1), ("VIBER", 0)])
def test_the_account_to_write_to_is_found_by_phone(
    world: LeelooWorld, api: LeelooApi, preferred: str | None, number: int
) -> None:
    person = world.person(accounts=["FACEBOOK", "TELEGRAM"])
    found = api.people.person_for(phone=PHONE, budget=budget())
    assert found is not None
    assert chosen_account(found, preferred) == account_of(person, number)


def test_the_account_to_write_to_is_found_by_email_else(world: LeelooWorld, api: LeelooApi) -> None:
    person = world.person(phone=None)
    found = api.people.person_for(phone=PHONE, email=EMAIL, budget=budget())
    assert found is not None
    assert chosen_account(found) == account_of(person)


def test_there_may_be_no_account_to_write_to(world: LeelooWorld, api: LeelooApi) -> None:
    world.person(accounts=[])
    assert api.people.person_for(phone=PHONE, email=EMAIL, budget=budget()) is None


def test_a_person_is_read_with_users_and_orders(world: LeelooWorld, api: LeelooApi) -> None:
    user_id = world.id_of("users")
    made = new_person(world, api, connected_users_ids=[user_id])
    ordered = order(world, api, made.person_id)
    alone = api.people.get(made.person_id, budget=budget())
    assert (alone.users, alone.orders, alone.contacted_user_ids) == ((), (), (user_id,))
    found = api.people.get(made.person_id, include=["contactedUsers", "orders"], budget=budget())
    assert [each.name for each in found.users] == [world.company["users"][0]["name"]]
    assert [(each.id, each.price) for each in found.orders] == [(ordered.id, ordered.price)]
    assert found.order_ids == (ordered.id,)


def test_an_unknown_person_is_not_found(api: LeelooApi) -> None:
    with pytest.raises(NotFound):
        api.people.get(PersonId(UNKNOWN_ID), budget=budget())


def new_person(world: LeelooWorld, api: LeelooApi, **options: Any) -> Any:
    tool_id = world.company["tunnels"][0]["leadgentools"][0]["id"]
    return api.people.create(name="Ольга", email=EMAIL, phone=PHONE, leadgentool_id=tool_id, budget=budget(), **options)


def test_a_new_person_has_an_account(world: LeelooWorld, api: LeelooApi) -> None:
    made = new_person(world, api)
    (person,) = world.remote.rows("leeloo/people")
    assert (made.person_id, made.account_id) == (person["id"], person["accounts"][0]["account_id"])
    assert made.connection_type == "MANUAL"
    assert "connected_users_ids" not in world.arrived("person_create")["body"]


def test_a_person_is_changed(world: LeelooWorld, api: LeelooApi) -> None:
    person_id = id_of(world.person())
    field = CustomField(type="TEXT", name="Місто", value="Львів")
    api.people.update(person_id, phone="+380671112233", custom_fields=[field], budget=budget())
    found = api.people.get(person_id, budget=budget())
    assert (found.phone, found.email, found.custom_fields) == ("+380671112233", EMAIL, (field,))


def test_people_are_invited_by_text_message(world: LeelooWorld, api: LeelooApi) -> None:
    count = api.people.send_sms(
        [SmsRecipient("Ольга", EMAIL, PHONE), SmsRecipient("Іван", "ivan@example.com", "+380671112233")],
        connection_id=world.id_of("connections", "Розсилка SMS"),
        leadgentool_id=world.company["tunnels"][0]["leadgentools"][1]["id"],
        tags=[TagId(world.id_of("tags", "лід"))],
        budget=budget(),
    )
    assert count == 2
    assert [(each["name"], each["tags"]) for each in world.remote.rows("leeloo/people")] == [
        ("Ольга", ["лід"]),
        ("Іван", ["лід"]),
    ]


def test_a_comment_is_added(world: LeelooWorld, api: LeelooApi) -> None:
    person = world.person()
    comment = api.people.add_comment(id_of(person), "Передзвонити", budget=budget())
    assert (comment.text, comment.entity_id, comment.entity_type) == ("Передзвонити", person["id"], "PERSON")
    assert world.remote.rows("leeloo/people")[0]["comments"] == ["Передзвонити"]


@encodings
def test_a_tag_is_added_by_its_name(world: LeelooWorld, encoding: str) -> None:
    person_id, api = id_of(world.person()), encoded(world, encoding, "add_tag")
    [tag_id] = [tag.id for tag in api.catalog.tags(budget=budget()) if tag.name == "видано"]
    api.people.add_tag(person_id, tag_id, budget=budget())
    assert api.people.get(person_id, budget=budget()).tags == ("видано",)


@encodings
def test_a_tag_is_removed(world: LeelooWorld, encoding: str) -> None:
    person_id, api = id_of(world.person(tags=["лід", "видано"])), encoded(world, encoding, "remove_tag")
    api.people.remove_tag(person_id, TagId(world.id_of("tags", "лід")), budget=budget())
    assert api.people.get(person_id, budget=budget()).tags == ("видано",)


# Orders


def order(world: LeelooWorld, api: LeelooApi, person_id: PersonId, **options: Any) -> Order:
    return api.orders.create(
        payment_credits_id=world.id_of("payment_credits", "Оплата вручну"),
        offer_id=next(each["id"] for each in world.company["offers"] if each["title"] == "Курс трейдингу"),
        person_id=person_id,
        email=EMAIL,
        phone=PHONE,
        at=NOON,
        budget=budget(),
        **options,
    )


def test_an_order_is_made(world: LeelooWorld, api: LeelooApi) -> None:
    made = order(world, api, id_of(world.person()), notify_account=True, manager_id=world.id_of("users"))
    assert (made.title, made.price, made.currency, made.status) == (
        "Курс трейдингу",
        Decimal("199.99"),
        "USD",
        "OPENED",
    )
    body = world.arrived("order_create")["body"]
    assert (body["isNotifyAccount"], body["transactionDate"]) == ("true", "2026-01-31T12:00:00.000Z")


def test_orders_are_listed_page_by_page(world: LeelooWorld, api: LeelooApi) -> None:
    person_id = id_of(world.person())
    made = {order(world, api, person_id).id for _ in range(3)}
    orders = list(api.orders.list(limit=2, budget=budget()))
    assert ({each.id for each in orders}, {each.person_id for each in orders}) == (made, {person_id})


@encodings
def test_an_order_is_resolved(world: LeelooWorld, encoding: str) -> None:
    api = encoded(world, encoding, "order_update")
    order_id = order(world, api, id_of(world.person())).id
    api.orders.update(
        order_id,
        "RESOLVED",
        paid_at=NOON,
        currency="UAH",
        price=Decimal("1500.50"),
        comments="Сплачено\r\n«готівкою»",
        budget=budget(),
    )
    found = api.orders.get(order_id, budget=budget())
    assert (found.status, found.price, found.currency) == ("RESOLVED", Decimal("1500.5"), "UAH")
    assert (found.description, found.payment_method) == ("Дванадцять уроків", "Оплата вручну")
    assert world.arrived("order_update")["body"] == {
        "status": "RESOLVED",
        "paymentDate": "2026-01-31 12:00",
        "currency": "UAH",
        "price": "1500.50",
        "userComments": "Сплачено\r\n«готівкою»",
    }


def test_an_unknown_order_is_not_found(api: LeelooApi) -> None:
    with pytest.raises(NotFound):
        api.orders.get(UNKNOWN_ID, budget=budget())


# Calls


@encodings
def test_a_call_is_written_down(world: LeelooWorld, encoding: str) -> None:
    recorded = encoded(world, encoding, "call_create").calls.record(
        user_id=world.id_of("users"),
        account_id=account_of(world.person()),
        caller="606",
        called=PHONE,
        at=NOON,
        seconds=61,
        status="SUCCESS",
        direction="OUTBOUND",
        budget=budget(),
    )
    assert recorded.id
    assert recorded.call_id
    body = world.arrived("call_create")["body"]
    assert (body["to"], body["record_link"], body["date"]) == (PHONE, "NOT_DEFINED", "2026-01-31T12:00:00.000Z")
    assert int(body["duration"]) == 61


# Tunnels


def test_tunnels_are_listed_page_by_page(world: LeelooWorld, api: LeelooApi) -> None:
    tunnels = list(api.tunnels.list(limit=1, budget=budget()))
    assert [each.name for each in tunnels] == [each["name"] for each in world.company["tunnels"]]
    assert tunnels[0].created_at == SET_UP_AT


def test_a_tunnel_is_read_with_its_lead_generation_tools(world: LeelooWorld, api: LeelooApi) -> None:
    expected = world.company["tunnels"][0]["leadgentools"]
    tunnel_id = world.id_of("tunnels")
    assert api.tunnels.get(tunnel_id, budget=budget()).leadgentools == ()
    found = api.tunnels.get(tunnel_id, include=["leadgentools"], budget=budget())
    assert [(each.id, each.name, each.type) for each in found.leadgentools] == [
        (each["id"], each["name"], each["type"]) for each in expected
    ]
    assert found.leadgentool_ids == tuple(each["id"] for each in expected)


def test_figures_are_those_of_all_tunnels_or_of_one(world: LeelooWorld, api: LeelooApi) -> None:
    made = new_person(world, api)
    tunnel_id = next(each["tunnel_id"] for each in world.company["offers"] if each["title"] == "Курс трейдингу")
    api.orders.update(order(world, api, made.person_id).id, "RESOLVED", budget=budget())
    assert len(api.tunnels.all_stats(budget=budget())) == len(world.company["tunnels"])
    stats = api.tunnels.stats(tunnel_id, budget=budget())
    assert stats is not None
    assert (stats.sales, stats.uniq_sales, stats.total_sale, stats.visits) == (1, 1, Decimal("199.99"), 0)


def test_a_traffic_source_is_made(world: LeelooWorld, api: LeelooApi) -> None:
    tunnel = world.company["tunnels"][0]
    tool_id = tunnel["leadgentools"][0]["id"]
    made = api.tunnels.create_traffic_source(tool_id, name="Банер", description="На головній", budget=budget())
    assert (made.name, made.description, made.leadgentool_id, made.tunnel_id) == (
        "Банер",
        "На головній",
        tool_id,
        tunnel["id"],
    )
    assert made.hash
    assert made.created_at


# The catalog


def test_template_categories_are_listed(world: LeelooWorld, api: LeelooApi) -> None:
    categories = api.catalog.template_categories(budget=budget())
    assert [(each.id, each.name) for each in categories] == [
        (each["id"], each["name"]) for each in world.company["categories"]
    ]


def test_templates_of_a_category_are_listed(world: LeelooWorld, api: LeelooApi) -> None:
    category_id = world.id_of("categories")
    templates = api.catalog.templates(category_id, budget=budget())
    assert [(each.id, each.name) for each in templates] == [
        (each["id"], each["message_name"]) for each in world.company["templates"] if each["category_id"] == category_id
    ]


def test_connections_are_listed(world: LeelooWorld, api: LeelooApi) -> None:
    connections = api.catalog.connections(budget=budget())
    assert [(each.id, each.type, each.name) for each in connections] == [
        (each["id"], each["type"], each["name"]) for each in world.company["connections"]
    ]


def test_tags_are_listed(world: LeelooWorld, api: LeelooApi) -> None:
    tags = api.catalog.tags(budget=budget())
    assert [(each.id, each.name) for each in tags] == [(each["id"], each["name"]) for each in world.company["tags"]]


def test_users_are_listed_and_read(world: LeelooWorld, api: LeelooApi) -> None:
    users = list(api.catalog.users(limit=1, budget=budget()))
    assert [each.id for each in users] == [each["id"] for each in world.company["users"]]
    assert api.catalog.user(users[0].id, budget=budget()) == users[0]
    assert users[0].created_at == SET_UP_AT


# The token, the limit


def test_a_rotated_token_is_read_again(world: LeelooWorld, api: LeelooApi) -> None:
    world.remote.rotate(PARTNER, "token")
    assert api.catalog.tags(budget=budget())
    assert [call["status"] for call in world.remote.calls(PARTNER, "tags_list")] == [401, 200]


def test_a_message_is_sent_once_though_the_token_was_rotated(world: LeelooWorld, api: LeelooApi) -> None:
    account_id = account_of(world.person())
    world.remote.rotate(PARTNER, "token")
    api.messages.send_text(account_id, "Вітаю", budget=budget())
    assert len(world.remote.rows("leeloo/messages")) == 1


def test_a_wrong_token_is_refused(world: LeelooWorld) -> None:
    world.vault.replace(token="wrong")
    with pytest.raises(Unauthorized):
        world.api().catalog.tags(budget=budget())
    assert len(world.remote.calls(PARTNER)) == 1


@pytest.mark.parametrize("status", [200, 429, 503])
def test_the_limit_is_known_at_any_status(world: LeelooWorld, api: LeelooApi, status: int) -> None:
    world.remote.post("leeloo/limit", {"calls": 1, "status": status, "retry_after": 9})
    api.catalog.tags(budget=budget())
    with pytest.raises(RateLimited) as caught:
        api.messages.send_text(AccountId(UNKNOWN_ID), "Вітаю", budget=budget())
    assert caught.value.retry_after == 9
