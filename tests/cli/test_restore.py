"""`leadbridge restore`: what is shown, and what only `--write` changes."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import State
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from leadbridge_cli.cloud import Cloud
from leadbridge_cli.restore import ATTEMPTS, HALFWAY
from quality.testkit.cli.terminal import LEAD, CommandResult, run
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW
from quality.testkit.template import table_definition

COPY = "leadbridge-copy"


@pytest.fixture
def live(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> LeadRepository:
    """The stack's table, in which a lead was submitted since the copy."""
    monkeypatch.setattr(Cloud, "output", lambda _self, name: {"TableName": TABLE}[name])
    aws.dynamodb().create_table(**table_definition(COPY))
    for each in (store, LeadRepository(Table(aws.dynamodb(), COPY))):
        assert each.accept(LEAD, phone_hash=None) is None
    delivery = store.delivery(LEAD.lead_id, "leadleader")
    assert delivery is not None
    started = store.apply(steps.start_attempt(delivery, NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(started, NOW, 24, is_followed=False))
    return store


def restore(*arguments: str) -> CommandResult:
    return run("restore", *arguments, "--stack", "leadbridge")


def state(store: LeadRepository) -> State:
    found = store.delivery(LEAD.lead_id, "leadleader")
    assert found is not None
    return found.state


def test_a_lead_is_put_back_when_it_is_to_be_written(live: LeadRepository) -> None:
    shown = restore(COPY, LEAD.lead_id)
    assert (shown.code, state(live)) == (0, State.SUBMITTED)
    assert "Add --write to write." in shown.err
    assert f"LEAD#{LEAD.lead_id} DELIVERY#leadleader: received -> unknown" in shown.out
    written = restore(COPY, LEAD.lead_id, "--write", "--yes", "--json")
    assert (written.json["counts"]["settled (need a decision)"], written.json["is_written"]) == (1, True)
    assert state(live) is State.UNKNOWN


def test_all_leads_of_the_copy(live: LeadRepository) -> None:
    assert restore(COPY, "--all", "--write", "--yes").code == 0
    assert state(live) is State.UNKNOWN


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    "arguments",
    [
        (COPY,),
        (COPY, LEAD.lead_id, "--all"),
        (TABLE, "--all"),
        (f"arn:aws:dynamodb:eu-central-1:1:table/{TABLE}", "--all"),
    ],
)
def test_leads_and_another_table_must_be_named(arguments: tuple[str, ...]) -> None:
    assert restore(*arguments).code == 2


def test_the_table_that_does_not_exist_is_named(live: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not have the table no-copy (ResourceNotFoundException)" in restore("no-copy", LEAD.lead_id).failure
    monkeypatch.setattr(Cloud, "output", lambda *_: "no-table")
    found = restore(COPY, LEAD.lead_id)
    assert found.code == 3
    assert "does not have the table no-table (" in found.failure
    assert state(live) is State.SUBMITTED


def test_the_table_is_shown_and_a_write_must_be_confirmed(live: LeadRepository) -> None:
    refused = restore(COPY, LEAD.lead_id, "--write")
    assert (refused.code, refused.out) == (2, f"Stack leadbridge, table {TABLE}\n")
    assert f"Put {LEAD.lead_id} back into it from {COPY}?" in refused.err
    assert state(live) is State.SUBMITTED


@pytest.mark.usefixtures("live")
def test_leads_that_the_copy_does_not_have_are_named() -> None:
    found = restore(COPY, LEAD.lead_id, "ld_none", "--json")
    assert (found.code, found.json["missing"], found.json["is_complete"]) == (3, ["ld_none"], True)
    assert f"{COPY} does not have these leads: ld_none." in found.err


class Stopping:
    """A client that writes some items, then raises."""

    def __init__(self, error: BaseException, writes: int) -> None:
        self._client: Any = aws.dynamodb()
        self._error, self._left = error, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_item(self, **request: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return self._client.put_item(**request)


def refusal(code: str) -> ClientError:
    message = "try\x1b[2J later\nX-Amz-Security-Token:s3cret"
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "PutItem")


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            refusal("ProvisionedThroughputExceededException"),
            5,
            r"(ProvisionedThroughputExceededException): try\x1b[2J later",
        ),
        (refusal("TransactionConflictException"), 5, "(TransactionConflictException)"),
        (refusal("AccessDeniedException"), 1, "AWS refused the call"),
        (Contended(), 5, "repeat the command"),
    ],
    ids=str,
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_done_before_an_error_is_shown(
    error: Exception, code: int, text: str, as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cloud, "client", lambda *_args, **_options: Stopping(error, writes=1))
    found = restore(COPY, "--all", "--write", "--yes", *(["--json"] if as_json else []))
    assert found.code == code
    assert text in found.err
    assert HALFWAY in found.err
    assert "s3cret" not in found.err
    change = f"LEAD#{LEAD.lead_id} DELIVERY#leadleader: received -> unknown"
    if as_json:
        assert (found.json["is_complete"], found.json["changes"]) == (False, [change])
    else:
        assert change in found.out


@pytest.mark.usefixtures("live")
def test_what_was_done_before_an_interrupt_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cloud, "client", lambda *_args, **_options: Stopping(KeyboardInterrupt(), writes=1))
    found = restore(COPY, "--all", "--write", "--yes", "--json")
    assert found.code != 0
    assert (found.json["is_complete"], len(found.json["changes"])) == (False, 1)
    assert HALFWAY in found.err


@pytest.mark.usefixtures("live")
def test_a_restore_makes_ten_attempts() -> None:
    client = Cloud("leadbridge", None, "eu-central-1", None).client("dynamodb", attempts=ATTEMPTS)
    assert client.meta.config.retries["total_max_attempts"] == 10
