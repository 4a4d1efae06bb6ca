"""The words of alerts and digests, by language. The texts of alarms themselves are in English (template.yaml)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Words:
    """The words of one language. Braces name what is inserted."""

    alarm_since: str
    ok_again: str
    and_more: str
    runbook: str
    console: str
    not_delivered: str
    no_chat: str
    minutes: str
    hours: str
    less_than_a_minute: str
    digest: str
    leads: str
    figures: str
    week: str
    needs_person: str
    attention: str
    nothing_waits: str
    caps: str
    paused: str


ENGLISH = Words(
    alarm_since="{stack}: alarm since {time}",
    ok_again="{stack}: OK again at {time}, after {duration}",
    and_more="… and {count} more",
    runbook="Runbook",
    console="Console",
    not_delivered="This alert could not be delivered to {targets}.",
    no_chat="No chat gets alerts, so they come by e-mail (docs/alerts.md).",
    minutes="{count} min",
    hours="{count} h",
    less_than_a_minute="less than a minute",
    digest="{stack}: {day} ({zone})",
    leads="Leads: {count}",
    figures="Submitted {submitted}, approved {approved}, issued {issued}, incomplete {incomplete}",
    week="Last 7 days: leads {leads}, submitted {submitted}, approved {approved}, issued {issued}",
    needs_person="Needs a person: {items}",
    attention="failed {failed}, unknown {unknown}, incomplete {incomplete}, dead letters {dead_letters}",
    nothing_waits="Nothing needs a person.",
    caps="Caps reached: {items}",
    paused="Paused partners: {items}",
)

UKRAINIAN = Words(
    alarm_since="{stack}: тривога з {time}",
    ok_again="{stack}: знову гаразд о {time}, тривало {duration}",
    and_more="… і ще {count}",
    runbook="Що робити",
    console="Консоль",
    not_delivered="Це сповіщення не вдалося доставити: {targets}.",
    no_chat="Жоден чат не отримує сповіщень, тому вони надходять електронною поштою (docs/alerts.md).",
    minutes="{count} хв",
    hours="{count} год",
    less_than_a_minute="менше хвилини",
    digest="{stack}: {day} ({zone})",
    leads="Ліди: {count}",
    figures="У партнера {submitted}, погоджено {approved}, видано {issued}, неповних {incomplete}",
    week="За 7 днів: ліди {leads}, у партнера {submitted}, погоджено {approved}, видано {issued}",
    needs_person="Потребують уваги: {items}",
    attention="не вдалося {failed}, невідомо {unknown}, неповні {incomplete}, у черзі помилок {dead_letters}",
    nothing_waits="Нічого не потребує уваги.",
    caps="Досягнуто лімітів: {items}",
    paused="Партнери на паузі: {items}",
)

RUSSIAN = Words(
    alarm_since="{stack}: тревога с {time}",
    ok_again="{stack}: снова в порядке в {time}, длилось {duration}",
    and_more="… и ещё {count}",
    runbook="Что делать",
    console="Консоль",
    not_delivered="Это уведомление не удалось доставить: {targets}.",
    no_chat="Ни один чат не получает уведомлений, поэтому они приходят по электронной почте (docs/alerts.md).",
    minutes="{count} мин",
    hours="{count} ч",
    less_than_a_minute="меньше минуты",
    digest="{stack}: {day} ({zone})",
    leads="Лиды: {count}",
    figures="У партнёра {submitted}, одобрено {approved}, выдано {issued}, неполных {incomplete}",
    week="За 7 дней: лиды {leads}, у партнёра {submitted}, одобрено {approved}, выдано {issued}",
    needs_person="Требуют внимания: {items}",
    attention="не удалось {failed}, неизвестно {unknown}, неполные {incomplete}, в очереди ошибок {dead_letters}",
    nothing_waits="Ничто не требует внимания.",
    caps="Достигнуты лимиты: {items}",
    paused="Партнёры на паузе: {items}",
)

LANGUAGES = {"en": ENGLISH, "uk": UKRAINIAN, "ru": RUSSIAN}


def duration_text(words: Words, duration: timedelta) -> str:
    """Return a duration in hours and minutes."""
    minutes = int(duration.total_seconds() // 60)
    if minutes < 1:
        return words.less_than_a_minute
    hours, minutes = divmod(minutes, 60)
    parts = [words.hours.format(count=hours)] if hours else []
    return " ".join([*parts, *([words.minutes.format(count=minutes)] if minutes else [])])
