"""What goes out to Leeloo: addresses, headers, bodies in both encodings, a renewed token; and who is written to."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.auth.secrets import MIN_REFRESH_SECONDS
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Rejected, Unauthorized, Unavailable, Unknown
from leadbridge.domain.recipient import Content
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.leeloo import AccountId, Client, PersonId, TagId
from leadbridge.partners.leeloo.answers import NotFound
from leadbridge.partners.leeloo.client import EITHER_ENCODING
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.partners.leeloo.people import SmsRecipient
from leadbridge.partners.leeloo.recipients import account_of
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts
from leadbridge.settings.messages import ChannelSettings
from leeloo_api import LeelooApi, formats
from leeloo_api.models import CustomField
from quality.testkit.rubbish import any_text

ANN, TELEGRAM = PersonId("p1"), AccountId("a1")
NOON = datetime(2026, 1, 31, 12, 0, 5, 123456, tzinfo=UTC)
KYIV = timezone(timedelta(hours=2))
SECRET = {"base_url": "https://leeloo.invalid/api/v2/", "token": "old", "webhook_token": "w"}


@dataclass
class Request:
    """One call as it would have gone out."""

    method: str
    url: str
    headers: dict[str, str]
    json: Any
    body: bytes | None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path.removeprefix("/api/v2")

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.url).query, strict_parsing=True)

    @property
    def form(self) -> dict[str, str]:
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        parts = message_from_bytes(head + (self.body or b"")).get_payload()
        assert isinstance(parts, list)
        found: dict[str, str] = {}
        for part in parts:
            assert not isinstance(part, str)
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[str(part.get_param("name", header="content-disposition"))] = content.decode()
        return found


class Line(Transport):
    """A transport that sends nothing. `answers` are given one after another, the last of them for ever."""

    def __init__(self, *answers: Answer | Exception) -> None:
        super().__init__("leeloo", Timeouts.model_construct(connect=timedelta(seconds=1), read=timedelta(seconds=9)))
        self.answers = list(answers or [success({"id": "1", "person_id": "2"})])
        self.requests: list[Request] = []

    def call(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        budget: Budget,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = None if json is None else simplejson.loads(simplejson.dumps(json, ensure_ascii=False).encode())
        self.requests.append(Request(method, url, headers or {}, sent, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def request(self) -> Request:
        [request] = self.requests
        return request


@dataclass
class Vault:
    """The secret: what is kept, and what a refresh finds (None: it was read just now)."""

    kept: dict[str, Any] = field(default_factory=lambda: dict(SECRET))
    current: dict[str, Any] | None = field(default_factory=lambda: dict(SECRET))

    def get(self) -> dict[str, Any]:
        return self.kept

    def refresh(self) -> dict[str, Any] | None:
        self.kept = self.current or self.kept
        return self.current


def success(data: object, **meta: int) -> Answer:
    return Answer(200, {}, simplejson.dumps({"status": 1, "data": data, "meta": meta}).encode())


def budget(seconds: float = 60) -> Budget:
    return Budget(time.monotonic() + seconds + 3, reserve=3)


def leeloo(line: Line, vault: Vault | None = None, **options: Any) -> LeelooApi:
    by_last_message = options.pop("always_by_last_message", False)
    return LeelooApi(Client(line, vault or Vault(), **options), always_by_last_message=by_last_message)


def sent(call: Callable[[LeelooApi], object], **options: Any) -> Request:
    line = Line()
    call(leeloo(line, **options))
    return line.request


def asked(call: Callable[[LeelooApi], Any], **options: Any) -> list[tuple[str, str]]:
    """The query of a list's first page, without limit and offset."""
    line = Line(success([]))
    assert list(call(leeloo(line, **options))) == []
    return [pair for pair in line.request.query if pair[0] not in {"limit", "offset"}]


def test_a_call_shows_the_token_and_nothing_of_the_secret_else() -> None:
    request = sent(lambda api: api.messages.send_text(TELEGRAM, "Вітаю", budget=budget()))
    assert request.url == "https://leeloo.invalid/api/v2/messages/send-message"
    assert request.headers == {"X-Leeloo-AuthToken": "old"}
    assert request.json == {"account_id": "a1", "text": "Вітаю"}


@given(phone=st.from_regex(r"\+?[0-9 ()-]{1,20}", fullmatch=True), tags=st.lists(st.text(min_size=1), max_size=4))
def test_filters_come_through_whatever_they_hold(phone: str, tags: list[str]) -> None:
    def search(api: LeelooApi) -> Any:
        return api.people.list(phone=phone, tags=tags, budget=budget())

    assert asked(search) == [*(("filter[tags]", tag) for tag in tags), ("filter[phone]", phone)]


def test_a_plus_is_percent_encoded() -> None:
    line = Line(success([]))
    list(leeloo(line).people.list(phone="+380501234567", budget=budget()))
    assert "filter%5Bphone%5D=%2B380501234567" in line.request.url
    assert "+" not in line.request.url


def test_days_of_a_filter_are_utc() -> None:
    late = datetime(2026, 2, 1, 1, tzinfo=KYIV)
    expected = [("filter[last_message][from]", "2026-01-31"), ("filter[last_message][to]", "2026-01-31")]
    days: dict[str, Any] = {"last_message_since": late, "last_message_until": NOON, "budget": budget()}
    assert asked(lambda api: api.people.list(**days)) == expected
    assert asked(lambda api: api.channels.list(**days)) == expected


def test_the_filter_on_the_last_message_is_sent_where_the_settings_demand_it() -> None:
    def search(api: LeelooApi) -> Any:
        return api.people.list(email="a@b.ua", budget=budget())

    assert asked(search) == [("filter[email]", "a@b.ua")]
    names = [name for name, _ in asked(search, always_by_last_message=True)]
    assert names == ["filter[last_message][from]", "filter[last_message][to]", "filter[email]"]


@given(st.integers(-(10**10), 10**11), st.integers(0, 999_999), st.integers(-12, 14))
def test_each_format_names_the_same_moment(seconds: int, microsecond: int, hours: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microsecond)
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    assert formats.day(elsewhere) == moment.strftime("%Y-%m-%d")
    assert formats.minute(elsewhere) == moment.strftime("%Y-%m-%d %H:%M")
    assert formats.timestamp(elsewhere) == moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


@pytest.mark.parametrize(
    "call",
    [
        lambda api, at: api.people.list(last_message_since=at, budget=budget()),
        lambda api, at: api.channels.list(last_message_until=at, budget=budget()),
        lambda api, at: api.orders.update("o1", "RESOLVED", paid_at=at, budget=budget()),
        lambda api, at: order(api, at=at),
        lambda api, at: call_record(api, at=at),
    ],
)
def test_a_naive_time_is_refused_before_anything_is_sent(call: Callable[[LeelooApi, datetime], object]) -> None:
    line = Line()
    with pytest.raises(ValueError, match=r"naive|no time zone"):
        call(leeloo(line), NOON.replace(tzinfo=None))
    assert line.requests == []


def order(api: LeelooApi, **changes: Any) -> object:
    asked: dict[str, Any] = {"payment_credits_id": "c", "offer_id": "f", "person_id": ANN, "email": "e", "phone": "+38"}
    return api.orders.create(**{**asked, "at": NOON, "budget": budget(), **changes})


def call_record(api: LeelooApi, **changes: Any) -> object:
    asked: dict[str, Any] = {"user_id": "u", "account_id": TELEGRAM, "caller": "+1", "called": "+2", "seconds": 61}
    more = {"at": NOON, "status": "SUCCESS", "direction": "OUTBOUND", "budget": budget()}
    return api.calls.record(**{**asked, **more, **changes})


def test_an_order_has_the_fields_of_the_contract() -> None:
    assert sent(order).json == {
        "paymentCreditsId": "c",
        "email": "e",
        "phone": "+38",
        "transactionDate": "2026-01-31T12:00:05.123Z",
        "offerId": "f",
        "isNotifyAccount": "false",
        "personId": "p1",
    }
    told = sent(lambda api: order(api, notify_account=True, manager_id="m")).json
    assert (told["isNotifyAccount"], told["managerId"]) == ("true", "m")


def test_a_call_without_a_record_says_so() -> None:
    assert sent(call_record).json["record_link"] == "NOT_DEFINED"
    assert sent(lambda api: call_record(api, record_link="https://r")).json["record_link"] == "https://r"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**16, places=2))
def test_a_price_loses_no_digit(price: Decimal) -> None:
    written = sent(lambda api: api.orders.update("o", "RESOLVED", price=price, budget=budget())).json["price"]
    assert Decimal(written) == price
    assert set(written) <= set("0123456789.")


@pytest.mark.parametrize(("price", "written"), [("1E+2", "100"), ("100.50", "100.50"), ("0.01", "0.01")])
def test_a_price_is_written_out(price: str, written: str) -> None:
    assert formats.price(Decimal(price)) == written


@pytest.mark.parametrize("price", ["NaN", "Infinity"])
def test_a_price_that_is_no_number_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="number"):
        formats.price(Decimal(price))


def test_what_is_not_given_is_not_sent() -> None:
    assert sent(lambda api: api.messages.send_template(TELEGRAM, "t", budget=budget())).json == {
        "account_id": "a1",
        "template_id": "t",
    }
    assert sent(lambda api: api.people.create(phone="+38", budget=budget())).json == {"phone": "+38"}
    assert sent(lambda api: api.orders.update("o", "REJECTED", budget=budget())).json == {"status": "REJECTED"}
    fields = [CustomField(name="n", value="v")]
    assert sent(lambda api: api.people.update(ANN, custom_fields=fields, budget=budget())).json == {
        "custom_fields": [{"name": "n", "value": "v"}]
    }


def test_text_messages_name_everyone() -> None:
    def invite(api: LeelooApi) -> object:
        people = [SmsRecipient("Ольга", "o@b.ua", "+380501234567")]
        return api.people.send_sms(people, connection_id="c", leadgentool_id="l", tags=[TagId("t")], budget=budget())

    assert sent(invite).json == {
        "data": [{"name": "Ольга", "email": "o@b.ua", "phone": "+380501234567"}],
        "connection_id": "c",
        "leadgentool_id": "l",
        "tags": ["t"],
    }


EITHER: dict[str, Callable[[LeelooApi], object]] = {
    "order_update": lambda api: api.orders.update(
        "o", "RESOLVED", price=Decimal("1.50"), paid_at=NOON, comments="Ні\r\n--x", budget=budget()
    ),
    "call_create": call_record,
    "add_tag": lambda api: api.people.add_tag(ANN, TagId("t"), budget=budget()),
    "remove_tag": lambda api: api.people.remove_tag(ANN, TagId("t"), budget=budget()),
    "manual_subscribe": lambda api: api.channels.subscribe(
        TELEGRAM, tunnel_id="t", tunnel_block_id="b", budget=budget()
    ),
}


def test_both_encodings_are_known_for_what_the_document_gives_two() -> None:
    assert EITHER.keys() == EITHER_ENCODING


@pytest.mark.parametrize("operation", EITHER)
def test_both_encodings_say_the_same(operation: str) -> None:
    as_json = sent(EITHER[operation])
    as_form = sent(EITHER[operation], form_data=[operation])
    assert (as_json.body, as_form.json) == (None, None)
    assert as_form.form == {name: str(value) for name, value in as_json.json.items()}
    assert as_form.headers["X-Leeloo-AuthToken"] == "old"


def test_form_data_for_anything_else_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="send_template"):
        Client(Line(), Vault(), form_data=["send_template", "add_tag"])


@given(st.text(min_size=1).filter(lambda text: text.strip(".") != ""))
def test_an_id_stays_one_segment_of_the_path(person_id: str) -> None:
    request = sent(lambda api: api.people.get(PersonId(person_id), budget=budget()))
    assert request.url.count("/") == "https://leeloo.invalid/api/v2/people/id".count("/")
    assert not set(request.url) & set(" ?#")


@pytest.mark.parametrize("person_id", ["", ".", ".."])
def test_an_id_that_would_change_the_address_is_not_found(person_id: str) -> None:
    line = Line()
    with pytest.raises(NotFound):
        leeloo(line).people.get(PersonId(person_id), budget=budget())
    assert line.requests == []


@given(any_text())
def test_any_text_can_be_sent_or_is_rejected_for_good(text: str) -> None:
    calls: list[Callable[[LeelooApi], object]] = [
        lambda api: api.messages.send_text(TELEGRAM, text, budget=budget()),
        lambda api: api.orders.update(f"o{text}", "RESOLVED", comments=text, budget=budget()),
        lambda api: next(api.people.list(email=text, budget=budget()), None),
    ]
    for call in calls:
        try:
            call(leeloo(Line(success([])), form_data=["order_update"]))
        except Rejected:
            with pytest.raises(UnicodeEncodeError):
                text.encode()


# The token


REFUSED = Answer(401, {}, b"")


def test_a_refused_token_is_read_again_and_the_call_is_made_again_once() -> None:
    line = Line(REFUSED, success({}))
    vault = Vault(current={**SECRET, "token": "new"})
    leeloo(line, vault).messages.send_text(TELEGRAM, "Вітаю", budget=budget())
    assert [request.headers["X-Leeloo-AuthToken"] for request in line.requests] == ["old", "new"]


def test_a_renewed_token_that_is_refused_too_is_the_end() -> None:
    line = Line(REFUSED)
    with pytest.raises(Unauthorized):
        leeloo(line, Vault(current={**SECRET, "token": "new"})).catalog.tags(budget=budget())
    assert len(line.requests) == 2


@pytest.mark.parametrize(("current", "retry_after"), [(SECRET, None), (None, MIN_REFRESH_SECONDS)])
def test_a_token_that_is_still_the_same_is_not_tried_again(
    current: dict[str, Any] | None, retry_after: float | None
) -> None:
    line = Line(REFUSED)
    with pytest.raises(Unauthorized) as caught:
        leeloo(line, Vault(current=current)).messages.send_text(TELEGRAM, "Вітаю", budget=budget())
    assert caught.value.retry_after == retry_after
    assert len(line.requests) == 1


def test_a_second_try_is_not_begun_without_the_time_for_it() -> None:
    line = Line(REFUSED)
    vault = Vault(current={**SECRET, "token": "new"})
    with pytest.raises(Unauthorized):
        leeloo(line, vault).messages.send_text(TELEGRAM, "Вітаю", budget=budget(9))
    assert len(line.requests) == 1
    assert vault.kept["token"] == "new"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"token": ""}, ["token"]),
        ({"token": "a\n"}, ["token"]),
        ({"token": "ключ"}, ["token"]),
        ({"base_url": None}, ["base_url"]),
        ({"base_url": 1, "token": None}, ["base_url", "token"]),
    ],
)
def test_an_unusable_secret_needs_an_operator(changes: dict[str, Any], named: list[str]) -> None:
    line = Line()
    with pytest.raises(Misconfigured) as caught:
        leeloo(line, Vault({**SECRET, **changes}, {**SECRET, **changes})).catalog.tags(budget=budget())
    assert (caught.value.code, caught.value.data) == (ErrorCode.SECRET_INCOMPLETE, {"fields": named})
    assert line.requests == []


def test_a_secret_that_was_just_fixed_is_read_again() -> None:
    line = Line(success({}))
    leeloo(line, Vault(kept={**SECRET, "token": ""})).messages.send_text(TELEGRAM, "Вітаю", budget=budget())
    assert line.request.headers["X-Leeloo-AuthToken"] == "old"


def test_a_secret_that_was_read_just_now_may_still_be_corrected() -> None:
    with pytest.raises(Misconfigured) as caught:
        leeloo(Line(), Vault(kept={**SECRET, "token": ""}, current=None)).catalog.tags(budget=budget())
    assert (caught.value.certain, caught.value.retry_after) == (False, MIN_REFRESH_SECONDS)


# Lost replies


def test_a_lost_reply_to_a_send_is_unknown_and_to_a_read_unavailable() -> None:
    lost = Unknown("leeloo", "an_operation", "no answer came back")
    with pytest.raises(Unknown):
        leeloo(Line(lost)).messages.send_text(TELEGRAM, "Вітаю", budget=budget())
    with pytest.raises(Unavailable):
        leeloo(Line(lost)).catalog.tags(budget=budget())


def test_a_person_made_without_saying_who_is_unknown() -> None:
    with pytest.raises(Unknown):
        leeloo(Line(success({}))).people.create(name="Ольга", budget=budget())


# Whom to write to


def person(person_id: str, phone: str | None, *accounts: str, email: str | None = None) -> dict[str, Any]:
    rows = [{"account_id": f"{person_id}.{number}", "from": kind} for number, kind in enumerate(accounts)]
    return {"id": person_id, "phone": phone, "email": email, "accounts": rows}


def chosen(*answers: Answer, preferred: str | None = None) -> AccountId | None:
    return account_for(Line(*answers), phone="+380501234567", email="o@b.ua", preferred=preferred)


def account_for(
    line: Line, *, phone: str | None = None, email: str | None = None, preferred: str | None = None
) -> AccountId | None:
    found = leeloo(line).people.person_for(phone=phone, email=email, budget=budget())
    return None if found is None else account_of(found, preferred)


@pytest.mark.parametrize(
    ("preferred", "account"), [(None, "p.0"), ("TELEGRAM", "p.1"), ("telegram", "p.1"), ("VIBER", "p.0")]
)
def test_it_is_the_first_account_of_the_preferred_type_else_the_first(preferred: str | None, account: str) -> None:
    found = success([person("p", "+380501234567", "FACEBOOK", "TELEGRAM", "TELEGRAM")])
    assert chosen(found, preferred=preferred) == account


@pytest.mark.parametrize("phone", ["+380501234567", "380501234567", "0501234567", "+38 (050) 123-45-67"])
def test_a_phone_is_the_same_however_it_is_spelt(phone: str) -> None:
    assert chosen(success([person("p", phone, "TELEGRAM")])) == "p.0"


@pytest.mark.parametrize(
    "theirs", ["501234567", "+48501234567", "48501234567", "8501234567", "+0501234567", "1501234567"]
)
def test_number_that_shares_nine_digits_is_another_persons(theirs: str) -> None:
    stranger = success([person("p", theirs, "TELEGRAM")])
    assert chosen(stranger, success([])) is None


def test_foreign_number_is_found_by_all_of_its_digits() -> None:
    for theirs, is_found in (
        ("+48501234567", True),
        ("48 501-234-567", True),
        ("501234567", False),
        ("0501234567", False),
    ):
        found = account_for(Line(success([person("p", theirs, "TELEGRAM")])), phone="+48501234567")
        assert (found == "p.0") is is_found


def test_a_person_is_looked_for_by_phone_and_then_by_email() -> None:
    line = Line(success([]), success([person("p", None, "TELEGRAM", email="O@b.ua")]))
    found = account_for(line, phone="+380501234567", email="o@b.ua")
    assert found == "p.0"
    assert [dict(request.query).get("filter[email]") for request in line.requests] == [None, "o@b.ua"]


def test_a_person_found_by_phone_is_not_searched_by_email() -> None:
    line = Line(success([person("p", "0501234567", "TELEGRAM")]))
    account_for(line, phone="+380501234567", email="o@b.ua")
    assert dict(line.request.query)["filter[phone]"] == "+380501234567"


def test_a_stranger_is_never_written_to() -> None:
    """A partner that ignores the filter lists everybody."""
    strangers = success([person("s", "+380671112233", "TELEGRAM"), person("t", None, "TELEGRAM", email="t@b.ua")])
    assert chosen(strangers) is None


def test_someone_without_accounts_is_passed_over() -> None:
    assert chosen(success([person("p", "0501234567"), person("q", "0501234567", "MANUAL")])) == "q.0"
    assert chosen(success([person("p", "0501234567")])) is None


def test_there_is_no_search_without_phone_and_email() -> None:
    line = Line()
    assert account_for(line) is None
    assert line.requests == []


def test_a_tag_is_found_by_its_exact_name() -> None:
    tags = success([{"id": "t1", "name": "Лід"}, {"id": "t2", "name": "лід"}])
    for name, expected in (("лід", [{"tag_id": "t2"}]), ("видано", [])):
        line = Line(tags, success({}))
        messenger = LeelooMessenger(leeloo(line), ChannelSettings.model_validate({"wait_for_sms": "1h"}))
        messenger.note(ANN, Content(tags=(name,)), budget())
        assert [request.json for request in line.requests[1:]] == expected


def test_the_layer_holds_only_what_messages_need() -> None:
    script = "import sys; import leadbridge.partners.leeloo.messenger; print([*sys.modules])"
    path = ["layers/leadbridge", *sys.path]
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in eval(ran.stdout)}
    assert not loaded & {"leeloo_api", "leadbridge_cli"}
