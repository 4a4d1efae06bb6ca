"""Committed files contain no secret and no real person's data. Every file that git knows is read."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from quality.testkit.template import ROOT

# These find the words "password" and "secret", digests, and queues' ARNs, and too much else that is no secret.
TOO_EAGER = {
    "KeywordDetector",
    "HexHighEntropyString",
    "Base64HighEntropyString",
    "TelegramBotTokenDetector",
    "IPPublicDetector",
    "IbmCosHmacDetector",
}
# The partner's published example of its authorization, and a header without a key.
ALLOWED = {
    ("tests/vectors/leadleader_auth.json", "Private Key"),
    ("tests/unit/auth/test_rsa_credentials.py", "Private Key"),
}

EMAIL = re.compile(r"[\w.+-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})\b")
PHONE = re.compile(r"(?<![\w.])\+?(?:38[ -]?)?\(?(0(?:39|50|6[3678]|73|9[1-9]))\)?((?:[ .-]?\d){7})(?![\w.])")
ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
INVENTED_PHONES = ("000", "111", "123", "999")  # what follows the operator's code in numbers that are made up
# Not under example.com: for its own sake, Meta's testing tool, the partner's published example.
INVENTED_DOMAINS = {"abc12.com", "meta.com", "fb.com", "mail.com"}
FOR_DOCUMENTS = ("192.0.2.", "198.51.100.", "203.0.113.", "127.", "10.", "0.0.0.0")


def committed() -> list[str]:
    """The files that git knows, less those that tools write."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    found = [name for name in listed.split("\0") if name and not name.endswith("uv.lock") and (ROOT / name).is_file()]
    if not found:
        pytest.skip("this is no clone: git knows no files here")
    return found


def texts() -> Iterator[tuple[str, str]]:
    """Every text file's name and content."""
    for name in committed():
        with suppress(UnicodeDecodeError):
            yield name, (ROOT / name).read_text(encoding="utf-8")


def lines() -> Iterator[tuple[str, str]]:
    """Every line that may hold an address or a number, with its file's name and its number."""
    for name, text in texts():
        for number, line in enumerate(text.splitlines(), 1):
            if any(map(str.isdigit, line)) or "@" in line:
                yield f"{name}:{number}", line


def test_whatever_is_committed_can_be_read() -> None:
    """No build, no archive, no package: what nobody can look at, nobody has reviewed."""
    for name in committed():
        assert name.endswith(".png") or b"\0" not in (ROOT / name).read_bytes(), name


def test_no_key_and_no_token_is_committed() -> None:
    known: dict[str, Any] = get_mapping_from_secret_type_to_class()
    plugins = [plugin for plugin in known.values() if plugin.__name__ not in TOO_EAGER]
    # scan_file reads a file line by line with each plugin: only what a plugin's own expression matches goes to it.
    wanted = [re.compile(one.pattern, one.flags | re.MULTILINE) for plugin in plugins for one in plugin().denylist]
    suspects = [name for name, text in texts() if any(one.search(text) for one in wanted)]
    with transient_settings({"plugins_used": [{"name": plugin.__name__} for plugin in plugins]}):
        found = {(name, secret.type) for name in suspects for secret in scan_file(str(ROOT / name))}
    assert found - ALLOWED == set()
    assert found >= ALLOWED, "the scan works"


def test_people_in_examples_are_invented() -> None:
    for where, line in lines():
        for domain in EMAIL.findall(line):
            lower = domain.lower()
            is_invented = "example" in lower.split(".") or re.fullmatch(r"[a-z]\.[a-z]+", lower)
            assert is_invented or lower in INVENTED_DOMAINS, f"{where}: an address at {domain}"
        for _, digits in PHONE.findall(line):
            plain = re.sub(r"\D", "", digits)
            assert plain.startswith(INVENTED_PHONES), f"{where}: a phone that may be somebody's"
        for address in ADDRESS.findall(line):
            try:
                if not ip_address(address).is_global:
                    continue  # no server of the internet has it
            except ValueError:
                continue
            assert address.startswith(FOR_DOCUMENTS), f"{where}: an address that may be somebody's"
