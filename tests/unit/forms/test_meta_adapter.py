"""Meta's adapter: what proves a post, which leads it names, what a lead in Graph says."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.domain.clock import utc_now
from leadbridge.forms.adapters import meta
from leadbridge.forms.base import Adapter, ChallengeAdapter, FetchByIdAdapter, Request, Unreadable, adapter_named
from leadbridge.settings import Source
from quality.testkit.forms.meta_posts import ONE, SECRET, body, change, json_text
from quality.testkit.rubbish import any_text, json_values

SOURCE = Source.model_validate(
    {"adapter": "meta", "partners": ["leadleader"], "fields": {"full_name": "person.full_name"}}
)


def parse(text: str) -> list[dict[str, str] | None]:
    submissions = meta.parse(Request({}, {}, text.encode(errors="surrogatepass")), SOURCE)
    return [submission.to_fetch for submission in submissions]


def verify(header: str | None, raw: bytes, *secrets: str) -> None:
    headers = {} if header is None else {"x-hub-signature-256": header}
    meta.verify(Request(headers, {}, raw), secrets, utc_now())


def test_the_module_is_an_adapter_that_is_challenged_and_names_leads() -> None:
    module: Adapter = adapter_named("meta")
    assert isinstance(module, ChallengeAdapter)
    assert isinstance(module, FetchByIdAdapter)
    assert not isinstance(adapter_named("standard_webhooks"), ChallengeAdapter | FetchByIdAdapter)


def test_the_signature_is_metas_own() -> None:
    """The HMAC-SHA256 of RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert meta.sign("Jefe", b"what do ya want for nothing?") == f"sha256={expected}"


def test_any_of_two_secrets_proves_a_post() -> None:
    verify(meta.sign("old", b"x"), b"x", "new", "old")
    verify(meta.sign("new", b"x"), b"x", "new", "old")


GOOD = meta.sign(SECRET, b"x")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        GOOD.removeprefix("sha256="),
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}, {GOOD}",
        GOOD.replace("sha256", "sha1"),
        GOOD[:-1],
        "sha256=" + "0" * 64,
        "sha256=" + "٣" * 64,
        "sha256=\ud800",
    ],
)
def test_what_is_no_signature_proves_nothing(header: str | None) -> None:
    with pytest.raises(SignatureInvalid):
        verify(header, b"x", SECRET)


def test_no_secret_proves_nothing() -> None:
    with pytest.raises(SignatureInvalid):
        verify(GOOD, b"x")


@given(header=any_text() | st.from_regex(r"sha256=[0-9a-f]{64}", fullmatch=True), raw=st.binary(max_size=100))
def test_nothing_at_all_is_a_forgery_that_is_accepted(header: str, raw: bytes) -> None:
    if header != meta.sign(SECRET, raw):
        with pytest.raises(SignatureInvalid):
            verify(header, raw, SECRET)


def test_each_change_names_a_lead_by_the_documented_ids_as_numbers_or_text() -> None:
    assert parse(body(change(), change(77, ad_id="5"))) == [
        {"leadgen_id": ONE, "page_id": "153125381133", "form_id": "234567890123456", "created_time": "1440120384"},
        {
            "leadgen_id": "77",
            "page_id": "153125381133",
            "form_id": "234567890123456",
            "created_time": "1440120384",
            "ad_id": "5",
        },
    ]


def test_a_lead_that_is_named_twice_is_one_lead() -> None:
    assert len(parse(body(change(), change(int(ONE)), change("2")))) == 2


@pytest.mark.parametrize(
    "text",
    [
        '{"object": "user", "entry": []}',
        '{"object": "page", "entry": []}',
        body(),
        body({"field": "feed", "value": {"leadgen_id": "1"}}),
        "{}",
    ],
)
def test_what_is_about_something_else_names_no_lead(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize("leadgen_id", [None, True, 1.5, "", "abc", "1/../me", "-1", "1" * 33, [1], "٣"])
def test_a_lead_id_that_is_none_never_becomes_an_address(leadgen_id: object) -> None:
    with pytest.raises(Unreadable):
        parse(body(change(leadgen_id)))
    assert [keys["leadgen_id"] for keys in parse(body(change(leadgen_id), change())) if keys] == [ONE]


@pytest.mark.parametrize("text", ["[]", "nonsense", '{"object": "page"}', '{"object": "page", "entry": {}}'])
def test_what_is_not_as_documented_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


@given(json_values())
def test_any_json_at_all_is_read_or_unreadable(value: Any) -> None:
    for content in (value, {"object": "page", "entry": value}, {"object": "page", "entry": [{"changes": [value]}]}):
        with suppress(Unreadable):
            parse(json_text(content))


def read(*field_data: Any, **lead: Any) -> Any:
    return meta.read({"field_data": list(field_data), **lead}, {"leadgen_id": ONE, "ad_id": "5"}, SOURCE)


def test_a_leads_answers_are_read_by_their_names() -> None:
    submission = read(
        {"name": "full_name", "values": ["Прикладенко Олена"]}, {"name": "двоє", "values": ["а", "б"]}, platform="ig"
    )
    assert submission.values["person"] == {"full_name": "Прикладенко Олена"}
    assert submission.values["utm"] == {"utm_source": "ig", "utm_content": "5"}
    assert submission.answers["двоє"] == "а, б"
    assert not submission.is_test


@pytest.mark.parametrize(
    "answer",
    ["<test lead: dummy data for full_name>", "<test lead: dummy data for ПІБ>", "test@meta.com", "TEST@fb.com"],
)
def test_the_testing_tools_dummies_are_known(answer: str) -> None:
    assert read({"name": "x", "values": [answer]}).is_test


@given(json_values())
def test_any_lead_at_all_is_read(value: Any) -> None:
    for lead in ({"field_data": value}, {"field_data": [value]}, {"field_data": [{"name": value, "values": [value]}]}):
        meta.read(lead, {"leadgen_id": ONE}, SOURCE)
