#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Names of clients: PTR look-ups, verified or not, and rules about them.

Runs in a network namespace of its own, where we may have any address and a name server on port 53."""
import os
import shutil
import subprocess
import sys
import unittest

from posterntest import Instance, main
from smtpd_test import Client, fake_dns

CLIENT = "192.0.2.{}"
INSIDE = os.environ.get("POSTERN_TEST_NETWORK") == "1"


def enter_namespace():
    """Go on in a network namespace of our own, when that is allowed."""
    command = ["unshare", "-n"]
    if INSIDE or os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return
    if subprocess.run([*command, "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL,
                      check=False).returncode == 0:
        os.environ["POSTERN_TEST_NETWORK"] = "1"
        os.execvp("unshare", [*command, sys.executable, *sys.argv])


def add_addresses():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for k in range(1, 6):
        subprocess.run(["ip", "address", "add", f"{CLIENT.format(k)}/32", "dev", "lo"], check=True)


@unittest.skipUnless(INSIDE and fake_dns(), "needs root, a network namespace and a test name server")
class Names(unittest.TestCase):
    ZONE = [["1.2.0.192.in-addr.arpa", "PTR", "good.test"], ["good.test", "A", "192.0.2.1"],
            ["2.2.0.192.in-addr.arpa", "PTR", "liar.test"], ["liar.test", "A", "192.0.2.99"],
            ["4.2.0.192.in-addr.arpa", "TIMEOUT"],
            ["5.2.0.192.in-addr.arpa", "PTR", "bad name\r\n.test"]]

    @classmethod
    def setUpClass(cls):
        add_addresses()
        cls.dns = fake_dns().FakeDNS(cls.ZONE, port=53)
        cls.dns.__enter__()
        cls.hosts = []

    @classmethod
    def tearDownClass(cls):
        cls.dns.__exit__(None, None, None)

    def begin(self, *options):
        host = Instance(f"dns={self.dns.address}", "main.mynetworks=", "main.dns_timeout=3s",
                        "main.smtpd_peername_time_limit=4s", *options).__enter__()
        self.addCleanup(host.__exit__)
        return host

    def answers(self, host):
        found = []
        for k in range(1, 6):
            with Client(host.port("smtp"), source=(CLIENT.format(k), 0)) as c:
                found.append(c.envelope("x@far.test", "u1@example.test")[1][:10].strip())
        return found

    def test_only_names_that_lead_back_are_believed(self):
        host = self.begin()
        self.assertEqual(self.answers(host), ["250 2.1.5"] * 5)
        log = host.log()
        self.assertIn("connect from good.test[192.0.2.1]", log)
        for k in range(2, 6):
            self.assertIn(f"connect from unknown[192.0.2.{k}]", log)

    def test_reject_unknown_client_hostname(self):
        host = self.begin("main.smtpd_client_restrictions=reject_unknown_client_hostname")
        self.assertEqual(self.answers(host), ["250 2.1.5", "450 4.7.25", "450 4.7.25", "450 4.7.25", "450 4.7.25"])
        host.wait_logged(r"450 4\.7\.25 Client host rejected: cannot find your hostname, \[192\.0\.2\.3\]")

    def test_it_is_final_only_where_the_name_server_has_answered(self):
        host = self.begin("main.smtpd_client_restrictions=reject_unknown_client_hostname",
                          "main.unknown_client_reject_code=550")
        self.assertEqual(self.answers(host), ["250 2.1.5", "550 5.7.25", "550 5.7.25", "450 4.7.25", "550 5.7.25"])

    def test_reject_unknown_reverse_client_hostname(self):
        host = self.begin("main.smtpd_client_restrictions=reject_unknown_reverse_client_hostname")
        self.assertEqual(self.answers(host)[:4], ["250 2.1.5", "250 2.1.5", "450 4.7.25", "450 4.7.25"])

    def test_access_by_verified_name(self):
        host = self.begin("main.smtpd_client_restrictions=check_client_access inline:{{good.test=REJECT good}, {liar.test=REJECT liar}}")
        self.assertEqual(self.answers(host)[:2], ["554 5.7.1", "250 2.1.5"])

    def test_strangers_lack_fields_for_ever(self):
        host = self.begin()
        with Client(host.port("smtp"), source=(CLIENT.format(1), 0)) as c:
            self.assertEqual(c.mail("u1@example.test", sender="x@far.test", text="bare")[:3], "250")
        mail = host.wait_for_mails("u1", 1)[0]
        self.assertNotIn(b"\r\nMessage-ID:", mail)
        self.assertNotIn(b"\r\nDate:", mail)

    def test_servers_of_resolv_conf(self):
        host = self.begin("main.dns_servers=", "main.smtpd_client_restrictions=reject_unknown_client_hostname")
        host.stop()
        path = host.dir / "resolv.conf"
        path.write_text("# comment\nsearch nowhere.test\nnameserver 127.0.0.1\noptions ndots:1\n")
        host.options += (f"main.dns_resolv_conf={path}",)
        host.start()
        self.assertEqual(self.answers(host)[:3], ["250 2.1.5", "450 4.7.25", "450 4.7.25"])


if __name__ == "__main__":
    enter_namespace()
    main()
