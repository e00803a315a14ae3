#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A milter that hangs, dies or speaks nonsense at any stage costs its own time-out and the configured default action,
nothing else.  Against us, and against Debian's Postfix, so that what is expected is what Postfix does."""
import concurrent.futures
import itertools
import socket
import time
import unittest

from milters.case import Filtered, body_of, fields_of, has_python_milter, values_of
from milters.mtas import Ours, Reference, held
from milters.raw import (CLOSE, CONTINUE, EOM, HANG, NEGOTIATE, NONSENSE, QUIT_NEXT, STAGES, RawFilter, packet)
from peers import why_no_postfix
from posterntest import SLOWNESS, free_port, main, needs_peers, wait_until

LATER, NEVER = "451 4.7.1 Service unavailable - try again later", "550 5.5.0 Service unavailable"
CLOSING = "421 4.7.0 Server closing connection"
NOT_CONFIGURED = "451 4.3.5 Server configuration problem - try again later"
SHORT_SECONDS = 2 * SLOWNESS
SHORT = {f"milter_{name}_timeout": f"{SHORT_SECONDS}s" for name in ("connect", "command", "content")}
SLACK_SECONDS = 30 * SLOWNESS      # of a busy machine
HELD_STAGES = ("connect", "mail", "rcpt", "data")
AT_A_TIME = 12
AT_NEGOTIATION = {"a reply of another stage": CONTINUE, "half a packet": b"\0\0\0\x0dO\0\0\0\6"}
ANSWERED = {"negotiation": "mail", "connect": "mail", "helo": "mail", "mail": "mail", "rcpt": "rcpt", "data": "data"}


class Hostile(Filtered):
    """The client's address, 127.0.2.K, chooses what the filter does wrong, and where."""
    maxDiff = None
    ACTIONS = ("accept", "reject", "quarantine")

    @classmethod
    def prepare(cls):
        # client address: (stage, kind of nonsense)
        cls.cases = {}
        cls.filter = cls.add_raw("raw", cls.play)
        cls.good = cls.add_raw("good")
        for k, (kind, answer) in enumerate(NONSENSE.items()):
            answer = AT_NEGOTIATION.get(kind, answer)
            cls.add_raw(f"n{k}", lambda _, letter, data, answer=answer: answer if letter == NEGOTIATE else None)
        cls.own_port = free_port()
        cls.add_raw(cls.own_port, cls.play)
        cls.mortal = cls.add_recorder("mortal")
        cls.mortal.wait()

    @classmethod
    def add_raw(cls, where, play=lambda *_: None):
        f = RawFilter(where if isinstance(where, int) else cls.dir / where, play)
        cls.stack.callback(f.close)
        return f

    @classmethod
    def play(cls, connection, letter, data):
        stage, answer = cls.cases.get(connection.get("client"), (None, None))
        if stage is None or letter != {**STAGES, "next session": QUIT_NEXT}[stage]:
            return None
        return answer

    @classmethod
    def settings(cls):
        return {"smtpd_peername_lookup": "no"}

    @classmethod
    def services(cls):
        raw, good = f"unix:{cls.dir}/raw", f"unix:{cls.dir}/good"
        own = "default_action=accept, command_timeout=1s, content_timeout=1s"
        found = {"raw": {"smtpd_milters": raw, **SHORT},
                 "slow": {"smtpd_milters": raw, "milter_command_timeout": "60s"},
                 "busy": {"smtpd_milters": raw, "milter_content_timeout": "3s"},
                 "mortal": {"smtpd_milters": cls.mortal.socket},
                 "after": {"smtpd_milters": f"{{{raw}, {own}}}, {good}"},
                 "own": {"smtpd_milters": f"{{inet:127.0.0.1:{cls.own_port}, {own}}}", "milter_default_action": "reject"},
                 "nobody": {"smtpd_milters": f"unix:{cls.dir}/nobody"},
                 "no port": {"smtpd_milters": f"inet:127.0.0.1:{free_port()}"}}
        for k, kind in enumerate(NONSENSE):
            found[f"negotiation {kind}"] = {"smtpd_milters": f"unix:{cls.dir}/n{k}", **SHORT}
        for action in cls.ACTIONS:
            found[action] = {"smtpd_milters": raw, "milter_default_action": action, **SHORT}
        return found

    def source(self, stage, answer):
        """An address for a client that gets this answer of the filter at that stage."""
        k = len(self.cases) + 1
        address = f"127.0.2.{k % 250 + 1}" if k < 250 else f"127.0.3.{k % 250 + 1}"
        self.cases[address] = stage, answer
        return {"source": (address, 0)}

    def attempt(self, service, **how):
        """Where the first refusal came, what it was, and the client."""
        c = self.client(service, **how)
        word = self.word()
        name, reply = self.refused_or_taken(c, word)
        return name, reply, word, c

    def try_nonsense(self, stage, kind):
        """What is wrong with how it ended, or None."""
        if stage == "negotiation":
            service, how = f"negotiation {kind}", {}
        else:
            service, how = "raw", self.source(stage, NONSENSE[kind])
        began = time.monotonic()
        name, reply, word, c = self.attempt(service, **how)
        seconds = time.monotonic() - began
        expected = LATER
        if kind == "a reply code that is none" and self.MTA is Reference and stage != "negotiation":
            expected = NOT_CONFIGURED   # whatever the default action is
        if (name, reply) != (ANSWERED.get(stage, "end"), expected):
            return f"{kind} at {stage}: {(name, reply)}"
        if kind in ("hang", "half a packet") and not SHORT_SECONDS <= seconds < SHORT_SECONDS + SLACK_SECONDS:
            return f"{kind} at {stage}: took {seconds} s"
        c.say("RSET")
        if name != "end" and c.say("MAIL FROM:<u1@example.test>") != expected:
            return f"{kind} at {stage}: the next message was taken"
        return None if not self.found("u2", word) else f"{kind} at {stage}: the message was delivered"

    def all_of(self, check, cases):
        """check gives a fault or None; some cases at once, as most of the time is waited."""
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            faults = list(pool.map(lambda case: check(*case), cases))
        self.assertEqual([f for f in faults if f], [])

    def test_all_nonsense_at_all_stages(self):
        self.all_of(self.try_nonsense, itertools.product(STAGES, NONSENSE))
        self.assertEqual(self.attempt("raw")[0], "end")

    def try_action(self, stage, kind, action):
        name, reply, word, c = self.attempt(action, **self.source(stage, NONSENSE[kind]))
        expected = {"reject": (ANSWERED.get(stage, "end"), NEVER), "shutdown": (ANSWERED.get(stage, "end"), CLOSING)}
        if action in expected:
            is_good = (name, reply) == expected[action] and (action != "shutdown" or c.reply() == "")
        elif action == "accept":
            is_good = reply[:3] == "250" and self.arrived("u2", word)
        else:
            is_good = reply[:3] == "250" and reply.split()[-1] in held(self.mta) and not self.found("u2", word)
        return None if is_good else f"{action} for {kind} at {stage}: {(name, reply)}"

    def test_default_actions(self):
        stages, kinds = ("connect", "mail", "body"), ("hang", "close", "text")
        self.all_of(self.try_action, itertools.product(stages, kinds, self.ACTIONS))

    def test_nobody_is_there(self):
        for service in ("nobody", "no port"):
            with self.subTest(service):
                self.assertEqual(self.attempt(service)[:2], ("mail", LATER))
                self.logged(r"warning: connect to Milter service (unix|inet):\S+: ")

    def test_settings_of_one_filter(self):
        """Not those of all."""
        began = time.monotonic()
        _, reply, word, _ = self.attempt("own", **self.source("mail", HANG))
        self.assertEqual(reply[:3], "250")
        self.assertLess(time.monotonic() - began, 1 + SLACK_SECONDS)
        self.arrived("u2", word)

    def test_the_next_filter_is_asked(self):
        for stage in ("connect", "mail", "header", "end of message"):
            with self.subTest(stage):
                before = len(self.good.seen(EOM))
                self.assertEqual(self.attempt("after", **self.source(stage, CLOSE))[1][:3], "250")
                self.assertEqual(len(self.good.seen(EOM)), before + 1)

    def test_others_are_not_delayed(self):
        """Many sessions are over while the filter of some still hangs."""
        for stage in HELD_STAGES:
            s = socket.create_connection(("127.0.0.1", self.mta.ports["slow"]), 30,
                                         source_address=self.source(stage, HANG)["source"])
            self.addCleanup(s.close)
            s.sendall(b"EHLO client.test\r\n")
            if stage != "connect" or self.MTA is Ours:      # Postfix asks before it greets
                reply = b""
                while b"\r\n250 " not in reply or not reply.endswith(b"\r\n"):
                    reply += s.recv(4096)
            s.sendall(b"MAIL FROM:<u1@example.test>\r\nRCPT TO:<u2@example.test>\r\nDATA\r\n")
        wait_until(lambda: self.filter.hanging == len(HELD_STAGES), 30, self.mta.log_tail)
        for _ in range(20):
            self.assertEqual(self.attempt("slow")[1][:3], "250")
        self.assertEqual(self.filter.hanging, len(HELD_STAGES))

    def test_progress_keeps_it_waiting(self):
        """Longer than its time-out."""
        busy = [packet("p"), 1] * 4
        self.assertEqual(self.attempt("busy", **self.source("end of message", busy + [CONTINUE]))[1][:3], "250")

    def test_a_change_outside_the_end(self):
        """Is nonsense, too."""
        for stage in ("mail", "header", "body"):
            with self.subTest(stage):
                answer = packet("h", b"X-A\0early\0") + CONTINUE
                self.assertEqual(self.attempt("raw", **self.source(stage, answer))[1], LATER)

    def test_broken_changes(self):
        """That cannot be understood."""
        changes = {"a header without value": packet("h", b"X-A\0"), "no end": packet("h", b"X-A\0value"),
                   "no index": packet("m", b"\0\0"), "no address": packet("+", b""),
                   "an address without end": packet("-", b"u2")}
        for kind, change in changes.items():
            with self.subTest(kind):
                self.assertEqual(self.attempt("raw", **self.source("end of message", change + CONTINUE))[1], LATER)

    def test_header_values_cannot_end_the_header(self):
        change = packet("h", b"X-A\0one\r\n\r\nX-B: in the body\r\n.\r\n\0") + CONTINUE
        _, reply, word, _ = self.attempt("raw", **self.source("end of message", change))
        self.assertEqual(reply[:3], "250")
        mail = self.arrived("u2", word)
        self.assertEqual(body_of(mail), "Hello.\n")
        self.assertEqual([name for name, _ in fields_of(mail) if name.startswith("X-")], ["X-A"])

    def test_header_names_cannot_hold_more_fields(self):
        """Postfix folds them, we take it for nonsense."""
        change = packet("h", b"X-C: y\r\nX-D\0z\0") + CONTINUE
        _, reply, word, _ = self.attempt("raw", **self.source("end of message", change))
        if reply != LATER:
            self.assertEqual(reply[:3], "250")
            names = [name for name, _ in fields_of(self.arrived("u2", word)) if name.startswith("X-")]
            self.assertEqual(names, ["X-C"])

    def test_a_filter_that_dies(self):
        """At once it is missed, and when it is back it is asked."""
        for stage in ("connect", "mail", "data", "eom"):
            with self.subTest(stage):
                self.mortal.order(**{stage: [["die"]]})
                self.assertEqual(self.attempt("mortal")[1], LATER)
                self.mortal.process.wait()
                self.assertEqual(self.attempt("mortal")[1], LATER)
                self.mortal.order(eom=[["addheader", "X-Back", "yes"]])
                self.mortal.start()
                self.mortal.wait()
                _, reply, word, _ = self.attempt("mortal")
                self.assertEqual(reply[:3], "250")
                self.assertEqual(values_of(self.arrived("u2", word), "X-Back"), [" yes"])


@unittest.skipUnless(has_python_milter(), "no python3-milter")
class ByUs(Hostile, unittest.TestCase):
    MTA = Ours
    ACTIONS = (*Hostile.ACTIONS, "shutdown")    # Postfix has that since 3.11

    def test_a_filter_that_leaves_between_sessions(self):
        """A connection that was kept, and turns out to be closed, costs nothing."""
        for answer in (b"", CLOSE):
            _, reply, _, c = self.attempt("raw", **self.source_of_end(answer))
            self.assertEqual(reply[:3], "250")
            c.close()
            self.assertEqual(self.attempt("raw")[1][:3], "250")

    def source_of_end(self, answer):
        """For a client at whose end the filter does this."""
        how = self.source("mail", None)
        self.cases[how["source"][0]] = "next session", answer
        return how


@needs_peers
@unittest.skipIf(why_no_postfix() or not has_python_milter(), why_no_postfix() or "no python3-milter")
class ByPostfix(Hostile, unittest.TestCase):
    MTA = Reference


if __name__ == "__main__":
    main()
