"""What the local AWS needs after a deployment keeps to what the template says."""

from devstack.emulator_fixups import with_batches


def test_who_may_send_a_message_may_send_a_batch() -> None:
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:of:a-queue"}
    assert with_batches(statement) == {**statement, "Action": ["sqs:SendMessage", "sqs:SendMessageBatch"]}


def test_the_limit_is_never_exceeded() -> None:
    statement = {"Effect": "Allow", "Action": ["sqs:ReceiveMessage", "dynamodb:PutItem"], "Resource": "*"}
    assert with_batches(statement) == statement


def test_a_statement_is_completed_once() -> None:
    statement = {"Effect": "Allow", "Action": ["sqs:DeleteMessage"], "Resource": "*"}
    assert with_batches(with_batches(statement)) == with_batches(statement)
