# SPDX-License-Identifier: ISC
"""What the whole-suite tests share: a private instance, messages, and unittest printing TAP."""
import email.message
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent
INSTANCE = TOP / "tests" / "instance"
SHARED = TOP.parent / "shared"
# Set by tests/run-tests for a build with sanitizers, which has no seccomp, needs much memory and is slow.
SANITIZERS = os.environ.get("POSTERN_SANITIZERS") == "1"
SLOWNESS = int(os.environ.get("POSTERN_SLOWNESS", "1"))
WAIT_SECONDS = 60 * SLOWNESS


class Instance:
    """A running Postern in a folder of its own; a context manager."""

    def __init__(self, *options, folder=None):
        self.options = options
        self.owns_folder = folder is None
        self.dir = pathlib.Path(folder or tempfile.mkdtemp(prefix="postern-test-"))
        self.facts = {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if self.owns_folder:
            shutil.rmtree(self.dir, ignore_errors=True)

    def call(self, verb, *words):
        done = subprocess.run([str(INSTANCE), verb, str(self.dir), *words], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise RuntimeError(f"instance {verb}: {done.stderr.strip()}\n{self.log_tail()}")
        return done.stdout

    def start(self, *more):
        self.dir.chmod(0o755)
        out = self.call("start", *self.options, *more)
        self.facts = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def stop(self):
        self.call("stop")

    def port(self, service):
        return int(self.facts[service].rpartition(":")[2])

    @property
    def master(self):
        return int(self.facts["pids"])

    def children(self):
        """pid -> program name of master's children."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:
                continue
            name = text[text.index("(") + 1:text.rindex(")")]
            if int(text[text.rindex(")") + 2:].split()[1]) == self.master:
                found[int(path.parent.name)] = name
        return found

    def maildir(self, user):
        return pathlib.Path(self.facts["mail"]) / user / "Maildir"

    def mails(self, user):
        """The files of the INBOX, as bytes."""
        box = self.maildir(user)
        found = []
        for sub in ("new", "cur"):
            if (box / sub).is_dir():
                for path in sorted((box / sub).iterdir()):
                    try:
                        found.append(path.read_bytes())
                    except FileNotFoundError:
                        pass
        return found

    def wait_for_mails(self, user, count, seconds=WAIT_SECONDS):
        wait_until(lambda: len(self.mails(user)) >= count, seconds,
                   lambda: f"{len(self.mails(user))} of {count} mails for {user}\n{self.log_tail()}")
        return self.mails(user)

    def log(self):
        try:
            return pathlib.Path(self.facts["log"]).read_text(errors="replace")
        except (OSError, KeyError):
            return ""

    def log_tail(self):
        return "\n".join(self.log().splitlines()[-25:])

    def wait_logged(self, pattern):
        """The log program writes on its own time: what a client has seen may be logged a moment later."""
        wait_until(lambda: re.search(pattern, self.log()), describe=lambda: f"{pattern!r} is not in\n{self.log_tail()}")

    def tool(self, name, *words, check=True, **more):
        build = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build")
        done = subprocess.run([str(build / "stage" / "sbin" / name), "-c", self.facts["config"],
                               *words], capture_output=True, text=True, **more)
        if check and done.returncode != 0:
            raise RuntimeError(f"{name} {words}: {done.returncode} {done.stderr}")
        return done

    def queued(self):
        return int(self.call("queued"))


def wait_until(condition, seconds=WAIT_SECONDS, describe=lambda: "condition did not come true"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(describe())
        time.sleep(0.02)


def wrap_daemons(folder, reports, *prefix):
    """A daemon_directory in folder: each program runs under prefix, and what it prints on standard
    error goes to a file of its own in reports, opened before it leaves the file system behind."""
    build = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build").resolve()
    for made in (folder, reports):
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
    reports.chmod(0o1777)       # some tests start daemons as an ordinary user
    for program in (build / "stage" / "libexec").iterdir():
        wrapper = folder / program.name
        words = " ".join(shlex.quote(str(word)) for word in (*prefix, program))
        wrapper.write_text(f"#!/bin/sh\nexec 2>>{shlex.quote(str(reports / program.name))}.$$\n"
                           f"exec {words} \"$@\"\n")
        wrapper.chmod(0o755)


def take_reports(reports, sign):
    """The texts in reports that match sign; all files are removed."""
    found = []
    for path in sorted(reports.glob("*")):
        text = path.read_text(errors="replace")
        if sign.search(text):
            found.append(f"{path.name}: {text}")
        path.unlink()
    return found


def message(subject, sender="u1@example.test", to="u2@example.test", body="Hello.\n", **headers):
    m = email.message.EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, to, subject
    for name, value in headers.items():
        m[name.replace("_", "-")] = value
    m.set_content(body)
    return m


def loose_tls():
    """A TLS context for the instance's self-made certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def have(program):
    return shutil.which(program) is not None


class TapResult(unittest.TestResult):
    def __init__(self, tests):
        super().__init__()
        self.tests = tests
        self.number = 0
        self.faulty = None
        print(f"1..{len(tests)}", flush=True)

    def line(self, word, test, note=""):
        self.number += 1
        print(f"{word} {self.number} - {test.id().split('.', 1)[-1]}{note}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def fault(self, test, err):
        self.line("not ok", test)
        for text in self._exc_info_to_string(err, test).splitlines():
            print(f"#   {text}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fault(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        if not isinstance(test, unittest.TestCase):     # setUpClass: its tests do not run
            print(f"Bail out! {test}", flush=True)
        self.fault(test, err)

    def addSubTest(self, test, subtest, err):
        """The test itself gets neither success nor failure then: its line comes with the first fault."""
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        if test is not self.faulty:
            self.line("not ok", test)
        self.faulty = test
        for text in [str(subtest), *self._exc_info_to_string(err, test).splitlines()]:
            print(f"#   {text}", flush=True)

    def addSkip(self, test, reason):
        """A class that cannot be set up skips each of its tests."""
        skipped = [test]
        if not isinstance(test, unittest.TestCase):
            skipped = [t for t in self.tests if type(t).__qualname__ in test.id()]
        for t in skipped:
            self.line("ok", t, f" # SKIP {reason}")


def needs_peers(thing):
    """A test, or a class of them, that wants Debian's Postfix or Dovecot beside us: part of the suite
    only when ./runtests --peers has installed them."""
    thing.needs_peers = True
    return thing


def wants_peers(test):
    method = getattr(test, getattr(test, "_testMethodName", ""), None)
    return getattr(test, "needs_peers", False) or getattr(method, "needs_peers", False)


def main():
    groups = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    tests = [t for group in groups for t in group]
    if not os.environ.get("POSTERN_PEERS"):
        tests = [t for t in tests if not wants_peers(t)]
    if sys.argv[1:]:
        tests = [t for t in tests if any(w in t.id() for w in sys.argv[1:])]
    suite = unittest.TestSuite(tests)
    result = TapResult(tests)
    suite.run(result)
    sys.exit(not result.wasSuccessful())
