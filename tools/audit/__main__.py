"""`make audit`: checkov for the templates, bandit for the code, pip-audit for the packages that are shipped to Lambda.

If the vulnerability database is not reachable, it passes, because a developer may be offline. With --strict
(`make audit STRICT=1`, every night) it fails.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

TOOLS = Path(sys.executable).parent
TEMPLATES = ["template.yaml", "infra/github-role.yaml"]
CODE = ["functions", "layers/leadbridge", "cli", "infra"]
SHIPPED = Path(".local/audit/shipped.txt")
# The beginning of pip-audit's last line if it cannot connect: requests' errors, or its own advice.
UNREACHED = re.compile(
    r"requests\.exceptions\.(ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError):"
    r"|ERROR:pip_audit\._cli:Tip: your network may be blocking this service\."
)
UNKNOWN = "Dependency not found on PyPI"  # the beginning of the skip reason for a package that the index does not have
PINNED = re.compile(r"^([\w.-]+)==[^\s;]+ *\\?$", re.MULTILINE)  # one with a marker may be for another platform

type Finished = subprocess.CompletedProcess[str]


def main() -> int:
    """Run all three, with the exceptions in tools/audit/checkov.yaml and pyproject.toml. Returns 1 if any fails."""
    parser = argparse.ArgumentParser(prog="audit", description="Look for known weaknesses.")
    parser.add_argument("uv", help="the uv that exports what is shipped")
    parser.add_argument("--strict", action="store_true", help="fail if the vulnerability database is not reachable")
    options = parser.parse_args()
    exported = [options.uv, "export", "--frozen", "--no-dev", "--no-emit-workspace", "--quiet"]
    shipped = subprocess.run(exported, capture_output=True, text=True, check=True).stdout
    SHIPPED.write_text(shipped, encoding="utf-8")
    passed = [
        run("checkov", "-f", *TEMPLATES, "--config-file", "tools/audit/checkov.yaml").returncode == 0,
        run("bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *CODE).returncode == 0,
        judged(
            shipped,
            run("pip-audit", "--requirement", str(SHIPPED), "--disable-pip", "--format", "json", quiet=True),
            options.strict,
        ),
    ]
    return 0 if all(passed) else 1


def judged(shipped: str, result: Finished, is_strict: bool) -> bool:
    """Whether pip-audit checked every shipped package and found nothing, or could not connect and may fail to."""
    last = (result.stderr.strip().splitlines() or ["no output"])[-1]
    try:
        found = json.loads(result.stdout)["dependencies"]
    except (ValueError, KeyError):
        return unreached(last, is_strict) if UNREACHED.match(last) else failed(f"no result: {last}\n{result.stderr}")
    checked = {one["name"] for one in found if "skip_reason" not in one}
    skipped = {one["name"]: one["skip_reason"] for one in found if "skip_reason" in one}
    if skipped and not checked and all(reason.startswith(UNKNOWN) for reason in skipped.values()):
        return unreached(f"the package index has none of the {len(skipped)} packages", is_strict)
    pinned = set(PINNED.findall(shipped))
    if not pinned:
        return failed("uv.lock has no packages to ship")
    known = [f"{one['name']} {one['version']}: {each['id']}" for one in found for each in one.get("vulns", [])]
    left_out = [f"{name}: not checked" for name in sorted((pinned | skipped.keys()) - checked)]
    if known or left_out or result.returncode:
        return failed("; ".join(known + left_out) or f"exit code {result.returncode}: {last}")
    print(f"pip-audit: {len(checked)} packages checked, no known vulnerabilities")
    return True


def unreached(why: str, is_strict: bool) -> bool:
    print(f"pip-audit: {'FAILED' if is_strict else 'SKIPPED'}, the vulnerability database is not reachable: {why}")
    return not is_strict


def failed(why: str) -> bool:
    print(f"pip-audit: FAILED, {why}")
    return False


def run(tool: str, *arguments: str, quiet: bool = False) -> Finished:
    print(f"{tool}:", flush=True)
    return subprocess.run([str(TOOLS / tool), *arguments], capture_output=quiet, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
