"""The console as it is deployed: the page, all it is made of, and what it asks, from one address."""

import re

import urllib3

from devstack.commands.api import Operator
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, person


def test_the_console_is_served_whole_and_lets_nothing_else_in(stack: Stack, form: Form, operator: Operator) -> None:
    page = urllib3.request("GET", stack.console_url, timeout=30, retries=False)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    [bundle] = re.findall(r'src="(console/[\w.-]+\?v=\w+)"', page.data.decode())
    base = stack.console_url.removesuffix("console")
    for address in (stack.console_url, base + bundle):
        answer = urllib3.request("GET", address, timeout=30, retries=False)
        assert answer.status == 200, address
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        known = {"If-None-Match": answer.headers["ETag"]}
        assert urllib3.request("GET", address, headers=known, timeout=30, retries=False).status == 304
    lead_id = accepted(form.post(person()))
    assert operator.get("/leads?masked=true&limit=1").content["leads"][0]["person"]["phone"].count("•") == 3
    assert operator.get(f"/leads/{lead_id}?masked=true").content["messages"] == []
