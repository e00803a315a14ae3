#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kill -9 of random programs, and of master, while mail flows: nothing acknowledged is lost, nothing
arrives twice.

POSTERN_CRASH_MESSAGES says how many acknowledged messages a test wants (default 2000),
POSTERN_CRASH_SEED which random kills."""
import os
import random
import re
import signal
import smtplib
import threading
import time
import unittest

from posterntest import Instance, main, wait_until
from processes import is_running

MESSAGES = int(os.environ.get("POSTERN_CRASH_MESSAGES", "2000"))
PACE_S = 0.02       # between two messages of a sender, so that many kills fall into the run
SENDERS, USERS = 8, 8
NOT_KILLED = {"postlogd"}
MARK = re.compile(rb"^Subject: mark-(\d+-\d+)\r?$", re.M)


class Sender(threading.Thread):
    """Sends numbered messages until its share is acknowledged; remembers which were."""

    def __init__(self, host, number, share):
        super().__init__(daemon=True)
        self.host, self.number, self.share = host, number, share
        self.acknowledged, self.attempts = [], 0

    def run(self):
        client = None
        while len(self.acknowledged) < self.share and self.attempts < 40 * self.share:
            self.attempts += 1
            mark = f"{self.number}-{self.attempts}"
            large = self.attempts % 50 == 0
            body = f"Subject: mark-{mark}\r\n\r\n" + "x" * 70 + "\r\n"
            if large:
                body += ("y" * 70 + "\r\n") * 3000      # past journal_message_limit
            user = f"u{self.attempts % USERS + 1}@example.test"
            try:
                if client is None:
                    client = smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30)
                client.sendmail("sender@example.test", [user], body)
                self.acknowledged.append(mark)
                time.sleep(PACE_S)
            except (smtplib.SMTPException, OSError):
                if client is not None:
                    client.close()
                client = None
                time.sleep(0.02)


class Crash(unittest.TestCase):
    def setUp(self):
        self.host = Instance(f"users={USERS}")
        self.host.start()
        self.kills = 0
        self.random = random.Random(int(os.environ.get("POSTERN_CRASH_SEED", "4711")))

    def tearDown(self):
        self.host.stop()
        import shutil
        shutil.rmtree(self.host.dir, ignore_errors=True)

    def send_while(self, disturb):
        senders = [Sender(self.host, n, MESSAGES // SENDERS) for n in range(SENDERS)]
        for s in senders:
            s.start()
        while any(s.is_alive() for s in senders):
            disturb()
        for s in senders:
            s.join()
        marks = [mark for s in senders for mark in s.acknowledged]
        self.assertEqual(len(marks), MESSAGES // SENDERS * SENDERS, self.host.log_tail())
        return marks

    def stored(self):
        found = []
        for k in range(1, USERS + 1):
            for mail in self.host.mails(f"u{k}"):
                match = MARK.search(mail)
                self.assertIsNotNone(match, mail[:200])
                found.append(match.group(1).decode())
        return found

    def what_waits(self):
        """Of the first messages still queued: their entries and all that the log says of them."""
        listing = self.host.tool("postqueue", "-j", check=False).stdout.splitlines()[:3]
        ids = re.findall(r'"queue_id": ?"(\w+)"', " ".join(listing))
        return "\n".join(listing + [x for x in self.host.log().splitlines() if any(i in x for i in ids)])

    def check(self, marks):
        """Each acknowledged message is in a Maildir, once, when the queue has drained."""
        self.assertGreaterEqual(self.kills, 3, "too few kills to prove anything")
        print(f"# {self.kills} kills, {len(marks)} acknowledged")
        self.host.call("flush")
        wait_until(lambda: self.host.queued() == 0, 60, self.what_waits)
        found = self.stored()
        lost = set(marks) - set(found)
        self.assertEqual(lost, set(), f"lost {len(lost)} of {len(marks)}")
        twice = {m for m in found if found.count(m) > 1} if len(found) != len(set(found)) else set()
        self.assertEqual(twice, set(), "delivered twice")

    def kill_one(self, is_wanted):
        time.sleep(self.random.uniform(0.3, 0.8))
        children = [pid for pid, name in self.host.children().items() if is_wanted(name)]
        if children:
            try:
                os.kill(self.random.choice(children), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass

    def kill_a_child(self):
        self.kill_one(lambda name: name not in NOT_KILLED)

    def kill_programs(self, names):
        self.kill_one(lambda name: name in names)

    def kill_master(self):
        time.sleep(self.random.uniform(0.5, 1.0))
        os.kill(self.host.master, signal.SIGKILL)
        self.kills += 1
        wait_until(lambda: not is_running(self.host.master), 10)
        for _ in range(5):
            try:
                self.host.start()
                return
            except RuntimeError as error:
                last = error
                time.sleep(0.5)
        raise last

    def test_random_children_are_killed(self):
        self.check(self.send_while(self.kill_a_child))

    def test_qmgr_and_smtpd_are_killed(self):
        self.check(self.send_while(lambda: self.kill_programs({"qmgr", "smtpd"})))

    def test_local_is_killed(self):
        self.check(self.send_while(lambda: self.kill_programs({"local"})))

    def test_master_is_killed_and_started_again(self):
        self.check(self.send_while(self.kill_master))

    def test_the_service_is_back_at_once_after_a_child_died(self):
        for name in ("smtpd", "router", "qmgr", "local", "login", "auth"):
            for pid, program in self.host.children().items():
                if program == name:
                    os.kill(pid, signal.SIGKILL)
            def one_mail():
                try:
                    with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=10) as s:
                        s.sendmail("a@example.test", ["u1@example.test"],
                                   f"Subject: mark-0-{time.monotonic_ns()}\r\n\r\nx\r\n")
                    return True
                except (smtplib.SMTPException, OSError):
                    return False
            wait_until(one_mail, 10, self.host.log_tail)


if __name__ == "__main__":
    main()
