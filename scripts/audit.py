# SPDX-License-Identifier: Apache-2.0
"""Hold every version that requirements/ pins against the known vulnerabilities: `make audit`.

pip-audit does the asking, in an environment of its own, .venv-audit. It calls a package that the
service does not know one without vulnerabilities; here that is no answer. Ends with 0 where nothing
is known against any package, 1 where something is, and 2 where it could not be asked.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import wheels

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
#: One line of a requirement or lock file; what follows says for which Python it holds.
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[a-z,]*\])?==([A-Za-z0-9.+!]+)(?:\s*;.*)?")
FOUND, NOT_ASKED = 1, 2


class NotAudited(Exception):
    """The service gave no answer; the message is a sentence."""


def pins(files: Iterable[Path]) -> "set[tuple[str, str]]":
    """(name, version) of every line.

    Raises:
        NotAudited: a line pins nothing.
    """
    found = set()
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            pin = PIN.fullmatch(line.strip())
            if pin:
                found.add((re.sub("[-_.]+", "-", pin[1]).lower(), pin[2]))
            elif line.strip() and not line.startswith("#"):
                raise NotAudited(f"{path}, line {number}: {line!r}; expected NAME==VERSION.")
    return found


def lists(wanted: "set[tuple[str, str]]") -> "Iterator[list[str]]":
    """The pins as lists of lines in which no name comes twice."""
    left = sorted(wanted)
    while left:
        some = dict(left)
        yield [f"{name}=={version}" for name, version in some.items()]
        left = [pin for pin in left if some[pin[0]] != pin[1]]


def ask(python: Path, lines: "list[str]", log: Path) -> "list[dict]":
    """What pip-audit says of each package; its own words go to `log`.

    Raises:
        NotAudited: it has not come so far.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file, log.open("w") as words:
        file.write("\n".join(lines) + "\n")
        file.flush()
        command = [str(python), "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"]
        command += ["--progress-spinner", "off", "--requirement", file.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=words, text=True)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        raise NotAudited(
            "the vulnerability service at pypi.org cannot be reached or does not answer as"
            f" pip-audit expects. Its own words: {log}"
        ) from error


def verdict(answers: "list[dict]") -> "tuple[int, list[str]]":
    """Exit status and lines for people.

    Raises:
        NotAudited: packages that are no ROS wheels are unknown to the service.
    """
    unknown = sorted(answer["name"] for answer in answers if "skip_reason" in answer)
    # The service knows PyPI's packages; nobody reports vulnerabilities of ROS wheels there.
    lacking = [name for name in unknown if not name.startswith("ros-")]
    if lacking:
        some = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise NotAudited(
            f"the vulnerability service does not know {len(lacking)} of {len(answers)} packages"
            f" ({some}); is pypi.org reached, or a mirror without that service?"
        )
    lines = [
        f"{answer['name']} {answer['version']}: {flaw['id']},"
        f" mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for answer in answers
        for flaw in answer.get("vulns", ())
    ]
    known = len(answers) - len(unknown)
    lines.append(f"{known} packages audited, {len(unknown)} ROS wheels unknown to the service.")
    return (FOUND if len(lines) > 1 else 0), lines


def main() -> int:
    """Audit, and say the result."""
    venv = ROOT / ".venv-audit"
    python, log = venv / "bin" / "python", venv / "pip-audit.log"
    try:
        wanted = pins(sorted(REQUIREMENTS.glob("*.txt")))
        if not python.exists():
            wheels.create(venv)
        wheels.install(
            python, [REQUIREMENTS / "audit.txt"], REQUIREMENTS / "lock-audit.txt", venv / "pip.log"
        )
        answers = [answer for lines in lists(wanted) for answer in ask(python, lines, log)]
        status, lines = verdict(answers)
    except NotAudited as error:
        print(f"Not audited: {error}", file=sys.stderr)
        return NOT_ASKED
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
