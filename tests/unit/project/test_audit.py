"""What `make audit` makes of pip-audit's answers. They are as version 2.10 prints them, shortened."""

import json
import re
import subprocess

import pytest

from quality.testkit.template import ROOT
from tools.audit.__main__ import judged

SHIPPED = """\
cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:00
    # via cryptography
six==1.17.0 \\
    --hash=sha256:00
urllib3==2.8.0 \\
    --hash=sha256:00
"""
NOBODY_ANSWERS = """\
Traceback (most recent call last):
ConnectionRefusedError: [Errno 111] Connection refused

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
requests.exceptions.{error}: HTTPSConnectionPool(port=443): Max retries exceeded with url: /pypi/six/1.17.0/json
"""
TIP = """\
ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed
ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service with `-s SERVICE`
"""
CRASHED = """\
Traceback (most recent call last):
requests.exceptions.HTTPError: 503 Server Error: Service Unavailable for url: /pypi/six/1.17.0/json

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
pip_audit._service.interface.ServiceError
"""
BAD_OPTION = """\
usage: pip-audit [-h] [-V] [-l] [-r REQUIREMENT] [--locked] [-f FORMAT]
                 [project_path]
pip-audit: error: unrecognized arguments: --bogus
"""
NO_FILE = "ERROR:pip_audit._cli:invalid requirements input: .local/audit/none.txt\n"
CLEAN = "No known vulnerabilities found\n"

type Finished = subprocess.CompletedProcess[str]
type One = dict[str, object]


def fine(name: str, version: str) -> One:
    return {"name": name, "version": version, "vulns": []}


def unknown(name: str, version: str) -> One:
    return skipped(name, f"Dependency not found on PyPI and could not be audited: {name} ({version})")


def skipped(name: str, reason: str) -> One:
    return {"name": name, "skip_reason": reason}


def answer(*dependencies: One, ended: int = 0) -> Finished:
    return finished(ended, json.dumps({"dependencies": dependencies, "fixes": []}) + "\n", CLEAN)


def finished(ended: int, stdout: str = "", stderr: str = "") -> Finished:
    return subprocess.CompletedProcess(["pip-audit"], ended, stdout, stderr)


CFFI, SIX, URLLIB3 = fine("cffi", "2.1.1"), fine("six", "1.17.0"), fine("urllib3", "2.8.0")
NOBODY_ASKED = [
    *(
        pytest.param(finished(1, "", NOBODY_ANSWERS.format(error=error)), id=error)
        for error in ("ConnectionError", "ReadTimeout", "ProxyError", "SSLError")
    ),
    pytest.param(finished(1, "", TIP), id="a timeout that the tool knows of"),
    pytest.param(answer(*(unknown(name, "1") for name in ("cffi", "six", "urllib3"))), id="a mirror"),
]
DID_NOT_WORK = [
    pytest.param(finished(1, "", CRASHED), id="crash"),
    pytest.param(finished(2, "", BAD_OPTION), id="bad option"),
    pytest.param(finished(1, "", NO_FILE), id="no file"),
    pytest.param(finished(-9), id="killed without a word"),
    pytest.param(finished(0, "{}\n", CLEAN), id="another shape"),
    pytest.param(answer(CFFI, SIX, URLLIB3, ended=1), id="an end that does not fit"),
    pytest.param(answer(), id="looked at nothing"),
    pytest.param(answer(CFFI, SIX), id="one left out"),
    pytest.param(answer(CFFI, SIX, unknown("urllib3", "2.8.0")), id="one not known"),
    pytest.param(answer(*(skipped(name, "not hashed") for name in ("cffi", "six", "urllib3"))), id="other reasons"),
]


@pytest.mark.parametrize("strict", [False, True])
def test_it_passes_where_every_package_was_looked_at(strict: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(SHIPPED, answer(CFFI, SIX, URLLIB3), strict)
    assert capsys.readouterr().out == "pip-audit: 3 packages checked, no known vulnerabilities\n"


def test_a_package_for_another_system_may_be_left_out() -> None:
    assert judged(SHIPPED, answer(SIX, URLLIB3), True)


@pytest.mark.parametrize("asked", NOBODY_ASKED)
def test_without_a_network_it_warns_and_fails_only_if_strict(
    asked: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(SHIPPED, asked, False)
    assert "SKIPPED, the vulnerability database is not reachable" in capsys.readouterr().out
    assert not judged(SHIPPED, asked, True)
    assert "FAILED, the vulnerability database is not reachable" in capsys.readouterr().out


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("asked", DID_NOT_WORK)
def test_a_tool_that_did_not_work_fails_everywhere(
    asked: Finished, strict: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not judged(SHIPPED, asked, strict)
    assert "pip-audit: FAILED, " in capsys.readouterr().out


@pytest.mark.parametrize("strict", [False, True])
def test_a_single_package_that_is_not_known_is_named(strict: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert not judged(SHIPPED, answer(CFFI, SIX, unknown("urllib3", "2.8.0")), strict)
    assert capsys.readouterr().out == "pip-audit: FAILED, urllib3: not checked\n"


def test_nothing_shipped_is_no_success() -> None:
    assert not judged("", answer(), False)


@pytest.mark.parametrize("strict", [False, True])
def test_a_known_vulnerability_fails_and_is_named(strict: bool, capsys: pytest.CaptureFixture[str]) -> None:
    known = {"id": "PYSEC-2023-192", "fix_versions": ["2.0.6"], "aliases": ["CVE-2023-43804"], "description": "x"}
    assert not judged(SHIPPED, answer(CFFI, SIX, {**URLLIB3, "vulns": [known]}, ended=1), strict)
    assert "pip-audit: FAILED, urllib3 2.8.0: PYSEC-2023-192\n" in capsys.readouterr().out


def test_the_nightly_run_is_strict() -> None:
    assert "run: make audit STRICT=1\n" in (ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^audit:.*\n\t@\S+ tools/audit \$\(UV\) \$\(if \$\(STRICT\),--strict\)$", makefile, re.MULTILINE)
