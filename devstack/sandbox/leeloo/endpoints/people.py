"""People: list, create, update, tag, call."""

import uuid
from collections.abc import Mapping
from typing import Any

from devstack.sandbox.leeloo import company, fields, shapes
from devstack.sandbox.leeloo.endpoints.paging import LAST_MESSAGE, PAGE, written_between
from devstack.sandbox.leeloo.fields import Fields, an_id, any_text, text
from devstack.sandbox.leeloo.ids import find
from devstack.sandbox.leeloo.refusals import Wrong, malformed
from devstack.sandbox.leeloo.replies import instant, page, success
from devstack.sandbox.leeloo.requests import TAGS, Asked, Route
from devstack.sandbox.leeloo.state import MANUAL, Person, State
from devstack.sandbox.partner import Answer

PHONE, EMAIL = "filter[phone]", "filter[email]"
SMS = "SMS"
WHO = {"name": text, "email": fields.email, "phone": fields.phone}
CUSTOM_FIELD = Fields({"type": text, "name": text, "value": any_text})
CALL = Fields(
    {
        "user_id": an_id,
        "from": fields.line,
        "to": fields.line,
        "date": fields.instant,
        "account_id": an_id,
        "record_link": fields.link,
        "status": fields.one_of("TALKING", "SUCCESS", "NO_ANSWER", "CLOSED_BY_SYSTEM"),
        "duration": fields.seconds,
        "type": fields.one_of("INBOUND", "OUTBOUND"),
    }
)


class People:
    """Creating a person is not idempotent."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        tag = Fields({"tag_id": an_id})
        return [
            Route(
                "people_list",
                "GET",
                "/people",
                self._list,
                query=PAGE | LAST_MESSAGE | {TAGS: text, PHONE: any_text, EMAIL: any_text},
            ),
            Route(
                "person_get",
                "GET",
                "/people/{person_id}",
                self._get,
                query={"include": fields.some_of("contactedUsers", "orders")},
            ),
            Route(
                "person_update",
                "PUT",
                "/people/{person_id}",
                self._update,
                body=Fields(
                    optional={
                        "phone": fields.phone,
                        "email": fields.email,
                        "custom_fields": fields.rows_of(CUSTOM_FIELD),
                    }
                ),
            ),
            Route(
                "person_create",
                "POST",
                "/people",
                self._create,
                body=Fields(WHO | {"leadgentool_id": an_id}, {"connected_users_ids": fields.list_of(an_id)}),
            ),
            Route(
                "people_sms",
                "POST",
                "/people/sms",
                self._import_for_sms,
                body=Fields(
                    {
                        "data": fields.rows_of(Fields(WHO), at_least=1),
                        "connection_id": an_id,
                        "leadgentool_id": an_id,
                        "tags": fields.list_of(an_id),
                    }
                ),
            ),
            Route(
                "add_comment", "PUT", "/people/{person_id}/add-comment", self._comment, body=Fields({"comment": text})
            ),
            Route("add_tag", "PUT", "/people/{person_id}/add-tag", self._add_tag, body=tag, forms=True),
            Route("remove_tag", "PUT", "/people/{person_id}/remove-tag", self._remove_tag, body=tag, forms=True),
            Route("call_create", "POST", "/calls", self._call, body=CALL, forms=True),
            Route("tags_list", "GET", "/tags", _tags),
            Route("users_list", "GET", "/users", _users, query=PAGE),
            Route("user_get", "GET", "/users/{user_id}", _user),
        ]

    def _list(self, asked: Asked) -> Answer:
        tags = set(asked.query.getall(TAGS, []))
        phone, email = asked.query.get(PHONE), asked.query.get(EMAIL)
        matching = (
            person
            for person in self._state.people.newest_first()
            if (phone is None or person.phone == phone)
            and (email is None or person.email == email)
            and (not tags or tags & {*person.tag_ids, *shapes.tag_names(person.tag_ids)})
            and written_between(asked, person.last_message_at)
        )
        return page(asked, matching, len(self._state.people), shapes.person_row)

    def _get(self, asked: Asked) -> Answer:
        person = self._person(asked)
        wanted = asked.query.get("include", "").split(",")
        included: dict[str, Any] = {}
        if "contactedUsers" in wanted:
            included["users"] = [shapes.dated(company.USERS[user_id]) for user_id in person.user_ids]
        if "orders" in wanted:
            included["orders"] = [shapes.order(order) for order in self._state.orders_of(person)]
        return success(shapes.person(person, self._state), more={"included": included} if included else None)

    def _update(self, asked: Asked) -> Answer:
        person = self._person(asked)
        person.phone = asked.body.get("phone", person.phone)
        person.email = asked.body.get("email", person.email)
        person.custom_fields.update({each["name"]: each for each in asked.body.get("custom_fields", ())})
        person.updated_at = self._state.clock()
        return success({})

    def _create(self, asked: Asked) -> Answer:
        """`id` in the answer is the channel's, `person_id` the person's."""
        tool_id, user_ids = asked.body["leadgentool_id"], asked.body.get("connected_users_ids", [])
        tunnel = find(company.TUNNELS_BY_LEADGENTOOL, tool_id, "leadgentool_id")
        for user_id in user_ids:
            find(company.USERS, user_id, "connected_users_ids")
        person = self._made(asked.body, MANUAL)
        person.user_ids = list(user_ids)
        self._state.subscribe(person, tunnel, tool_id=tool_id)
        (account,) = person.accounts
        data = {
            "id": account.id,
            "person_id": person.id,
            "name": person.name,
            "email": person.email,
            "phone": person.phone,
            "tags": [],
            "from": account.kind,
            "leadgentool_id": tool_id,
            "createdAt": instant(person.created_at),
            "updatedAt": instant(person.updated_at),
        }
        return success(data, account_id=account.id, person_id=person.id)

    def _import_for_sms(self, asked: Asked) -> Answer:
        connection = find(company.CONNECTIONS, asked.body["connection_id"], "connection_id")
        if connection.type != SMS:
            raise malformed(connection_id=Wrong.NOT_ALLOWED)
        tool_id = asked.body["leadgentool_id"]
        tunnel = find(company.TUNNELS_BY_LEADGENTOOL, tool_id, "leadgentool_id")
        tags = dict.fromkeys(find(company.TAGS, tag_id, "tags").id for tag_id in asked.body["tags"])
        for each in asked.body["data"]:
            person = self._made(each, SMS)
            person.tag_ids = list(tags)
            self._state.subscribe(person, tunnel, tool_id=tool_id)
        return success({"count_to_process": len(asked.body["data"])})

    def _comment(self, asked: Asked) -> Answer:
        person, now = self._person(asked), instant(self._state.clock())
        person.comments.append(asked.body["comment"])
        return success(
            {
                "id": self._state.ids.new(),
                "text": asked.body["comment"],
                "entity_id": person.id,
                "entity_type": "PERSON",
                "createdAt": now,
                "updatedAt": now,
            }
        )

    def _add_tag(self, asked: Asked) -> Answer:
        person, tag = self._person(asked), find(company.TAGS, asked.body["tag_id"], "tag_id")
        if tag.id not in person.tag_ids:
            person.tag_ids.append(tag.id)
        return success({})

    def _remove_tag(self, asked: Asked) -> Answer:
        person, tag = self._person(asked), find(company.TAGS, asked.body["tag_id"], "tag_id")
        if tag.id in person.tag_ids:
            person.tag_ids.remove(tag.id)
        return success({})

    def _call(self, asked: Asked) -> Answer:
        find(company.USERS, asked.body["user_id"], "user_id")
        find(self._state.accounts, asked.body["account_id"], "account_id")
        now = instant(self._state.clock())
        shown = {name: value for name, value in asked.body.items() if name not in {"date", "duration"}}
        return success(
            {
                **shown,
                "id": self._state.ids.new(),
                "call_id": str(uuid.uuid4()),
                "provider_type": MANUAL,
                "billsec": int(asked.body["duration"]),
                "created_at": now,
                "updated_at": now,
            }
        )

    def _person(self, asked: Asked) -> Person:
        return find(self._state.people, asked.params["person_id"], "person_id")

    def _made(self, who: Mapping[str, str], kind: str) -> Person:
        return self._state.add_person(who["name"], who["phone"], who["email"], [kind])


def _tags(_asked: Asked) -> Answer:
    return success([shapes.named(tag) for tag in company.TAGS.values()])


def _users(asked: Asked) -> Answer:
    return page(asked, company.USERS.values(), len(company.USERS), shapes.dated)


def _user(asked: Asked) -> Answer:
    return success(shapes.dated(find(company.USERS, asked.params["user_id"], "user_id")))
