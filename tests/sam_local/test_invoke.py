"""`sam local invoke`: every function with every sample event, in a container like Lambda's."""

import pytest

from devstack.sam_local import SamLocal
from quality.testkit.lambda_runtime.samples import FUNCTIONS, cases
from quality.testkit.sam_local.containers import event_of, invoke
from quality.testkit.sam_local.expected import EXPECTED, outcome_of


def test_every_sample_of_every_function_has_its_expectation() -> None:
    assert {(function, case) for function, of_function in EXPECTED.items() for case in of_function} == set(cases())


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_answers_each_of_its_samples(sam: SamLocal, function: str) -> None:
    of_function = sorted(EXPECTED[function], key=lambda case: (case == "erase", case))

    outcomes = {case: outcome_of(invoke(sam, function, event_of(function, case))) for case in of_function}

    assert outcomes == EXPECTED[function]
