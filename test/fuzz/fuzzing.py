# SPDX-License-Identifier: Apache-2.0
"""What the fuzz of files stands on: how damage is made, and a process that reads and is watched."""

import copy
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("DIGIT_FUZZ_COUNT", 200))
SEED = int(os.environ.get("DIGIT_FUZZ_SEED", 0))
#: So many properties share COUNT's cases: with COUNT=20000 there are about 35,000 in all.
TESTS = 8
#: A case may take so much; what a reader may need beyond what a good file of its kind needs.
CPU_S, WALL_S, GROWTH_MB = 20, 300, 1000
LOOK_S = 0.02  # how often a reader's memory is looked at while it reads
#: Numbers that headers lie with.
EXTREMES = [0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]


def tried(share):
    """How a property is run: so many cases, by the seed alone."""

    def wrap(test):
        test = settings(
            max_examples=max(1, round(COUNT * share / TESTS)),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(test)
        return seed(SEED)(test)

    return wrap


class Reader:
    """A process of `readers.py` with one reader; it is started anew after a crash or a hang."""

    def __init__(self, name, good):
        """`good` is a file (or folder) that the reader takes; its needs are the measure."""
        self.name, self.good = name, good
        self._process = None

    def read(self, path):
        """The outcome of one reading: {"kind", "error", "said", "cpu_s", "growth_mb"}."""
        if self._process is None:
            self._start()
            outcome = self._ask(self.good)
            assert outcome["kind"] == "answered", outcome
        return self._ask(path)

    def check(self, path, named=None):
        """Answered, or refused in one sentence that names the file; gives the outcome."""
        outcome = self.read(path)
        where = f"{self.name}, {path}: {outcome}"
        assert outcome["kind"] in ("answered", "refused"), where
        assert outcome["cpu_s"] < CPU_S and outcome["growth_mb"] < GROWTH_MB, where
        if outcome["kind"] == "refused":
            said = outcome["said"]
            assert said and said.isprintable() and len(said) < 2000, where
            assert str(named or path) in said, where
        return outcome

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._words.close()
        self._process = None

    def _start(self):
        self._words = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-u", str(Path(__file__).with_name("readers.py")), self.name],
            env={**os.environ, "PYTHONPATH": _first(str(ROOT), os.environ.get("PYTHONPATH"))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
        )

    def _ask(self, path):
        self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        self._process.stdin.flush()
        limit_s, most = time.monotonic() + WALL_S, self._memory_mb() + 1.5 * GROWTH_MB
        end = ""
        while not end and not select.select([self._process.stdout], [], [], LOOK_S)[0]:
            if self._memory_mb() > most:
                end = "took too much memory"
            elif time.monotonic() > limit_s:
                end = "hung"
        line = b"" if end else self._process.stdout.readline()
        if line:
            return json.loads(line)
        if end:
            self._process.send_signal(signal.SIGABRT)
        code = self._process.wait()
        self._words.seek(0)
        said = self._words.read()[-3000:].decode(errors="replace")
        self.close()
        error = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        kind = end or "crashed"
        return {"kind": kind, "error": error, "said": said, "cpu_s": 0.0, "growth_mb": 0.0}

    def _memory_mb(self):
        """What it has in memory."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it has ended
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _first(*paths):
    return os.pathsep.join(path for path in paths if path)


places = st.one_of(st.integers(0, 400), st.integers(0, 400), st.integers(0, 2**31))
words = st.sampled_from(
    [b"\0", b"\xff", b"\x7f", b"\x80", b"-", b'"', b"{", b"[", b"]", b".", b"("]
)


@st.composite
def damaged(draw, seeds):
    """Bytes of a good file with a few faults; or, seldom, anything at all."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=64))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        place, length = draw(places) % len(data), draw(st.integers(1, 64))
        if draw(st.integers(0, 3)) == 0:
            place = len(data) - 1 - place  # what stands at the end: indices, footers
        _spoil(draw, data, place, length)
    return bytes(data)


def _spoil(draw, data, place, length):
    kind = draw(st.integers(0, 6))
    if kind == 0:
        data[place] = draw(st.integers(0, 255))
    elif kind == 1:
        size, order = draw(st.sampled_from([2, 4, 8])), draw(st.sampled_from(["little", "big"]))
        word = draw(st.sampled_from(EXTREMES)) % 2 ** (8 * size)
        data[place : place + size] = word.to_bytes(size, order)
    elif kind == 2:
        del data[place:]
    elif kind == 3:
        del data[place : place + length]
    elif kind == 4:
        data[place:place] = data[place : place + length]
    elif kind == 5:
        data[place : place + length] = bytes(min(length, len(data) - place))
    else:
        data[place:place] = draw(words) * length


#: Values that stand where others are meant.
hostile = st.one_of(
    st.sampled_from([None, True, False, "", "a", "\n\x1b[2J", "x" * 600, [], {}, [[]], [None]]),
    st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63), 10**25, 10**400, 0.5, -1e308, 1e39]),
    st.sampled_from(
        [float("nan"), float("inf"), -float("inf"), "1e999", "NaN", "\0", "../..", "/"]
    ),
    st.sampled_from([[1, 2], {"a": 1}, [1.0] * 300, "\ud800", "١", [[1, 2], [3]]]),
    st.text(max_size=5),
    st.integers(-300, 300),
    st.floats(allow_nan=False),
).map(copy.deepcopy)


@st.composite
def spoiled(draw, content):
    """A copy of JSON content in which up to three entries are others, missing, or doubled."""
    content = json.loads(json.dumps(content))
    for _ in range(draw(st.integers(1, 3))):
        spots = list(_spots(content))
        if not spots:
            return draw(hostile)
        holder, key = draw(st.sampled_from(spots))
        act = draw(st.integers(0, 5))
        if act == 0:
            del holder[key]
        elif act == 1 and isinstance(holder, list):
            holder.append(holder[key])
        elif act == 2:
            other_holder, other_key = draw(st.sampled_from(spots))
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
        else:
            holder[key] = draw(hostile)
    return content


def _spots(content, depth=0):
    """(container, key) of all entries; of a long list the first and the last."""
    if isinstance(content, dict):
        entries = list(content.items())
    elif isinstance(content, list):
        entries = list(enumerate(content))
        entries = entries[:3] + entries[-1:] if len(entries) > 4 else entries
    else:
        return
    for key, value in entries:
        yield content, key
        yield from _spots(value, depth + 1)
