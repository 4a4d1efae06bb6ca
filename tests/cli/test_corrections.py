"""`leads correct`: what changed, what is still wrong, what is refused, and nothing of the person in the output."""

import pytest

from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.lead import Lead
from quality.testkit.cli.terminal import LEAD, Terminal
from quality.testkit.people import lead

ID = LEAD.lead_id


@pytest.fixture
def incomplete(terminal: Terminal) -> Lead:
    """An incomplete lead: its phone cannot be read."""
    whole = lead(2, source="tilda-credit")
    one = whole.model_copy(
        update={
            "partners": (),
            "person": whole.person.model_copy(update={"phone": None}),
            "problems": (FieldError("person.phone", FieldCode.NOT_A_PHONE),),
            "answers": {"Телефон": "дзвоніть 380"},
        }
    )
    terminal.store.accept(one, phone_hash=None)
    return one


def test_an_incomplete_lead_is_completed_and_sent(terminal: Terminal, incomplete: Lead) -> None:
    done = terminal.run(
        "leads", "correct", incomplete.lead_id, "person.phone=050 123 45 67", "--remove", "person.email", "--json"
    )
    assert done.json == {
        "lead_id": incomplete.lead_id,
        "status": "received",
        "corrected": ["person.phone", "person.email"],
        "problems": [],
        "deliveries": {"leadleader": "received"},
    }
    journey = terminal.store.journey(incomplete.lead_id)
    assert journey is not None
    assert (journey.lead.person.phone, journey.lead.person.email) == ("+380501234567", None)
    assert "380501234567" not in done.out
    again = terminal.run("leads", "correct", incomplete.lead_id, "person.phone=050 123 45 67")
    assert "nothing has changed; the lead is received." in again.out


def test_what_is_still_wrong_is_printed(terminal: Terminal, incomplete: Lead) -> None:
    done = terminal.run("leads", "correct", incomplete.lead_id, "person.city=Львів")
    assert f"{incomplete.lead_id}: person.city corrected; the lead is incomplete." in done.out
    assert "person.phone" in done.out
    assert "not_a_phone" in done.out or "required" in done.out


def test_each_wrong_value_is_named_and_nothing_is_stored(terminal: Terminal, incomplete: Lead) -> None:
    said = terminal.run(
        "leads", "correct", incomplete.lead_id, "person.phone=123", "loan.amount=багато", "person.city=Львів"
    )
    assert said.code == 2
    for text in ("person.phone must be a phone number", "loan.amount must be a number"):
        assert text in said.failure
    unknown = terminal.run("leads", "correct", incomplete.lead_id, "person.shoe_size=43")
    assert (unknown.code, "person.shoe_size" in unknown.failure) == (2, True)
    journey = terminal.store.journey(incomplete.lead_id)
    assert journey is not None
    assert journey.lead.person.city is None


def test_a_lead_that_is_being_sent_is_a_4(terminal: Terminal) -> None:
    terminal.bring(State.SUBMITTING)
    said = terminal.run("leads", "correct", ID, "person.city=Львів")
    assert (said.code, "in a minute" in said.failure) == (4, True)


def test_a_rejected_lead_is_corrected_and_retried(terminal: Terminal) -> None:
    terminal.bring(State.REJECTED)
    done = terminal.run("leads", "correct", ID, "loan.amount=15 000 грн")
    assert "loan.amount corrected; the lead is rejected." in done.out
    assert terminal.run("leads", "retry", ID).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "at least one"),
        (("phone=1",), "section and name"),
        (("person.=1",), "section and name"),
        (("person.phone",), "FIELD=VALUE must be name=value"),
        (("person.phone=1", "person.phone=2"), "each name once"),
        (("person.phone=1", "--remove", "person.phone"), "not both"),
        (("--remove", "phone"), "section and name"),
    ],
)
def test_a_wrong_line_is_a_2_and_calls_nothing(terminal: Terminal, arguments: tuple[str, ...], said: str) -> None:
    failed = terminal.run("leads", "correct", ID, *arguments)
    assert (failed.code, said in failed.failure) == (2, True), failed.failure
    assert terminal.gateway.asked == []


def test_a_restored_lead_is_sent_only_if_the_operator_accepts_that_it_may_come_twice(terminal: Terminal) -> None:
    restored = lead(3, source="tilda-credit").model_copy(
        update={
            "partners": (),
            "problems": (FieldError("person.phone", FieldCode.NOT_A_PHONE),),
            "restored_at": lead(3).received_at,
        }
    )
    terminal.store.accept(restored, phone_hash=None)
    arguments = ("leads", "correct", restored.lead_id, "person.phone=050 123 45 67")
    assert "Confirm" in terminal.run(*arguments).err
    assert "leadleader is received." in terminal.run(*arguments, "--even-if-twice", "--yes").out
