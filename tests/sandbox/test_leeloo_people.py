"""Leeloo's contract: people, their tags, their channels, calls and users."""

import pytest

from devstack.sandbox.remote import ControlError, Remote
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.leeloo import LeelooClient, Office

AN_ID = 24


def test_a_new_persons_id_is_the_channels(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    answer = leeloo.post("people", office.person(connected_users_ids=[office.user_id])).json
    assert answer["status"] == 1
    data = answer["data"]
    assert (data["name"], data["from"], data["tags"]) == ("Іван", "MANUAL", [])
    assert len(data["id"]) == len(data["person_id"]) == AN_ID
    person = leeloo.get(f"people/{data['person_id']}").json["data"]
    assert [(each["account_id"], each["from"]) for each in person["accounts"]] == [(data["id"], "MANUAL")]
    assert person["links"] == {"contactedUsers": [office.user_id], "orders": []}
    assert person["subscribeHistory"][0]["tunnel_id"] == office.tunnel_id
    assert leeloo.send(data["id"], "Вітаємо").json == {"data": {}, "status": 1}
    assert [message["phone"] for message in remote.rows("leeloo/messages")] == ["+380671112233"]


def test_the_same_person_twice_is_two_people(leeloo: LeelooClient, office: Office) -> None:
    first, second = (leeloo.post("people", office.person()).json["data"] for _ in range(2))
    assert first["person_id"] != second["person_id"]
    found = leeloo.get("people", ("filter[phone]", "+380671112233")).json
    assert [each["id"] for each in found["data"]] == [second["person_id"], first["person_id"]]


def test_a_person_alone_has_other_fields_than_in_a_list(leeloo: LeelooClient, office: Office) -> None:
    (row,) = leeloo.get("people").json["data"]
    assert row.keys() == {"id", "name", "email", "phone", "tags", "accounts", "lastMessageTime"}
    person = leeloo.get(f"people/{office.person_id}").json["data"]
    assert (person["gender"], person["locale"]) == ("NOT_DEFINED", "NOT_DEFINED")
    assert (person["created_at"], person["updated_at"]) == ("2027-01-15T08:00:00.000Z",) * 2
    assert person["accounts"] == row["accounts"]
    assert person["accounts"][0]["connection_id"] == office.connections["TELEGRAM"]
    assert leeloo.get(f"communication-channels/{office.account_id}/person").json["data"] == person


def test_what_is_linked_to_a_person_is_included_on_demand(leeloo: LeelooClient, office: Office) -> None:
    order_id = leeloo.post("orders", office.order()).json["data"]["id"]
    assert "included" not in leeloo.get(f"people/{office.person_id}").json
    path = f"people/{office.person_id}"
    included = leeloo.get(path, ("include", "contactedUsers,orders")).json["included"]
    assert (included["users"], [order["id"] for order in included["orders"]]) == ([], [order_id])
    assert leeloo.get(path, ("include", "orders")).json["included"].keys() == {"orders"}


def test_a_person_is_found_by_the_exact_phone(leeloo: LeelooClient, office: Office) -> None:
    def found(query: str) -> int:
        reply = leeloo.ask("GET", f"people?{query}", b"")
        assert reply.status == 200
        return len(reply.json["data"])

    assert found("filter%5Bphone%5D=%2B380501234567") == 1
    assert found("filter[phone]=%2B380501234567") == 1
    assert found("filter[phone]=+380501234567") == 0
    assert found("filter[phone]=380501234567") == 0
    assert found("filter[email]=olha@example.com") == 1
    assert found("filter[email]=olha") == 0
    assert found("filter[phone]=%2B380501234567&filter[email]=other@example.com") == 0


def test_tags_are_written_by_id_and_read_by_name(leeloo: LeelooClient, office: Office) -> None:
    path = f"people/{office.person_id}"
    for _ in range(2):
        assert leeloo.put(f"{path}/add-tag", {"tag_id": office.tags["лід"]}).json == {"data": {}, "status": 1}
    assert leeloo.get(path).json["data"]["tags"] == ["лід"]
    for _ in range(2):
        assert leeloo.put(f"{path}/remove-tag", {"tag_id": office.tags["лід"]}).json == {"data": {}, "status": 1}
    assert leeloo.get(path).json["data"]["tags"] == []


def test_several_tags_find_anyone_who_has_one_of_them(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    lead = remote.post("leeloo/people", {"name": "Лід", "tags": ["лід"]})["id"]
    approved = remote.post("leeloo/people", {"name": "Погоджений", "tags": ["погоджено"]})["id"]
    tags = [("filter[tags]", office.tags[name]) for name in ("лід", "погоджено")]
    assert [each["id"] for each in leeloo.get("people", *tags).json["data"]] == [approved, lead]
    assert [each["id"] for each in leeloo.get("people", tags[0]).json["data"]] == [lead]
    assert [each["id"] for each in leeloo.get("people", ("filter[tags]", "лід")).json["data"]] == [lead]


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        (None, "2027-01-14", 0),
        (None, "2027-01-15", 1),
        ("2027-01-15", "2027-01-15", 1),
        ("2027-01-16", None, 0),
    ],
)
@pytest.mark.parametrize("path", ["people", "communication-channels"])
def test_last_messages_are_looked_for_by_day(
    leeloo: LeelooClient, office: Office, remote: Remote, path: str, first: str | None, last: str | None, found: int
) -> None:
    remote.post("leeloo/people", {"name": "Ніколи", "accounts": ["TELEGRAM"]})
    leeloo.send(office.account_id, "x")
    days = (("filter[last_message][from]", first), ("filter[last_message][to]", last))
    answer = leeloo.get(path, *((name, day) for name, day in days if day is not None)).json
    assert len(answer["data"]) == answer["meta"]["filteredCount"] == found
    assert answer["meta"]["totalCount"] == 2


def test_days_of_last_messages_are_written_as_days(leeloo: LeelooClient) -> None:
    for value in ("2027-01-15T00:00:00.000Z", "15.01.2027", "2027-1-15", "2027-02-30"):
        assert leeloo.get("people", ("filter[last_message][from]", value)).status == 400


def test_a_person_is_changed(leeloo: LeelooClient, office: Office, clock: Clock) -> None:
    clock.now += 60
    fields = [{"type": "text", "name": "Місто", "value": "Львів"}]
    body = {"phone": "+380670000000", "custom_fields": fields}
    assert leeloo.put(f"people/{office.person_id}", body).json == {"data": {}, "status": 1}
    person = leeloo.get(f"people/{office.person_id}").json["data"]
    assert (person["phone"], person["email"]) == ("+380670000000", "olha@example.com")
    assert person["custom_fields"] == fields
    assert person["updated_at"] == "2027-01-15T08:01:00.000Z"


def test_an_import_for_sms_makes_people_with_tags(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    assert leeloo.post("people/sms", office.sms()).json == {"data": {"count_to_process": 1}, "status": 1}
    person = remote.rows("leeloo/people")[-1]
    assert (person["tags"], person["accounts"][0]["from"]) == (["лід"], "SMS")
    assert person["accounts"][0]["connection_id"] == office.connections["SMS"]


def test_a_comment_is_kept(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    data = leeloo.put(f"people/{office.person_id}/add-comment", {"comment": "Передзвонити"}).json["data"]
    assert (data["text"], data["entity_id"], data["entity_type"]) == ("Передзвонити", office.person_id, "PERSON")
    assert remote.rows("leeloo/people")[0]["comments"] == ["Передзвонити"]


def test_a_call_is_written_down(leeloo: LeelooClient, office: Office) -> None:
    data = leeloo.post("calls", office.call() | {"duration": 100}).json["data"]
    assert len(data["id"]) == AN_ID
    assert data["call_id"] != data["id"]
    assert (data["duration"], data["record_link"]) == (100, "NOT_DEFINED")
    assert data["created_at"] == "2027-01-15T08:00:00.000Z"


def test_channels_belong_to_people(leeloo: LeelooClient, office: Office, remote: Remote) -> None:
    remote.post("leeloo/people", {"name": "Двоє каналів", "accounts": ["VIBER", "FACEBOOK"]})
    facebook, viber, telegram = leeloo.get("communication-channels").json["data"]
    assert [each["from"] for each in (facebook, viber, telegram)] == ["FACEBOOK", "VIBER", "TELEGRAM"]
    assert facebook["person_id"] == viber["person_id"] != telegram["person_id"] == office.person_id
    assert telegram == {
        "id": office.account_id,
        "person_id": office.person_id,
        "name": "Ольга",
        "from": "TELEGRAM",
        "botStatus": "ACTIVE",
        "lastMessageTime": None,
        "createdAt": "2027-01-15T08:00:00.000Z",
        "utmMarks": {},
    }


def test_users_and_tags_are_listed(leeloo: LeelooClient, office: Office) -> None:
    users = leeloo.get("users", ("limit", 1)).json
    assert users["meta"] == {"limit": 1, "offset": 0, "filteredCount": 2, "totalCount": 2}
    (user,) = users["data"]
    assert user == {
        "id": office.user_id,
        "name": "Олена Коваль",
        "createdAt": "2025-01-01T00:00Z",
        "updatedAt": "2025-01-01T00:00Z",
    }
    assert leeloo.get(f"users/{office.user_id}").json == {"data": user, "status": 1}
    assert {each["name"]: each["id"] for each in leeloo.get("tags").json["data"]} == office.tags


def test_people_can_be_put_there_without_channels_but_not_with_unknown_tags(
    leeloo: LeelooClient, remote: Remote
) -> None:
    remote.post("leeloo/people", {"name": "Без каналів", "phone": "+380501111111"})
    assert leeloo.get("people").json["data"][0]["accounts"] == []
    with pytest.raises(ControlError, match="tags"):
        remote.post("leeloo/people", {"name": "x", "tags": ["немає"]})
