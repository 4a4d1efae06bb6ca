"""Where this code runs. Imports nothing of ours, and next to nothing at all."""

import os

STARTING = "AWS_LAMBDA_INITIALIZATION_TYPE"  # is in a function's environment on Lambda and in its emulator alone


def is_lambda() -> bool:
    """Whether this is a function of Lambda's, and no test or tool that borrows its code."""
    return STARTING in os.environ
