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
    passed = [
        run("checkov", "-f", *TEMPLATES, "--config-file", "tools/audit/checkov.yaml").returncode == 0,
        run("bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *CODE).returncode == 0,
        dependencies(options.uv, strict=options.strict),
    ]
    return 0 if all(passed) else 1


def dependencies(uv: str, *, strict: bool) -> bool:
    """Check the shipped packages for known vulnerabilities."""
    exported = [uv, "export", "--frozen", "--no-dev", "--no-emit-workspace", "--quiet"]
    shipped = subprocess.run(exported, capture_output=True, text=True, check=True).stdout
    listed = Path(".local/audit/shipped.txt")
    listed.write_text(shipped, encoding="utf-8")
    result = run("pip-audit", "--requirement", str(listed), "--disable-pip", "--format", "json", quiet=True)
    return judged(shipped, result, strict=strict)


def judged(shipped: str, result: Finished, *, strict: bool) -> bool:
    """Whether pip-audit checked every shipped package and found nothing, or unless `strict` could not connect."""
    try:
        found = json.loads(result.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (result.stderr.strip().splitlines() or ["no output"])[-1]
        return not_result(last, strict=strict) if UNREACHED.match(last) else failed(f"it failed: {last}")
    checked = {one["name"] for one in found if "skip_reason" not in one}
    skipped = {one["name"]: one["skip_reason"] for one in found if "skip_reason" in one}
    if skipped and not checked and all(reason.startswith(UNKNOWN) for reason in skipped.values()):
        return not_result(f"the package index here has none of the {len(skipped)} packages", strict=strict)
    vulnerable = [one for one in found if one.get("vulns")]
    for one in vulnerable:
        print(f"pip-audit: {one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}")
    print(f"pip-audit: {len(checked)} packages checked, {len(vulnerable)} with known vulnerabilities")
    pinned = set(PINNED.findall(shipped))
    if left_out := sorted((pinned | skipped.keys()) - checked):
        return failed(f"not checked: {', '.join(left_out)}")
    if not pinned:
        return failed("uv.lock has no packages to ship")
    if result.returncode != bool(vulnerable):
        return failed(f"it ended with {result.returncode}")
    return not vulnerable


def not_result(why: str, *, strict: bool) -> bool:
    """Report that the database is not reachable. Returns True unless `strict`."""
    print(f"pip-audit: {'FAILED' if strict else 'SKIPPED'}, the vulnerability database is not reachable")
    print(f"  {why}")
    return not strict


def failed(why: str) -> bool:
    """Report a failure. Returns False."""
    print(f"pip-audit: FAILED, {why}")
    return False


def run(tool: str, *arguments: str, quiet: bool = False) -> Finished:
    if not quiet:
        print(f"{tool}:", flush=True)
    return subprocess.run([str(TOOLS / tool), *arguments], capture_output=quiet, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
