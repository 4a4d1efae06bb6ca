"""What `make audit` makes of pip-audit's answers. They are as version 2.10 prints them, shortened."""

import re
import subprocess

import pytest

from quality.testkit.template import ROOT
from tools.audit.__main__ import judged

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
MIRROR = "ERROR:pip_audit._cli:six: Dependency not found on PyPI and could not be audited: six (1.17.0)\n"
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
OTHER_REASON = "ERROR:pip_audit._cli:six: not hashed\n"
FOUND = "Name    Version ID             Fix Versions\nurllib3 2.8.0   PYSEC-2023-192 2.0.6\n"


def finished(ended: int, stderr: str = "", stdout: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(["pip-audit"], ended, stdout, stderr)


@pytest.mark.parametrize("strict", [False, True])
def test_it_passes_where_every_package_was_looked_at(strict: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(finished(0, "No known vulnerabilities found\n"), strict)
    assert capsys.readouterr().out == "pip-audit: No known vulnerabilities found\n"


@pytest.mark.parametrize(
    "printed",
    [
        *(NOBODY_ANSWERS.format(error=error) for error in ("ConnectionError", "ReadTimeout", "ProxyError", "SSLError")),
        TIP,
        MIRROR,
    ],
)
def test_without_a_network_it_warns_and_fails_only_if_strict(printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(finished(1, printed), False)
    assert "SKIPPED, the vulnerability database is not reachable" in capsys.readouterr().out
    assert not judged(finished(1, printed), True)
    assert "FAILED, the vulnerability database is not reachable" in capsys.readouterr().out


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("printed", [CRASHED, BAD_OPTION, NO_FILE, OTHER_REASON, ""])
def test_a_tool_that_did_not_work_fails_everywhere(
    printed: str, strict: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not judged(finished(-9 if not printed else 1, printed), strict)
    assert "pip-audit: FAILED" in capsys.readouterr().out


@pytest.mark.parametrize("strict", [False, True])
def test_a_known_vulnerability_fails_and_is_named(strict: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert not judged(finished(1, "Found 1 known vulnerability in 1 package\n", FOUND), strict)
    assert "PYSEC-2023-192" in capsys.readouterr().out


def test_the_nightly_run_is_strict() -> None:
    assert "run: make audit STRICT=1\n" in (ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^audit:.*\n\t@\S+ tools/audit \$\(UV\) \$\(if \$\(STRICT\),--strict\)$", makefile, re.MULTILINE)
