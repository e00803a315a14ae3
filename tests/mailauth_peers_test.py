#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Signatures across implementations: what we sign dkimpy and libopendkim verify, what they sign we verify; ARC chains
that we and dkimpy seal in turn.  Keys, zone, name server and adapters are those of the conformance suites beside this
checkout."""
import base64
import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from conformance_test import conformance
from posterntest import SHARED, main, needs_peers

SUITES = SHARED / "conformance"
PEERS, KEYS, ZONE = SUITES / "peers", SUITES / "dkim" / "keys", SUITES / "dkim" / "zone.txt"
PYTHON = "/usr/bin/python3"     # the one that has Debian's modules
DOMAIN = "sender.example"
TIME = "1700000000"
CANONS = {"s": "simple", "r": "relaxed"}
# selector in the zone: key file
SELECTORS = {"rsa1024": "rsa1024", "rsa2048": "rsa2048", "rsa4096": "rsa4096", "ed": "ed25519"}
NAMES = "from:to:cc:subject:date:message-id"

MESSAGES = {
    "plain": b"From: Ann <ann@sender.example>\r\nTo: you@rcpt.example\r\nSubject: figures\r\n"
             b"Date: Tue, 14 Nov 2023 22:13:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\r\nHello.\r\n",
    "odd": b"Received: by a\r\n\t(b)\r\nFrom: Ann\r\n  <ann@sender.example>\r\nTo: a@x.example,\r\n\tb@y.example  \r\n"
           b"Cc:\r\n c@z.example\r\nSUBJECT:   two  words\t\r\nDate: Tue, 14 Nov 2023 22:13:00 +0000\r\n"
           b"Message-ID:<2@sender.example>\r\nX-Empty:\r\n\r\n \r\n  a \t b \r\n\r\nlast line \r\n\r\n\r\n",
    "empty": b"From: Ann <ann@sender.example>\r\nSubject: no body\r\nMessage-ID: <3@sender.example>\r\n\r\n",
    "eightbit": "From: Ann <ann@sender.example>\r\nTo: you@rcpt.example\r\nSubject: caf\u00e9  \u00fcber\r\n"
                "Message-ID: <4@sender.example>\r\n\r\n\u00e4\u00f6\u00fc\t\r\n.\r\nFrom here\r\n".encode(),
}

DKIMPY_SIGN = """
import sys, dkim
key, domain, selector, hc, bc, algorithm, names = sys.argv[1:8]
out = dkim.sign(sys.stdin.buffer.read(), selector.encode(), domain.encode(), open(key, "rb").read(),
                canonicalize=(hc.encode(), bc.encode()), signature_algorithm=algorithm.encode(),
                include_headers=names.encode().split(b":"))
sys.stdout.buffer.write(out)
"""


def run(*words, message):
    done = subprocess.run([str(w) for w in words], input=message, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{words}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def has_modules(*names):
    return subprocess.run([PYTHON, "-c", f"import {', '.join(names)}"], capture_output=True).returncode == 0


def key_of(selector):
    """A PEM file."""
    return KEYS / f"{SELECTORS[selector]}.pem"


def algorithm_of(selector):
    return "ed25519-sha256" if selector == "ed" else "rsa-sha256"


class MailAuth(unittest.TestCase):
    """Ours, and what the tests share."""

    @classmethod
    def setUpClass(cls):
        if not SUITES.is_dir():
            raise unittest.SkipTest("no conformance suites beside this checkout")
        if not conformance.CHECK.exists():
            raise unittest.SkipTest(f"{conformance.CHECK} is not built (make test-programs)")
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-mailauth-"))
        cls.stack.callback(shutil.rmtree, cls.folder, ignore_errors=True)
        sys.path.insert(0, str(SUITES / "dns"))
        from fakedns import FakeDNS, read_zone
        cls.dns = cls.stack.enter_context(FakeDNS(read_zone(ZONE)))

    def ours(self, command, *words, message):
        return run(conformance.CHECK, command, self.dns.address, *words, message=message)

    def we_sign(self, message, selector, canon):
        return self.ours("dkim-sign", key_of(selector), DOMAIN, selector, canon, "", TIME, message=message)

    def we_verify(self, message, time=TIME):
        return self.ours("dkim", time, "whole", message=message).decode().split()[0]

    def kinds(self):
        for selector in SELECTORS:
            for canon in ("ss", "sr", "rs", "rr"):
                for name, message in MESSAGES.items():
                    if selector in ("rsa2048", "ed") or name == "odd":
                        yield f"{selector} {canon} {name}", selector, canon, message


@needs_peers
class Dkimpy(MailAuth):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not has_modules("dkim", "nacl"):
            raise unittest.SkipTest("no python3-dkim with python3-nacl")
        # dkimpy wants an Ed25519 key as the base64 of its seed.
        der = subprocess.run(["openssl", "pkey", "-in", key_of("ed"), "-outform", "DER"], capture_output=True,
                             check=True).stdout
        cls.seed = cls.folder / "ed.seed"
        cls.seed.write_bytes(base64.b64encode(der[-32:]))

    def verify(self, message):
        return run(PYTHON, PEERS / "dkim_dkimpy.py", ZONE, TIME, message=message).decode().split()[0]

    def sign(self, message, selector, canon):
        key = self.seed if selector == "ed" else key_of(selector)
        field = run(PYTHON, "-c", DKIMPY_SIGN, key, DOMAIN, selector, CANONS[canon[0]], CANONS[canon[1]],
                    algorithm_of(selector), NAMES, message=message)
        return field + message

    def test_they_verify_ours(self):
        for what, selector, canon, message in self.kinds():
            with self.subTest(what):
                self.assertEqual(self.verify(self.we_sign(message, selector, canon)), "pass")

    def test_we_verify_theirs(self):
        for what, selector, canon, message in self.kinds():
            with self.subTest(what):
                # dkimpy takes the time from the clock.
                self.assertEqual(self.we_verify(self.sign(message, selector, canon), time="0"), "pass")

    def test_both_refuse_a_changed_message(self):
        signed = self.we_sign(MESSAGES["plain"], "rsa2048", "rr")
        for changed in (signed.replace(b"Hello", b"Hallo"), signed.replace(b"figures", b"Figures"),
                        signed.replace(b"\r\nFrom:", b"\r\nFrom: x@y.example\r\nFrom:")):
            self.assertNotEqual(changed, signed)
            self.assertEqual((self.verify(changed), self.we_verify(changed)), ("fail", "fail"))


@needs_peers
class Opendkim(MailAuth):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = cls.folder / "dkim_opendkim"
        compiled = subprocess.run(["cc", "-w", "-o", cls.program, PEERS / "dkim_opendkim.c", "-lopendkim"],
                                  capture_output=True)
        if compiled.returncode != 0:
            raise unittest.SkipTest("no libopendkim-dev")

    def verify(self, message):
        return run(self.program, "verify", ZONE, TIME, message=message).decode().split()[0]

    def sign(self, message, selector, canon):
        field = run(self.program, "sign", key_of(selector), selector, DOMAIN, canon[0], canon[1],
                    algorithm_of(selector), TIME, "h=" + NAMES, message=message)
        return field + message

    def test_they_verify_ours(self):
        for what, selector, canon, message in self.kinds():
            with self.subTest(what):
                self.assertEqual(self.verify(self.we_sign(message, selector, canon)), "pass")

    def test_we_verify_theirs(self):
        for what, selector, canon, message in self.kinds():
            # libopendkim hashes another folding of an Ed25519 signature than it writes: only relaxed headers survive.
            if selector == "ed" and canon[0] == "s":
                continue
            with self.subTest(what):
                self.assertEqual(self.we_verify(self.sign(message, selector, canon)), "pass")


@needs_peers
class Arc(MailAuth):
    """A chain through hosts of both kinds; each step is validated by both."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not has_modules("dkim", "authres", "dns.resolver"):
            raise unittest.SkipTest("no python3-dkim with python3-authres and python3-dnspython")

    def verdicts(self, message):
        theirs = run(PYTHON, PEERS / "arc_dkimpy.py", self.dns.port, message=message).decode().split()[0]
        return theirs, self.ours("arc", message=message).decode().split()[0]

    def we_seal(self, message, status, canon="rr"):
        return self.ours("arc-seal", key_of("rsa2048"), DOMAIN, "rsa2048", canon, TIME,
                         f"mx.{DOMAIN}; arc={status};\n spf=pass smtp.mailfrom={DOMAIN}", message=message)

    def they_seal(self, message, status):
        # A host takes away what claims to be a result of its own.
        bare = re.sub(rb"^Authentication-Results: .*\r\n", b"", message, flags=re.M)
        judged = f"Authentication-Results: mx.{DOMAIN}; arc={status}; spf=pass\r\n".encode() + bare
        return run(PYTHON, PEERS / "arcsign_dkimpy.py", key_of("rsa1024"), DOMAIN, "rsa1024", f"mx.{DOMAIN}",
                   TIME, "from:to:subject:date", message=judged) + judged

    def test_chains_in_turn(self):
        for order in ("oo", "tt", "ot", "to", "ototot", "toto"):
            with self.subTest(order):
                message, status = MESSAGES["odd"], "none"
                for host in order:
                    message = (self.we_seal if host == "o" else self.they_seal)(message, status)
                    status = "pass"
                    self.assertEqual(self.verdicts(message), ("pass", "pass"))

    def test_every_canonicalization_of_ours(self):
        for name, message in MESSAGES.items():
            for canon in ("ss", "sr", "rs", "rr"):
                with self.subTest(f"{name} {canon}"):
                    self.assertEqual(self.verdicts(self.we_seal(message, "none", canon)), ("pass", "pass"))

    def test_a_broken_chain_stays_broken(self):
        broken = self.they_seal(self.we_seal(MESSAGES["plain"], "none"), "pass").replace(b"Hello", b"Hallo")
        self.assertEqual(self.verdicts(broken), ("fail", "fail"))
        sealed = self.we_seal(broken, "fail")
        self.assertIn(b"cv=fail", sealed)
        # dkimpy gives no verdict on a chain that is at its end, and says so as "none".
        self.assertEqual(self.verdicts(sealed), ("none", "fail"))
        self.assertEqual(self.we_seal(sealed, "fail"), sealed)


if __name__ == "__main__":
    main()
