"""`sam local invoke`: every function with every sample event, in a container like Lambda's."""

import json
from typing import Any

import pytest

from local.sam_local import SamLocal
from tests.runtime.samples import FUNCTIONS, cases
from tests.sam_local.containers import event_of, invoke

EXPECTED: dict[str, dict[str, Any]] = {}


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_answers_each_of_its_samples(sam: SamLocal, function: str) -> None:
    of_function = [case for name, case in cases() if name == function]

    outcomes = {case: outcome_of(invoke(sam, function, event_of(function, case))) for case in of_function}
    print(json.dumps({function: outcomes}, ensure_ascii=False))
    assert outcomes == EXPECTED[function]


def outcome_of(answer: Any) -> Any:
    """The part of an answer that is the same each time."""
    match answer:
        case {"statusCode": status}:
            return status
        case {"policyDocument": {"Statement": [{"Effect": effect}]}, "context": {"operator": operator}}:
            return f"{effect} {operator}"
        case _:
            return answer
