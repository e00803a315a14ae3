#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""From a domain to its hosts: mail exchangers of a name server that the test plays, hosts on 127/8 and ::1."""
import smtplib
import sys
import unittest

from posterntest import SHARED, Instance, free_port, main, wait_until
from queue_test import FarEnd

sys.path.insert(0, str(SHARED / "conformance" / "dns"))
try:
    from fakedns import FakeDNS
except ImportError:
    FakeDNS = None

FIRST, SECOND, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.9"
ZONE = [
    ["first.test", "A", FIRST], ["second.test", "A", SECOND], ["refuses.test", "A", NOBODY],
    ["mx.example.test", "A", "127.0.0.1"], ["missing.test", "TXT", "no address"],
    ["order.test", "MX", "20", "second.test"], ["order.test", "MX", "10", "first.test"],
    ["refused.test", "MX", "10", "refuses.test"], ["refused.test", "MX", "20", "second.test"],
    ["gone.test", "MX", "10", "missing.test"], ["gone.test", "MX", "20", "second.test"],
    ["busy.test", "MX", "10", "first.test"], ["busy.test", "MX", "20", "second.test"],
    ["closed.test", "MX", "10", "first.test"], ["closed.test", "MX", "20", "second.test"],
    ["alias.test", "CNAME", "order.test"],
    ["plain.test", "A", SECOND],
    ["null.test", "MX", "0", "."], ["null.test", "A", SECOND],
    ["unusable.test", "MX", "10", "missing.test"],
    ["broken.test", "TIMEOUT"],
    ["halfbroken.test", "MX", "10", "noanswer.test"], ["noanswer.test", "TIMEOUT"],
    ["self.test", "MX", "10", "mx.example.test"], ["self.test", "MX", "20", "second.test"],
    ["backup.test", "MX", "10", "refuses.test"], ["backup.test", "MX", "20", "mx.example.test"],
    ["backup.test", "MX", "30", "second.test"],
    ["six.test", "AAAA", "::1"],
]
OPTIONS = ["users=1", "main.dns_validate=no", "main.inet_protocols=all",
           "main.minimal_backoff_time=1s", "main.maximal_backoff_time=1s", "main.queue_run_delay=1s"]


class Mx(unittest.TestCase):
    def send(self, recipient):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.ehlo()
            s.mail("u1@example.test", ["SMTPUTF8"] if not recipient.isascii() else [])
            s.command_encoding = "utf-8"
            code, text = s.rcpt(recipient)
            self.assertEqual(code, 250, text)
            return s.data(b"Subject: mx\r\n\r\nx\r\n")[1].decode().split()[-1]

    def fate(self, recipient):
        """Sends to it; the log line of the first attempt."""
        queue_id = self.send(recipient)

        def line():
            return next((x for x in self.host.log().splitlines()
                         if f"{queue_id}: to=<" in x and "status=" in x), None)
        wait_until(line, 30, self.host.log_tail)
        return line()


@unittest.skipUnless(FakeDNS, "no fakedns")
class MailExchangers(Mx):
    @classmethod
    def setUpClass(cls):
        cls.dns = FakeDNS(ZONE)
        port = free_port()
        cls.first, cls.second, cls.six = FarEnd(FIRST, port), FarEnd(SECOND, port), FarEnd("::1", port)
        cls.host = Instance(*OPTIONS, f"dns={cls.dns.address}", f"main.smtp_tcp_port={port}",
                            f"route.literal.test=[::1]:{port}").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()
        for far in (cls.first, cls.second, cls.six):
            far.shutdown()
            far.server_close()
        cls.dns.close()

    def setUp(self):
        for far in (self.first, self.second, self.six):
            far.behaviour = {}

    def assert_sent(self, recipient, address):
        line = self.fate(recipient)
        self.assertIn(f"[{address}]", line)
        self.assertIn("status=sent", line)

    def test_the_best_preference_first(self):
        self.assert_sent("a@order.test", FIRST)

    def test_the_next_when_the_first_refuses_connections(self):
        self.assert_sent("a@refused.test", SECOND)

    def test_the_next_when_the_first_has_no_address(self):
        self.assert_sent("a@gone.test", SECOND)

    def test_the_next_when_the_first_greets_for_later(self):
        self.first.behaviour = {"GREETING": "421 4.3.2 busy"}
        self.assert_sent("a@busy.test", SECOND)

    def test_the_next_when_the_first_greets_with_5xx(self):
        self.first.behaviour = {"GREETING": "554 5.3.2 not here"}
        self.assert_sent("a@closed.test", SECOND)

    def test_the_next_when_the_first_defers_the_recipient(self):
        self.first.behaviour = {"*": "450 4.2.0 greylisted"}
        self.assert_sent("grey@order.test", SECOND)

    def test_a_refused_recipient_is_not_tried_elsewhere(self):
        self.first.behaviour = {"*": "550 5.1.1 unknown"}
        line = self.fate("unknown@order.test")
        self.assertIn("dsn=5.1.1, status=bounced", line)
        self.assertIn(f"[{FIRST}]", line)

    def test_a_domain_that_is_an_alias(self):
        self.assert_sent("a@alias.test", FIRST)

    def test_a_domain_with_an_address_only(self):
        self.assert_sent("a@plain.test", SECOND)

    def test_a_domain_with_an_ipv6_address_only(self):
        self.assert_sent("a@six.test", "::1")

    def test_a_null_mx_refuses(self):
        self.assertIn("dsn=5.1.10, status=bounced", self.fate("a@null.test"))

    def test_an_unknown_domain_refuses(self):
        line = self.fate("a@nosuchdomain.test")
        self.assertRegex(line, r"dsn=5\.(1\.2|4\.4), status=bounced")
        self.assertIn("Host or domain name not found", line)

    def test_exchangers_without_address(self):
        self.assertRegex(self.fate("a@unusable.test"), r"dsn=[45]\.4\.4, status=(bounced|deferred)")

    def test_a_name_server_that_fails_defers(self):
        self.assertIn("dsn=4.4.3, status=deferred", self.fate("a@broken.test"))
        self.assertIn("dsn=4.4.3, status=deferred", self.fate("a@halfbroken.test"))

    def test_a_numeric_next_hop(self):
        self.assert_sent("a@literal.test", "::1")

    def test_literals_of_this_host_are_not_relayed(self):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.ehlo()
            s.mail("u1@example.test")
            for recipient in ("a@[127.0.0.1]", "a@[IPv6:::1]"):
                self.assertEqual(s.rcpt(recipient)[0], 550, recipient)

    def test_a_dead_domain_comes_back(self):
        self.dns.zone.append(["reborn.test", "TIMEOUT"])
        queue_id = self.send("a@reborn.test")
        wait_until(lambda: f"{queue_id}: to=<a@reborn.test>" in self.host.log(), 30, self.host.log_tail)
        self.dns.zone[-1] = ["reborn.test", "A", SECOND]
        wait_until(lambda: f"{queue_id}: removed" in self.host.log(), 60, self.host.log_tail)


@unittest.skipUnless(FakeDNS, "no fakedns")
class Ourselves(Mx):
    """With the standard port, exchangers that are this host are seen as a loop (RFC 5321 5.1)."""

    @classmethod
    def setUpClass(cls):
        cls.dns = FakeDNS(ZONE)
        cls.host = Instance(*OPTIONS, f"dns={cls.dns.address}").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()
        cls.dns.close()

    def test_the_best_exchanger_is_this_host(self):
        line = self.fate("a@self.test")
        self.assertIn("dsn=5.4.6, status=bounced", line)
        self.assertIn("loops back to myself", line)

    def test_exchangers_no_better_than_this_host_are_not_tried(self):
        line = self.fate("a@backup.test")
        self.assertIn("status=deferred", line)
        self.assertNotIn(SECOND, self.host.log())


if __name__ == "__main__":
    main()
