"""What is said, in which language, and when nobody is written to."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.lead import Lead, Loan, Person
from leadbridge.domain.message import Message, status_notification
from leadbridge.domain.recipient import Content
from leadbridge.services.message_text import fill_placeholders, find_quiet_end, render_message
from leadbridge.settings import Settings
from leadbridge.settings.messages import MessageSettings, Notification, QuietHours
from quality.testkit.people import NOW, lead
from quality.testkit.template import ROOT
from tools.config import read_toml

KYIV = ZoneInfo("Europe/Kyiv")
NIGHT = QuietHours.model_validate({"on": True, "from": "21:00", "to": "08:00"})
LEAD = lead()
DELIVERY = Delivery(LEAD.lead_id, "leadleader", "web", NOW, state=State.SUBMITTED, deal_id=24)


def settings(told: dict[str, Any] | None = None, **changes: Any) -> MessageSettings:
    """The shipped configuration, with `told` said of the lender's statuses."""
    values: dict[str, Any] = {
        **read_toml(ROOT / "config", "prod")["messages"],
        "language": "uk",
        "notifications": {"leadleader": told or {"default": {"text": {"uk": "Статус: {status}."}}}},
    }
    return MessageSettings.model_validate(values | changes)


def about(status: str) -> Message:
    return status_notification(LEAD.lead_id, "leadleader", 2, status, NOW)


def said(told: dict[str, Any], status: str = "Видано", locale: str | None = None, of: Lead | None = LEAD) -> Any:
    return render_message(about(status), settings(told), of, DELIVERY, locale)


def test_a_status_with_its_own_text_uses_it_and_others_use_the_default() -> None:
    told = {
        "default": {"text": {"uk": "Статус: {status}."}},
        "statuses": {"Видано": {"text": {"uk": "Вітаємо!"}}},
    }
    assert said(told) == Content(text="Вітаємо!")
    assert said(told, "В архіві") == Content(text="Статус: В архіві.")


@pytest.mark.parametrize(
    ("locale", "text"),
    [("ru", "ru"), ("ru_RU", "ru"), ("ru-UA", "ru"), ("RU", "ru"), ("pl_PL", "uk"), ("", "uk"), (None, "uk")],
)
def test_the_messengers_language_wins_then_the_usual_one(locale: str | None, text: str) -> None:
    assert said({"default": {"text": {"en": "en", "ru": "ru", "uk": "uk"}}}, locale=locale).text == text


def test_without_the_usual_language_the_first_text_is_said() -> None:
    assert said({"default": {"text": {"en": "en", "ru": "ru"}}}, locale="pl").text == "en"


def test_all_that_can_be_said_of_a_lead_is_filled_in() -> None:
    told = {"default": {"text": {"uk": "{full_name}: {status}, {amount} на {term}, №{deal_id}"}}}
    assert said(told).text == "Прикладенко Олена Іванівна: Видано, 6000 на 12, №24"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("6000.00", "6000"), ("48000.00", "48\u00a0000"), ("1250000.50", "1\u00a0250\u00a0000,50"), ("0.5", "0,50")],
)
def test_an_amount_is_written_as_banks_do(amount: str, text: str) -> None:
    one = LEAD.model_copy(update={"loan": Loan(amount=Decimal(amount))})
    assert said({"default": {"text": {"uk": "{amount}"}}}, of=one).text == text


def test_unknown_values_of_a_lead_are_empty() -> None:
    nameless = LEAD.model_copy(update={"person": Person()})
    assert said({"default": {"text": {"uk": "{full_name}!"}}}, of=nameless).text == "!"


def test_braces_in_a_persons_name_stay_what_they_are() -> None:
    sly = LEAD.model_copy(update={"person": Person(full_name="{deal_id} {0}")})
    assert said({"default": {"text": {"uk": "{full_name}"}}}, of=sly).text == "{deal_id} {0}"


def test_a_template_gets_its_variables_by_the_names_it_has_for_them() -> None:
    told = {"default": {"template_id": "5f0c", "variables": {"name": "{full_name}", "sum": "{amount} грн"}}}
    variables = {"name": "Прикладенко Олена Іванівна", "sum": "6000 грн"}
    assert said(told) == Content(template_id="5f0c", variables=variables)
    assert said({"default": {"template_id": "5f0c"}}) == Content(template_id="5f0c")


def test_nothing_is_said_of_what_is_switched_off_nor_of_a_partner_that_is_not_configured() -> None:
    told = {"default": {"text": {"uk": "Статус: {status}."}}, "statuses": {"Скасовано": {"on": False}}}
    assert said(told, "Скасовано") is None
    other = status_notification(LEAD.lead_id, "matchtrade", 2, "won", NOW)
    assert render_message(other, settings(told), LEAD, None, None) is None


def test_an_operators_own_words_need_neither_lead_nor_configuration() -> None:
    text = Message("acc", "1", NOW, account_id="acc", text="Вітаю, {name}! {x}", variables={"name": "Ольго"})
    template = Message("acc", "1", NOW, account_id="acc", template_id="t1", variables={"a": "b"})
    assert render_message(text, settings(), None, None, "ru") == Content(text="Вітаю, Ольго! {x}")
    assert render_message(template, settings(), None, None, None) == Content(template_id="t1", variables={"a": "b"})


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_filling_in_never_fails_and_touches_nothing_but_braces(text: str, values: dict[str, str]) -> None:
    result = fill_placeholders(text, values)
    if "{" not in text:
        assert result == text


def local(text: str, zone: ZoneInfo = KYIV) -> datetime:
    """A moment by the clock on the wall; `fold` is said by a `+1` at the end."""
    at, _, fold = text.partition("+")
    return datetime.fromisoformat(at).replace(tzinfo=zone, fold=int(fold or 0)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-01T20:59:59.999", None),
        ("2026-03-01T21:00", "2026-03-02T08:00"),
        ("2026-03-01T23:59", "2026-03-02T08:00"),
        ("2026-03-02T00:00", "2026-03-02T08:00"),
        ("2026-03-02T07:59:59.999", "2026-03-02T08:00"),
        ("2026-03-02T08:00", None),
        # the nights in which Kyiv's clocks are put forward (03:00 to 04:00), and back (04:00 to 03:00)
        ("2026-03-28T22:00", "2026-03-29T08:00"),
        ("2026-03-29T02:59", "2026-03-29T08:00"),
        ("2026-03-29T04:00", "2026-03-29T08:00"),
        ("2026-10-24T22:00", "2026-10-25T08:00"),
        ("2026-10-25T03:30", "2026-10-25T08:00"),
        ("2026-10-25T03:30+1", "2026-10-25T08:00"),
    ],
)
def test_the_night_ends_by_the_clock_on_the_wall(now: str, until: str | None) -> None:
    assert find_quiet_end(NIGHT, KYIV, local(now)) == (local(until) if until else None)


def test_nights_in_which_clocks_change_are_an_hour_shorter_or_longer() -> None:
    nights = [("2026-03-28T22:00", 9), ("2026-03-27T22:00", 10), ("2026-10-24T22:00", 11)]
    for evening, hours in nights:
        until = find_quiet_end(NIGHT, KYIV, local(evening))
        assert until is not None
        assert until - local(evening) == timedelta(hours=hours)


def test_quiet_hours_within_a_day() -> None:
    siesta = QuietHours.model_validate({"on": True, "from": "13:00", "to": "15:00"})
    found = [
        find_quiet_end(siesta, KYIV, local(f"2026-03-01T{clock}")) for clock in ("12:59", "13:00", "14:59", "15:00")
    ]
    assert found == [None, local("2026-03-01T15:00"), local("2026-03-01T15:00"), None]


@pytest.mark.parametrize(("on", "from_", "to"), [(False, "00:00", "23:59"), (True, "09:00", "09:00")])
def test_hours_that_are_off_or_empty_hold_nothing(on: bool, from_: str, to: str) -> None:
    hours = QuietHours.model_validate({"on": on, "from": from_, "to": to})
    assert find_quiet_end(hours, KYIV, local("2026-03-01T09:00")) is None


@given(
    st.times(timezones=st.none()).map(lambda at: at.replace(second=0, microsecond=0)),
    st.times(timezones=st.none()).map(lambda at: at.replace(second=0, microsecond=0)),
    st.sampled_from(["2026-03-28T12:00", "2026-10-24T12:00", "2026-06-01T12:00"]),
    st.integers(0, 36 * 60),
)
def test_quiet_hours_end_later_than_now_and_when_they_end_none_hold(
    from_: time, to: time, start: str, minutes: int
) -> None:
    """Whatever the hours are, a message that they hold waits for a moment to come, and then goes out."""
    quiet = QuietHours.model_validate({"on": True, "from": from_, "to": to})
    talk = (datetime.combine(NOW, from_) - datetime.combine(NOW, to)) % timedelta(days=1)
    assume(talk >= timedelta(hours=2))  # hours that leave no time to talk, on a day that lacks one, are beyond help
    now = local(start) + timedelta(minutes=minutes)
    until = find_quiet_end(quiet, KYIV, now)
    if until is not None:
        assert now < until <= now + timedelta(hours=25)
        assert find_quiet_end(quiet, KYIV, until) is None


def test_hours_that_end_in_the_hour_that_comes_twice_hold_until_they_really_end() -> None:
    early = QuietHours.model_validate({"on": True, "from": "23:00", "to": "03:30"})
    now = local("2026-10-25T03:10+1")
    until = find_quiet_end(early, KYIV, now)
    assert until is not None
    assert until > now, "or the message comes back at once, again and again"


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+380501234567", "Europe/Kyiv"),
        ("+48501234567", "Europe/Warsaw"),
        ("+12125550100", "America/New_York"),
        ("+12425550100", "America/Nassau"),
        ("+4915112345678", "Europe/Kyiv"),
        (None, "Europe/Kyiv"),
    ],
)
def test_the_longest_beginning_of_a_phone_tells_its_zone(phone: str | None, zone: str) -> None:
    zones = {
        "default": "Europe/Kyiv",
        "+48": "Europe/Warsaw",
        "+1": "America/New_York",
        "+1242": "America/Nassau",
    }
    assert settings(time_zones=zones).zone_of(phone).key == zone


@pytest.mark.parametrize(
    "wrong",
    [
        {"notifications": {"leadleader": {"default": {"text": {"uk": "{phone}"}}}}},
        {"notifications": {"leadleader": {"default": {"text": {"uk": "так"}, "template_id": "t"}}}},
        {"notifications": {"leadleader": {"default": {}}}},
        {"notifications": {"leadleader": {"default": {"text": {"uk": "так"}, "variables": {"a": "b"}}}}},
        {"notifications": {"leadleader": {"statuses": {}}}},
        {"time_zones": {"+380": "Europe/Kyiv"}},
        {"time_zones": {"default": "Europe/Kiew"}},
        {"time_zones": {"default": "../../etc/passwd"}},
        {"quiet_hours": {"on": True, "from": "25:00", "to": "08:00"}},
        {"colour": "blue"},
    ],
)
def test_a_wrong_line_is_refused_before_anything_is_shipped(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_what_is_switched_off_needs_no_words() -> None:
    assert not Notification(on=False).text


def test_the_shipped_words_are_whole(shipped_settings: Settings) -> None:
    """Every status of the lender is told in every language that any status is told in, with nothing left unfilled."""
    messages = shipped_settings.messages
    told = messages.notifications["leadleader"]
    languages = set(told.default.text)
    for status in [*shipped_settings.partners["leadleader"].statuses, "щось нове"]:
        for locale in languages:
            content = render_message(about(status), messages, LEAD, DELIVERY, locale)
            if content is not None and content.text is not None:
                assert "{" not in content.text
                assert set(told.about(status).text) == languages
