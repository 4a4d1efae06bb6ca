"""For every lead that is accepted for a partner, that partner's request can be built, and its contract check takes it.

What a partner refuses is checked or repaired at reception. Nothing in submission refuses a lead.
"""

from __future__ import annotations

from typing import Any

import pytest
import simplejson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from devstack.sandbox.leadleader.service import Create, field_errors
from devstack.sandbox.matchtrade.broker import Broker, Credentials
from devstack.sandbox.matchtrade.requests import fit, registration
from devstack.sandbox.partner import Incoming, parse_json
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.lead import InvalidLead, Lead, Loan, Person, Trading
from leadbridge.partners.leadleader.client import short_deal
from leadbridge.partners.matchtrade.accounts import AccountForm
from leadbridge.partners.matchtrade.credentials import BrokerCredentials
from leadbridge.settings import Partner
from leadbridge.storage import items
from quality.testkit.forms.receiver import configured
from quality.testkit.partners.matchtrade import SECRET
from quality.testkit.people import NOW

PARTNERS = configured().partners
LENDER, BROKER = PARTNERS["leadleader"], PARTNERS["matchtrade"]
# A surname is what brokers may want and a person may not have, so this one does not want it.
REQUIRED = ("email", "name", "phone")
FURTHER = {"city": "person.city", "state": "person.region", "address": "utm.utm_source", "clientType": "trading.offer"}

words = st.text(alphabet="aZїЇ'’-|/\n\r\u2028\u0085 \u00a0\u200d\u0301\u0308\u0344\u0958\u1e9b\u0323😀", max_size=60)
long_words = words | st.text(max_size=300) | st.integers(240, 260).map(lambda length: "ї" * length)
emails = st.sampled_from(["o@example.com", "ї@приклад.укр", f"o@{'a' * 250}.com", f"o@{'a' * 243}.com"]) | long_words
PHONES = st.from_regex(r"(\+?38)?0[1-9][0-9]{8}", fullmatch=True) | st.sampled_from(["+390612345678", "+442071838750"])
SECTIONS = st.fixed_dictionaries(
    {
        "person": st.fixed_dictionaries(
            {"full_name": long_words, "phone": PHONES, "email": emails},
            optional={
                "tax_number": st.from_regex(r"[1-9][0-9]{9}", fullmatch=True),
                "activity": long_words,
                "city": long_words,
                "region": long_words,
            },
        ),
        "loan": st.fixed_dictionaries(
            {}, optional={"amount": st.decimals(0, 10**16, places=2), "term": st.integers(1, 999_999)}
        ),
        "trading": st.fixed_dictionaries({}, optional=dict.fromkeys(Trading.model_fields, long_words)),
        "utm": st.dictionaries(st.just("utm_source"), long_words),
    }
)
# As the table holds leads that were accepted by other rules: nothing about their texts is certain.
STORED = st.fixed_dictionaries(
    {}, optional={name: st.text(max_size=400) | emails for name in ("full_name", "phone", "email", "city", "region")}
)


def accepted(values: dict[str, Any], **partners: Partner) -> Lead | None:
    """The lead as it is read back from the table; None where it is refused at reception."""
    try:
        lead = build_lead(values, lead_id="ld_1", source="web", received_at=NOW, partners=partners, refuses=True)
    except InvalidLead:
        return None
    return items.lead_of(items.decode(items.encode(items.lead_item(lead, phone_hash=None))))


def written(body: dict[str, Any]) -> bytes:
    """The body as the transport sends it."""
    return simplejson.dumps(body, use_decimal=True, ensure_ascii=False).encode()


def broker_takes(body: dict[str, Any], *, column_length: int, plus_in_phone: bool) -> None:
    """Raises what the sandbox's broker refuses."""
    raw = written(body)
    broker = Broker(required=REQUIRED, column_length=column_length, plus_in_phone=plus_in_phone)
    incoming = Incoming("POST", {}, MultiDict(), {}, "application/json", raw)
    ours = Credentials("c", "s", "u", "p", SECRET["offer_uuid"], SECRET["partner_id"])
    fit(registration(incoming, broker, ours)["account"], broker)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@example(
    values={
        "person": {
            "full_name": "Прикладенко Олена",
            "phone": "0500000001",
            "tax_number": "3068208400",
            "activity": "a",
        },
        "loan": {"amount": "99999999999999.99", "term": 999_999},
    }
)
@given(values=SECTIONS)
def test_the_lender_takes_the_body_of_every_lead_that_is_accepted_for_it(values: dict[str, Any]) -> None:
    lead = accepted(values, leadleader=LENDER)
    if lead is not None:
        body = parse_json(written({**short_deal(lead), "security_token": "s" * 32}))
        assert field_errors(Create, body) == {}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(values=SECTIONS, longest=st.sampled_from([30, 64, 255]), plus=st.booleans())
def test_the_broker_takes_the_body_of_every_lead_that_is_accepted_for_it(
    values: dict[str, Any], longest: int, plus: bool
) -> None:
    rules = BROKER.model_copy(update={"account": BROKER.account.model_copy(update={"max_value_length": longest})})
    lead = accepted(values, matchtrade=rules)
    if lead is not None:
        form = AccountForm(
            plus_in_phone=plus, max_value_length=longest, fields=FURTHER, constants={"country": "Ukraine"}
        )
        broker_takes(form.body(lead, BrokerCredentials.of(SECRET)), column_length=longest, plus_in_phone=plus)


@given(person=STORED, trading=st.dictionaries(st.sampled_from([*Trading.model_fields]), st.text(max_size=2000)))
def test_a_body_can_be_built_of_any_lead_that_is_stored(person: dict[str, str], trading: dict[str, str]) -> None:
    """Leads are stored longer than rules stand: a stricter rule of today refuses none of them."""
    known: dict[str, Any] = {"lead_id": "ld_1", "source": "web", "received_at": NOW, "partners": (), "utm": {}}
    known |= {"person": Person.model_construct(None, **person), "trading": Trading.model_construct(None, **trading)}
    lead = Lead.model_construct(None, **known, loan=Loan.model_construct())
    for longest in (1, 2, 3, 4, 255):
        account = AccountForm(max_value_length=longest, fields=FURTHER).body(lead, BrokerCredentials.of(SECRET))[
            "account"
        ]
        texts = [value for name, value in account.items() if name in {"name", "surname", "city", "state", "clientType"}]
        assert all(0 < len(text) <= longest for text in texts)
        assert len(account.get("leadInfo", {}).get("leadSource", "")) <= longest
    short_deal(lead)


@pytest.mark.parametrize(("field", "value"), [("email", f"{'o' * 20}@example.com"), ("phone", "+380500000001")])
def test_what_cannot_be_shortened_is_checked_at_reception(field: str, value: str) -> None:
    rules = BROKER.model_copy(update={"account": BROKER.account.model_copy(update={"max_value_length": 12})})
    values = {"person": {"full_name": "О П", "phone": "+4312345678", "email": "o@b.com", field: value}}
    with pytest.raises(InvalidLead) as refused:
        build_lead(values, lead_id="ld_1", source="web", received_at=NOW, partners={"matchtrade": rules}, refuses=True)
    (error,) = refused.value.errors
    assert (error.field, error.message) == (f"person.{field}", "must be at most 12 characters")
