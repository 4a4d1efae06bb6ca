"""What is read of Leeloo's answers: both spellings, open sets, missing and odd values, exact money, times in UTC."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from leadbridge.partners.leeloo.models import NewPerson
from leadbridge.partners.leeloo.values import ResponseModel
from leeloo_api import models

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("spelling", ["created_at", "createdAt"])
@pytest.mark.parametrize(
    "written",
    ["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00", "2026-01-31 12:00", "2026-01-31T14:00:00+02:00"],
)
def test_a_time_is_utc_however_it_is_spelt(spelling: str, written: str) -> None:
    assert models.ListedPerson.model_validate({"id": "p", spelling: written}).created_at == NOON


@pytest.mark.parametrize("odd", [None, "", "NOT_DEFINED", "yesterday", 5, [], "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_none(odd: object) -> None:
    assert models.ListedPerson.model_validate({"id": "p", "createdAt": odd}).created_at is None


def test_a_person_is_read_whole() -> None:
    person = models.ListedPerson.model_validate(
        {
            "id": "5f0c2e2ad2a3d70012345678",
            "name": "Ольга",
            "tags": ["лід", 5, None],
            "gender": "NOT_DEFINED",
            "phone": 380501234567,
            "email": "NOT_DEFINED",
            "locale": "uk_UA",
            "accounts": [
                {"account_id": "a1", "connection_id": "c1", "connection_status": "ACTIVE", "from": "TELEGRAM"},
                {"connection_id": "without an id"},
                "rubbish",
                {"account_id": "a2", "from": "SIGNAL_FLAGS"},
            ],
            "links": {"contactedUsers": ["u1"], "orders": [{"id": "o1"}, {}]},
            "custom_fields": [{"type": "TEXT", "name": "ІПН", "value": "1"}],
            "subscribeHistory": [{"what": "ever"}],
            "added next year": 1,
        }
    )
    assert (person.gender, person.email, person.phone, person.tags) == (None, None, "380501234567", ("лід", "5"))
    assert [(each.account_id, each.connection_type) for each in person.accounts] == [
        ("a1", "TELEGRAM"),
        ("a2", "SIGNAL_FLAGS"),
    ]
    assert (person.contacted_user_ids, person.order_ids) == (("u1",), ("o1",))
    assert person.custom_fields[0].name == "ІПН"


def test_a_person_without_anything_but_an_id_is_a_person() -> None:
    person = models.ListedPerson.model_validate({"id": "p"})
    assert (person.name, person.tags, person.accounts, person.created_at) == (None, (), (), None)


@pytest.mark.parametrize("odd", [None, "", [], {}, True, "NOT_DEFINED"])
def test_nothing_is_a_person_without_an_id(odd: object) -> None:
    with pytest.raises(ValidationError):
        models.ListedPerson.model_validate({"id": odd})


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=0, max_value=10**14))
def test_a_price_is_exact(price: Decimal) -> None:
    for written in (price, str(price)):
        assert models.Order.model_validate({"id": "o", "price": written}).price == price


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "1e999999999", "дорого", True, [], None])
def test_a_price_that_is_no_number_is_none(odd: object) -> None:
    assert models.Order.model_validate({"id": "o", "price": odd}).price is None


def test_a_new_person_keeps_account_and_person_apart() -> None:
    made = NewPerson.model_validate({"id": "a1", "person_id": "p1", "from": "MANUAL"})
    assert (made.account_id, made.person_id, made.connection_type) == ("a1", "p1", "MANUAL")


def test_stats_are_counts_and_money() -> None:
    stats = models.TunnelStats.model_validate(
        {"subscribers": "12", "uniqSales": 3, "totalSale": Decimal("10.50"), "visits": Decimal("1.5")}
    )
    assert (stats.subscribers, stats.uniq_sales, stats.total_sale, stats.visits) == (12, 3, Decimal("10.50"), None)


def test_a_template_is_named_by_its_message() -> None:
    assert models.Template.model_validate({"id": "t", "message_name": "Заявку отримано"}).name == "Заявку отримано"


def _all(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [model, *(each for direct in model.__subclasses__() for each in _all(direct))]


@pytest.mark.parametrize("model", _all(ResponseModel)[1:])
def test_every_model_can_be_built_and_is_frozen(model: type[BaseModel]) -> None:
    read = model.model_validate({"id": "1", "account_id": "1", "person_id": "1"})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(read, next(iter(model.model_fields)), "changed")
