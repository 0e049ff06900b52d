# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts the programs of docs/examples, follows what they print, and ends them as a user does."""
import atexit
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.environ["WEIR_SOURCE_ROOT"]
# Everything waits for what it expects, so a slow machine only takes longer.
PATIENCE_S = 30
SKIPPED = 77


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def tool_env():
    """For programs that are built without a sanitizer and load the plugin, which may have one: it wants that loaded first. Leaks are
    the tracer's affair: the sanitizer's search dies of threads that are ending."""
    return dict(os.environ, LD_PRELOAD=os.environ.get("WEIR_PRELOAD", ""), GST_REGISTRY_FORK="no",
                ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")


def require_elements(*names):
    for name in names:
        if subprocess.run(["gst-inspect-1.0", "--exists", name], env=tool_env(), check=False).returncode:
            skip(f"no element {name}")


def gi_python(*namespaces):
    """An interpreter that has gi and these namespaces. The one that runs the suites may be none of the system's."""
    code = "import gi\n" + "".join(f"gi.require_version({name!r}, '1.0')\n" for name in namespaces)
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return python
    skip(f"no Python with gi and {', '.join(namespaces)}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A running program. Its lines are kept as (seconds, text), those of standard output in `lines`, the others in `log`."""

    def __init__(self, *command, traces_leaks=True):
        command = [os.path.abspath(command[0]), *command[1:]]
        self.folder = tempfile.TemporaryDirectory()
        # plugins are looked at in the program itself: the scanner of the system has no sanitizer
        env = tool_env()
        if "python" not in command[0]:
            env["LD_PRELOAD"] = os.environ.get("LD_PRELOAD", "")
        self.leaks = os.path.join(self.folder.name, "leaks") if traces_leaks else None
        if self.leaks:
            env.update(GST_TRACERS="leaks", GST_DEBUG="GST_TRACER:7", GST_DEBUG_FILE=self.leaks, GST_DEBUG_NO_COLOR="1")
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, text=True, bufsize=1, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        atexit.register(self.process.kill)
        self.changed = threading.Condition()
        self.lines, self.log, self.n_open = [], [], 2
        self.readers = [threading.Thread(target=self.follow, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.log))]
        for reader in self.readers:
            reader.start()

    def follow(self, file, into):
        for line in file:
            with self.changed:
                into.append((time.monotonic(), line.rstrip("\n")))
                self.changed.notify_all()
        with self.changed:
            self.n_open -= 1
            self.changed.notify_all()

    def fail(self, why):
        self.process.kill()
        tail = "\n".join(text for _, text in self.log[-40:])
        sys.exit(f"{why}\n{len(self.lines)} lines, the last: {self.lines[-3:]}\n{tail}")

    def wait(self, what, is_there):
        """Until is_there() gives something true, which is returned."""
        deadline = time.monotonic() + PATIENCE_S
        with self.changed:
            while not (found := is_there()):
                if self.n_open == 0 or not self.changed.wait(deadline - time.monotonic()):
                    self.fail(f"waited in vain for {what}")
            return found

    def wait_log(self, pattern, after=0):
        """The number of the line behind the first one, from number `after` on, that matches."""
        return self.wait(f"{pattern!r} on standard error", lambda: next(
            (i + 1 for i, (_, text) in enumerate(self.log) if i >= after and re.search(pattern, text)), None))

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        self.expect_exit(0)

    def expect_exit(self, status):
        try:
            got = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.fail("it did not end")
        for reader in self.readers:
            reader.join(PATIENCE_S)
        if got != status:
            self.fail(f"exit status {got}, expected is {status}")
        bad = [text for _, text in self.log if "CRITICAL" in text or "WARNING **" in text]
        if bad:
            self.fail(f"warnings: {bad[:5]}")
        if self.leaks:
            self.expect_nothing_alive()

    def expect_nothing_alive(self):
        with open(self.leaks, encoding="utf-8", errors="replace") as file:
            text = file.read()
        alive = re.findall(r"^(?!.*new format string).*(object-alive, .*)", text, re.MULTILINE)
        if "object-alive.class" not in text:
            self.fail("the leaks tracer did not run")
        if alive:
            self.fail(f"{len(alive)} objects alive:\n" + "\n".join(alive[:20]))


def expect_steady(frames, step_ns, longest_pause_s):
    """Frames as (arrival in seconds, PTS): none is missing, and they never stop coming."""
    for (before_s, before_ns), (now_s, now_ns) in zip(frames, frames[1:]):
        assert abs(now_ns - before_ns - step_ns) <= 1, f"from {before_ns} to {now_ns} ns, expected are {step_ns} ns"
        assert now_s - before_s <= longest_pause_s, f"a pause of {now_s - before_s:.1f} s at {before_ns} ns"
