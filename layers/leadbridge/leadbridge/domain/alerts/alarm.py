"""What arrives at the topic of the alarms: CloudWatch's state changes, and any other text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadbridge.domain.clock import from_text

MAX_NAME = 255  # characters, CloudWatch's limit
MAX_TEXT = 500  # characters of an alarm's text that are shown; ours have about 80
MAX_NOTICE = 3000  # characters of any other text
RUNBOOK = re.compile(r":? *\b(docs/[a-z_-]{1,40}\.md#[a-z0-9-]{1,80})$")


@dataclass(frozen=True)
class AlarmChange:
    """A change of an alarm's state. `group` is the runbook section: alarms that share it usually have one cause.

    `alarm` is the alarm's name, with the contributor of an alarm that has one for each partner. `from_nothing`: the
    alarm had no state before, so it cannot have triggered.
    """

    alarm: str
    group: str
    text: str
    runbook: str
    is_triggered: bool
    at: datetime
    from_nothing: bool = False


@dataclass(frozen=True)
class Notice:
    """A text that is sent as it is: the daily digest, a test, or what another sender published to the topic.

    `notice_id` is always the same for the same text. The `subject` is for e-mail.
    """

    notice_id: str
    text: str
    subject: str


def read_notification(envelope: Any) -> AlarmChange | Notice:
    """Return what an SNS notification says. What is not a state change of CloudWatch becomes a notice.

    Raises ValueError if it is not a notification of SNS.
    """
    if not isinstance(envelope, dict) or not isinstance(envelope.get("Message"), str) or "MessageId" not in envelope:
        raise ValueError("the message is not a notification of SNS")
    try:
        return _state_change(json.loads(envelope["Message"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        subject = str(envelope.get("Subject") or "leadbridge")
        return Notice(str(envelope["MessageId"])[:100], envelope["Message"][:MAX_NOTICE], subject)


def _state_change(message: Mapping[str, Any]) -> AlarmChange:
    state = message["NewStateValue"]
    if state not in {"ALARM", "OK"}:
        raise ValueError("not a state that alarms notify of")
    name, contributor = str(message["AlarmName"])[:MAX_NAME], _contributor(message)
    described = str(message.get("AlarmDescription") or name)
    found = RUNBOOK.search(described)
    runbook = found[1] if found else ""
    text = (described[: found.start()] if found else described)[:MAX_TEXT]
    return AlarmChange(
        alarm=f"{name} {contributor}".strip(),
        group=runbook.partition("#")[2] or name,
        text=f"{text} ({contributor})" if contributor else text,
        runbook=runbook,
        is_triggered=state == "ALARM",
        at=_in_milliseconds(from_text(message["StateChangeTime"])),
        from_nothing=message.get("OldStateValue") == "INSUFFICIENT_DATA",
    )


def _in_milliseconds(moment: datetime) -> datetime:
    """Return a time with the precision with which it is stored."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _contributor(message: Mapping[str, Any]) -> str:
    """Return the attributes of the contributor of an alarm on a query, such as a partner; empty without one."""
    attributes = message.get("AlarmContributorAttributes")
    if not isinstance(attributes, dict):
        return ""
    return ", ".join(str(attributes[name]) for name in sorted(attributes))[:100]
