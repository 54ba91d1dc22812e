# SPDX-License-Identifier: Apache-2.0
"""A `dinopatch watch` that runs, for the tests of it."""

import json
import queue
import signal
import subprocess
import threading
import time

from conftest import DINOPATCH, environment

DEADLINE_S = 60


def wait_for(true):
    """Until a thing is so, which nobody tells."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Watch:
    """One running program; what it prints arrives line by line."""

    def __init__(self, home, *args, **env):
        self.args = [DINOPATCH, "watch", "--json", *map(str, args)]
        self.process = subprocess.Popen(self.args, cwd=home, env=environment(home, **env), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.said, self._got = [], [], queue.Queue()
        self._threads = [threading.Thread(target=self._read, args=(stream, name), daemon=True)
                         for stream, name in ((self.process.stdout, "out"), (self.process.stderr, "err"))]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, name):
        for line in stream:
            self._got.put((name, line))
        self._got.put((name, None))

    def _take(self, deadline):
        try:
            name, line = self._got.get(timeout=max(0.01, deadline - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"nothing more came\n{self}") from None
        assert line is not None, f"it ended\n{self}"
        if name == "err":
            self.said.append(line.rstrip("\n"))
        elif line.startswith("{"):
            self.lines.append(json.loads(line))

    def until_said(self, text):
        deadline = time.monotonic() + DEADLINE_S
        seen = 0
        while not any(text in line for line in self.said[seen:]):
            self._take(deadline)
        return self

    def until(self, n):
        """Until n pictures have been told."""
        deadline = time.monotonic() + DEADLINE_S
        while len(self.lines) < n:
            self._take(deadline)
        return self.lines[n - 1]

    def ready(self):
        return self.until_said("is watched by")

    def send(self, number):
        self.process.send_signal(number)

    def end(self, code=0, number=signal.SIGTERM):
        """Ends it, or waits for its end where number is None; what it printed last is read."""
        if number is not None:
            self.process.send_signal(number)
        for thread in self._threads:
            thread.join(DEADLINE_S)
        assert self.process.wait(DEADLINE_S) == code, str(self)
        while not self._got.empty():
            name, line = self._got.get()
            if line is not None and name == "err":
                self.said.append(line.rstrip("\n"))
            elif line is not None:
                self.lines.append(json.loads(line))
        return self

    @property
    def names(self):
        return [line["input"] for line in self.lines if "input" in line]

    def __str__(self):
        return f"{' '.join(self.args)}\n--- stdout\n" + "\n".join(self.names) + "\n--- stderr\n" + "\n".join(self.said)
