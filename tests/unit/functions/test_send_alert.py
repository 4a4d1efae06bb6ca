"""Alerts: one message for one cause, none lost while chats fail, none twice, whatever SNS delivers again or late."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbridge.domain.alerts.alarm import AlarmChange, Notice, read_notification
from leadbridge.domain.alerts.group import MAX_ALARMS, MAX_SEEN, WINDOW, AlertGroup
from leadbridge.domain.errors.partner_errors import Misconfigured
from leadbridge.partners.alerts.targets import targets_of
from leadbridge.partners.alerts.telegram import TelegramChat
from leadbridge.partners.http import Answer
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.alerts import send_alert
from leadbridge.services.alerts.texts import MAX_LENGTH, utf16_length
from leadbridge.services.ports.alerts import OutgoingMessage
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.fixtures import TABLE, Context, Time, queue
from quality.testkit.services.alerts import Chat, alarm, alarm_message, envelope, kicked, unavailable

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREDENTIALS, UNKNOWN = "leadbridge-SubmissionMisconfigured", "leadbridge-CheckMisconfigured"
OTHER = "It is unknown whether a partner has a lead: docs/runbook.md#unknown"


class World:
    """The real handler, its queue as SQS has it, chats that fail as a test says, and the e-mails."""

    def __init__(self, app: ModuleType, time: Time, context: Context) -> None:
        self.app, self.time, self.context = app, time, context
        self.chat, self.second = Chat(), Chat("webhook other", can_edit=False)
        self.targets: list[Any] = [self.chat]
        self.emails: list[tuple[str, str]] = []
        self.waiting: list[tuple[datetime, Any]] = []

    def receive(self, *bodies: Any) -> None:
        """SNS puts messages into the queue, and they are received."""
        self.waiting += [(self.time.now, body) for body in bodies]
        self.work()

    def work(self) -> None:
        """Receive what is visible, once."""
        visible = [one for one in self.waiting if one[0] <= self.time.now]
        self.waiting = [one for one in self.waiting if one[0] > self.time.now]
        for _, body in visible:
            retry_after = self.handle(body)
            if retry_after is not None:
                self.waiting.append((self.time.now + retry_after, body))

    def handle(self, body: Any) -> timedelta | None:
        """Call the handler; return when the message becomes visible again, None if it is deleted."""
        url = aws.sqs().create_queue(QueueName="alerts")["QueueUrl"]
        aws.sqs().send_message(QueueUrl=url, MessageBody=json.dumps(body))
        (received,) = aws.sqs().receive_message(QueueUrl=url)["Messages"]
        record = {"messageId": "m", "receiptHandle": received["ReceiptHandle"], "body": received["Body"]}
        hidden: list[int] = []
        with pytest.MonkeyPatch.context() as patch:
            change = lambda **named: hidden.append(named["VisibilityTimeout"])  # noqa: E731
            patch.setattr(aws.sqs(), "change_message_visibility", change, raising=False)
            answer = self.app.handler({"Records": [record]}, self.context)
        aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
        if not answer["batchItemFailures"]:
            return None
        return timedelta(seconds=hidden[0] if hidden else 360)

    def pass_(self, **duration: float) -> None:
        """Let time pass, and receive what becomes visible meanwhile."""
        end = self.time.now + timedelta(**duration)
        while due := [one[0] for one in self.waiting if one[0] <= end]:
            self.time.now = max(self.time.now, *due[:1], min(due))
            self.work()
        self.time.now = end


@pytest.fixture
def world(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    time: Time,
    context: Context,
) -> World:
    monkeypatch.setenv("QUEUE_URL", queue("alerts"))
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("dead-alerts"))
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps({"messages": queue("dead")}))
    monkeypatch.setenv("CONSOLE_URL", "https://api.example.com/v1/console")
    app = function("send_alert")
    world = World(app, time, context)
    monkeypatch.setattr(app, "utc_now", time)
    monkeypatch.setattr(app, "targets", lambda: world.targets)
    monkeypatch.setattr(app, "publish", lambda subject, text: world.emails.append((subject, text)))
    english = shipped_settings.alerts.model_copy(update={"language": "en", "docs_url": "https://example.com/blob/main"})
    monkeypatch.setattr(app, "settings", lambda: shipped_settings.model_copy(update={"alerts": english}))
    return world


def test_an_alarm_says_what_since_when_and_where_to_look(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START))
    (text,) = world.chat.sounds
    assert text == (
        "🔴 leadbridge: alarm since 01.03 14:00 (Europe/Kyiv)\n"
        "• A partner rejects our credentials (submissions)\n"
        "Runbook: https://example.com/blob/main/docs/runbook.md#partner-misconfigured\n"
        "Console: https://api.example.com/v1/console"
    )
    assert world.emails == []
    assert world.waiting == []


def test_alarms_of_one_cause_are_one_message(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(minutes=9)
    world.receive(alarm(UNKNOWN, world.time.now, text="The checks too: docs/runbook.md#partner-misconfigured"))
    assert (len(world.chat.sounds), len(world.chat.messages)) == (1, 1)
    assert "• The checks too" in world.chat.messages["1"]
    world.receive(alarm("other", world.time.now, text=OTHER))
    assert len(world.chat.sounds) == 2, "another cause is another message"


def test_a_later_alarm_of_the_group_is_a_message_of_its_own(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(minutes=11)
    world.receive(alarm(UNKNOWN, world.time.now))
    assert len(world.chat.sounds) == 2


def test_the_recovery_comes_when_all_are_ok_with_the_duration(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START), alarm(UNKNOWN, START))
    world.pass_(minutes=65)
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    assert len(world.chat.messages) == 1, "another alarm of the group is still triggered"
    world.receive(alarm(UNKNOWN, world.time.now, state="OK", before="ALARM"))
    assert world.chat.messages["2"].startswith(
        "✅ leadbridge: OK again at 01.03 15:05 (Europe/Kyiv), after 1 h 5 min\n"
    )
    assert len(world.chat.sounds) == 1, "a recovery is quiet"


def test_a_short_alarm_is_edited_and_one_that_flaps_sounds_once_more(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(minutes=2)
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    assert list(world.chat.messages) == ["1"]
    assert world.chat.messages["1"].startswith("✅")
    for _ in range(3):
        world.pass_(minutes=1)
        world.receive(alarm(CREDENTIALS, world.time.now))
        assert list(world.chat.messages) == ["1", "2"]
        assert world.chat.messages["2"].startswith("🔴")
        world.pass_(minutes=1)
        world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
        assert world.chat.messages["2"].startswith("✅")
    assert len(world.chat.sounds) == 2


def test_another_alarm_after_a_recovery_causes_a_sound(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(minutes=2)
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    world.pass_(minutes=2)
    world.receive(alarm(UNKNOWN, world.time.now, text="The checks too: docs/runbook.md#partner-misconfigured"))
    assert world.chat.messages["1"].startswith("✅")
    assert "• The checks too" in world.chat.sounds[1]


def test_an_alarm_that_was_deleted_does_not_keep_its_group_open(world: World) -> None:
    world.receive(alarm("deleted", START))
    world.pass_(days=31)
    world.receive(alarm(CREDENTIALS, world.time.now))
    world.pass_(hours=1)
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    assert "OK again" in [*world.chat.messages.values()][-1]


def test_an_unexpected_error_of_a_target_does_not_repeat_the_alert_to_others(world: World, monkeypatch: Any) -> None:
    world.targets.append(world.second)

    def fail(*_: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(world.second, "send", fail)
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(hours=1)
    assert (world.chat.calls, world.waiting) == (1, [])
    ((_, text),) = world.emails
    assert "webhook other (an unexpected error (ZeroDivisionError))" in text


def test_a_new_incident_is_a_new_message(world: World) -> None:
    for _ in range(2):
        world.receive(alarm(CREDENTIALS, world.time.now))
        world.pass_(minutes=2)
        world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
        world.pass_(minutes=30)
    assert len(world.chat.sounds) == 2


def test_repeated_deliveries_send_nothing_twice(world: World) -> None:
    first = alarm(CREDENTIALS, START)
    ok = alarm(CREDENTIALS, START + timedelta(minutes=30), state="OK", before="ALARM")
    world.receive(first, first)
    world.pass_(minutes=30)
    world.receive(ok, first, ok, first)
    assert world.chat.calls == 2


def test_an_alarm_that_comes_after_its_recovery_is_informed(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START + timedelta(minutes=3), state="OK", before="ALARM"))
    assert world.chat.calls == 0
    world.receive(alarm(CREDENTIALS, START))
    (text,) = world.chat.sounds
    assert "OK again at 01.03 14:03 (Europe/Kyiv), after 3 min" in text


def test_new_alarms_of_a_deployment_say_nothing(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START, state="OK", before="INSUFFICIENT_DATA"))
    assert (world.chat.calls, world.emails, world.waiting) == (0, [], [])


def test_a_short_outage_delays_an_alert(world: World) -> None:
    world.chat.failure = unavailable()
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(minutes=5)
    assert world.chat.calls > 2
    world.chat.failure = None
    world.pass_(minutes=25)
    assert (len(world.chat.sounds), world.emails, world.waiting) == (1, [], [])


def test_a_long_outage_e_mails_the_alert_once(world: World) -> None:
    world.targets.append(world.second)
    world.chat.failure = unavailable()
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(hours=2)
    assert len(world.second.events) == 1, "the other target gets it once"
    ((subject, text),) = world.emails
    assert subject == "leadbridge: A partner rejects our credentials (submissions)"
    assert "alarm since" in text
    assert "telegram -100 (the partner could not be reached)" in text
    assert world.waiting == []
    assert 5 < world.chat.calls < 20


def test_the_recovery_reaches_a_chat_whose_alarm_was_e_mailed(world: World) -> None:
    world.chat.failure = unavailable()
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(hours=2)
    world.chat.failure = None
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    assert "OK again" in world.chat.messages["1"]
    assert len(world.emails) == 1


def test_a_chat_that_never_takes_messages_is_reported_and_the_others_get_it(world: World) -> None:
    world.targets.append(world.second)
    world.chat.failure = kicked()
    world.receive(alarm(CREDENTIALS, START))
    assert len(world.second.events) == 1
    ((_, text),) = world.emails
    assert "telegram -100 (the bot is not a member of the chat)" in text
    assert world.waiting == []


def test_without_a_secret_alerts_are_e_mailed(world: World) -> None:
    world.targets.clear()
    first = alarm(CREDENTIALS, START)
    world.receive(first, first)
    world.pass_(minutes=20)
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    assert [subject for subject, _ in world.emails] == [
        "leadbridge: A partner rejects our credentials (submissions)",
        "leadbridge: OK again",
    ]


def test_a_failed_e_mail_is_repeated_and_the_chats_get_it_once(world: World, monkeypatch: Any) -> None:
    world.targets.append(world.second)
    world.chat.failure = kicked()

    def fail(subject: str, text: str) -> None:
        raise RuntimeError("SNS is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.app, "publish", fail)
        world.app.sender.cache_clear()
        world.receive(alarm(CREDENTIALS, START))
        assert len(world.waiting) == 1
    world.app.sender.cache_clear()
    world.pass_(hours=1)
    assert (len(world.second.events), len(world.emails), world.waiting) == (1, 1, [])


def test_two_workers_do_not_send_the_same_message(world: World) -> None:
    ledger = world.app.sender().ledger
    ledger.save_group(AlertGroup("partner-misconfigured"), START)
    key = {"pk": "ALERT#partner-misconfigured", "sk": "GROUP"}
    assert ledger.lease(key, START, START + send_alert.LEASE) is not None
    world.receive(alarm(CREDENTIALS, START))
    assert (world.chat.calls, len(world.waiting)) == (0, 1)
    world.pass_(minutes=2)  # the other worker has died
    assert (len(world.chat.sounds), world.waiting) == (1, [])


def test_other_texts_of_the_topic_are_sent_as_they_are(world: World) -> None:
    world.receive(envelope("Budget exceeded"), envelope("Budget exceeded"))
    assert world.chat.sounds == ["Budget exceeded"]


def test_webhooks_get_events_with_ids_that_repeat_with_the_attempt(world: World) -> None:
    world.targets[:] = [world.second]
    world.second.is_lossy = True
    world.receive(alarm(CREDENTIALS, START))
    world.second.is_lossy = False
    world.pass_(minutes=1)
    world.receive(alarm(CREDENTIALS, world.time.now, state="OK", before="ALARM"))
    assert [event["type"] for event in world.second.events] == ["alert.triggered"] * 2 + ["alert.recovered"]
    assert len(set(world.second.event_ids)) == 2


def test_the_webhook_id_of_a_later_incident_differs_although_the_stored_group_has_expired(world: World) -> None:
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(days=40)
    aws.dynamodb().delete_item(TableName=TABLE, Key={"pk": {"S": "ALERT#partner-misconfigured"}, "sk": {"S": "GROUP"}})
    world.receive(alarm(CREDENTIALS, world.time.now))
    assert len(set(world.chat.event_ids)) == 2


@pytest.mark.parametrize("body", ["{", "[]", '"text"', '{"digest": "tomorrow"}', '{"Message": 5}'])
def test_an_unreadable_message_moves_to_the_dead_letter_queue_at_once(
    world: World, context: Context, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    url = queue("dead-alerts")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", url)
    record = {"messageId": "m", "receiptHandle": "r", "body": body}
    assert world.app.handler({"Records": [record]}, context) == {"batchItemFailures": []}
    (letter,) = aws.sqs().receive_message(QueueUrl=url)["Messages"]
    assert letter["Body"] == body


def test_a_message_whose_dead_letter_cannot_be_sent_is_retried(
    world: World, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/gone")
    answer = world.app.handler({"Records": [{"messageId": "m", "receiptHandle": "r", "body": "{"}]}, context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m"}]}


def test_a_long_line_is_cut(world: World) -> None:
    world.receive(envelope("🔥" * 2900))
    (text,) = world.chat.sounds
    assert MAX_LENGTH - 200 < utf16_length(text) <= MAX_LENGTH
    assert set(text) == {"🔥"}


def test_an_extreme_wait_that_telegram_names_does_not_delay_the_e_mail(world: World) -> None:
    answer = {"ok": False, "error_code": 429, "parameters": {"retry_after": 10**400}}
    transport: Any = SimpleNamespace(call=lambda *_, **__: Answer(429, {}, json.dumps(answer).encode()))
    world.targets[:] = [TelegramChat(transport, "1:a", "-100"), world.second]
    world.receive(alarm(CREDENTIALS, START))
    world.pass_(hours=1)
    assert (len(world.second.events), len(world.emails), world.waiting) == (1, 1, [])


def test_all_problems_of_the_secret_are_named() -> None:
    (broken,) = targets_of({"telegram": {}, "webhooks": []})
    with pytest.raises(Misconfigured, match=r"token.*webhooks must be an object"):
        broken.send(OutgoingMessage("", ""), Budget(0))


@settings(max_examples=15)
@given(data=st.data())
def test_whatever_fails_and_repeats_no_alert_is_lost(data: st.DataObject) -> None:
    """Alarms come in any order, some twice; the chat is away at times. In the end each alarm was read or e-mailed."""
    changes = []
    for name in ("a", "b"):
        moment = START
        for state in data.draw(st.lists(st.sampled_from(["ALARM", "OK"]), min_size=1, max_size=4)):
            moment += timedelta(minutes=data.draw(st.integers(1, 30)))
            changes.append((name, moment, state))
    order = data.draw(st.permutations(changes + changes[:2]))
    group, reported = AlertGroup("g"), set()
    now = START
    for name, moment, state in order:
        now = max(now, moment) + timedelta(minutes=1)
        before = group
        change = AlarmChange(name, "g", f"text {name}", "", state == "ALARM", moment)
        group = group.changed(change, now)
        assert group.changed(change, now) is group, "a repeated change alters nothing"
        if group.revision != before.revision and state == "ALARM":
            reported.add(name)
            assert f"text {name}" in {alarm.text for alarm in group.members}
    last = {name: max(one for one in changes if one[0] == name)[2] for name, _, _ in changes}
    assert {name: alarm.is_triggered for name, alarm in group.alarms.items()} == {
        name: state == "ALARM" for name, state in last.items()
    }
    assert reported == {name for name, _, state in changes if state == "ALARM"}


def test_a_group_stays_small() -> None:
    group = AlertGroup("g")
    for number in range(MAX_ALARMS + 20):
        change = AlarmChange(f"a{number}", "g", "x", "", is_triggered=True, at=START + timedelta(seconds=number))
        group = group.changed(change, START)
    assert len(group.alarms) == MAX_ALARMS
    for number in range(MAX_SEEN * 3):
        change = AlarmChange("a99", "g", "x", "", is_triggered=bool(number % 2), at=START + timedelta(hours=number))
        group = group.changed(change, START + timedelta(hours=number))
    assert len(group.alarms["a99"].seen) == MAX_SEEN
    assert timedelta(minutes=10) == WINDOW


def test_a_long_message_fits_and_keeps_its_links(world: World) -> None:
    world.receive(*(alarm(f"a{number}", START, text="🔥" * 90 + "x: docs/runbook.md#unknown") for number in range(60)))
    text = list(world.chat.messages.values())[-1]
    assert utf16_length(text) <= MAX_LENGTH
    assert "… and " in text
    assert text.endswith("docs/runbook.md#unknown\nConsole: https://api.example.com/v1/console")


@pytest.mark.parametrize("broken", [{}, {"Message": 5, "MessageId": "x"}, [], "text", None])
def test_what_sns_never_sends_is_refused(broken: Any) -> None:
    with pytest.raises(ValueError, match="SNS"):
        read_notification(broken)


def test_alarms_on_a_query_have_one_entry_for_each_partner() -> None:
    message = alarm_message("errors", START, AlarmContributorAttributes={"partner": "lender-b"})
    change = read_notification(envelope(message))
    assert isinstance(change, AlarmChange)
    assert (change.alarm, change.text) == (
        "errors lender-b",
        "A partner rejects our credentials (submissions) (lender-b)",
    )


@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"NewStateValue": "ALARM"}', '{"NewStateValue": "INSUFFICIENT_DATA"}']
)
def test_what_is_no_change_of_an_alarm_is_a_notice(text: str) -> None:
    assert read_notification(envelope(text, Subject="Ü")) == Notice(envelope("x")["MessageId"], text, "Ü")
