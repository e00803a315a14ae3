#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""DKIM keys: made, shown and rotated; the two name servers of a domain are the test's, one of them the suite's own DNS."""
import os
import pathlib
import re
import socket
import stat
import struct
import sys
import time
import unittest

from posterntest import SHARED, Instance, main, wait_until

sys.path.insert(0, str(SHARED / "conformance" / "dns"))
try:
    from fakedns import FakeDNS
except ImportError:
    FakeDNS = None

DOMAIN = "example.test"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
SERVERS = [[DOMAIN, "NS", "ns1.example.test"], [DOMAIN, "NS", "ns2.example.test"],
           ["ns1.example.test", "A", FIRST], ["ns2.example.test", "A", SECOND]]
FILTER_OWNER = 64109
ZONE_RECORD = re.compile(r'^(\S+)\. IN TXT \(?((?:\s*"[^"]*")+)', re.M)


def published(text):
    """The records that a command prints for a zone file, by selector: rows of a name server."""
    return {name.split(".")[0]: [name, "TXT", *re.findall(r'"([^"]*)"', value)]
            for name, value in ZONE_RECORD.findall(text)}


def filter_mail(path, fields, body):
    """A message of ours through a milter, as a mail server speaks to it; gives the fields that it adds."""
    added = []
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(path))
        stream = s.makefile("rb")

        def tell(command, data=b""):
            s.sendall(struct.pack("!I", len(data) + 1) + command + data)

        def reply():
            size, = struct.unpack("!I", stream.read(4))
            text = stream.read(size)
            if text[:1] in b"hi":       # a field to add: behind "i" stands its place
                added.append(tuple(text[5 if text[:1] == b"i" else 1:-1].decode().split("\0")))
            return text

        def ask(command, data=b""):
            tell(command, data)
            while (answer := reply())[:1] not in (b"c", b"a", b"O"):
                if answer[:1] in (b"r", b"t", b"y", b"d"):
                    raise AssertionError(f"the milter answers {answer!r}")
            return answer

        ask(b"O", struct.pack("!III", 6, 0x1FF, 0x37F))     # every change; silent at no step
        ask(b"C", b"localhost\0" + b"4" + struct.pack("!H", 25) + b"127.0.0.1\0")
        ask(b"H", b"localhost\0")
        ask(b"M", b"<u1@example.test>\0")
        ask(b"R", b"<u1@example.test>\0")
        for name, value in fields:
            ask(b"L", f"{name}\0{value}\0".encode())
        ask(b"N")
        ask(b"B", body)
        ask(b"E")
        tell(b"Q")
    return added


@unittest.skipUnless(FakeDNS, "no fakedns")
class Keys(unittest.TestCase):
    def setUp(self):
        self.first = FakeDNS(SERVERS, host=FIRST)
        self.second = FakeDNS([], host=SECOND, port=self.first.port)
        self.addCleanup(self.first.close)
        self.addCleanup(self.second.close)
        self.host = Instance("users=1", f"dns={self.first.address}", f"main.dkim_name_server_port={self.first.port}",
                             "main.dkim_rotation_check_interval=1s", "main.dns_validate=no",
                             "main.mailauth_sign_networks=127.0.0.0/8")
        self.addCleanup(self.host.__exit__)
        self.host.start()

    def publish(self, *rows, on=None):
        for server in on or (self.first, self.second):
            server.zone = server.zone + list(rows)

    def dkim(self, *words, check=True):
        return self.host.tool("postern", "dkim", *words, check=check, timeout=120)

    def show(self):
        """selector -> the lines that tell of it."""
        found, lines = {}, None
        for line in self.dkim("show", DOMAIN).stdout.splitlines():
            if re.match(r"  \S", line):
                lines = found.setdefault(line.split()[0], [])
            if lines is not None:
                lines.append(line.strip())
        return {selector: "\n".join(lines) for selector, lines in found.items()}

    def wait_for_log(self, pattern):
        wait_until(lambda: re.search(pattern, self.host.log()), 60, self.host.log_tail)

    def signers(self):
        """The selectors that a mail of ours is signed with."""
        fields = [("From", "u1@example.test"), ("To", "u1@example.test"), ("Subject", "x")]
        added = filter_mail(pathlib.Path(self.host.facts["queue"]) / "private" / "mailauth", fields, b"x\r\n")
        return sorted(re.search(r"\bs=([^;\s]+)", value).group(1) for name, value in added if name == "DKIM-Signature")

    def wait_for_signers(self, *selectors):
        wait_until(lambda: self.signers() == sorted(selectors), 30, self.host.log_tail)


class Rotation(Keys):
    def test_a_key_waits_until_both_name_servers_show_it(self):
        made = published(self.dkim("keygen", DOMAIN).stdout)
        old, = (s for s in made if s.endswith("r"))
        other, = (s for s in made if s.endswith("e"))
        self.publish(*made.values())
        self.wait_for_signers(old, other)
        # Half of the name servers is not enough.
        new = published(self.dkim("rotate", DOMAIN).stdout)
        self.assertEqual(sorted(new), sorted([old + "2", other + "2"]))
        self.wait_for_log(rf"{old}2 of {DOMAIN} waits: name server ns1\S+ \({FIRST}\) does not show its record")
        self.publish(new[old + "2"], on=[self.first])
        self.wait_for_log(rf"{old}2 of {DOMAIN} waits: name server ns2\S+ \({SECOND}\) does not show its record")
        shown = self.show()
        self.assertIn("waiting since", shown[old + "2"])
        self.assertIn(f"ns1.{DOMAIN} {FIRST}: shows the record", shown[old + "2"])
        self.assertIn(f"ns2.{DOMAIN} {SECOND}: does not show the record", shown[old + "2"])
        self.assertIn("active: signs since", shown[old])
        self.assertNotIn("receivers may find no key", shown[old])
        time.sleep(3)   # some intervals
        self.assertEqual(self.signers(), sorted([old, other]))
        # Both: it signs by itself, that one alone.
        self.publish(new[old + "2"], on=[self.second])
        self.wait_for_log(rf"{old}2 of {DOMAIN} signs from now on.*{old}\._domainkey\.{DOMAIN}, must stay until 20")
        self.assertEqual(self.signers(), sorted([old + "2", other]))
        shown = self.show()
        self.assertIn("active: signs since", shown[old + "2"])
        self.assertIn("retired since", shown[old])
        self.assertIn("must stay in the DNS until 20", shown[old])
        self.assertIn("waiting", shown[other + "2"])
        # A restart changes nothing.
        self.host.stop()
        self.host.start()
        self.wait_for_signers(old + "2", other)
        self.publish(new[other + "2"])
        self.wait_for_log(rf"{other}2 of {DOMAIN} signs from now on")
        self.assertEqual(self.signers(), sorted([old + "2", other + "2"]))

    def test_what_is_not_known_never_switches(self):
        first = published(self.dkim("keygen", "--no-rsa", "--selector", "a", DOMAIN).stdout)
        self.publish(*first.values())
        second = published(self.dkim("keygen", "--no-rsa", "--selector", "b", DOMAIN).stdout)
        self.publish(*second.values(), on=[self.first])
        # Another key's record under the name, a failing server, an unknown zone.
        self.publish(["b._domainkey.example.test", "TXT", first["a"][2]], on=[self.second])
        self.wait_for_log(r"b of example.test waits: name server ns2\S+ \(127.0.0.2\) does not show its record")
        self.second.zone = [["b._domainkey.example.test", "TIMEOUT"]]
        self.wait_for_log(r"b of example.test waits: name server ns2\S+ \(127.0.0.2\) does not answer")
        self.assertIn("does not answer", self.show()["b"])
        time.sleep(3)
        self.assertIn("waiting", self.show()["b"])
        self.assertEqual(self.signers(), ["a"])
        self.second.zone = [second["b"]]
        self.wait_for_log(r"b of example.test signs from now on")
        self.assertEqual(self.signers(), ["b"])


class Command(Keys):
    def test_keys_are_for_the_filter_alone(self):
        self.dkim("keygen", DOMAIN)
        folder = pathlib.Path(self.host.facts["config"]) / "dkim"
        owner = FILTER_OWNER if os.geteuid() == 0 else os.geteuid()
        for path, mode in ((folder, 0o700), (folder / DOMAIN, 0o700), *((p, 0o400) for p in (folder / DOMAIN).iterdir())):
            self.assertEqual((path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)), (owner, mode), path)
        self.assertEqual(len(list((folder / DOMAIN).iterdir())), 2)

    def test_a_key_that_signs_unpublished_is_told(self):
        self.dkim("keygen", "--no-ed25519", "--rsa-bits", "1024", "--selector", "s", DOMAIN)
        shown = self.show()["s"]
        self.assertIn("RSA 1024 bits", shown)
        self.assertIn("receivers may find no key", shown)
        self.assertIn("name:  s._domainkey.example.test", shown)
        self.assertIn("value: v=DKIM1; k=rsa; p=", shown)

    def test_rotate_is_safe_to_repeat(self):
        self.assertIn("there is no key", self.dkim("rotate", DOMAIN, check=False).stderr)
        self.dkim("keygen", DOMAIN)
        once = self.dkim("rotate", DOMAIN).stdout
        again = self.dkim("rotate", DOMAIN).stdout
        self.assertEqual(published(once), published(again))
        self.assertIn("are there already", again)

    def test_without_the_suite(self):
        self.dkim("keygen", "--no-rsa", "--selector", "one", "bücher.test")
        self.dkim("keygen", "--no-rsa", "--selector", "one", DOMAIN)
        self.host.stop()
        text = self.dkim("show").stdout
        self.assertIn("the mail system does not run", text)
        self.assertEqual([x for x in text.splitlines()[1:] if x[:1].strip()], [DOMAIN, "xn--bcher-kva.test"])

    def test_what_is_wrong_is_said(self):
        for words, text in ((("keygen",), "usage"), (("show", "a", "b"), "usage"), (("rotate", "--no-rsa", "a"), "usage"),
                            (("keygen", "--no-rsa", "--no-ed25519", "a"), "usage"), (("burn", "a"), "usage"),
                            (("keygen", "a/b"), "is no domain"), (("keygen", "--rsa-bits", "12", "a"), "2048 is usual"),
                            (("keygen", "--selector", "a.b", "a"), "is no selector"), (("show", "a"), "there is no key")):
            done = self.dkim(*words, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(text, done.stderr, words)


if __name__ == "__main__":
    main()
