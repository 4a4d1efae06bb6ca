"""When two posts are the same: by the form's own id, or by their content, whichever worker takes them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import normalize
from urllib.parse import urlencode

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.api.schemas import journey_view
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.forms.adapters.standard_webhooks import sign_request
from leadbridge.forms.base import Request
from leadbridge.forms.parsing import canonical
from leadbridge.runtime import aws
from leadbridge.services.receive_lead import LeadReceiver, ReceiveResult, ReceiveStatus
from leadbridge.settings import Settings, Source
from leadbridge.storage.content_claims import MAX_CHANGED
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.items import decode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.forms.posts import JSON, URLENCODED, multipart, request
from quality.testkit.forms.receiver import InMemoryPosts
from quality.testkit.people import asked
from quality.testkit.rubbish import any_text

TOKEN, SECRET = "a token of the tests alone", "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3RzIGFsb25l"
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
TRANSPORT = canonical.TRANSPORT_FIELDS
SECOND = timedelta(seconds=1)
FIELDS = {
    "your-name": asked()["person"]["full_name"],
    "your-phone": "0500000001",
    "your-tax-number": "3068208400",
    "your-activity": "вчителька",
    "amount": "6000",
    "term": "12",
    "comment": "перший рядок\r\nдругий",
}

Receive = Callable[..., ReceiveResult]


@pytest.fixture
def endpoint(store: LeadRepository, shipped_settings: Settings) -> Callable[[datetime], LeadReceiver]:
    """A worker of its own whose clock stands at a time."""

    def at(moment: datetime) -> LeadReceiver:
        def hashed(value: str) -> str:
            return keyed_hash("an index key of the tests", value)

        proofs = {"secrets": [TOKEN, SECRET]}
        return LeadReceiver(shipped_settings, store, lambda *_: proofs, hashed, lambda: moment, InMemoryPosts())

    return at


@pytest.fixture
def receive(endpoint: Callable[[datetime], LeadReceiver]) -> Receive:
    """Post to a form without ids, each time to another worker."""

    def post(what: Request, at: datetime = MIDNIGHT, source: str = "plain-credit") -> ReceiveResult:
        return endpoint(at).receive(source, replace(what, query={"token": TOKEN}))

    return post


@pytest.fixture
def sign(endpoint: Callable[[datetime], LeadReceiver]) -> Callable[..., ReceiveResult]:
    """Post to a source whose posts have ids."""

    def post(body: dict[str, Any], message_id: str = "msg_1", at: datetime = MIDNIGHT) -> ReceiveResult:
        raw = json.dumps(body, default=str, ensure_ascii=False).encode()
        bare = Request({"content-type": JSON, "webhook-id": message_id}, {}, raw)
        return endpoint(at).receive("web", sign_request(bare, SECRET, at))

    return post


def encoded(fields: dict[str, str] = FIELDS, /, charset: str = "utf-8", **more: str) -> Request:
    body = urlencode({**fields, **more}, encoding=charset).encode()
    return Request({"content-type": f"{URLENCODED}; charset={charset}"}, {}, body)


def table() -> list[dict[str, Any]]:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    return [decode(item) for page in pages for item in page["Items"]]


def leads() -> list[str]:
    return [item["lead_id"] for item in table() if item["sk"] == "LEAD"]


SAME = {
    "another order": encoded(dict(reversed(FIELDS.items()))),
    "another character set": encoded(charset="cp1251"),
    "the character set as a field": encoded(_charset_="utf-8"),
    "multipart": multipart(list(FIELDS.items())),
    "multipart with another boundary": multipart(list(FIELDS.items()), boundary="other"),
    "JSON": request({**FIELDS, "amount": 6000, "comment": "перший рядок\nдругий"}, JSON),
    "JSON with empty fields": request({**FIELDS, "your-city": "", "your-email": None}, JSON),
    "with a token": encoded(token=TOKEN),
    "no-break spaces": encoded({**FIELDS, "your-name": FIELDS["your-name"].replace(" ", "\u00a0")}),
    "runs of white space": encoded({**FIELDS, "your-name": FIELDS["your-name"].replace(" ", " \t ")}),
    "invisible characters": encoded({**FIELDS, "your-name": FIELDS["your-name"] + "\u200b", "your-city": "\ufeff"}),
    "decomposed characters": encoded({name: normalize("NFD", text) for name, text in FIELDS.items()}),
    "with what WordPress adds": encoded(_wpnonce="0a1b2c", _wpcf7_unit_tag="wpcf7-f7-p2-o1"),
    "with Akismet's time": encoded(_wpcf7_ak_js="1764320000123", _wpcf7_ak_hp_textarea=" "),
    "with a framework's token": encoded(csrfmiddlewaretoken="x1", authenticity_token="y2", **{"wpforms[token]": "z3"}),
    "with the time of sending": encoded(timestamp="2026-03-02T00:00:01Z", sent_at="1"),
    "with an empty honeypot": encoded(website="", _gotcha=" "),
    "JSON with nested fields of the transport": request({**FIELDS, "meta": {"sent_at": 7, "_token": "t"}}, JSON),
}


@pytest.mark.parametrize("what", SAME)
def test_the_same_content_is_the_same_lead_however_it_is_encoded(receive: Receive, what: str) -> None:
    first = receive(encoded())
    again = receive(SAME[what], MIDNIGHT + SECOND)
    assert (first.kind, again.kind, again.lead_id) == (ReceiveStatus.NEW, ReceiveStatus.REDELIVERY, first.lead_id)
    assert leads() == [first.lead_id]


NESTED = {"form": {"fields": {"your-name": {"value": "Ада"}, "note": {"deep": {"er": ["a", {"b": "1"}]}}}}, "x": 1}


def reversed_members(value: Any) -> Any:
    return {key: reversed_members(one) for key, one in reversed(value.items())} if isinstance(value, dict) else value


def test_the_order_of_members_does_not_count_at_any_depth(receive: Receive) -> None:
    first = receive(request(NESTED, JSON))
    assert receive(request(reversed_members(NESTED), JSON)).lead_id == first.lead_id


def test_a_difference_counts_at_any_depth(receive: Receive) -> None:
    other = json.loads(json.dumps(NESTED).replace('"1"', '"2"'))
    assert receive(request(NESTED, JSON)).lead_id != receive(request(other, JSON)).lead_id


@given(
    st.permutations(list(FIELDS.items())), st.dictionaries(st.sampled_from(sorted(TRANSPORT)), any_text(), max_size=5)
)
def test_neither_order_nor_transport_counts(pairs: list[tuple[str, str]], added: dict[str, str]) -> None:
    source = Source.model_validate({"adapter": "plain", "partners": ["a"], "fields": {"your-name": "person.full_name"}})

    def digest(content: dict[str, str]) -> str:
        return canonical.content_hash("k", "s", canonical.canonical_content(content, source))

    assert digest({**dict(pairs), **added}) == digest(FIELDS)


@pytest.mark.parametrize(
    "name",
    [
        *("csrf-token", "X-CSRF-Token", "csrfToken", "recaptchaToken", "g_recaptcha_response", "ff_token"),
        *("_fluentform_1_fluentformnonce", "form-nonce", "_nonce", "_mc4wp_timestamp", "_mc4wp_honeypot"),
        *("cf_turnstile_response", "wpforms[Token]", "meta.submittedAt"),
    ],
)
def test_a_field_of_the_transport_is_known_in_every_spelling(name: str) -> None:
    source = Source.model_validate({"adapter": "plain", "partners": ["a"]})
    assert canonical.canonical_content({name: "1", "name": "2"}, source).keys() == {"name"}


@pytest.mark.parametrize("name", ["annonce", "Your favourite token", "token_name", "timestamps", "message"])
def test_a_field_that_only_resembles_the_transport_counts(name: str) -> None:
    source = Source.model_validate({"adapter": "plain", "partners": ["a"]})
    assert canonical.canonical_content({name: "1"}, source).keys() == {name}


def test_a_field_of_the_transport_counts_if_the_configuration_names_it() -> None:
    named = {"adapter": "plain", "fields": {"Timestamp": "person.city"}}
    rule = {"to": ["a"], "when": {"form.token": {"equals": "x"}}}
    source = Source.model_validate({**named, "partners": [rule, "a"], "honeypot": "fax"})
    content = {"timestamp": "1", "token": "2", "nonce": "3", "Fax ": "4", "n" * 101 + ".token": "5"}
    assert canonical.canonical_content(content, source).keys() == {"timestamp", "token", "n" * 101 + ".token"}


@pytest.mark.parametrize("other", [{"amount": "6001"}, {"comment": ""}, {"your-city": "Київ"}, {"_wpcf7": "9"}])
def test_other_content_is_another_lead(receive: Receive, other: dict[str, str]) -> None:
    assert receive(encoded()).lead_id != receive(encoded(**other)).lead_id
    assert len(leads()) == 2


@pytest.mark.parametrize("first", [-0.1, 0.1])
@pytest.mark.parametrize("at", [MIDNIGHT, MIDNIGHT + timedelta(hours=12), MIDNIGHT + timedelta(hours=24)])
def test_workers_whose_clocks_differ_make_one_lead_of_one_post(receive: Receive, at: datetime, first: float) -> None:
    got = [receive(encoded(), at + apart * SECOND) for apart in (first, -first, 10)]
    assert [one.kind for one in got] == [ReceiveStatus.NEW, ReceiveStatus.REDELIVERY, ReceiveStatus.REDELIVERY]
    assert {one.lead_id for one in got} == set(leads())


def test_the_same_content_a_day_later_is_another_lead_and_its_redelivery_finds_that_one(receive: Receive) -> None:
    first, day = receive(encoded()), timedelta(days=1)
    assert receive(encoded(), MIDNIGHT + day - timedelta(minutes=11)).lead_id == first.lead_id
    second = receive(encoded(), MIDNIGHT + day)
    assert (second.kind, second.lead_id == first.lead_id) == (ReceiveStatus.NEW, False)
    assert receive(encoded(), MIDNIGHT + day + SECOND).lead_id == second.lead_id


def test_workers_whose_clocks_differ_at_the_end_of_the_window_make_no_lead_of_a_repeated_post(
    receive: Receive,
) -> None:
    first, end = receive(encoded()), MIDNIGHT + timedelta(days=1)
    got = [receive(encoded(), end + apart * SECOND) for apart in (-5, 5, -4, 60, 120)]
    assert {one.kind for one in got} == {ReceiveStatus.REDELIVERY}
    assert leads() == [first.lead_id]


def test_two_sources_have_contents_of_their_own(receive: Receive) -> None:
    elementor = {"ПІБ": FIELDS["your-name"], "Телефон": "0500000001", "ІПН": "3068208400", "Місце роботи": "вчителька"}
    post = encoded({**elementor, "Бажана сума": "6000", "На скільки місяців": "12", **FIELDS})
    assert receive(post).lead_id != receive(post, source="elementor-credit").lead_id
    assert len({item["pk"].rpartition("#")[2] for item in table() if item["sk"] == "CONTENT"}) == 2


def test_unicode_form_and_white_space_do_not_count_in_a_content_and_case_does() -> None:
    def digest(name: str, text: str) -> str:
        return canonical.content_hash("k", "s", {name: text})

    assert digest("a", "й\u00a0 x\u200b") == digest("a ", "и\u0306 x")
    assert digest("a", "x") != digest("a", "X")


def test_a_content_hash_needs_its_key() -> None:
    hashes = {canonical.content_hash(key, source, {"a": "b"}) for key in "kl" for source in ("one", "two")}
    assert len(hashes) == 4
    assert canonical.content_hash("k", "s", {"a": "\ud800"}), "JSON may hold half of a character"


def test_a_redelivery_after_the_erasure_meets_the_tombstone_and_nothing_of_the_person_remains(
    receive: Receive, store: LeadRepository
) -> None:
    first = receive(encoded())
    Eraser(Table(aws.dynamodb(), TABLE)).erase(str(first.lead_id), "anna", MIDNIGHT + SECOND)
    again = receive(encoded(), MIDNIGHT + 2 * SECOND)
    assert (again.kind, again.lead_id) == (ReceiveStatus.REDELIVERY, first.lead_id)
    assert leads() == [first.lead_id]
    (claim,) = [item for item in table() if item["sk"] == "CONTENT"]
    assert claim.keys() == {"pk", "sk", "lead_id", "received_at", "expires_at"}
    assert int(claim["expires_at"]) == int((MIDNIGHT + timedelta(days=1)).timestamp())
    digest = claim["pk"].rpartition("#")[2]
    assert not [item for item in table() if item["sk"] != "CONTENT" and digest in json.dumps(item, default=str)]


def test_a_redelivery_with_other_content_keeps_the_first_and_is_noted(
    sign: Callable[..., ReceiveResult], store: LeadRepository
) -> None:
    first = sign(asked())
    assert sign(asked(), at=MIDNIGHT + SECOND).changed is None
    changed = {**asked(phone="0500000002"), "loan": {"amount": "7000", "term": 12}, "utm": {"utm_source": "x"}}
    again = sign(changed, at=MIDNIGHT + SECOND)
    assert (again.kind, again.lead_id, again.status) == (ReceiveStatus.REDELIVERY, first.lead_id, "received")
    assert again.changed == ("person.phone", "loan.amount", "utm")
    journey = store.journey(str(first.lead_id))
    assert journey is not None
    assert journey.lead.person.phone == "+380500000001"
    assert [(entry.what, entry.detail) for entry in journey.timeline if entry.what != "received"] == [
        ("redelivery_differs", "person.phone, loan.amount, utm")
    ]


def test_each_other_content_is_noted_once_and_not_without_end(
    sign: Callable[..., ReceiveResult], store: LeadRepository
) -> None:
    first = sign(asked())
    noted = []
    for number in range(MAX_CHANGED + 3):
        for _ in range(2):
            body = asked(city=f"Місто {number}")
            noted.append(sign(body, at=MIDNIGHT + number * SECOND).changed is not None)
    assert noted == [True, False] * MAX_CHANGED + [False] * 6
    journey = store.journey(str(first.lead_id))
    assert journey is not None
    assert [entry.what for entry in journey.timeline].count("redelivery_differs") == MAX_CHANGED


def test_what_only_the_form_has_may_differ_too(endpoint: Callable[[datetime], LeadReceiver]) -> None:
    fields = {"Name": "Олена Прикладенко", "Phone": "0500000001", "ІПН": "3068208400", "Вид діяльності": "вчителька"}
    fields |= {"Сума кредиту": "6000", "Термін, місяців": "12", "tranid": "1:1"}

    def post(**more: str) -> ReceiveResult:
        given = replace(encoded({**fields, **more}), query={"token": TOKEN})
        return endpoint(MIDNIGHT).receive("tilda-credit", given)

    assert [post().changed, post(formid="f").changed, post(comment="інше").changed] == [None, None, ()]


def edited(phone: str, **more: str) -> Request:
    """A submission of Jotform's, whose edits come under the same id."""
    answers = {"q3_fullName": asked()["person"]["full_name"], "q4_phone": phone, **more}
    return multipart([("submissionID", "6012"), ("formID", "1"), ("rawRequest", json.dumps(answers))])


def test_the_newer_answers_of_an_edited_submission_are_a_note(
    endpoint: Callable[[datetime], LeadReceiver], store: LeadRepository
) -> None:
    def post(what: Request) -> ReceiveResult:
        return endpoint(MIDNIGHT).receive("jotform-credit", replace(what, query={"token": TOKEN}))

    first = post(edited("0500000001"))
    assert post(edited("0500000001")).changed is None
    assert post(edited("0500000002", q9_note="x" * 9000)).changed is not None
    assert post(edited("0500000003")).changed is not None
    journey = store.journey(str(first.lead_id))
    assert journey is not None
    assert journey.lead.newer_answers == {"fullName": asked()["person"]["full_name"], "phone": "0500000003"}
    assert journey.lead.answers.get("phone", "0500000001") == "0500000001"
    assert journey_view(journey)["newer_answers"]["phone"] == "0500000003"
    assert set(journey_view(journey, masked=True)["newer_answers"].values()) == {"•••"}
    Eraser(Table(aws.dynamodb(), TABLE)).erase(str(first.lead_id), "anna", MIDNIGHT + SECOND)
    assert post(edited("0500000004")).changed is None
    assert "050000000" not in json.dumps(table(), default=str)


def test_the_answers_of_the_newest_edit_are_the_note_also_after_many_edits(
    endpoint: Callable[[datetime], LeadReceiver], store: LeadRepository
) -> None:
    def post(phone: str) -> ReceiveResult:
        return endpoint(MIDNIGHT).receive("jotform-credit", replace(edited(phone), query={"token": TOKEN}))

    results = [post(f"05000000{number:02}") for number in range(MAX_CHANGED + 3)]
    assert [result.changed is not None for result in results] == [False] + [True] * MAX_CHANGED + [False] * 2
    assert post("0500000001").changed is None, "a retry of an earlier edit"
    lead = store.lead(str(results[0].lead_id))
    assert lead is not None
    assert lead.newer_answers["phone"] == f"05000000{MAX_CHANGED + 2:02}"


def test_the_longest_submission_and_its_longest_edit_fit_into_the_table(
    endpoint: Callable[[datetime], LeadReceiver], store: LeadRepository
) -> None:
    tags = {f"q{number}_utm_{number}{'😀' * 235}": "😀" * 1024 for number in range(30)}
    notes = {f"q{number}_note{number}": "😀" * 4000 for number in range(50, 55)}

    def post(phone: str) -> ReceiveResult:
        return endpoint(MIDNIGHT).receive(
            "jotform-credit", replace(edited(phone, q8_zgoda="😀" * 2000, **notes, **tags), query={"token": TOKEN})
        )

    first = post("0")
    assert post("1").changed is not None
    lead = store.lead(str(first.lead_id))
    assert lead is not None
    assert len(lead.utm) == 30
    assert lead.newer_answers["phone"] == "1"


def test_the_answers_of_a_builder_whose_posts_are_never_edits_are_no_note(
    sign: Callable[..., ReceiveResult], store: LeadRepository
) -> None:
    first = sign(asked())
    assert sign(asked(city="Київ")).changed == ("person.city",)
    journey = store.journey(str(first.lead_id))
    assert journey is not None
    assert journey.lead.newer_answers == {}


def test_nothing_is_noted_of_the_erased(sign: Callable[..., ReceiveResult], store: LeadRepository) -> None:
    first = sign(asked())
    assert sign(asked(city="Київ")).changed == ("person.city",)
    Eraser(Table(aws.dynamodb(), TABLE)).erase(str(first.lead_id), "anna", MIDNIGHT + SECOND)
    again = sign(asked(city="Львів"))
    assert (again.kind, again.lead_id, again.changed) == (ReceiveStatus.REDELIVERY, first.lead_id, None)
    assert not [name for item in table() for name in item if "hash" in name]
    assert [entry.detail for entry in store.journey(str(first.lead_id)).timeline] == [None, None, "by anna"]  # type: ignore[union-attr]


def spam(**more: str) -> Request:
    return encoded(website="https://spam.example", **more)


def test_every_worker_answers_a_caught_post_as_a_lead_the_second_time_too(receive: Receive) -> None:
    real = [receive(encoded(), MIDNIGHT + number * SECOND) for number in range(3)]
    caught = [receive(spam(), MIDNIGHT + number * SECOND) for number in range(3)]
    assert {one.kind for one in caught} == {ReceiveStatus.HONEYPOT}
    assert [one.status for one in caught] == [one.status for one in real] == [None, "received", "received"]
    assert len({one.lead_id for one in caught}) == 1
    assert len({one.lead_id for one in real}) == 1
    assert receive(spam(), MIDNIGHT + timedelta(hours=1)).status == "submitted", "most leads are, after an hour"
    assert receive(spam(), MIDNIGHT + timedelta(days=1)).status is None, "as a lead's content is new by then"
    assert receive(spam(amount="1")).lead_id != caught[0].lead_id


def test_of_a_caught_post_nothing_is_kept_but_a_claim(receive: Receive) -> None:
    receive(spam())
    (claim,) = table()
    assert claim.keys() == {"pk", "sk", "lead_id", "received_at", "expires_at"}
    assert claim["pk"].startswith("CONTENT#plain-credit+honeypot#")


@pytest.mark.parametrize("times", [1, 2])
def test_the_lost_reply_to_a_decoys_claim_does_not_make_its_first_post_a_duplicate(
    receive: Receive, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """The retry must not take the claim of the same post for an earlier one's."""
    client, lost = aws.dynamodb(), list[str]()
    call = vars(BaseClient)["_make_api_call"]

    def lossy(caller: Any, operation: str, parameters: Any) -> Any:
        answer = call(caller, operation, parameters)
        if caller is client and "CONTENT#" in str(parameters) and len(lost) < times:
            lost.append(operation)
            raise ReadTimeoutError(endpoint_url="dynamodb")
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", lossy)
    first = receive(spam())
    assert (first.kind, first.status, len(lost)) == (ReceiveStatus.HONEYPOT, None, times)
    again = receive(spam(), MIDNIGHT + SECOND)
    assert (again.lead_id, again.status) == (first.lead_id, "received")


def test_a_caught_post_with_an_id_of_its_own_is_known_by_it(store: LeadRepository, shipped_settings: Settings) -> None:
    source = shipped_settings.sources["tilda-credit"].model_copy(update={"honeypot": "website"})
    sources = {**shipped_settings.sources, "tilda-credit": source}
    settings = shipped_settings.model_copy(update={"sources": sources})
    fields = {"Name": "Олена Прикладенко", "Phone": "0500000001", "ІПН": "3068208400", "Вид діяльності": "вчителька"}
    fields |= {"Сума кредиту": "6000", "Термін, місяців": "12"}

    def post(at: datetime = MIDNIGHT, **more: str) -> ReceiveResult:
        worker = LeadReceiver(settings, store, lambda *_: {"secrets": [TOKEN]}, str, lambda: at, InMemoryPosts())
        return worker.receive("tilda-credit", replace(encoded({**fields, **more}), query={"token": TOKEN}))

    caught = [post(website="x", tranid="1"), post(website="y", tranid="1"), post(website="x", tranid="2")]
    assert [one.status for one in caught] == [None, "received", None]
    assert caught[0].lead_id == caught[1].lead_id != caught[2].lead_id
    assert post(MIDNIGHT + timedelta(days=9), website="x", tranid="1").status == "submitted"
    real = post(tranid="1")
    assert (real.kind, real.lead_id) == (ReceiveStatus.NEW, caught[0].lead_id)
    assert post(website="x", tranid="1").lead_id == real.lead_id
