"""The groups of the inbox: one reason, one group; a mark belongs to what was there when it was made."""

from datetime import timedelta

import pytest

from leadbridge.domain.errors.field_codes import FieldCode, InvalidValue
from leadbridge.domain.inbox.note import MAX_NOTE, parse_note
from leadbridge.domain.inbox.trouble import GroupMark, GroupRetry, InboxGroup, Trouble, TroubleKind, grouped
from quality.testkit.people import NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def failed(number: int, code: str = "rate_limited", partner: str = "leadleader") -> Trouble:
    return Trouble(TroubleKind.FAILED, NOW + number * MINUTE, code, partner=partner, lead_id=f"ld_{number}")


def test_troubles_with_one_reason_are_one_group_from_the_first_to_the_last() -> None:
    troubles = [failed(3), failed(1), failed(2), failed(4, "password_wrong"), failed(5, partner="matchtrade")]
    largest, *others = grouped(troubles)
    assert (largest.key, len(largest.troubles)) == ("failed.leadleader.rate_limited", 3)
    assert (largest.first_seen, largest.last_seen) == (NOW + MINUTE, NOW + 3 * MINUTE)
    assert {group.key for group in others} == {"failed.leadleader.password_wrong", "failed.matchtrade.rate_limited"}


def test_the_most_urgent_kind_comes_first() -> None:
    lost = Trouble(TroubleKind.UNKNOWN, NOW, "reply_lost", partner="leadleader", lead_id="ld_9")
    groups = grouped([failed(1), failed(2), lost], frozenset({TroubleKind.FAILED}))
    assert [(group.kind, group.is_complete, group.retry) for group in groups] == [
        (TroubleKind.UNKNOWN, True, GroupRetry.CONFIRM),
        (TroubleKind.FAILED, False, GroupRetry.SAFE),
    ]


@pytest.mark.parametrize(
    ("trouble", "key"),
    [
        (
            Trouble(TroubleKind.INCOMPLETE, NOW, "required", source="web", fields=("person.phone",)),
            "web.person.phone.required",
        ),
        (
            Trouble(TroubleKind.INCOMPLETE, NOW, "no_configured_field", source="web"),
            "web.no_configured_field",
        ),
        (Trouble(TroubleKind.INCOMPLETE, NOW, None, source="web"), "web.other"),
        (Trouble(TroubleKind.INCOMPLETE, NOW, "x", source="web", fields=("a", "b", "c", "d")), "web.a-b-c.x"),
    ],
)
def test_a_key_names_the_reason_also_if_there_is_no_field_or_code(trouble: Trouble, key: str) -> None:
    assert trouble.group_key == f"incomplete.{key}"


@pytest.mark.parametrize(("after", "is_of_it"), [(-HOUR, True), (HOUR, True), (HOUR + MINUTE, False)])
def test_a_mark_ends_with_the_troubles_that_it_is_about(after: timedelta, is_of_it: bool) -> None:
    mark = GroupMark(assignee="olena", updated_at=NOW)
    group = InboxGroup("k", (Trouble(TroubleKind.FAILED, NOW + after), Trouble(TroubleKind.FAILED, NOW + 9 * HOUR)))
    assert group.is_marked_by(mark) is is_of_it
    assert not group.is_marked_by(GroupMark())


@pytest.mark.parametrize(
    ("text", "note"), [("  asked\nLead Leader ", "asked Lead Leader"), (" \n", None), ("deal 77", "deal 77")]
)
def test_a_note_is_one_line(text: str, note: str | None) -> None:
    assert parse_note(text) == note


@pytest.mark.parametrize(
    "text",
    [
        "they answer until 2026-11-29 14:30",
        "29.11.2026, 09:15 and 30/11/2026: no reply",
        "since 2026-11-29T14:30:05, ticket 12345",
        "limit of 1 000 000 UAH, then 250 000 UAH",
        "№ 77, deal 12345678",
        "deals 101, 102 or 103",
    ],
)
def test_a_note_may_hold_dates_amounts_and_short_numbers(text: str) -> None:
    assert parse_note(text) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("call +380 67 123-45-09", FieldCode.PERSONAL_DATA),
        ("call 067 123 45 09", FieldCode.PERSONAL_DATA),
        ("call +380 67/111/22/33", FieldCode.PERSONAL_DATA),
        ("call 067–111–22–33", FieldCode.PERSONAL_DATA),
        ("call 067\u2011111\u201122\u201133", FieldCode.PERSONAL_DATA),
        ("call 067_111_22_33", FieldCode.PERSONAL_DATA),
        ("call 067,111,22,33", FieldCode.PERSONAL_DATA),
        ("call 067 - 111 - 22 - 33", FieldCode.PERSONAL_DATA),
        ("call (067) 111-2\u200b2-33", FieldCode.PERSONAL_DATA),
        ("call 067111②②33", FieldCode.PERSONAL_DATA),
        ("call ０６７１１１２２３３", FieldCode.PERSONAL_DATA),
        ("call ٠٦٧١١١٢٢٣٣", FieldCode.PERSONAL_DATA),
        ("on 2026-11-29 call 067 111 22 33", FieldCode.PERSONAL_DATA),
        ("call 067 111 22:33", FieldCode.PERSONAL_DATA),
        ("tax number 3068208400", FieldCode.PERSONAL_DATA),
        ("write to olena@example.com", FieldCode.PERSONAL_DATA),
        ("write to ivan＠x.ua", FieldCode.PERSONAL_DATA),
        ("write to ivan﹫x.ua", FieldCode.PERSONAL_DATA),
        ("write to ivan%40x.ua", FieldCode.PERSONAL_DATA),
        ("write to @ivan", FieldCode.PERSONAL_DATA),
        ("x" * (MAX_NOTE + 1), FieldCode.TOO_LONG),
    ],
)
def test_a_note_names_no_person_and_is_short(text: str, code: FieldCode) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_note(text)
    assert refused.value.code is code
