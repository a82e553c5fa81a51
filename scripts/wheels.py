# SPDX-License-Identifier: Apache-2.0
"""Create the virtual environment and fill it with pinned wheels, saying all along what pip does."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

#: What pip's log holds, and the sentence that a person needs then; the first that fits is said.
_REASONS = (
    ("No space left on device", "the disk is full"),
    (
        "name resolution|Failed to establish|NewConnectionError|Network is unreachable|Max retries"
        "|timed out|ConnectionReset|RemoteDisconnected|SSLError|ProxyError|IncompleteRead",
        "the package index cannot be reached or the connection is too weak; check the network or"
        " pip's own settings, then run make again (what was fetched is kept)",
    ),
    (
        "THESE PACKAGES DO NOT MATCH THE HASHES",
        "a downloaded file is damaged; run 'pip cache purge', then make again",
    ),
)


def create(venv: Path) -> None:
    """Create an empty virtual environment, or end with the sentence that says what is missing."""
    result = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True
    )
    if result.returncode != 0:
        raise SystemExit(
            f"{sys.executable} cannot create a virtual environment: install its venv module "
            f"(Debian and Ubuntu: python3-venv).\n{_last_words(result.stdout + result.stderr)}"
        )


def install(python: Path, requirements: "list[Path]", constraints: Path, log: Path) -> None:
    """Install the requirement files with `python`'s pip; pip's own words go to `log`."""
    command = [str(python), "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--prefer-binary", "--constraint", str(constraints)]
    for path in requirements:
        command += ["--requirement", str(path)]
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        progress = _Progress()
        reader = threading.Thread(target=_follow, args=(process.stdout, out, progress))
        reader.start()
        try:
            while reader.is_alive():
                progress.show()
                reader.join(timeout=0.5)
        except KeyboardInterrupt:
            process.terminate()
            raise
        progress.end()
    if process.wait() != 0:
        raise SystemExit(failure(log.read_text(encoding="utf-8", errors="replace"), log))


def failure(text: str, log: Path) -> str:
    """One sentence for a failed pip, out of its log's `text`."""
    for pattern, sentence in _REASONS:
        if re.search(pattern, text):
            return f"The packages could not be installed: {sentence}. pip's log: {log}"
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing:
        version = "{}.{}".format(*sys.version_info)
        return (
            f"The packages could not be installed: the package index has no {missing.group(1)} for "
            f"Python {version} on this machine. pip's log: {log}"
        )
    return f"The packages could not be installed: {_last_words(text)} pip's log: {log}"


def _last_words(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
    lines = errors or [line for line in text.splitlines() if line.strip()] or ["no word was said."]
    return lines[-1].strip()


def _follow(stream, out, progress: "_Progress") -> None:
    for line in stream:
        out.write(line)
        out.flush()
        progress.read(line)


class _Progress:
    """One line on a terminal that is written over; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.packages = 0
        self.doing = "starting pip"
        self._next = 0.0

    def read(self, line: str) -> None:
        """Take in one line of pip's output."""
        word = re.match(r"\s*(Collecting|Downloading|Building wheels?|Installing) (.*)", line)
        if not word:
            return
        if word.group(1) == "Collecting":
            self.packages += 1
            self.doing = "looking up " + re.split(r"[=<>~!;\s]", word.group(2))[0]
        elif word.group(1) == "Downloading":
            self.doing = "downloading " + word.group(2).split("/")[-1].split("-")[0]
        elif word.group(1) == "Installing":
            self.doing = "unpacking"

    def show(self) -> None:
        """Print where pip is."""
        now = time.monotonic()
        seconds = now - self.start
        text = f"  pip: {self.packages} packages, {self.doing}, {seconds:.0f} s"
        if sys.stdout.isatty():
            print(f"\r{text[:78]:<78}", end="", flush=True)
        elif now >= self._next:
            print(text, flush=True)
            self._next = now + 10.0

    def end(self) -> None:
        """Leave the terminal's line."""
        if sys.stdout.isatty():
            print(f"\r{'':<78}\r", end="", flush=True)
