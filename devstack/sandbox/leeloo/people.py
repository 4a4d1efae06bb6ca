"""People, their tags and calls, and the company's users. Creating a person is not idempotent."""

import uuid
from dataclasses import asdict
from typing import Any

from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.messaging import is_written_in
from devstack.sandbox.leeloo.requests import NOT_ALLOWED, Given, find, page, refusal, success
from devstack.sandbox.leeloo.state import MANUAL, State
from devstack.sandbox.partner import Answer

TAGS, PHONE, EMAIL = "filter[tags]", "filter[phone]", "filter[email]"
SMS = "SMS"


def list_people(state: State, given: Given) -> Answer:
    tags, phone, email = given.get(TAGS, []), given.get(PHONE), given.get(EMAIL)
    wanted = {tags} if isinstance(tags, str) else set(tags)
    rows = [
        person.as_row()
        for person in reversed(state.people.values())
        if phone in {None, person.phone}
        and email in {None, person.email}
        and (not wanted or wanted & {*person.tag_ids, *person.tags})
        and is_written_in(given, person.last_message_at)
    ]
    return page(given, rows, len(state.people))


def get_person(state: State, given: Given) -> Answer:
    person = find(state.people, given, "person_id")
    wanted = given.get("include", "").split(",")
    included: dict[str, Any] = {}
    if "contactedUsers" in wanted:
        included["users"] = [company.USERS[user_id].dated() for user_id in person.user_ids]
    if "orders" in wanted:
        included["orders"] = [order.as_json() for order in person.orders]
    return success(person.as_json(), {"included": included} if included else None)


def update_person(state: State, given: Given) -> Answer:
    person = find(state.people, given, "person_id")
    person.phone = given.get("phone", person.phone)
    person.email = given.get("email", person.email)
    person.custom_fields.update({each["name"]: each for each in given.get("custom_fields", ())})
    person.updated_at = state.clock()
    return success({})


def create_person(state: State, given: Given) -> Answer:
    """`id` in the answer is the channel's, `person_id` the person's."""
    tunnel = find(company.TUNNELS_BY_LEADGENTOOL, given, "leadgentool_id")
    user_ids = given.get("connected_users_ids", [])
    for user_id in user_ids:
        find(company.USERS, {"connected_users_ids": user_id}, "connected_users_ids")
    person = state.add_person(given["name"], given["phone"], given["email"], [MANUAL])
    person.user_ids = list(user_ids)
    state.subscribe(person, tunnel, tool_id=given["leadgentool_id"])
    (account,) = person.accounts
    data = {
        "id": account.id,
        "person_id": person.id,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "tags": [],
        "from": account.kind,
        "leadgentool_id": given["leadgentool_id"],
        **state.stamps(),
    }
    return success(data, account_id=account.id, person_id=person.id)


def import_for_sms(state: State, given: Given) -> Answer:
    if find(company.CONNECTIONS, given, "connection_id").type != SMS:
        raise refusal(400, {"connection_id": NOT_ALLOWED})
    tunnel = find(company.TUNNELS_BY_LEADGENTOOL, given, "leadgentool_id")
    tags = dict.fromkeys(find(company.TAGS, {"tags": tag_id}, "tags").id for tag_id in given["tags"])
    for each in given["data"]:
        person = state.add_person(each["name"], each["phone"], each["email"], [SMS])
        person.tag_ids = list(tags)
        state.subscribe(person, tunnel, tool_id=given["leadgentool_id"])
    return success({"count_to_process": len(given["data"])})


def add_comment(state: State, given: Given) -> Answer:
    person = find(state.people, given, "person_id")
    person.comments.append(given["comment"])
    comment = {"text": given["comment"], "entity_id": person.id, "entity_type": "PERSON"}
    return success({"id": state.new_id(), **comment, **state.stamps()})


def add_tag(state: State, given: Given) -> Answer:
    person, tag = find(state.people, given, "person_id"), find(company.TAGS, given, "tag_id")
    if tag.id not in person.tag_ids:
        person.tag_ids.append(tag.id)
    return success({})


def remove_tag(state: State, given: Given) -> Answer:
    person, tag = find(state.people, given, "person_id"), find(company.TAGS, given, "tag_id")
    if tag.id in person.tag_ids:
        person.tag_ids.remove(tag.id)
    return success({})


def create_call(state: State, given: Given) -> Answer:
    find(company.USERS, given, "user_id")
    find(state.accounts, given, "account_id")
    now = state.now()
    made = {
        **{name: value for name, value in given.items() if name not in {"date", "duration"}},
        "id": state.new_id(),
        "call_id": str(uuid.uuid4()),
        "provider_type": MANUAL,
        "billsec": int(given["duration"]),
        "created_at": now,
        "updated_at": now,
    }
    return success(made)


def list_tags(_state: State, _given: Given) -> Answer:
    return success([asdict(tag) for tag in company.TAGS.values()])


def list_users(_state: State, given: Given) -> Answer:
    return page(given, [user.dated() for user in company.USERS.values()], len(company.USERS))


def get_user(_state: State, given: Given) -> Answer:
    return success(find(company.USERS, given, "user_id").dated())
