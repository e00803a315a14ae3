#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""smtpd and its milters: programs on Debian's libmilter, the ones mail hosts run, and some that mean harm."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from posterntest import SLOWNESS, TOP, Instance, free_port, have, main, wait_until
from smtpd_test import BUILD, Client, Hosted

LIBMILTER_PYTHON = "/usr/bin/python3"       # Debian's, which has python3-milter
STAGES = {"negotiate": "O", "connect": "C", "helo": "H", "mail": "M", "rcpt": "R", "data": "T", "header": "L",
          "eoh": "N", "body": "B", "eom": "E"}


def has_libmilter():
    return subprocess.run([LIBMILTER_PYTHON, "-c", "import Milter"], capture_output=True).returncode == 0


def scratch(test):
    """A folder that any program may enter; gone after the test (or class)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-milter-"))
    folder.chmod(0o755)
    (test.addClassCleanup if isinstance(test, type) else test.addCleanup)(shutil.rmtree, folder, True)
    return folder


def start(test, command, ready, **more):
    """A program that the test ends again; ready() tells when it serves."""
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             **more)

    def stop():
        child.terminate()
        try:
            child.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()

    (test.addClassCleanup if isinstance(test, type) else test.addCleanup)(stop)
    wait_until(lambda: ready() or child.poll() is not None, 60 * SLOWNESS)
    if child.poll() is not None:
        raise RuntimeError(f"{command[0]} ended: {child.stderr.read().decode()}")
    return child


def logged(host, pattern):
    wait_until(lambda: re.search(pattern, host.log()), 30 * SLOWNESS, host.log_tail)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Recorder:
    """tests/recording_milter.py under way."""

    def __init__(self, test, unix=False):
        self.folder = scratch(test)
        self.plan()
        if unix:
            path = self.folder / "socket"
            self.endpoint, where = f"unix:{path}", f"unix:{path}"
        else:
            port = free_port()
            self.endpoint, where = f"inet:127.0.0.1:{port}", f"inet:{port}@127.0.0.1"
        start(test, [LIBMILTER_PYTHON, TOP / "tests" / "recording_milter.py", where, self.folder],
              (lambda: path.is_socket()) if unix else (lambda: answers(port)))
        if unix:
            path.chmod(0o666)       # master connects, with no more rights than it needs

    def plan(self, **wanted):
        (self.folder / "new").write_text(json.dumps(wanted))
        (self.folder / "new").rename(self.folder / "plan")

    def forget(self):
        (self.folder / "record").write_text("")

    def record(self):
        """[session, callback, arguments, macros] of each callback so far."""
        try:
            return [json.loads(line) for line in (self.folder / "record").read_text().splitlines()]
        except OSError:
            return []

    def calls(self, name=None):
        return [row for row in self.record() if name in (None, row[1])]


class FakeMilter(threading.Thread):
    """A milter that speaks the protocol by hand, and at 'stage' does 'deed' instead."""

    def __init__(self, test, stage=None, deed=None, port=0):
        super().__init__(daemon=True)
        self.stage, self.deed = stage, deed
        self.listener = socket.create_server(("127.0.0.1", port), backlog=500)
        self.port = self.listener.getsockname()[1]
        self.connections = self.sessions = self.open = 0
        self.seen = []
        self.ended = threading.Event()
        self.start()
        (test.addClassCleanup if isinstance(test, type) else test.addCleanup)(self.stop)

    @property
    def endpoint(self):
        return f"inet:127.0.0.1:{self.port}"

    def stop(self):
        if not self.ended.is_set():
            self.ended.set()
            self.listener.shutdown(socket.SHUT_RDWR)    # wakes who waits in accept
            self.join()
            self.listener.close()

    def run(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                connection.settimeout(120)
                while self.answer(connection):
                    pass
        except (OSError, ValueError):
            pass
        self.open -= 1

    @staticmethod
    def read(connection, count):
        data = b""
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                raise ValueError
            data += piece
        return data

    def answer(self, connection):
        length, = struct.unpack(">I", self.read(connection, 4))
        data = self.read(connection, length)
        letter = data[:1].decode()
        self.seen.append(data)
        self.sessions += letter == "C"
        if letter in "DAK":
            return True
        if letter == "Q":
            return False
        if self.stage and STAGES[self.stage] == letter:
            return self.misbehave(connection)
        reply = b"O" + struct.pack(">III", 6, 0x1ff, 0) if letter == "O" else b"c"
        connection.sendall(struct.pack(">I", len(reply)) + reply)
        return True

    def misbehave(self, connection):
        if self.deed == "hang":
            self.ended.wait(100)
        elif self.deed == "garbage":
            connection.sendall(b"220 smtp.example.org ESMTP\r\n" * 100)
        elif self.deed == "huge":
            connection.sendall(struct.pack(">I", 0x7fffffff) + b"b" + b"x" * 1000000)
        elif self.deed == "busy":
            while not self.ended.wait(0.1):
                connection.sendall(b"\0\0\0\1p")
        return False


# ---- a milter on Debian's libmilter ----

@unittest.skipUnless(has_libmilter(), "no python3-milter")
class Recorded(Hosted):
    """Two milters, one after the other, by TCP and by a UNIX socket."""

    @classmethod
    def setUpClass(cls):
        cls.first, cls.second = Recorder(cls), Recorder(cls, unix=True)
        cls.OPTIONS = (f"main.smtpd_milters={cls.first.endpoint}, {{ {cls.second.endpoint}, command_timeout=20s }}",
                       f"main.non_smtpd_milters={cls.second.endpoint}", "main.local_header_rewrite_clients=",
                       "main.milter_default_action=tempfail")
        super().setUpClass()

    def setUp(self):
        for milter in (self.first, self.second):
            milter.plan()
            milter.forget()

    def send(self, text="", head="", recipients=("u2@example.test",), sender="u1@example.test", body=None):
        """A message with a word of its own: the word, and the answer to it."""
        word = self.word()
        with self.client() as c:
            for answer in c.envelope(sender, *recipients):
                if answer[0] != "2":
                    return word, answer
            return word, c.data(f"{head}Subject: {word}\r\n\r\n{body if body is not None else text + chr(13) + chr(10)}.\r\n")

    def test_every_callback_in_its_order(self):
        with self.client() as c:
            self.assertEqual(c.say("AUTH PLAIN AHUxAHNlY3JldA==")[:3], "235")
            self.assertEqual(c.say("MAIL FROM:<u1@example.test> SIZE=100 BODY=8BITMIME")[:3], "250")
            self.assertEqual(c.say("RCPT TO:<u2@example.test> NOTIFY=NEVER")[:3], "250")
            self.assertEqual(c.say("FROB nicate")[:3], "502")
            self.assertEqual(c.say("RCPT TO:<u3@example.test>")[:3], "250")
            self.assertEqual(c.data("From: u1@example.test\r\nSubject: a\r\n\tfolded\r\n\r\n..dot\r\n.\r\n")[:3], "250")
            self.assertEqual(c.say("MAIL FROM:<u1@example.test>")[:3], "250")
            self.assertEqual(c.say("RSET")[:3], "250")
            self.assertEqual(c.say("QUIT")[:3], "221")
        for milter in (self.first, self.second):
            wait_until(lambda m=milter: m.calls("close"))
            rows = milter.record()
            self.assertEqual([row[1] for row in rows],
                             ["connect", "hello", "envfrom", "envrcpt", "unknown", "envrcpt", "data"] + ["header"] * 4 +
                             ["eoh", "body", "eom", "envfrom", "abort", "close"])
            self.assertEqual(rows[0][2][0], "localhost")
            self.assertEqual(rows[0][2][2][0], "127.0.0.1")
            self.assertEqual(rows[1][2], ["client.test"])
            self.assertEqual([w.lower() for w in rows[2][2]], ["<u1@example.test>", "size=100", "body=8bitmime"])
            self.assertEqual([w.lower() for w in rows[3][2]], ["<u2@example.test>", "notify=never"])
            self.assertEqual(rows[4][2], ["FROB nicate"])
            self.assertEqual([row[2] for row in rows[7:9]], [["From", "u1@example.test"], ["Subject", "a\n\tfolded"]])
            self.assertEqual([row[2][0] for row in rows[9:11]], ["Message-ID", "Date"])     # what a user's mail lacks
            self.assertEqual(rows[12][2], [".dot\r\n"])

    def test_macros_of_each_stage(self):
        with self.client() as c:
            c.say("AUTH PLAIN AHUxAHNlY3JldA==")
            c.mail("u2@example.test", text=self.word())
        wait_until(lambda: self.first.calls("eom"))
        rows = {row[1]: row[3] for row in self.first.record()}
        connect = rows["connect"]
        self.assertEqual(connect["j"], "mx.example.test")
        self.assertEqual(connect["{daemon_name}"], "mx.example.test")
        self.assertEqual(connect["{daemon_addr}"], "127.0.0.1")
        self.assertEqual(connect["_"], "localhost [127.0.0.1]")
        self.assertRegex(connect["v"], r"^Postern \d")
        self.assertNotIn("i", connect)
        mail = rows["envfrom"]
        self.assertEqual((mail["{auth_type}"], mail["{auth_authen}"]), ("PLAIN", "u1@example.test"))
        self.assertEqual((mail["{mail_addr}"], mail["{mail_host}"], mail["{mail_mailer}"]),
                         ("u1@example.test", "example.test", "virtual"))
        self.assertEqual([rows["envrcpt"][f"{{rcpt_{k}}}"] for k in ("addr", "host", "mailer")],
                         ["u2@example.test", "example.test", "virtual"])
        self.assertNotIn("i", rows["envrcpt"])
        queue_id = rows["data"]["i"]
        self.assertTrue(all(rows[stage]["i"] == queue_id for stage in ("header", "eoh", "body", "eom")))
        self.logged(f"{queue_id}: client=")

    def test_headers_are_added_changed_and_removed(self):
        self.first.plan(changes=[["addheader", "X-End", "e\n\tfolded"], ["addheader", "X-Top", "t", 0],
                                 ["addheader", "X-Under", "u", 2], ["chgheader", "X-A", 2, "changed"],
                                 ["chgheader", "X-A", 1, None], ["chgheader", "Received", 1, ""],
                                 ["chgheader", "X-Missing", 1, "made"]])
        word, answer = self.send(head="Received: from elsewhere\r\nX-A: 1\r\nX-A: 2\r\nX-A: 3\r\n")
        self.assertEqual(answer[:3], "250")
        head = self.arrived("u2", word).decode().partition("\r\n\r\n")[0].split("\r\n")[3:]
        self.assertEqual(head[0], "X-Top: t")
        self.assertRegex(head[1], "^Received: from client.test")
        self.assertEqual(head[4:], ["X-Under: u", "X-A: changed", "X-A: 3", f"Subject: {word}", "X-End: e", "\tfolded",
                                    "X-Missing: made"])
        # The second saw it so.
        self.assertEqual([row[2][0] for row in self.second.calls("header")],
                         ["X-Top", "X-Under", "X-A", "X-A", "Subject", "X-End", "X-Missing"])

    def test_values_keep_their_blanks_where_the_milter_wants_them(self):
        self.first.plan(leading=True, noreply=["header", "body"], changes=[["addheader", "X-None", "v"], ["addheader", "X-Two", "  v"]])
        # What was negotiated holds for the connections that are open: wait until these are gone.
        with Instance("users=3", f"main.smtpd_milters={self.first.endpoint}") as host, Client(host.port("smtp")) as c:
            self.assertEqual(c.mail("u2@example.test", text="blanks", head="X-B:  two\r\nX-T:\ttab\r\nX-N:none\r\n")[:3], "250")
            mail = host.wait_for_mails("u2", 1)[0]
        self.assertIn(b"\r\nX-None:v\r\nX-Two:  v\r\n", mail)
        values = {name: value for name, value in (row[2] for row in self.first.calls("header"))}
        self.assertEqual([values[k] for k in ("X-B", "X-T", "X-N")], ["  two", "\ttab", "none"])

    def test_the_body_is_replaced(self):
        self.first.plan(changes=[["replacebody", "new\nlines\r\nno end", 1]])
        word, answer = self.send(text="old")
        self.assertEqual(answer[:3], "250")
        self.assertTrue(self.arrived("u2", word).endswith(b"\r\n\r\nnew\r\nlines\r\nno end\r\n"))
        self.assertEqual([row[2] for row in self.second.calls("body")], [["new\r\nlines\r\nno end\r\n"]])

    def test_recipients_and_sender_are_changed(self):
        self.first.plan(changes=[["addrcpt", "<u4@example.test>"], ["addrcpt", "<u5@example.test>", "NOTIFY=NEVER"],
                                 ["delrcpt", "<u2@example.test>"], ["chgfrom", "<other@far.test>"],
                                 ["addrcpt", "<nobody@example.test>"]])
        word, answer = self.send(recipients=("u2@example.test", "u3@example.test"))
        self.assertEqual(answer[:3], "250")
        for user in ("u3", "u4", "u5"):
            self.assertTrue(self.arrived(user, word).startswith(b"Return-Path: <other@far.test>\r\n"))
        # One that does not exist is the queue's to return, not ours to refuse.
        self.logged(r"to=<nobody@example.test>.*status=bounced")
        self.assertEqual(self.found("u2", word), [])

    def test_without_recipients_it_is_gone(self):
        self.first.plan(changes=[["delrcpt", "<u2@example.test>"]])
        _, answer = self.send()
        self.assertEqual(answer[:9], "250 2.0.0")
        queue_id = answer.split()[-1]
        self.logged(f"cleanup.*{queue_id}: milter-discard: END-OF-MESSAGE from .*: milter left no recipient")
        self.assertEqual(self.host.queued(), 0)

    def test_refusals_at_each_stage(self):
        """What the client is told, and the line of the log."""
        what = ["550", "5.7.9", "not this"]
        for callback, stage in (("connect", "CONNECT"), ("hello", "EHLO"), ("envfrom", "MAIL"), ("envrcpt", "RCPT"),
                                ("data", "DATA"), ("header", "END-OF-MESSAGE"), ("eoh", "END-OF-MESSAGE"),
                                ("body", "END-OF-MESSAGE"), ("eom", "END-OF-MESSAGE")):
            with self.subTest(callback):
                self.first.plan(**{callback: what})
                word, answer = self.send()
                self.assertEqual(answer, "550 5.7.9 not this")
                code = "" if stage == "END-OF-MESSAGE" else "550 "
                to = "to=<u2@example.test> " if stage in ("RCPT", "END-OF-MESSAGE") else ""
                self.logged(rf"(NOQUEUE|\w+): milter-reject: {stage} from localhost\[127\.0\.0\.1\]: {code}5\.7\.9 not this; "
                            rf"from=<u1@example\.test> {to}proto=ESMTP helo=<client\.test>")
        self.first.plan(envfrom=["451", "4.7.1", "one", "two"])
        self.assertEqual(self.send()[1], "451-4.7.1 one\n451 4.7.1 two")
        self.first.plan(eom="reject")
        self.assertEqual(self.send()[1], "550 5.7.1 Command rejected")
        self.first.plan(eom="tempfail")
        word, answer = self.send()
        self.assertEqual(answer, "451 4.7.1 Service unavailable - try again later")
        self.assertEqual(self.found("u2", word), [])

    def test_after_a_refusal_the_session_goes_on(self):
        word = self.word()
        with self.client() as c:
            self.first.plan(envrcpt=["550", "5.7.9", "not him"])
            self.assertEqual([a[:3] for a in c.envelope("u1@example.test", "u2@example.test")], ["250", "550"])
            self.first.plan(eom=["550", "5.7.9", "no"])
            self.assertEqual(c.say("RCPT TO:<u2@example.test>")[:3], "250")
            self.assertEqual(c.data(f"Subject: {word}\r\n\r\nx\r\n.\r\n")[:3], "550")
            self.first.plan(data="tempfail")
            c.envelope("u1@example.test", "u2@example.test")
            self.assertEqual(c.say("DATA")[:3], "451")
            self.first.plan()
            self.assertEqual(c.mail("u2@example.test", text=word)[:3], "250")
        self.arrived("u2", word)

    def test_accepted_discarded_quarantined(self):
        self.first.plan(envfrom="accept", eom="reject")
        word, answer = self.send()
        self.assertEqual(answer[:3], "250")
        self.arrived("u2", word)
        self.assertEqual([row[1] for row in self.first.record() if row[1] not in ("abort", "close")],
                         ["connect", "hello", "envfrom"])

        self.first.plan(envrcpt="discard")
        word, answer = self.send()
        self.assertEqual(answer[:3], "250")
        self.logged(r"milter-discard: RCPT from localhost\[127\.0\.0\.1\]: milter triggers DISCARD action;")
        self.assertEqual(self.found("u2", word), [])

        self.first.plan(changes=[["quarantine", "looks odd"], ["addheader", "X-Odd", "yes"]])
        word, answer = self.send()
        self.assertEqual(answer[:3], "250")
        queue_id = answer.split()[-1]
        self.logged(f"cleanup.*{queue_id}: milter-hold: END-OF-MESSAGE from .*: milter triggers HOLD action: looks odd;")
        self.assertIn(f"{queue_id}!", self.host.tool("postqueue", "-p").stdout)
        # The milter behind it was asked all the same.
        self.assertEqual(len([r for r in self.second.calls("header") if r[2][0] == "X-Odd"]), 1)
        self.host.tool("postsuper", "-H", queue_id)
        self.arrived("u2", word)

    def test_results_travel_to_later_milters(self):
        self.first.plan(changes=[["addheader", "Authentication-Results", "mx.example.test;\n\tspf=pass", 0]])
        word, _ = self.send(head="Authentication-Results: mx.example.test; spf=forged\r\n")
        self.arrived("u2", word)
        self.assertEqual(self.second.calls("eom")[0][3]["{auth_results}"], "mx.example.test; spf=pass")
        self.assertNotIn("{auth_results}", self.first.calls("eom")[0][3])

    def sendmail(self, text):
        return subprocess.run([BUILD / "stage" / "sbin" / "sendmail", "-C", self.host.facts["config"], "u2@example.test"],
                              input=text, capture_output=True, text=True, timeout=60)

    def test_local_mail_has_milters_of_its_own(self):
        word = self.word()
        self.second.plan(changes=[["addheader", "X-Local", "yes"]])
        self.sendmail(f"Subject: {word}\n\nx\n")
        self.assertIn(b"\r\nX-Local: yes\r\n", self.arrived("u2", word))
        self.assertEqual(self.first.record(), [])
        self.assertEqual(self.second.calls("connect")[0][2], ["localhost", 2, ["127.0.0.1", 0]])
        self.second.plan(eom=["550", "5.7.9", "not from here"])
        self.assertNotEqual(self.sendmail("Subject: x\n\nx\n").returncode, 0)

    def test_a_large_message(self):
        lines = "0123456789abcdefghijklmnopqrstuvwxyz0123456789\r\n" * 110000      # 5 MB
        self.first.plan(changes=[["addheader", "X-Scanned", "yes", 0], ["chgheader", "X-Old", 1, ""]])
        word, answer = self.send(head="X-Old: 1\r\n", body=lines)
        self.assertEqual(answer[:3], "250")
        mail = self.arrived("u2", word)
        self.assertTrue(mail.split(b"\r\n", 3)[3].startswith(b"X-Scanned: yes\r\nReceived: "))
        self.assertNotIn(b"X-Old", mail)
        self.assertTrue(mail.endswith(b"\r\n\r\n" + lines.encode()))
        for milter in (self.first, self.second):
            chunks = [row[2][0] for row in milter.calls("body")]
            self.assertEqual("".join(chunks), lines)
            self.assertTrue(all(len(chunk) == 65535 for chunk in chunks[:-1]))
        wait_until(lambda: self.host.queued() == 0, 30, self.host.log_tail)

        # ... becomes small, and a small one large.
        self.first.plan(changes=[["replacebody", "small\r\n", 1]])
        word, answer = self.send(body=lines)
        self.assertTrue(self.arrived("u2", word).endswith(b"\r\n\r\nsmall\r\n"))
        self.first.plan(changes=[["replacebody", "large body of a milter\r\n", 220000]])
        word, answer = self.send(text="tiny")
        self.assertTrue(self.arrived("u2", word).endswith(b"\r\n\r\n" + b"large body of a milter\r\n" * 220000))

    def test_a_milter_that_answers_little(self):
        self.first.plan(noreply=["connect", "hello", "envfrom", "envrcpt", "data", "header", "eoh", "body"],
                        nocallback=[], changes=[["addheader", "X-Quiet", "yes"]])
        self.second.plan(nocallback=["connect", "hello", "envfrom", "envrcpt", "data", "header", "eoh", "body"],
                         changes=[["addheader", "X-Blind", "yes"]])
        with Instance("users=3", f"main.smtpd_milters={self.first.endpoint} {self.second.endpoint}") as host:
            with Client(host.port("smtp")) as c:
                for k in range(3):
                    self.assertEqual(c.mail("u2@example.test", text=f"quiet {k}")[:3], "250")
            mails = host.wait_for_mails("u2", 3)
        for mail in mails:
            self.assertIn(b"\r\nX-Quiet: yes\r\nX-Blind: yes\r\n", mail)
        self.assertEqual(len(self.first.calls("body")), 3)
        self.assertEqual([row[1] for row in self.second.record() if row[1] not in ("abort", "close")], ["eom"] * 3)

    def test_old_protocols(self):
        for version in (2, 3, 4, "6 no_header_reply"):
            with self.subTest(version):
                self.setUp()
                self.first.plan(changes=[["addheader", "X-Old", str(version)]])
                with Instance("users=3", f"main.smtpd_milters={{ {self.first.endpoint}, {{ protocol = {version} }} }}") as host:
                    with Client(host.port("smtp")) as c:
                        c.envelope("u1@example.test", "u2@example.test")
                        c.say("FROB")
                        self.assertEqual(c.data("Subject: x\r\n\r\nx\r\n.\r\n")[:3], "250")
                    self.assertIn(b"X-Old: ", host.wait_for_mails("u2", 1)[0])
                seen = {row[1] for row in self.first.record()}
                self.assertEqual("data" in seen, str(version)[0] in "46")
                self.assertEqual("unknown" in seen, str(version)[0] in "46")


# ---- who costs what ----

class Costs(Hosted):
    @classmethod
    def setUpClass(cls):
        cls.milter = FakeMilter(cls)
        cls.OPTIONS = (f"main.smtpd_milters={cls.milter.endpoint}", "main.milter_connection_idle_time=2s")
        super().setUpClass()

    def test_idle_clients_cost_no_connection(self):
        before = self.milter.connections
        clients = [self.client() for _ in range(50)]
        for c in clients:
            self.assertEqual(c.say("NOOP")[:3], "250")
        self.assertEqual(self.milter.connections, before)
        # Nor does one that goes idle after its mail.
        self.assertEqual(clients[0].mail("u2@example.test", text=self.word())[:3], "250")
        sessions = self.milter.sessions
        wait_until(lambda: self.milter.open == 0, 20 * SLOWNESS, lambda: f"{self.milter.open} connections")
        self.assertEqual(clients[0].mail("u2@example.test", text=self.word())[:3], "250")
        self.assertEqual(self.milter.sessions, sessions + 1)

    def test_connections_are_used_for_one_session_after_another(self):
        connections, sessions = self.milter.connections, self.milter.sessions
        for _ in range(20):
            with self.client() as c:
                self.assertEqual(c.mail("u2@example.test", text=self.word())[:3], "250")
                c.say("QUIT")
        self.assertEqual(self.milter.sessions - sessions, 20)
        self.assertLessEqual(self.milter.connections - connections, (os.cpu_count() or 1) * 2)
        self.assertTrue(any(data[:1] == b"K" for data in self.milter.seen))

    def test_a_milter_may_be_restarted_meanwhile(self):
        milter = FakeMilter(self)
        with Instance("users=3", f"main.smtpd_milters={milter.endpoint}", "main.milter_default_action=tempfail") as host:
            for k in range(6):
                with Client(host.port("smtp")) as c:
                    self.assertEqual(c.mail("u2@example.test", text=f"restarted {k}")[:3], "250")
                    c.say("QUIT")
                if k == 2:
                    milter.stop()
                    milter.stage, milter.deed = "connect", "close"      # what is open ends at its next use
                    FakeMilter(self, port=milter.port)
            host.wait_for_mails("u2", 6)


# ---- milters that mean harm ----

class Hostile(unittest.TestCase):
    ACTIONS = {"accept": "250", "reject": "550", "tempfail": "451", "quarantine": "250", "shutdown": "421"}

    def outcome(self, host, milter, timeout=30):
        """The code that ends a message, and how long it took."""
        begun = time.monotonic()
        with Client(host.port("smtp")) as c:
            answer = c.mail("u2@example.test", text="harm")
            return answer[:3], time.monotonic() - begun, (c.say("NOOP")[:3] if answer[:3] != "421" else c.reply())

    def test_each_misdeed_at_each_stage(self):
        """All of them where the client is to come again, a choice of them for the other actions."""
        for action, code in self.ACTIONS.items():
            milter = FakeMilter(self)
            deeds = [("negotiate", "garbage"), ("rcpt", "hang"), ("eom", "close"), ("eom", "huge")]
            if action == "tempfail":
                deeds = [(stage, deed) for stage in STAGES for deed in ("hang", "close", "garbage", "huge")]
            with Instance("users=3", f"main.smtpd_milters={milter.endpoint}", f"main.milter_default_action={action}",
                          "main.milter_connect_timeout=1s", "main.milter_command_timeout=1s",
                          "main.milter_content_timeout=1s") as host:
                for stage, deed in deeds:
                    with self.subTest(action=action, stage=stage, deed=deed):
                        milter.stage, milter.deed = stage, deed
                        got, seconds, then = self.outcome(host, milter)
                        self.assertEqual(got, code)
                        self.assertLess(seconds, 5 * SLOWNESS)
                        self.assertEqual(then, "" if action == "shutdown" else "250")
                milter.stage = None
                if action in ("accept", "quarantine"):
                    self.assertEqual(self.outcome(host, milter)[0], "250")
                    host.wait_for_mails("u2", 5 if action == "accept" else 1)
                    left = 0 if action == "accept" else len(deeds)
                    wait_until(lambda n=left: host.queued() == n, 30, host.log_tail)
                else:
                    self.assertEqual(self.outcome(host, milter)[0], "250")
                    self.assertEqual(len(host.wait_for_mails("u2", 1)), 1)
                logged(host, r"warning: milter inet:127\.0\.0\.1:\d+: can't read SMFIC_BODYEOB reply packet header: ")

    def test_nobody_there(self):
        with Instance("users=3", "main.smtpd_milters=unix:private/nobody, inet:127.0.0.1:1",
                      "main.milter_default_action=accept", "main.milter_connect_timeout=1s") as host:
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="alone")[:3], "250")
            host.wait_for_mails("u2", 1)
            logged(host, "warning: connect to Milter service unix:private/nobody: Connection refused")
            logged(host, "warning: connect to Milter service inet:127.0.0.1:1: Connection refused")

    def test_a_stopped_milter_costs_its_own_sessions_only(self):
        slow, quick = FakeMilter(self, "eom", "hang"), FakeMilter(self)
        with Instance("users=3", f"main.smtpd_milters={{{slow.endpoint}, content_timeout=4s, default_action=accept}}",
                      f"main.non_smtpd_milters={quick.endpoint}",
                      f"main.smtpd_milter_maps=inline:{{ {{127.0.0.2={quick.endpoint}}}, {{127.0.0.3=DISABLE}} }}") as host:
            waiting = Client(host.port("smtp"))
            self.addCleanup(waiting.close)
            waiting.envelope("u1@example.test", "u2@example.test")
            waiting.say("DATA")
            waiting.send("Subject: slow\r\n\r\nx\r\n.\r\n")
            for source in ("127.0.0.2", "127.0.0.3"):
                begun = time.monotonic()
                with Client(host.port("smtp"), source=(source, 0)) as c:
                    self.assertEqual(c.mail("u2@example.test", text="quick")[:3], "250")
                self.assertLess(time.monotonic() - begun, 2 * SLOWNESS)
            self.assertEqual(waiting.reply()[:3], "250")
            host.wait_for_mails("u2", 3)
        self.assertEqual(quick.sessions, 1)

    def test_saying_busy_for_ever(self):
        milter = FakeMilter(self, "eom", "busy")
        with Instance("users=3", f"main.smtpd_milters={{{milter.endpoint}, content_timeout=1s, default_action=tempfail}}") as host:
            begun = time.monotonic()
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="busy")[:3], "451")
            self.assertLess(time.monotonic() - begun, 15 * SLOWNESS)

    def test_a_client_that_breaks_off_leaves_no_lease(self):
        """Each large message that is not finished gives back its file: there are only so many."""
        milter = FakeMilter(self)
        with Instance("users=3", f"main.smtpd_milters={milter.endpoint}") as host:
            for _ in range(300):
                with Client(host.port("smtp")) as c:
                    c.envelope("u1@example.test", "u2@example.test")
                    c.say("DATA")
                    c.send("Subject: broken\r\n\r\n" + "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 1000)
            with Client(host.port("smtp")) as c:
                c.envelope("u1@example.test", "u2@example.test")
                self.assertEqual(c.data("Subject: whole\r\n\r\n" + ("y" * 70 + "\r\n") * 2000 + ".\r\n")[:3], "250")
            host.wait_for_mails("u2", 1)


# ---- where mail in quarantine goes ----

@unittest.skipUnless(has_libmilter(), "no python3-milter")
class Junk(unittest.TestCase):
    def test_it_is_filed_as_junk(self):
        milter = Recorder(self)
        milter.plan(changes=[["quarantine", "spam"]])
        with Instance("users=3", f"main.smtpd_milters={milter.endpoint}", "main.milter_quarantine_action=junk",
                      "main.virtual_alias_maps=inline:{{list@example.test=u2@example.test}}") as host:
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="spam one")[:3], "250")
                self.assertEqual(c.mail("list@example.test", text="spam two")[:3], "250")
                self.assertEqual(c.mail("u3@example.test", text="z" * 70 + ("\r\n" + "z" * 70) * 2000)[:3], "250")
            box = host.maildir("u2") / ".Junk"
            wait_until(lambda: (box / "new").is_dir() and len(list((box / "new").iterdir())) == 2, 30, host.log_tail)
            self.assertEqual(host.mails("u2"), [])
            wait_until(lambda: list((host.maildir("u3") / ".Junk" / "new").glob("*")), 30, host.log_tail)
            self.assertIn("Junk", (host.maildir("u2") / "subscriptions").read_text())
            logged(host, r"milter-quarantine: END-OF-MESSAGE from .*: milter triggers JUNK action: spam;")
            logged(host, r"status=sent \(delivered to maildir, folder Junk\)")
            wait_until(lambda: host.queued() == 0, 30, host.log_tail)
            self.assertEqual(self.read_by_imap(host), [b"1", b"2"])

    def read_by_imap(self, host):
        import imaplib
        with imaplib.IMAP4("127.0.0.1", host.port("imap"), timeout=30) as c:
            c.login("u2@example.test", "secret")
            self.assertIn(b"\\Junk", b"".join(c.list()[1]))
            self.assertIn(b"Junk", b"".join(c.lsub()[1]))
            c.select("Junk")
            return c.search(None, "ALL")[1][0].split()


# ---- the milters that mail hosts run ----

def opendkim(test, folder, mode, more):
    port = free_port()
    (folder / f"{mode}.conf").write_text(
        f"Socket inet:{port}@127.0.0.1\nMode {mode}\nNameservers 127.0.0.1\nTestPublicKeys {folder}/keys\n"
        f"Syslog no\nRequireSafeKeys no\n{more}")
    start(test, ["opendkim", "-f", "-x", folder / f"{mode}.conf"], lambda: answers(port))
    return f"inet:127.0.0.1:{port}"


class Real(unittest.TestCase):
    def folder(self):
        folder = scratch(self)
        (folder / "here").write_text("127.0.0.1\n")
        (folder / "nowhere").write_text("192.0.2.1\n")
        return folder

    @unittest.skipUnless(have("opendkim") and have("opendkim-genkey"), "no opendkim")
    def test_opendkim_signs_and_verifies(self):
        folder = self.folder()
        subprocess.run(["opendkim-genkey", "-b", "1024", "-d", "example.test", "-s", "sel", "-D", folder], check=True)
        key = "".join(re.findall(r'"([^"]*)"', (folder / "sel.txt").read_text()))
        (folder / "keys").write_text(f"sel._domainkey.example.test {key}\n")
        signer = opendkim(self, folder, "s", f"Domain example.test\nSelector sel\nKeyFile {folder}/sel.private\n"
                                             f"InternalHosts {folder}/here\nCanonicalization simple/simple\n")
        verifier = opendkim(self, folder, "v", f"InternalHosts {folder}/nowhere\nExternalIgnoreList {folder}/nowhere\n"
                                               "AuthservID mx.example.test\nAlwaysAddARHeader yes\n")
        head = "From:  u1@example.test\r\nTo: u2@example.test\r\nSubject: two  blanks\r\n\tand a fold \r\n"
        with Instance("users=3", f"main.smtpd_milters={signer}, {verifier}") as host:
            for k, body in enumerate(("short \r\n\r\n\r\n", "a line of a long body  \r\n" * 100000)):
                with Client(host.port("smtp")) as c:
                    c.envelope("u1@example.test", "u2@example.test")
                    self.assertEqual(c.data(f"{head}\r\n{body}.\r\n")[:3], "250")
            for mail in host.wait_for_mails("u2", 2):
                self.assertRegex(mail, rb"(?s)\r\nAuthentication-Results: mx\.example\.test;.*dkim=pass.*header\.s=sel")
                self.assertRegex(mail, rb"\r\nDKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example\.test")
                self.verify_here(mail, key)

    def verify_here(self, mail, key):
        """What arrived verifies elsewhere, too."""
        script = ("import dkim, sys; sys.exit(not dkim.verify(sys.stdin.buffer.read(), "
                  "dnsfunc=lambda name, timeout=5: sys.argv[1].encode()))")
        done = subprocess.run([LIBMILTER_PYTHON, "-c", script, key], input=mail, capture_output=True)
        if b"No module" not in done.stderr:
            self.assertEqual(done.returncode, 0, done.stderr.decode())

    @unittest.skipUnless(have("opendmarc"), "no opendmarc")
    def test_opendmarc_wants_a_sender(self):
        folder, port = self.folder(), free_port()
        (folder / "dmarc.conf").write_text(f"Socket inet:{port}@127.0.0.1\nRequiredHeaders true\nSyslog false\n"
                                           f"AuthservID mx.example.test\nIgnoreHosts {folder}/nowhere\n")
        start(self, ["opendmarc", "-f", "-c", folder / "dmarc.conf"], lambda: answers(port))
        with Instance("users=3", f"main.smtpd_milters=inet:127.0.0.1:{port}", "main.local_header_rewrite_clients=") as host:
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="nobody wrote this"), "550 5.7.1 Command rejected")
            logged(host, "milter-reject: END-OF-MESSAGE from ")

    @unittest.skipUnless(have("rspamd"), "no rspamd")
    def test_rspamd_filters(self):
        folder, port = self.folder(), free_port()
        folder.chmod(0o777)
        (folder / "tlds").write_text("com\norg\ntest\n")
        (folder / "test.lua").write_text(
            "rspamd_config:register_symbol({ name = 'TEST_HEADERS', type = 'postfilter', callback = function(task)\n"
            "  task:set_milter_reply({ add_headers = { ['X-Rspamd-Test'] = 'seen ' .. task:get_queue_id() },\n"
            "                          remove_headers = { ['X-Spam'] = 0 } })\nend })\n")
        (folder / "rspamd.conf").write_text(f"""
            options {{ pidfile = "{folder}/pid"; dbdir = "{folder}"; hs_cache_dir = "{folder}"; tempdir = "{folder}";
                control_socket = "{folder}/control"; url_tld = "{folder}/tlds"; filters = "lua"; gtube_patterns = "all";
                dns {{ nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }} }}
            logging {{ type = "file"; filename = "{folder}/log"; level = "info"; }}
            actions {{ reject = 15; }}
            worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{port}"; milter = yes; timeout = 20s; count = 1;
                upstream "local" {{ self_scan = yes; }} }}
            lua = "{folder}/test.lua";
            """)
        start(self, ["rspamd", "-f", "-i", "-c", folder / "rspamd.conf"], lambda: answers(port))
        with Instance("users=3", f"main.smtpd_milters={{inet:127.0.0.1:{port}, connect_timeout=60s, command_timeout=60s}}",
                      "main.milter_default_action=tempfail") as host:
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="ham", head="X-Spam: forged\r\nX-Spam: twice\r\n")[:3], "250")
                answer = c.mail("u2@example.test", text="XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X")
                self.assertEqual(answer, "554 5.7.1 Gtube pattern")
                self.assertEqual(c.mail("u2@example.test", text="more ham")[:3], "250")
            for mail in host.wait_for_mails("u2", 2):
                self.assertRegex(mail, rb"\r\nX-Rspamd-Test: seen \w+\r\n")
                self.assertNotIn(b"X-Spam:", mail)
            # Its connection serves the next client as well.
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="again")[:3], "250")
            host.wait_for_mails("u2", 3)


# ---- settings ----

class Maps(unittest.TestCase):
    def test_a_table_that_router_reads(self):
        milter, folder = FakeMilter(self), scratch(self)
        (folder / "map").write_text("127.0.0.2 DISABLE\n127.0.0.3 inet:127.0.0.1:1\n")
        with Instance("users=3", f"main.smtpd_milters={milter.endpoint}", f"main.smtpd_milter_maps=texthash:{folder}/map",
                      "main.milter_default_action=tempfail") as host:
            for source, code, sessions in (("127.0.0.1", "250", 1), ("127.0.0.2", "250", 1), ("127.0.0.3", "451", 1)):
                with Client(host.port("smtp"), source=(source, 0)) as c:
                    self.assertEqual(c.mail("u2@example.test", text=source)[:3], code)
                self.assertEqual(milter.sessions, sessions)
            logged(host, "warning: smtpd_milter_maps: 127.0.0.3: inet:127.0.0.1:1 is named neither by")

    def test_overridden_for_one_service(self):
        milter = FakeMilter(self)
        with Instance("users=3", f"main.smtpd_milters={milter.endpoint}", "main.receive_override_options=no_milters") as host:
            with Client(host.port("smtp")) as c:
                self.assertEqual(c.mail("u2@example.test", text="not seen")[:3], "250")
        self.assertEqual(milter.connections, 0)


if __name__ == "__main__":
    main()
