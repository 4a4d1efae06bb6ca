"""Final check: the log lines of the whole run contain lead ids, but no personal data and no secret."""

import json
import re

import pytest

from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, person

PHONE = re.compile(r"(?<![0-9a-zA-Z.:-])\+?(?:38)?0[5-9]\d{8}(?!\d)")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
CYRILLIC_NAME = re.compile("Прикладенко|Олена|вчителька")


pytestmark = pytest.mark.final(3)


def test_no_log_line_of_the_whole_run_tells_of_a_person_or_a_secret(stack: Stack, form: Form) -> None:
    asked = person()
    accepted(form.post(asked))
    lines = [text for _, text in stack.read_logs()]
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    assert any(message.get("lead_id", "").startswith("ld_") for message in messages)
    manager = stack.client("secretsmanager")
    secrets = json.dumps(
        [
            manager.get_secret_value(SecretId=secret["Name"])["SecretString"]
            for page in manager.get_paginator("list_secrets").paginate()
            for secret in page["SecretList"]
        ]
    )
    secret_words = set(re.findall(r"[A-Za-z0-9+/_=-]{16,}", secrets))
    assert form.secret in " ".join(secret_words) or form.secret.removeprefix("whsec_") in secrets
    for line in lines:
        assert not CYRILLIC_NAME.search(line), line
        assert not PHONE.search(line), line
        assert not EMAIL.search(line), line
        assert asked["person"]["tax_number"] not in line, line
        assert not [word for word in secret_words if word in line], line
