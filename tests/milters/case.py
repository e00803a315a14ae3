# SPDX-License-Identifier: ISC
"""What the tests of milters share: one mail server a class with its filters, and messages through it."""
import contextlib
import email
import email.policy
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from milters.mtas import make_certificate
from posterntest import wait_until
from smtpd_test import Client

PYTHON = "/usr/bin/python3"     # the one that has Debian's modules
RECORDER = pathlib.Path(__file__).with_name("recorder.py")
NUMBERS = itertools.count(1)
OF_DELIVERY = ("return-path", "x-original-to", "delivered-to")


def has_python_milter():
    return subprocess.run([PYTHON, "-c", "import Milter"], capture_output=True).returncode == 0


def listens(socket):
    """Somebody at unix:PATH or inet:PORT@HOST, as libmilter writes it."""
    kind, _, where = socket.partition(":")
    if kind == "unix":      # flags: __SO_ACCEPTCON
        return any(line.endswith(f" {where}") and line.split()[3] == "00010000"
                   for line in pathlib.Path("/proc/net/unix").read_text().splitlines())
    return f":{int(where.partition('@')[0]):04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text()


class Recorder:
    """recorder.py as a process."""

    def __init__(self, folder, name, socket, *options):
        self.socket, self.options = socket, options
        self.record, self.orders = folder / f"{name}.record", folder / f"{name}.orders"
        self.mark = 0
        self.record.touch()
        self.order()
        self.log = open(folder / f"{name}.log", "wb")
        self.start()

    def start(self):
        kind, _, where = self.socket.partition(":")
        if kind == "unix":
            pathlib.Path(where).unlink(missing_ok=True)
        self.process = subprocess.Popen([PYTHON, str(RECORDER), self.socket, str(self.record), str(self.orders),
                                         *self.options], stdout=self.log, stderr=self.log)

    def wait(self):
        """Until it listens."""
        wait_until(lambda: listens(self.socket) or self.process.poll() is not None)
        assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.log.close()

    def order(self, **stages):
        """What to do from the next MAIL on, and forget what was recorded."""
        new = self.orders.with_suffix(".new")
        new.write_text(json.dumps(stages))
        new.rename(self.orders)
        self.mark = self.record.stat().st_size

    def events(self):
        """Since the last order: (what, arguments, macros)."""
        with open(self.record, encoding="utf-8", errors="surrogateescape") as f:
            f.seek(self.mark)
            rows = [json.loads(line) for line in f.read().splitlines()]
        return [(r["what"], r["arguments"], r["macros"]) for r in rows]

    def names(self):
        """Of the events but negotiations and ends of connections, which are not those of sessions."""
        return [what for what, *_ in self.events() if what not in ("negotiate", "close")]

    def seen(self, what):
        """The last event of this name: arguments and macros."""
        return [(arguments, macros) for found, arguments, macros in self.events() if found == what][-1]

    def headers(self):
        return [arguments for what, arguments, _ in self.events() if what == "header"]


class Filtered:
    """Mixed with unittest.TestCase.  MTA: Ours or Reference.  prepare() starts filters; services() says who uses them."""
    MTA = None
    HAS_TLS = False

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-milters-"))
        cls.stack.callback(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.dir.chmod(0o755)
        cls.prepare()
        settings = {"milter_default_action": "tempfail", "smtpd_milters": "", "non_smtpd_milters": "",
                    **cls.settings()}
        certificate = make_certificate(cls.dir) if cls.HAS_TLS else None
        cls.mta = cls.stack.enter_context(cls.MTA(cls.services(), settings, certificate))

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def settings(cls):
        return {}

    @classmethod
    def services(cls):
        return {}

    @classmethod
    def add_recorder(cls, name, *options, socket=None):
        recorder = Recorder(cls.dir, name, socket or f"unix:{cls.dir}/{name}.sock", *options)
        cls.stack.callback(recorder.close)
        return recorder

    # ---- messages ----

    def client(self, service, **how):
        client = Client(self.mta.ports[service], **how)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def word():
        return f"w{next(NUMBERS)}x{time.monotonic_ns()}"

    @staticmethod
    def message(word, *fields, body="Hello.\r\n"):
        lines = ["From: Ann <u1@example.test>", "To: u2@example.test", f"Subject: {word}",
                 f"Message-ID: <{word}@client.test>", "Date: Sat, 28 Nov 2026 12:00:00 +0000", *fields]
        return "".join(f"{line}\r\n" for line in lines) + f"\r\n{body}.\r\n"

    def mail(self, service, *fields, body="Hello.\r\n", to=("u2@example.test",), sender="u1@example.test", word=None):
        """One message in a session of its own; its word, and the last reply."""
        word = word or self.word()
        with self.client(service) as c:
            replies = c.envelope(sender, *to)
            if any(r[0] != "2" for r in replies):
                return word, next(r for r in replies if r[0] != "2")
            reply = c.data(self.message(word, *fields, body=body))
            c.say("QUIT")
        return word, reply

    def refused_or_taken(self, client, word):
        """The first reply that is a refusal, and what it was to; else that to the message."""
        for name, line in (("mail", "MAIL FROM:<u1@example.test>"), ("rcpt", "RCPT TO:<u2@example.test>"),
                           ("data", "DATA")):
            reply = client.say(line)
            if reply[0] not in "23":
                return name, reply
        client.send(self.message(word))
        return "end", client.reply()

    def found(self, user, word):
        return [m for m in self.mta.mails(user) if word.encode() in m]

    def arrived(self, user, word):
        """The one message of user's with this word in it."""
        wait_until(lambda: self.found(user, word), 60, self.mta.log_tail)
        found = self.found(user, word)
        self.assertEqual(len(found), 1)
        return found[0]

    def delivered(self, service, *fields, user="u2", **more):
        word, reply = self.mail(service, *fields, **more)
        self.assertEqual(reply[:3], "250", reply + "\n" + self.mta.log_tail())
        return self.arrived(user, word)

    def logged(self, pattern):
        wait_until(lambda: re.search(pattern, self.mta.log()), 20, lambda: f"{pattern}\n{self.mta.log_tail()}")
        return re.search(pattern, self.mta.log())


def fields_of(mail):
    """(name, value) as they stand in a stored message, folds joined by a LF; without those of the delivery."""
    head = mail.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "surrogateescape")
    fields = []
    for line in head.split("\n"):
        if line[0] in " \t":
            fields[-1] = fields[-1][0], fields[-1][1] + "\n" + line
        else:
            name, _, value = line.partition(":")
            fields.append((name, value))
    while fields[0][0].lower() in OF_DELIVERY:
        del fields[0]
    return fields


def values_of(mail, name):
    return [value for found, value in fields_of(mail) if found.lower() == name.lower()]


def body_of(mail):
    return mail.replace(b"\r\n", b"\n").partition(b"\n\n")[2].decode("latin-1")


def results_of(mail):
    """Authentication-Results, unfolded."""
    parsed = email.message_from_bytes(mail, policy=email.policy.compat32)
    return [" ".join(v.split()) for v in parsed.get_all("Authentication-Results", [])]
