"""`make audit`: checkov over the templates, bandit over the code, pip-audit over what uv.lock ships to Lambda."""

import json
import subprocess
import sys
from pathlib import Path

TOOLS = Path(sys.executable).parent
TEMPLATES = ["template.yaml", "deploy/github-role.yaml"]
CODE = ["functions", "layers/leadbridge", "command", "deploy"]


def main() -> int:
    """Run all three; 1 if any has found something, and say what could not be looked at."""
    passed = [templates(), code(), dependencies()]
    return 0 if all(passed) else 1


def templates() -> bool:
    """The templates by checkov, less what audit/checkov.yaml gives reasons for."""
    return run("checkov", "-f", *TEMPLATES, "--config-file", "audit/checkov.yaml").returncode == 0


def code() -> bool:
    """The code by bandit, less what pyproject.toml gives reasons for."""
    return run("bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *CODE).returncode == 0


def dependencies() -> bool:
    """What is shipped, against the known vulnerabilities. Where they cannot be asked for, it says so and passes."""
    exported = [sys.argv[1], "export", "--frozen", "--no-dev", "--no-emit-workspace", "--quiet"]
    shipped = subprocess.run(exported, capture_output=True, text=True, check=True).stdout
    listed = Path(".local/audit/shipped.txt")
    listed.write_text(shipped, encoding="utf-8")
    asked = run("pip-audit", "--requirement", str(listed), "--disable-pip", "--format", "json", quiet=True)
    try:
        found = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        print("pip-audit: SKIPPED, the known vulnerabilities could not be asked for (no network?)")
        print("  " + (asked.stderr.strip().splitlines() or ["it said nothing"])[-1])
        return True
    skipped = [one["name"] for one in found if "skip_reason" in one]
    vulnerable = [one for one in found if one.get("vulns")]
    for one in vulnerable:
        print(f"pip-audit: {one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}")
    if skipped:
        print(f"pip-audit: SKIPPED {len(skipped)} of {len(found)}, the index here knows no vulnerabilities of them")
    print(f"pip-audit: {len(found) - len(skipped)} packages looked at, {len(vulnerable)} with known vulnerabilities")
    return not vulnerable


def run(tool: str, *arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run one of the tools."""
    if not quiet:
        print(f"{tool}:", flush=True)
    return subprocess.run([str(TOOLS / tool), *arguments], capture_output=quiet, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
