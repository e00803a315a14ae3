#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Mail authentication end to end: real SMTP sessions through smtpd and mailauth, against a name server the test plays;
and the same filter beside Debian's Postfix.  Messages are signed and sealed with the build's mailauth_check."""
import base64
import contextlib
import email
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
import unittest

from peers import Postfix, why_no_postfix
from posterntest import SHARED, TOP, Instance, free_port, main, needs_peers, wait_until

sys.path.insert(0, str(SHARED / "conformance" / "dns"))
try:
    from fakedns import FakeDNS
except ImportError:
    FakeDNS = None

BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build")
CHECK = BUILD / "mailauth" / "mailauth_check"
AUTHSERV = "mx.example.test"
BODY = "Dear friend,\r\n\r\nthis is a mail.\r\n"


class Key:
    """An RSA key in a file, and its record."""

    def __init__(self, folder, name):
        self.path = folder / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                        str(self.path)], check=True, capture_output=True)
        public = subprocess.run(["openssl", "pkey", "-in", str(self.path), "-pubout", "-outform", "DER"], check=True,
                                capture_output=True).stdout
        text = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        self.record = [text[i:i + 250] for i in range(0, len(text), 250)]


class World:
    """Keys, and a name server with the policies of the test's domains."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-auth-"))
        self.dir.chmod(0o755)
        self.author, self.sealer = Key(self.dir, "author"), Key(self.dir, "sealer")
        self.dns = FakeDNS(self.zone())

    def zone(self):
        rows = [["s1._domainkey.sealer.test", "TXT", *self.sealer.record],
                ["s1._domainkey.stranger.test", "TXT", *self.sealer.record],
                ["broken.test", "TIMEOUT"], ["_dmarc.broken.test", "TIMEOUT"], ["nothing.test", "A", "127.0.0.1"],
                ["told.test._report._dmarc.example.test", "TXT", "v=DMARC1"]]
        for domain, spf, dmarc in (("aligned.test", "ip4:127.0.0.1 -all", "p=reject; rua=mailto:r@aligned.test"),
                                   ("forged.test", "-all", "p=reject"), ("aside.test", "-all", "p=quarantine"),
                                   ("told.test", "-all", "p=reject; ruf=mailto:u2@example.test"),
                                   ("spf-only.test", "-all", None)):
            rows += [[domain, "TXT", f"v=spf1 {spf}"], [f"s1._domainkey.{domain}", "TXT", *self.author.record]]
            if dmarc:
                rows.append([f"_dmarc.{domain}", "TXT", f"v=DMARC1; {dmarc}"])
        return rows

    def close(self):
        self.dns.close()
        shutil.rmtree(self.dir)

    def check(self, name, *words, message=b""):
        done = subprocess.run([str(CHECK), name, self.dns.address, *words], input=message, capture_output=True,
                              check=True)
        return done.stdout

    def sign(self, message, domain="aligned.test"):
        return self.check("dkim-sign", str(self.author.path), domain, "s1", "rr", "", "0", message=message)

    def seal(self, message, results, domain="sealer.test"):
        return self.check("arc-seal", str(self.sealer.path), domain, "s1", "rr", "0", f"{domain}; {results}",
                          message=message)


def mail(author, *fields, body=BODY, subject="A mail"):
    lines = [*fields, f"From: Ann <ann@{author}>", "To: u1@example.test", f"Subject: {subject}",
             f"Message-ID: <{time.monotonic_ns()}@{author}>", "Date: Sat, 28 Nov 2026 12:00:00 +0000"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def results_of(text, authserv=AUTHSERV):
    """The Authentication-Results of ours in a delivered mail, unfolded."""
    found = [" ".join(v.split()) for v in email.message_from_bytes(text).get_all("Authentication-Results", [])]
    return [v for v in found if v.lower().startswith(authserv)]


@unittest.skipUnless(FakeDNS, "no fakedns")
class Checked(unittest.TestCase):
    """Mail of strangers."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.host = Instance("users=3", f"dns={cls.world.dns.address}", "main.dmarc_reject_action=reject",
                            "main.dmarc_quarantine_action=quarantine", "main.milter_quarantine_action=junk",
                            "main.mailauth_sign_networks=", "main.arc_trusted_sealers=sealer.test",
                            "main.smtpd_peername_lookup=no", "main.mailauth_lookup_time_limit=2s").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()
        cls.world.close()

    def send(self, message, sender="ann@aligned.test", user="u1"):
        """Gives the answer to the message."""
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), "out.aligned.test", timeout=60) as s:
            s.ehlo()
            self.assertEqual(s.mail(sender)[0], 250, self.host.log_tail())
            self.assertEqual(s.rcpt(f"{user}@example.test")[0], 250, self.host.log_tail())
            code, text = s.data(message)
            return code, text.decode()

    def deliver(self, message, sender="ann@aligned.test", user="u1"):
        """Gives the mail as it was stored."""
        before = {p.name for p in self.files(user)}
        code, text = self.send(message, sender, user)
        self.assertEqual(code, 250, text)
        wait_until(lambda: {p.name for p in self.files(user)} - before, 30, self.host.log_tail)
        return next(p for p in self.files(user) if p.name not in before).read_bytes()

    def files(self, user):
        return [p for p in self.host.maildir(user).rglob("new/*") if p.is_file()]

    def test_a_forged_author_is_refused_with_a_reason_one_can_read(self):
        code, text = self.send(mail("forged.test"), "x@nothing.test")
        self.assertEqual(code, 550)
        self.assertRegex(text, r"^5\.7\.1 .*forged\.test.*DMARC")
        self.host.wait_logged("action=reject")

    def test_an_aligned_author_passes(self):
        stored = self.deliver(self.world.sign(mail("aligned.test")))
        results, = results_of(stored)
        for part in ("spf=pass", "smtp.mailfrom=ann@aligned.test", "dkim=pass", "header.d=aligned.test", "header.s=s1",
                     "dmarc=pass", "header.from=aligned.test"):
            self.assertIn(part, results)

    def test_either_of_the_two_is_enough(self):
        self.assertIn("dmarc=pass", results_of(self.deliver(mail("aligned.test")))[0])
        stored = self.deliver(self.world.sign(mail("aligned.test")), "list@forged.test")
        self.assertIn("spf=fail", results_of(stored)[0])
        self.assertIn("dmarc=pass", results_of(stored)[0])

    def test_a_changed_body_is_no_pass(self):
        signed = self.world.sign(mail("aligned.test")).replace(b"friend", b"victim")
        code, text = self.send(signed, "x@forged.test")
        self.assertEqual((code, text[:5]), (550, "5.7.1"))

    def forwarded(self, sealer):
        """What a mailing list makes of a good mail: another subject, a footer, and its word that it was good."""
        message = self.world.sign(mail("aligned.test"))
        message = message.replace(b"Subject: A", b"Subject: [list] A") + b"-- \r\nthe list\r\n"
        return self.world.seal(message, "dkim=pass header.d=aligned.test; dmarc=pass header.from=aligned.test", sealer)

    def test_a_trusted_chain_is_believed(self):
        stored = self.deliver(self.forwarded("sealer.test"), "list@nothing.test")
        results, = results_of(stored)
        self.assertIn("arc=pass", results)
        self.assertIn("dmarc=fail", results)
        self.assertIn("sealer.test", results)

    def test_a_chain_of_a_stranger_is_not(self):
        code, text = self.send(self.forwarded("stranger.test"), "list@nothing.test")
        self.assertEqual((code, text[:5]), (550, "5.7.1"))

    def test_a_broken_chain_is_not(self):
        code, text = self.send(self.forwarded("sealer.test") + b"more\r\n", "list@nothing.test")
        self.assertEqual((code, text[:5]), (550, "5.7.1"))

    def test_quarantine_lands_in_junk(self):
        stored = self.deliver(mail("aside.test"), "x@nothing.test", "u2")
        self.assertIn("dmarc=fail", results_of(stored)[0])
        junk = self.host.maildir("u2") / ".Junk" / "new"
        self.assertEqual([p.read_bytes() for p in junk.iterdir()], [stored])

    def test_a_silent_name_server_costs_no_mail(self):
        stored = self.deliver(mail("broken.test"), "x@broken.test")
        self.assertIn("spf=temperror", results_of(stored)[0])
        self.assertIn("dmarc=temperror", results_of(stored)[0])

    def test_a_domain_without_policy(self):
        results, = results_of(self.deliver(mail("nothing.test"), "x@nothing.test"))
        self.assertIn("spf=none", results)
        self.assertIn("dkim=none", results)
        self.assertIn("dmarc=none", results)

    def test_a_bounce_is_judged_by_its_helo(self):
        results, = results_of(self.deliver(mail("nothing.test"), ""))
        self.assertIn("smtp.helo=out.aligned.test", results)

    def test_forged_results_are_removed(self):
        lies = [f"Authentication-Results: {AUTHSERV}; dmarc=pass",
                f"Authentication-Results: {AUTHSERV.upper()}; dmarc=pass",
                f"authentication-RESULTS:\r\n {AUTHSERV}\r\n\t; dmarc=pass",
                f"Authentication-Results: (a comment) {AUTHSERV} 1; dmarc=pass",
                f'Authentication-Results: "{AUTHSERV}"; dmarc=pass',
                f"Authentication-Results: {AUTHSERV}.; dmarc=pass",
                f"Authentication-Results: {AUTHSERV}",
                f"Authentication-Results : {AUTHSERV}; dmarc=pass",
                f"Authentication-Results: ; {AUTHSERV}; dmarc=pass"]
        others = "Authentication-Results: elsewhere.test; dkim=pass"
        fields = [x for lie in lies for x in (lie, others)]
        stored = self.deliver(mail("nothing.test", *fields), "x@nothing.test")
        found = email.message_from_bytes(stored).get_all("Authentication-Results")
        self.assertEqual(len([x for x in found if "elsewhere.test" in x]), len(lies))
        self.assertEqual(len(found), len(lies) + 1)
        self.assertNotIn(b"dmarc=pass", stored)

    def test_a_large_message_is_checked_too(self):
        body = "".join(f"{i:08} line of a large message that goes to a file\r\n" for i in range(100000))
        stored = self.deliver(self.world.sign(mail("aligned.test", body=body)), "x@nothing.test")
        self.assertIn("dkim=pass", results_of(stored)[0])
        self.assertTrue(stored.endswith(body.encode()))

    def refused(self, message, reason):
        code, text = self.send(message)
        self.assertEqual((code, text[:6]), (550, "5.7.1 "))
        self.assertRegex(text, reason)

    def test_a_header_without_end_is_no_way_around(self):
        self.refused(mail("forged.test", *(f"X-{i}: x" for i in range(1100))), "DMARC: header too large")
        self.refused(mail("forged.test", *(f"X-{i}: {'x' * 900}" for i in range(1300))), "DMARC: header too large")

    def test_two_authors_are_no_way_around(self):
        self.refused(mail("aligned.test", "From: Boss <boss@forged.test>"), "DMARC: several From fields")

    def test_an_author_hidden_among_others_is_no_way_around(self):
        for value in ("boss@forged.test, x@[192.0.2.1]", ", ".join(f"x@d{i}.test" for i in range(50)) + ", a@forged.test"):
            self.refused(mail("aligned.test").replace(b"From: Ann <ann@aligned.test>", f"From: {value}".encode()), "DMARC: ")

    def test_mail_of_nobody(self):
        self.refused(mail("aligned.test").replace(b"From: Ann <ann@aligned.test>", b"From: nobody"), "DMARC: no address")

    def test_several_messages_in_a_session(self):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), "out.aligned.test", timeout=60) as s:
            s.sendmail("ann@aligned.test", "u3@example.test", self.world.sign(mail("aligned.test")))
            with self.assertRaises(smtplib.SMTPDataError):
                s.sendmail("x@nothing.test", "u3@example.test", mail("forged.test"))
            s.sendmail("ann@aligned.test", "u3@example.test", self.world.sign(mail("aligned.test")))
        self.host.wait_for_mails("u3", 2)
        for text in self.host.mails("u3"):
            self.assertIn("dmarc=pass", results_of(text)[0])


@unittest.skipUnless(FakeDNS, "no fakedns")
class ToldOfFailures(unittest.TestCase):
    """Failure reports (ruf=), which an admin has to turn on."""

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)

    def send(self, host, author, sender):
        with smtplib.SMTP("127.0.0.1", host.port("smtp"), "out.test", timeout=60) as s:
            s.ehlo()
            s.mail(sender)
            s.rcpt("u1@example.test")
            return s.data(mail(author, "X-Greeting: gr\u00fc\u00df dich"))[0]

    def options(self):
        return ("users=3", f"dns={self.world.dns.address}", "main.dmarc_reject_action=reject",
                "main.mailauth_sign_networks=", "main.smtpd_peername_lookup=no")

    def test_who_asks_is_told_within_bounds(self):
        with Instance(*self.options(), "main.dmarc_failure_reports=yes", "main.dmarc_failure_report_limit=2") as host:
            self.assertEqual(self.send(host, "told.test", ""), 550)     # might be a report: not told of
            for _ in range(4):
                self.assertEqual(self.send(host, "told.test", "x@forged.test"), 550)
            self.assertEqual(self.send(host, "forged.test", "x@forged.test"), 550)      # does not ask
            reports = host.wait_for_mails("u2", 2)
            host.wait_logged("DMARC failure reports: . mails sent")
            time.sleep(3)
            self.assertEqual(len(host.mails("u2")), 2)
        report = email.message_from_bytes(reports[0])
        self.assertEqual(report["Return-Path"], "<>")
        self.assertEqual((report.get_content_type(), report.get_param("report-type")),
                         ("multipart/report", "feedback-report"))
        words, facts, header = report.get_payload()
        self.assertIn("told.test", words.get_payload())
        self.assertEqual(facts.get_content_type(), "message/feedback-report")
        facts = facts.get_payload()[0]
        for name, value in (("Feedback-Type", "auth-failure"), ("Version", "1"), ("Auth-Failure", "dmarc"),
                            ("Reported-Domain", "told.test"), ("Original-Mail-From", "<x@forged.test>"),
                            ("Source-IP", "127.0.0.1"), ("Identity-Alignment", "none"), ("Delivery-Result", "reject"),
                            ("SPF-DNS", 'txt : forged.test : "v=spf1 -all"')):
            self.assertEqual(facts[name], value, name)
        self.assertIn("dmarc=fail", facts["Authentication-Results"])
        self.assertEqual(header.get_content_type(), "text/rfc822-headers")
        shown = header.get_payload(decode=True)
        self.assertIn(b"From: Ann <ann@told.test>\r\n", shown)
        self.assertNotIn(b"Dear friend", shown)

    def test_nobody_is_told_by_default(self):
        with Instance(*self.options()) as host:
            self.assertEqual(self.send(host, "told.test", "x@forged.test"), 550)
            time.sleep(3)
            self.assertEqual(host.mails("u2"), [])


@unittest.skipUnless(FakeDNS, "no fakedns")
class Signed(unittest.TestCase):
    """Our own mail."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.host = Instance("users=3", f"dns={cls.world.dns.address}", "main.mailauth_sign_networks=",
                            "main.arc_seal_domain=example.test").__enter__()
        done = cls.host.tool("postern", "dkim", "keygen", "example.test")
        cls.publish(done.stdout)
        # No reload: mailauth finds the keys by itself, within some seconds.
        wait_until(cls.is_signed, 60, cls.host.log_tail)

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()
        cls.world.close()

    @classmethod
    def is_signed(cls):
        count = len(cls.host.mails("u3"))
        cls.submit(mail("example.test"), "u3")
        cls.host.wait_for_mails("u3", count + 1)
        return any(b"DKIM-Signature" in text for text in cls.host.mails("u3"))

    @classmethod
    def publish(cls, text):
        """Both records that keygen prints, as a zone file has them."""
        rows = []
        for name, value in re.findall(r'^(\S+_domainkey\S*)\s+(?:\d+\s+)?IN\s+TXT\s+\(?((?:\s*"[^"]*")+)', text, re.M):
            rows.append([name.rstrip(".") if name.endswith(".") else f"{name}.example.test", "TXT",
                         *re.findall(r'"([^"]*)"', value)])
        assert len(rows) == 2, text
        cls.world.dns.zone = cls.world.zone() + rows

    def verified(self, text):
        lines = [x for x in self.world.check("dkim", "0", "whole", message=text).decode().splitlines() if x[0] != "#"]
        return sorted(line.split()[0] + " " + re.search(r"a=(\S*)", line).group(1) for line in lines)

    def stored(self, user, count=1):
        return self.host.wait_for_mails(user, count)[-1]

    def test_submitted_mail_is_signed_with_both_keys(self):
        self.submit(mail("example.test"), "u1")
        self.assertEqual(self.verified(self.stored("u1")), ["pass ed25519-sha256", "pass rsa-sha256"])

    @classmethod
    def submit(cls, message, user):
        with smtplib.SMTP("127.0.0.1", cls.host.port("submission"), timeout=30) as s:
            s.ehlo()
            s.login("u1@example.test", "secret")
            s.sendmail("u1@example.test", f"{user}@example.test", message)

    def test_local_mail_is_signed_and_forged_results_go(self):
        sendmail = BUILD / "stage" / "sbin" / "sendmail"
        subprocess.run([str(sendmail), "-f", "u2@example.test", "u2@example.test"], check=True, text=True,
                       env={**os.environ, "MAIL_CONFIG": self.host.facts["config"]},
                       input=f"From: u2@example.test\nSubject: local\nAuthentication-Results: {AUTHSERV}; dkim=pass\n\nx\n")
        text = self.stored("u2")
        self.assertEqual(self.verified(text), ["pass ed25519-sha256", "pass rsa-sha256"])
        self.assertEqual(results_of(text), [])

    def test_a_stranger_is_not_signed_for(self):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.sendmail("u1@example.test", "u2@example.test", mail("example.test", subject="not ours"))
        wait_until(lambda: any(b"not ours" in x for x in self.host.mails("u2")), 30, self.host.log_tail)
        text = next(x for x in self.host.mails("u2") if b"not ours" in x)
        self.assertNotIn(b"DKIM-Signature", text)
        self.assertEqual(len(results_of(text)), 1)

    def test_an_unclear_author_is_only_noted_where_nothing_is_refused(self):
        forged = f"Authentication-Results: {AUTHSERV}; dkim=pass"
        for name, dmarc, message in (
                ("endless", "dkim=permerror", mail("aligned.test", *(f"X-{i}: x" for i in range(1100)), forged, subject="endless")),
                ("doubled", "dmarc=permerror", mail("aligned.test", "From: Boss <boss@forged.test>", subject="doubled"))):
            with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
                s.sendmail("ann@aligned.test", "u3@example.test", message)
            wait_until(lambda: any(name.encode() in x for x in self.host.mails("u3")), 30, self.host.log_tail)
            results, = results_of(next(x for x in self.host.mails("u3") if name.encode() in x))
            self.assertIn(dmarc, results)
            self.assertIn("dmarc=permerror", results)

    def test_mail_of_strangers_is_sealed(self):
        """Each host on its way adds a set; what was sealed before is judged, and kept."""
        first = self.world.seal(mail("nothing.test", subject="sealed"), "dmarc=none header.from=nothing.test")
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.sendmail("x@nothing.test", "u2@example.test", first)
        wait_until(lambda: any(b"sealed" in x for x in self.host.mails("u2")), 30, self.host.log_tail)
        text = next(x for x in self.host.mails("u2") if b"sealed" in x)
        self.assertIn("arc=pass", results_of(text)[0])
        verdict = self.world.check("arc", message=text).decode()
        self.assertRegex(verdict, r"^pass sets=2 .*sealers=sealer\.test,example\.test")
        newest = email.message_from_bytes(text).get_all("ARC-Authentication-Results")[0]
        self.assertEqual(" ".join(newest.split()).replace("i=2; ", ""), results_of(text)[0])


@unittest.skipUnless(FakeDNS, "no fakedns")
class Reported(unittest.TestCase):
    """What was found yesterday is mailed to who asks for it; and what others mail us is summed up."""

    def test_a_day_becomes_a_mail_and_a_summary(self):
        dns = FakeDNS([["_dmarc.example.test", "TXT", "v=DMARC1; p=reject; rua=mailto:u1@example.test"]])
        self.addCleanup(dns.close)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-reports-"))
        self.addCleanup(shutil.rmtree, folder, True)
        with Instance("users=2", f"dns={dns.address}", "main.dmarc_report_mailbox=u1@example.test", folder=folder) as host:
            reports = folder / "data" / "mailauth" / "reports"
            wait_until(reports.is_dir, 30, host.log_tail)
            self.collect(reports, 3)
            self.addCleanup(host.stop)
            text = host.wait_for_mails("u1", 1, 120)[0]
            self.assertIn(b"Subject: Report Domain: example.test", text.replace(b"\r\n ", b" "))
            self.assertIn(b"Return-Path: <>", text)
            wait_until(lambda: "1 sent in 1 mails" in host.log(), 30, host.log_tail)
            for known in (0, 1):    # a report counts once
                done = host.tool("postern", "dmarc", "summary", "example.test")
                self.assertIn("192.0.2.7", done.stdout)
                self.assertIn(f"{1 - known} new reports, {known} known before", done.stdout)
            self.assertEqual(list(reports.glob("*.db")), [p for p in reports.glob("*.db") if "damaged" not in p.name])

    @staticmethod
    def collect(reports, count):
        yesterday = int(time.time()) - 86400
        line = "\t".join([str(yesterday), "example.test", "v=DMARC1; p=reject; rua=mailto:u1@example.test", "example.test",
                          "example.test", "elsewhere.test", "192.0.2.7", "none", "pass", "pass", "",
                          "example.test:s1:pass:", "example.test:mfrom:pass"])
        subprocess.run([str(CHECK), "dmarc-collect", "127.0.0.1:9", str(reports)], input="".join(line + "\n" for _ in range(count)),
                       text=True, check=True, capture_output=True)
        owner = reports.stat()
        for path in reports.iterdir():
            os.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def standalone(world, folder, *options, **more):
    """mailauth as another mail server's filter; gives its socket."""
    path = folder / "mailauth.sock"
    etc = folder / "mailauth-etc"
    etc.mkdir()
    settings = {"myhostname": AUTHSERV, "mynetworks": "192.0.2.0/24", "data_directory": etc / "data",
                "dns_servers": world.dns.address, "filter_owner": "64109", "dmarc_reject_action": "reject",
                "arc_trusted_sealers": "sealer.test", **more}
    (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
    with open(folder / "mailauth.log", "w") as log:
        process = subprocess.Popen([str(BUILD / "mailauth" / "mailauth"), "-l", f"unix:{path}", "-c", str(etc), *options],
                                   stdout=log, stderr=log)
    try:
        wait_until(lambda: path.exists() or process.poll() is not None, 30)
        yield path
    finally:
        process.terminate()
        process.wait(30)


@needs_peers
@unittest.skipIf(why_no_postfix() or not FakeDNS, "no Postfix or no fakedns")
class BesidePostfix(unittest.TestCase):
    """The same filter gives the same headers."""

    def test_it_works_unchanged_with_postfix(self):
        world = World()
        self.addCleanup(world.close)
        messages = [(world.sign(mail("aligned.test")), "ann@aligned.test"), (mail("nothing.test"), "x@nothing.test"),
                    (mail("nothing.test", f"Authentication-Results: {AUTHSERV}; dkim=pass"), "x@nothing.test")]
        with standalone(world, world.dir) as path:
            settings = {"smtpd_milters": f"unix:{path}", "milter_default_action": "tempfail"}
            with Postfix(64120, **settings) as peer, \
                    Instance("users=1", f"dns={world.dns.address}", "main.mailauth_sign_networks=",
                             "main.smtpd_peername_lookup=no", "main.dmarc_reject_action=reject") as host:
                for message, sender in messages:
                    self.assertEqual(self.give(peer.port, "a@pf.test", message, sender)[0], 250)
                    self.assertEqual(self.give(host.port("smtp"), "u1@example.test", message, sender)[0], 250)
                refusals = [self.give(port, to, mail("forged.test"), "x@nothing.test")
                            for port, to in ((peer.port, "a@pf.test"), (host.port("smtp"), "u1@example.test"))]
                self.assertEqual(refusals[0], refusals[1])
                self.assertEqual(refusals[0][0], 550)
                wait_until(lambda: len(peer.mails("a")) == 3, 30, peer.log_tail)
                host.wait_for_mails("u1", 3)
                theirs = sorted(results_of(x)[0] for x in peer.mails("a"))
                self.assertEqual(theirs, sorted(results_of(x)[0] for x in host.mails("u1")))
                self.assertEqual([len(results_of(x)) for x in peer.mails("a")], [1, 1, 1])

    def test_it_signs_for_the_users_of_postfix(self):
        world = World()
        self.addCleanup(world.close)
        folder = world.dir / "keys" / "aligned.test"
        folder.mkdir(parents=True)
        shutil.copy(world.author.path, folder / "s1.pem")
        for path in (folder.parent, folder, folder / "s1.pem"):
            os.chown(path, 64109, 64109)
            path.chmod(0o600 if path.suffix else 0o700)
        with standalone(world, world.dir, mynetworks="127.0.0.0/8", dkim_key_directory=folder.parent) as path, \
                Postfix(64120, smtpd_milters=f"unix:{path}", milter_default_action="tempfail") as peer:
            with smtplib.SMTP("127.0.0.1", peer.port, "out.aligned.test", timeout=60) as s:
                for sender in ("ann@aligned.test", "x@nothing.test", "ann@aligned.test"):
                    s.sendmail(sender, "a@pf.test", mail(sender.partition("@")[2]))
            wait_until(lambda: len(peer.mails("a")) == 3, 30, peer.log_tail)
            found = [world.check("dkim", "0", "whole", message=text.replace(b"\n", b"\r\n")).decode()
                     for text in peer.mails("a")]
        self.assertEqual(sum("\npass " in "\n" + text for text in found), 2, found)

    @staticmethod
    def give(port, to, message, sender):
        with smtplib.SMTP("127.0.0.1", port, "out.aligned.test", timeout=60) as s:
            s.ehlo()
            s.mail(sender)
            s.rcpt(to)
            return s.data(message)


if __name__ == "__main__":
    main()
