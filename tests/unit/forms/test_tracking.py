"""Ids and UTM tags of each form builder: its fields, its own data, and the address of its page."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadbridge.domain.acceptance.build import read_values
from leadbridge.domain.acceptance.ids import IDS, MAX_ID_LENGTH, MAX_IDS_BYTES
from leadbridge.forms import tracking
from leadbridge.forms.adapters import meta
from leadbridge.forms.mapping import to_sections, with_defaults
from quality.testkit.forms.posts import URLENCODED, multipart, read, request, source
from quality.testkit.rubbish import any_text

GCLID = "Cj0KCQiA5NSGBhDKARIsAKKVwhcx8aTfdW-0a1tCBtLuTLbWQb3j5X7V0mYfF2bq0aAq5oEALw_wcB"
FBCLID = "IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk"
QUERY = urlencode({"utm_source": "fb", "utm_campaign": "Осінь 2026", "fbclid": FBCLID, "sub_id_1": "адсет+1", "x": "y"})
PAGE = f"https://kredyt.example.com/zaiavka/?{QUERY}#form"
TAGS = {"utm_source": "fb", "utm_campaign": "Осінь 2026"}
FOUND = {"fbclid": FBCLID, "sub1": "адсет+1"}


def of_fields(answers: dict[str, str], page: str = "", **changed: Any) -> dict[str, Any]:
    sections = to_sections(answers, source("plain", **changed), {"page_url": page})
    return {"ids": sections["ids"], "utm": sections["utm"]}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        *((name, name) for name in IDS),
        *(("GCLID", "gclid"), ("gcl_id", "gclid"), ("Click ID", "click_id"), ("clickId", "click_id")),
        *(("subid", "click_id"), ("_subid", "click_id"), ("cnv_id", "click_id"), ("uclick", "click_id")),
        *(("sub_id_1", "sub1"), ("SubID1", "sub1"), ("sub-2", "sub2"), ("aff_sub", "sub1"), ("aff_sub5", "sub5")),
        *(
            ("sub_id_10", "sub10"),
            ("_fbp", "fbp"),
            ("_fbc", "fbc"),
            ("ad_id", "creative_id"),
            ("adset_id", "adgroup_id"),
        ),
        *(("ad_campaign_id", "campaign_id"),),
        *(
            (other, None)
            for other in ("id", "s1", "sub", "sub11", "sub0", "cid", "lead_id", "campaign", "transaction_id")
        ),
    ],
)
def test_a_field_is_an_id_by_its_name_in_any_spelling(label: str, name: str | None) -> None:
    assert of_fields({label: "v1", "Ім'я": "О"})["ids"] == ({name: "v1"} if name else {})


def test_an_ids_own_name_comes_before_its_other_names() -> None:
    for answers in ({"subid": "a", "clickid": "b"}, {"clickid": "b", "subid": "a"}):
        assert of_fields(answers)["ids"] == {"click_id": "b"}


def test_configuration_comes_first_then_the_form_then_the_builder_then_the_page() -> None:
    page = "https://example.com/?sub1=page&sub2=page&sub3=page&sub4=page&utm_source=page&utm_term=page"
    fields = {"Мітка": "ids.sub1", "sub5": "person.city"}
    answers = {"Мітка": "own", "sub1": "form", "sub2": "form", "sub5": "Львів", "utm_source": "form"}
    builder = {"sub1": "builder", "sub2": "builder", "sub3": "builder"}
    form = source("plain", fields=fields, defaults={"ids.sub4": "default", "ids.sub6": "default"})
    sections = with_defaults(to_sections(answers, form, {"page_url": page}, builder), form)
    assert sections["ids"] == {"sub1": "own", "sub2": "form", "sub3": "builder", "sub4": "page", "sub6": "default"}
    assert sections["utm"] == {"utm_source": "form", "utm_term": "page"}
    assert sections["person"] == {"city": "Львів"}


def test_a_field_can_have_the_address_of_the_page() -> None:
    assert of_fields({"Сторінка": PAGE}, fields={"Сторінка": "consent.page_url"}) == {"ids": FOUND, "utm": TAGS}


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "?",
            "https://example.com/",
            "/zaiavka",
            "https://example.com/#gclid=x",
            "https://example.com/?&&=&=x&gclid",
        ),
        *("https://example.com/?gclid=", "https://example.com/?sub11=x&token=y", "?%ff=%ff&%", "https://[::1?"),
    ],
)
def test_an_address_without_ids_adds_none(url: str) -> None:
    assert of_fields({}, url) == {"ids": {}, "utm": {}}


@pytest.mark.parametrize(
    "url", ["example.com?gclid=a%2Bb+c", "/p?GCLID=a%2Bb+c&gclid=d", "https://e.com/#/form?gclid=a%2Bb+c"]
)
def test_the_query_is_decoded_and_the_first_value_counts(url: str) -> None:
    assert of_fields({}, url)["ids"] == {"gclid": "a+b c"}


def test_only_the_first_part_of_a_long_address_is_read() -> None:
    filler = "x" * (tracking.MAX_URL_LENGTH - 30)
    assert of_fields({}, f"?sub1=a&{filler}&gclid={'g' * 60}")["ids"] == {"sub1": "a"}
    many = "&".join(f"a{number}=1" for number in range(tracking.MAX_PARAMETERS - 1))
    assert of_fields({}, f"?{many}&sub1=last&sub2=beyond")["ids"] == {"sub1": "last"}


@given(
    answers=st.dictionaries(
        st.sampled_from([*IDS, "subid", "utm_source", "page"]) | any_text(30), any_text(700), max_size=9
    ),
    url=any_text(200)
    | st.lists(st.tuples(st.sampled_from([*IDS, "utm_a"]), any_text(700))).map(
        lambda pairs: "https://e.com/?" + "&".join(f"{name}={quote(value, errors='replace')}" for name, value in pairs)
    ),
)
@example(answers={}, url="https://e.com/?" + "&".join(f"{name}={'x' * 512}" for name in IDS))
@example(answers={}, url="?" + "gclid=" * 100_000)
def test_no_form_and_no_address_fails_or_keeps_more_than_the_bounds(answers: dict[str, str], url: str) -> None:
    sections = to_sections(answers, source("plain"), {"page_url": url})
    kept = read_values(sections).asked
    assert kept.ids.keys() <= set(IDS)
    assert all(len(text) <= MAX_ID_LENGTH for text in kept.ids.values())
    assert sum(len(text.encode()) for text in kept.ids.values()) <= MAX_IDS_BYTES


def values_of(adapter: str, post: Any) -> tuple[dict[str, str], dict[str, str]]:
    values = read(adapter, post).values
    return values["ids"], values["utm"]


def test_tilda_sends_the_page_and_the_arrival_in_cookies() -> None:
    arrival = quote(f"utm_source=fb|||utm_medium=cpc|||gclid={GCLID}|||else=1")
    cookies = f"_ga=GA1.2.1; TILDAUTM={arrival}; previousUrl={quote('example.com/a?utm_term=t&sub2=b', safe='')}"
    post = request([("Name", "О"), ("COOKIES", cookies), ("sub1", "form"), ("utm_source", "google")], URLENCODED)
    ids, tags = values_of("tilda", post)
    assert ids == {"sub1": "form", "gclid": GCLID, "sub2": "b"}
    assert tags == {"utm_source": "google", "utm_medium": "cpc", "utm_term": "t"}


def test_typeform_sends_hidden_fields() -> None:
    hidden = {"gclid": GCLID, "clickid": "w8k2m5p1c7", "utm_source": "google", "sub_id_3": "c"}
    ids, tags = values_of("typeform", request({"event_id": "e", "form_response": {"token": "t", "hidden": hidden}}))
    assert ids == {"gclid": GCLID, "click_id": "w8k2m5p1c7", "sub3": "c"}
    assert tags == {"utm_source": "google"}


def test_webflow_sends_the_address_of_the_page() -> None:
    payload = {"name": "Форма", "data": {"msclkid": "m1"}, "pageUrl": PAGE, "publishedPath": "/zaiavka"}
    ids, tags = values_of("webflow", request({"triggerType": "form_submission", "payload": payload}))
    assert (ids, tags) == ({"msclkid": "m1", **FOUND}, TAGS)


@pytest.mark.parametrize(
    "fields",
    [
        {"ПІБ": "О", "Click ID": "c", "Page URL": PAGE, "form_id": "1"},
        {"fields[cid][title]": "Click ID", "fields[cid][value]": "c", "meta[page_url][value]": PAGE, "form[id]": "1"},
    ],
    ids=["simple", "advanced"],
)
def test_elementor_sends_the_address_of_the_page(fields: dict[str, str]) -> None:
    assert values_of("elementor", request(fields, URLENCODED)) == ({"click_id": "c", **FOUND}, TAGS)


def test_jotform_sends_hidden_fields() -> None:
    raw = {"q3_name": {"first": "О"}, "q12_gclid": GCLID, "q13_sub1": "a", "q14_utm_source": "tg", "path": "/submit/1"}
    post = multipart([("formID", "1"), ("submissionID", "2"), ("rawRequest", json.dumps(raw))])
    assert values_of("jotform", post) == ({"gclid": GCLID, "sub1": "a"}, {"utm_source": "tg"})


def test_tally_sends_hidden_fields() -> None:
    fields = [
        {"key": "question_1", "label": "ttclid", "type": "HIDDEN_FIELDS", "value": "E.C.P.1"},
        {"key": "question_2", "label": "subid", "type": "HIDDEN_FIELDS", "value": "3kq8v1"},
        {"key": "question_3", "label": "gclid", "type": "HIDDEN_FIELDS", "value": None},
    ]
    ids, _ = values_of("tally", request({"eventType": "FORM_RESPONSE", "data": {"responseId": "r", "fields": fields}}))
    assert ids == {"ttclid": "E.C.P.1", "click_id": "3kq8v1"}


def test_google_sends_the_ids_of_its_campaign() -> None:
    column = {"column_id": "FULL_NAME", "string_value": "О"}
    numbers = {"campaign_id": 23729418209, "adgroup_id": 184250917733, "creative_id": 0}
    post = request({"lead_id": "L1", "user_column_data": [column], "gcl_id": GCLID, "form_id": 349080077126, **numbers})
    assert values_of("google_ads", post)[0] == {
        "gclid": GCLID,
        "leadgen_id": "L1",
        "campaign_id": "23729418209",
        "adgroup_id": "184250917733",
    }


def test_meta_sends_the_ids_of_the_lead_and_the_ad() -> None:
    keys = {"leadgen_id": "1202100000000011", "form_id": "2", "ad_id": "120210000000000021"}
    answers = [{"name": "sub1", "values": ["spring"]}, {"name": "full_name", "values": ["О"]}]
    form = source("meta", fetch={"timeouts": {"connect": "3s", "read": "15s"}, "refused_delay": "30m", "retry": RETRY})
    ids = {"leadgen_id": keys["leadgen_id"], "creative_id": keys["ad_id"], "sub1": "spring"}
    repeated = {**keys, "adgroup_id": keys["ad_id"]}
    assert meta.read({"id": "x", "field_data": answers}, repeated, form).values["ids"] == ids
    lead = {"field_data": answers, "adset_id": "120210000000000031", "campaign_id": "120210000000000041", "ad_id": None}
    assert meta.read(lead, keys, form).values["ids"] == {
        **ids,
        "adgroup_id": "120210000000000031",
        "campaign_id": "120210000000000041",
    }


RETRY = {"first_delay": "10s", "longest_delay": "1h", "give_up_after": "7d"}


def test_a_browser_sends_the_address_of_the_page_as_referer() -> None:
    post = request({"name": "О", "utm_source": "own"}, URLENCODED, referer=PAGE)
    assert values_of("plain", post) == (FOUND, {**TAGS, "utm_source": "own"})


def test_own_senders_name_the_ids_or_send_the_page() -> None:
    body = {"ids": {"sub1": "own", "click_id": 7}, "utm": {"utm_source": "own"}, "consent": {"page_url": PAGE}}
    ids, tags = values_of("standard_webhooks", request(body))
    assert ids == {"sub1": "own", "click_id": 7, "fbclid": FBCLID}
    assert tags == {**TAGS, "utm_source": "own"}
    values = read("standard_webhooks", request({"ids": [1], "utm": 2, "consent": {"page_url": PAGE}})).values
    assert (values["ids"], values["utm"]) == ([1], 2)
