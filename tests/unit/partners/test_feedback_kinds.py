"""The requests to trackers: macros, the kinds, and what each answer means."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.auth.signatures import webhook_signature
from leadbridge.domain.acceptance.ids import IDS
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Rejected, Unavailable
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.feedback.errors import ClickIdMissing
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.lead import Person
from leadbridge.partners.feedback.client import TrackerClient
from leadbridge.partners.feedback.kinds import KINDS, check_entry
from leadbridge.partners.feedback.macros import ABOUT, check_macros, fill
from leadbridge.partners.http import Answer
from leadbridge.partners.public_http import PublicClient, PublicUrl
from leadbridge.runtime.budget import Budget
from quality.testkit.people import NOW, lead

LEAD = lead().model_copy(update={"utm": {"utm_source": "google"}})
EVENT = "evt_0123456789abcdef0123456789abcdef"
POSTBACK = Postback(LEAD.lead_id, EVENT, "tracker", "leadleader", "web", 5, "issued", "sale", NOW, payout="25.5")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BUDGET = Budget(90.0, monotonic=lambda: 0.0)


@pytest.mark.parametrize(
    "name", [*Person.model_fields, *(f"person.{one}" for one in Person.model_fields), "amount", "", "Status", "ip"]
)
def test_personal_data_is_no_macro(name: str) -> None:
    with pytest.raises(ValueError, match=r"allowed are .*click_id") as refused:
        check_entry({"url": f"https://tracker.example.com/p?x={{{name}}}"}, kind="url", is_local=False)
    assert "Personal data" in str(refused.value)


@pytest.mark.parametrize("name", [*ABOUT, *IDS, "utm_source", "utm_x1"])
def test_a_macro_of_the_list_is_allowed_in_path_and_query(name: str) -> None:
    check_entry({"url": f"https://tracker.example.com/{{{name}}}?x={{{name}}}"}, kind="url", is_local=False)


@pytest.mark.parametrize(
    "url",
    [
        *("https://{status}.example.com/", "https://tracker.example.com:{status}/", "{status}://tracker.example.com/"),
        *("https://{status}@tracker.example.com/", "{status}", "https://tracker.example.com/{status", "https://t.example/}"),
        "https://tracker.example.com{status}",
    ],
)  # fmt: skip
def test_a_macro_cannot_change_where_a_postback_goes(url: str) -> None:
    with pytest.raises(ValueError, match=r"macro|must be a URL|belongs to no macro"):
        check_entry({"url": url}, kind="url", is_local=False)


@pytest.mark.parametrize(
    "entry",
    [
        *(None, [], {}, {"url": ""}, {"url": 5}, {"url": "http://tracker.example.com/"}),
        {"url": "https://tracker.example.com/", "extra": 1},
        {"url": "https://tracker.example.com/", "port": "443"},
        {"url": "https://tracker.example.com/", "port": 0},
        {"url": "http://127.0.0.1:80/", "allow_loopback": True},
        {"url": "https://tracker.example.com/", "secret": "whsec_"},
        {"url": "https://tracker.example.com/", "secret": "short"},
        {"url": "https://10.0.0.1/", "secret": SECRET},
    ],
)
def test_an_entry_that_cannot_be_used_is_refused(entry: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_entry(entry, kind=None, is_local=False)


def test_the_loopback_switch_is_for_the_local_stage() -> None:
    entry = {"url": "http://127.0.0.1:8080/p?c={sub1}", "allow_loopback": True}
    check_entry(entry, kind="url", is_local=True)
    with pytest.raises(ValueError, match="local stack only"):
        check_entry(entry, kind="url", is_local=False)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_value_stays_one_value_of_the_query(one: str, other: str) -> None:
    values = {"sub1": one, "sub2": other}
    filled = fill("https://tracker.example.com/a?x={sub1}&y={sub2}", values)
    assert filled.isascii()
    assert filled.startswith("https://tracker.example.com/a?x=")
    assert dict(parse_qsl(filled.partition("?")[2], keep_blank_values=True)) == {"x": one, "y": other}


@given(st.text(min_size=1, max_size=40))
def test_a_value_stays_one_part_of_the_path(value: str) -> None:
    filled = fill("https://tracker.example.com/a/{sub1}/b", {"sub1": value})
    *_, first, middle, last = filled.split("/")
    assert (first, last) == ("a", "b")
    assert unquote(middle) == (value if value not in {".", ".."} else "_")
    check_macros(filled.replace("{", ""))


def request(entry: dict[str, Any], kind: str = "url") -> Any:
    return KINDS[kind].request(entry, POSTBACK, LEAD, 1_764_000_000.5, is_local=False)


def test_a_url_is_filled() -> None:
    address = "https://tracker.example.com/p?s={status}&sum={payout}&t={event_id}&l={lead_id}&u={utm_source}&m={sub9}"
    made = request({"url": address})
    assert (made.method, made.body, made.url.host) == ("GET", None, "tracker.example.com")
    query = dict(parse_qsl(made.url.target.partition("?")[2], keep_blank_values=True))
    assert query == {"s": "sale", "sum": "25.5", "t": EVENT, "l": LEAD.lead_id, "u": "google", "m": ""}


def test_a_url_with_a_click_id_needs_one() -> None:
    with pytest.raises(ClickIdMissing):
        request({"url": "https://tracker.example.com/p?c={click_id}"})


def test_a_click_id_goes_out_encoded() -> None:
    lead_with_id = LEAD.model_copy(update={"ids": {"click_id": "a b&c=д"}})
    made = KINDS["url"].request(
        {"url": "https://tracker.example.com/{click_id}?c={click_id}"}, POSTBACK, lead_with_id, 0.0, is_local=False
    )
    assert made.url.target == "/a%20b%26c%3D%D0%B4?c=a%20b%26c%3D%D0%B4"


@pytest.mark.parametrize("kind", ["url", "webhook"])
def test_personal_data_in_tags_and_ids_is_not_sent(kind: str) -> None:
    """A form may put anything into a tag, and a lead may get another phone after its ids were accepted."""
    person = Person(phone="+380501234567", email="a@example.com", tax_number="1234567899")
    personal = {
        "1": "+380671112233",
        "2": "0501234567",
        "3": "a%40example.com",
        "4": "x 1234567899",
        "5": "050 123-45-67",
    }
    tags = {f"utm_{name}": value for name, value in personal.items()} | {"email": "x", "phone": "y", "utm_term": "loan"}
    leaky = LEAD.model_copy(update={"person": person, "utm": tags, "ids": {"sub1": "0501234567", "sub2": "ok"}})
    names = ("sub1", "sub2", "utm_term", *(name for name in tags if name[:5] != "utm_t" and name[:4] == "utm_"))
    url = "https://tracker.example.com/p?" + "&".join(f"{name}={{{name}}}" for name in names)
    made = KINDS[kind].request({"url": url, "secret": SECRET}, POSTBACK, leaky, 0.0, is_local=False)
    query = {name: value for name, value in parse_qsl(made.url.target.partition("?")[2]) if value}
    assert query == {"sub2": "ok", "utm_term": "loan"}
    if kind == "webhook":
        data = json.loads(made.body or b"")["data"]
        assert (data["ids"], data["utm"]) == ({"sub2": "ok"}, {"utm_term": "loan"})


def test_an_address_that_a_lead_makes_too_long_is_rejected_and_is_no_wrong_configuration() -> None:
    long = LEAD.model_copy(update={"ids": {f"sub{number}": "д" * 512 for number in range(1, 5)}})
    url = "https://tracker.example.com/p?" + "&".join(f"s{number}={{sub{number}}}" for number in range(1, 5))
    with pytest.raises(Rejected) as failed:
        TrackerClient(lambda: {"tracker": {"url": url}}, Http()).send(POSTBACK, long, "url", BUDGET)
    assert failed.value.code is ErrorCode.URL_TOO_LONG


@pytest.mark.parametrize("template", ["{sub1}", ".{sub1}", "{sub1}{sub2}", "%2e{sub1}", "{sub3}.{sub3}."])
def test_values_cannot_make_a_part_of_a_path_that_leads_elsewhere(template: str) -> None:
    filled = fill(f"https://tracker.example.com/a/{template}/b", {"sub1": ".", "sub2": "."})
    assert filled == "https://tracker.example.com/a/_/b"


def test_a_webhook_is_signed_and_has_no_personal_data() -> None:
    made = request({"url": "https://crm.example.com/hook", "secret": SECRET}, "webhook")
    signature = webhook_signature(SECRET, EVENT, 1_764_000_000, made.body)
    assert (made.method, made.headers["webhook-id"], made.headers["webhook-signature"]) == ("POST", EVENT, signature)
    content = json.loads(made.body)
    assert content["type"] == "lead.issued"
    assert content["data"]["status"] == "sale"
    text = made.body.decode()
    assert not any(str(value) in text for value in LEAD.person.model_dump(exclude_none=True).values())


@dataclass(frozen=True)
class Http(PublicClient):
    """Answers with a status."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, name: str, operation: str, method: str, url: PublicUrl, **more: Any) -> Answer:
        return Answer(self.status, self.headers, b"")


def send(status: int, secret: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> None:
    entry = {"tracker": {"url": "https://tracker.example.com/p"}} if secret is None else secret
    TrackerClient(lambda: entry, Http(status=status, headers=headers or {})).send(POSTBACK, LEAD, "url", BUDGET)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_2xx_is_success(status: int) -> None:
    send(status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (410, Rejected),
        (429, RateLimited),
        *((status, Unavailable) for status in (301, 302, 307, 400, 403, 404, 500, 503)),
    ],
)
def test_any_other_answer_is_a_failure(status: int, kind: type[PartnerError]) -> None:
    with pytest.raises(kind) as failed:
        send(status, headers={"retry-after": "120"})
    assert failed.value.data["http_status"] == status
    assert failed.value.retry_after == (None if status == 410 else 120)


def test_a_secret_without_a_usable_entry_is_a_wrong_configuration() -> None:
    for secret in ({}, {"tracker": {"url": "https://10.0.0.1/"}}, {"tracker": "https://tracker.example.com"}):
        with pytest.raises(Misconfigured):
            send(200, secret)

    def missing() -> dict[str, Any]:
        raise SecretMissing("leadbridge/feedback")

    with pytest.raises(Misconfigured) as failed:
        TrackerClient(missing, Http()).send(POSTBACK, LEAD, "url", BUDGET)
    assert failed.value.code is ErrorCode.SECRET_MISSING
