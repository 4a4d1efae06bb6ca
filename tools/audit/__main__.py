"""`make audit`: checkov over the templates, bandit over the code, pip-audit over what uv.lock ships to Lambda.

Where the known vulnerabilities cannot be asked for, it says so and passes: a developer may be offline. With --strict
(`make audit STRICT=1`, as every night) it fails then. That is said by an option and not guessed from `CI`, so that
the nightly verdict can be had on any machine, and a build server without a way out may still run the rest.
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
# How pip-audit's last words begin where nobody answers it: requests' errors of a connection, or its own advice.
UNREACHED = (
    "requests.exceptions.ConnectionError:",
    "requests.exceptions.ConnectTimeout:",
    "requests.exceptions.ReadTimeout:",
    "requests.exceptions.ProxyError:",
    "requests.exceptions.SSLError:",
    "ERROR:pip_audit._cli:Tip: your network may be blocking this service.",
)
UNKNOWN = "Dependency not found on PyPI"  # how the reason begins why one was skipped that the index does not have
PINNED = re.compile(r"^([\w.-]+)==[^\s;]+ *\\?$", re.MULTILINE)  # one with a marker may be for another system

type Finished = subprocess.CompletedProcess[str]


def main() -> int:
    """Run all three; 1 if any has found something or did not work, and say what could not be looked at."""
    parser = argparse.ArgumentParser(prog="audit", description="Look for known weaknesses.")
    parser.add_argument("uv", help="the uv that exports what is shipped")
    parser.add_argument("--strict", action="store_true", help="fail where nobody can be asked what is known")
    options = parser.parse_args()
    passed = [templates(), code(), dependencies(options.uv, strict=options.strict)]
    return 0 if all(passed) else 1


def templates() -> bool:
    """The templates by checkov, less what tools/audit/checkov.yaml gives reasons for."""
    return run("checkov", "-f", *TEMPLATES, "--config-file", "tools/audit/checkov.yaml").returncode == 0


def code() -> bool:
    """The code by bandit, less what pyproject.toml gives reasons for."""
    return run("bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *CODE).returncode == 0


def dependencies(uv: str, *, strict: bool) -> bool:
    """What is shipped, against the known vulnerabilities."""
    exported = [uv, "export", "--frozen", "--no-dev", "--no-emit-workspace", "--quiet"]
    shipped = subprocess.run(exported, capture_output=True, text=True, check=True).stdout
    listed = Path(".local/audit/shipped.txt")
    listed.write_text(shipped, encoding="utf-8")
    asked = run("pip-audit", "--requirement", str(listed), "--disable-pip", "--format", "json", quiet=True)
    return judged(shipped, asked, strict=strict)


def judged(shipped: str, asked: Finished, *, strict: bool) -> bool:
    """Whether pip-audit has looked at every package that is shipped and knows nothing against any.

    Where nobody could be asked, that is true unless `strict`. A tool that did not work, and a package that was left
    out while others were looked at, are failures.
    """
    try:
        found = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return not_asked(last, strict=strict) if last.startswith(UNREACHED) else failed(f"it did not work: {last}")
    looked_at = {one["name"] for one in found if "skip_reason" not in one}
    skipped = {one["name"]: one["skip_reason"] for one in found if "skip_reason" in one}
    if skipped and not looked_at and all(reason.startswith(UNKNOWN) for reason in skipped.values()):
        return not_asked(f"the index here knows nothing of any of {len(skipped)} packages", strict=strict)
    vulnerable = [one for one in found if one.get("vulns")]
    for one in vulnerable:
        print(f"pip-audit: {one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}")
    print(f"pip-audit: {len(looked_at)} packages looked at, {len(vulnerable)} with known vulnerabilities")
    pinned = set(PINNED.findall(shipped))
    if left_out := sorted((pinned | skipped.keys()) - looked_at):
        return failed(f"not looked at: {', '.join(left_out)}")
    if not pinned:
        return failed("nothing is shipped, says uv.lock")
    if asked.returncode != bool(vulnerable):
        return failed(f"it ended with {asked.returncode}")
    return not vulnerable


def not_asked(why: str, *, strict: bool) -> bool:
    """Say that the known vulnerabilities could not be asked for. True unless `strict`."""
    print(f"pip-audit: {'FAILED' if strict else 'SKIPPED'}, the known vulnerabilities could not be asked for")
    print(f"  {why}")
    return not strict


def failed(why: str) -> bool:
    """Say why pip-audit's word does not count. False."""
    print(f"pip-audit: FAILED, {why}")
    return False


def run(tool: str, *arguments: str, quiet: bool = False) -> Finished:
    """Run one of the tools."""
    if not quiet:
        print(f"{tool}:", flush=True)
    return subprocess.run([str(TOOLS / tool), *arguments], capture_output=quiet, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
