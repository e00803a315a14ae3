#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What we do about milters and Postfix does not: connections let go, mail filed as junk, results for later milters, and
files of large messages given back.  The rest is in milter_*_test.py, which both are held against."""
import imaplib
import time
import unittest

from milters.case import Filtered, has_python_milter, values_of
from milters.mtas import Ours
from milters.raw import EOM, RawFilter, packet
from posterntest import SLOWNESS, main, wait_until

LEASES = 256    # as many large messages may be under way


class Alone(Filtered, unittest.TestCase):
    """A milter that passes all, and one that says for ever that it is busy."""
    MTA = Ours

    @classmethod
    def prepare(cls):
        cls.filter = RawFilter(cls.dir / "filter.sock")
        cls.busy = RawFilter(cls.dir / "busy.sock", lambda _, letter, data:
                             [packet("p"), 0.2] * 100 if letter == EOM else None)
        for f in (cls.filter, cls.busy):
            cls.stack.callback(f.close)

    @classmethod
    def services(cls):
        return {"filter": {"smtpd_milters": f"unix:{cls.dir}/filter.sock", "milter_connection_idle_time": "2s"},
                "busy": {"smtpd_milters": f"{{ unix:{cls.dir}/busy.sock, content_timeout=1s }}"}}

    def test_a_session_that_goes_idle_lets_its_connection_go(self):
        with self.client("filter") as c:
            self.assertEqual(c.mail("u2@example.test", text="first")[:3], "250")
            wait_until(lambda: not self.filter.open, 20 * SLOWNESS, lambda: f"{len(self.filter.open)} connections")
            self.assertEqual(c.mail("u2@example.test", text="second")[:3], "250")

    def test_busy_is_not_for_ever(self):
        begun = time.monotonic()
        self.assertEqual(self.mail("busy")[1][:3], "451")
        self.assertLess(time.monotonic() - begun, 15 * SLOWNESS)

    def test_a_client_that_breaks_off_gives_its_file_back(self):
        line = "x" * 70 + "\r\n"
        for _ in range(LEASES + 50):
            with self.client("filter") as c:
                c.envelope("u1@example.test", "u2@example.test")
                c.say("DATA")
                c.send("Subject: broken off\r\n\r\n" + line * 1000)
        self.delivered("filter", body=line * 2000)


@unittest.skipUnless(has_python_milter(), "no python3-milter")
class Edited(Filtered, unittest.TestCase):
    MTA = Ours

    @classmethod
    def prepare(cls):
        cls.first, cls.second = cls.add_recorder("first"), cls.add_recorder("second")
        for recorder in (cls.first, cls.second):
            recorder.wait()

    @classmethod
    def settings(cls):
        return {"virtual_alias_maps": "inline:{{list@example.test=u3@example.test}}"}

    @classmethod
    def services(cls):
        return {"both": {"smtpd_milters": f"{cls.first.socket}, {cls.second.socket}"},
                "junk": {"smtpd_milters": cls.first.socket, "milter_quarantine_action": "junk"}}

    def setUp(self):
        for recorder in (self.first, self.second):
            recorder.order()

    def test_results_travel_to_later_milters(self):
        self.first.order(eom=[["addheader", "Authentication-Results", "mx.example.test;\n\tspf=pass", 0]])
        self.delivered("both", "Authentication-Results: mx.example.test; spf=forged")
        self.assertEqual(self.second.seen("eom")[1]["{auth_results}"], "mx.example.test; spf=pass")
        self.assertNotIn("{auth_results}", self.first.seen("eom")[1])

    def test_large_becomes_small(self):
        self.first.order(eom=[["replacebody", "small\r\n", 1, ""]])
        mail = self.delivered("both", body="0123456789\r\n" * 300000)
        self.assertTrue(mail.endswith(b"\r\n\r\nsmall\r\n"))

    def test_quarantine_is_filed_as_junk(self):
        self.first.order(eom=[["quarantine", "spam"], ["addheader", "X-Spam", "yes"]])
        words = [self.mail("junk", to=("list@example.test",))[0], self.mail("junk", to=("u3@example.test",))[0],
                 self.mail("junk", to=("u3@example.test",), body="z" * 70 + "\r\n" + ("z" * 70 + "\r\n") * 2000)[0]]
        box = self.mta.maildir("u3") / ".Junk" / "new"
        wait_until(lambda: box.is_dir() and len(list(box.iterdir())) == 3, 60, self.mta.log_tail)
        mails = [path.read_bytes() for path in box.iterdir()]
        self.assertEqual(sorted(v for m in mails for v in values_of(m, "Subject")), sorted(f" {w}" for w in words))
        self.assertEqual([values_of(m, "X-Spam") for m in mails], [[" yes"]] * 3)
        self.assertEqual(self.mta.mails("u3"), [])
        self.logged(r"milter-quarantine: END-OF-MESSAGE from .*: milter triggers JUNK action: spam;")
        self.logged(r"status=sent \(delivered to maildir folder Junk\)")
        with imaplib.IMAP4("127.0.0.1", self.mta.port("imap"), timeout=30) as c:
            c.login("u3@example.test", "secret")
            self.assertIn(b"\\Junk", b"".join(c.list()[1]))
            self.assertIn(b"Junk", b"".join(c.lsub()[1]))
            c.select("Junk")
            self.assertEqual(c.search(None, "ALL")[1][0], b"1 2 3")


if __name__ == "__main__":
    main()
