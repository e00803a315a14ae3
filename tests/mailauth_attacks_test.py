#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What strangers try against mail authentication, a test each: signatures that are right but worth nothing, and policies
and chains made to cost us.  Signed with a small signer of the test's own, which does what a good one refuses."""
import base64
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from posterntest import SHARED, TOP, main

sys.path.insert(0, str(SHARED / "conformance" / "dns"))
try:
    from fakedns import FakeDNS
except ImportError:
    FakeDNS = None

BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build")
CHECK = BUILD / "mailauth" / "mailauth_check"
HEADER = {"from": "From: Ann <ann@author.test>\r\n", "to": "To: you@example.test\r\n", "subject": "Subject: money\r\n",
          "date": "Date: Sat, 28 Nov 2026 12:00:00 +0000\r\n"}
BODY = "Pay ten.\r\n"


def text_of(name):
    return (name.decode() if isinstance(name, bytes) else name).rstrip(".").lower()


class Signer:
    """simple/simple signatures with any tags, by openssl."""

    def __init__(self, folder, bits=2048):
        self.path = folder / f"rsa{bits}.pem"
        subprocess.run(["openssl", "genrsa", "-out", str(self.path), str(bits)], check=True, capture_output=True)
        self.public = base64.b64encode(subprocess.run(["openssl", "rsa", "-in", str(self.path), "-pubout", "-outform", "DER"],
                                                      check=True, capture_output=True).stdout).decode()

    def record(self):
        text = f"v=DKIM1; p={self.public}"
        return [text[i:i + 250] for i in range(0, len(text), 250)]

    def field(self, selector="s", digest="sha256", signed="from:to:subject:date", more="", body=BODY, domain="author.test"):
        body_hash = base64.b64encode(hashlib.new(digest, body.encode()).digest()).decode()
        field = (f"DKIM-Signature: v=1; a=rsa-{digest}; c=simple/simple; d={domain}; s={selector}; {more}"
                 f"h={signed}; bh={body_hash}; b=")
        data = "".join(HEADER[name] for name in signed.split(":") if name in HEADER) + field
        done = subprocess.run(["openssl", "dgst", f"-{digest}", "-sign", str(self.path)], input=data.encode(), check=True,
                              capture_output=True)
        return field + base64.b64encode(done.stdout).decode() + "\r\n"


def message(*fields, body=BODY):
    return ("".join(fields) + "".join(HEADER.values()) + "\r\n" + body).encode()


@unittest.skipUnless(FakeDNS, "no fakedns")
class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-attacks-"))
        cls.good, cls.short = Signer(cls.dir), Signer(cls.dir, 768)
        cls.dns = FakeDNS()
        cls.asked = []
        look = cls.dns.lookup
        cls.dns.lookup = lambda name, qtype: cls.asked.append(text_of(name)) or look(name, qtype)

    @classmethod
    def tearDownClass(cls):
        cls.dns.close()
        shutil.rmtree(cls.dir)

    def setUp(self):
        self.asked.clear()
        self.dns.zone = [["s._domainkey.author.test", "TXT", *self.good.record()],
                         ["short._domainkey.author.test", "TXT", *self.short.record()],
                         ["gone._domainkey.author.test", "TXT", "v=DKIM1; p="],
                         *[[f"s{i}._domainkey.author.test", "TXT", *self.good.record()] for i in range(60)]]

    def check(self, name, *words, data=b""):
        done = subprocess.run([str(CHECK), name, self.dns.address, *words], input=data, capture_output=True, text=False,
                              timeout=60, check=True)
        return done.stdout.decode().splitlines()

    def dkim(self, data):
        return [line.split()[0] for line in self.check("dkim", "0", "whole", data=data) if line[0] != "#"]

    # ---- DKIM ----

    def test_the_signer_of_this_test_is_a_good_one(self):
        self.assertEqual(self.dkim(message(self.good.field())), ["pass"])

    def test_text_behind_the_signed_part(self):
        field = self.good.field(more=f"l={len(BODY)}; ")
        self.assertEqual(self.dkim(message(field)), ["pass"])
        self.assertEqual(self.dkim(message(field, body=BODY + "No, a thousand.\r\n")), ["policy"])

    def test_an_author_nobody_signed(self):
        self.assertNotIn("pass", self.dkim(message(self.good.field(signed="to:subject:date"))))

    def test_a_broken_hash(self):
        self.assertNotIn("pass", self.dkim(message(self.good.field(digest="sha1"))))

    def test_a_key_one_can_factor(self):
        self.assertNotIn("pass", self.dkim(message(self.short.field("short"))))

    def test_a_key_taken_back(self):
        self.assertNotIn("pass", self.dkim(message(self.good.field("gone"))))

    def test_an_old_mail_sent_again(self):
        self.assertNotIn("pass", self.dkim(message(self.good.field(more="t=1000000000; x=1000086400; "))))

    def test_a_signature_for_somebody_else(self):
        self.assertNotIn("pass", self.dkim(message(self.good.field(more="i=@bank.test; "))))

    def test_a_second_author_above_the_signed_one(self):
        """Its signature holds: it is the lowest From that is signed.  But readers show the upper one."""
        self.dns.zone += [["_dmarc.bank.test", "TXT", "v=DMARC1; p=reject"], ["_dmarc.author.test", "TXT", "v=DMARC1; p=reject"]]
        lines = self.check("dmarc", str(SHARED / "conformance" / "dmarc" / "psl.dat"), "rfc7489",
                           data=b"SPF none\nDKIM pass author.test\n\nFrom: boss@bank.test\r\nFrom: ann@author.test\r\n")
        self.assertEqual(lines[0].split()[0], "permerror")

    def test_more_signatures_than_anyone_needs(self):
        fields = [self.good.field(f"s{i}") for i in range(60)]
        results = self.dkim(message(*fields))
        self.assertLessEqual(results.count("pass"), 10)
        self.assertLessEqual(len(set(self.asked)), 10)

    # ---- ARC ----

    def test_a_chain_without_end(self):
        sets = "".join(f"ARC-Seal: i={i}; a=rsa-sha256; cv={'none' if i == 1 else 'pass'}; d=author.test; s=s{i % 60}; b=AAAA\r\n"
                       f"ARC-Message-Signature: i={i}; a=rsa-sha256; d=author.test; s=s; h=from; bh=AAAA; b=AAAA\r\n"
                       f"ARC-Authentication-Results: i={i}; author.test; dmarc=pass\r\n" for i in range(60, 0, -1))
        self.assertTrue(self.check("arc", data=message(sets))[0].startswith("fail"))
        self.assertLessEqual(len(set(self.asked)), 51)

    # ---- SPF ----

    def spf(self, **zone):
        self.dns.zone = [[name.replace("_", "."), "TXT", f"v=spf1 {text}"] for name, text in zone.items()]
        began = time.monotonic()
        result = self.check("spf", "192.0.2.1", "helo.test", "x@a.test")[0].split()[0]
        return result, time.monotonic() - began

    def test_a_policy_that_asks_too_much(self):
        self.assertEqual(self.spf(a_test=" ".join(f"exists:e{i}.b.test" for i in range(11)) + " -all")[0], "permerror")
        self.assertLessEqual(len([x for x in set(self.asked) if x.startswith("e")]), 10)

    def test_a_policy_that_includes_itself(self):
        self.assertEqual(self.spf(a_test="include:a.test -all")[0], "permerror")
        self.assertEqual(self.spf(a_test="include:b.test -all", b_test="redirect=a.test")[0], "permerror")

    def test_questions_into_the_void(self):
        self.assertEqual(self.spf(a_test="a:v1.test a:v2.test a:v3.test -all")[0], "permerror")

    def test_a_name_server_that_says_nothing(self):
        self.dns.close()
        type(self).dns = FakeDNS([["a.test", "TIMEOUT"]], silent=True)
        began = time.monotonic()
        result = self.check("spf", "192.0.2.1", "helo.test", "x@a.test")[0].split()[0]
        self.assertEqual(result, "temperror")
        self.assertLess(time.monotonic() - began, 30)    # 5 s in all; a busy machine may be slow
        self.dns.close()
        self.setUpClass()


if __name__ == "__main__":
    main()
