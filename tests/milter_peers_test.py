#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Filters that people run: opendkim signs and verifies, opendmarc judges, rspamd scores.  Against us, and against Debian's
Postfix, so that what is expected is what Postfix does.  Each filter has its own configuration and socket; name servers
are those of the test."""
import os
import subprocess
import unittest

from mailauth_test import CHECK, FakeDNS, Key
from milters.case import Filtered, body_of, listens, results_of, values_of
from milters.mtas import Ours, Reference
from peers import why_no_postfix
from posterntest import main, needs_peers, wait_until

OPENDKIM, OPENDMARC, RSPAMD = "/usr/sbin/opendkim", "/usr/sbin/opendmarc", "/usr/bin/rspamd"
# opendmarc asks the name servers of /etc/resolv.conf: it gets one of its own, and a server on port 53.
NAMESERVER = "127.0.53.53"
WITH_RESOLV_CONF = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"']
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Known(Filtered):
    @classmethod
    def add(cls, name, words):
        """A filter that listens on NAME.sock."""
        path = cls.dir / f"{name}.sock"
        with open(cls.dir / f"{name}.log", "wb") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.stack.callback(process.wait)
        cls.stack.callback(process.terminate)
        wait_until(lambda: listens(f"unix:{path}") or process.poll() is not None)
        assert process.poll() is None, (cls.dir / f"{name}.log").read_text()
        return f"unix:{path}"

    @classmethod
    def write(cls, name, text):
        (cls.dir / name).write_text(text)
        return cls.dir / name


def why_no_keys():
    if not FakeDNS:
        return "no fakedns"
    if not CHECK.exists():
        return f"{CHECK} is not built (make test-programs)"
    return None if os.path.exists(OPENDKIM) else "no opendkim"


class Signed(Known):
    OPENDKIM = """
Mode sv
Socket local:{dir}/opendkim.sock
UMask 000
Syslog no
Background no
RequireSafeKeys no
Domain example.test
Selector s1
KeyFile {dir}/author.pem
Canonicalization simple/simple
SignHeaders *,+subject
MTA ORIGINATING
InternalHosts {dir}/nobody
ResolverConfiguration {dir}/unbound.conf
AuthservID mx.example.test
AlwaysAddARHeader yes
On-BadSignature reject
"""
    UNBOUND = """
server:
  do-not-query-localhost: no
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{port}
"""

    @classmethod
    def prepare(cls):
        key = Key(cls.dir, "author")
        rows = [["s1._domainkey.example.test", "TXT", *key.record], ["s1._domainkey.aligned.test", "TXT", *key.record],
                ["_dmarc.aligned.test", "TXT", "v=DMARC1; p=reject"], ["aligned.test", "TXT", "v=spf1 -all"],
                ["nothing.test", "A", "127.0.0.1"]]
        cls.dns = cls.stack.enter_context(FakeDNS(rows))
        cls.write("nobody", "192.0.2.1\n")
        cls.write("unbound.conf", cls.UNBOUND.format(port=cls.dns.address.rpartition(":")[2]))
        conf = cls.write("opendkim.conf", cls.OPENDKIM.format(dir=cls.dir))
        cls.opendkim = cls.add("opendkim", [OPENDKIM, "-f", "-x", conf])
        cls.opendmarc, cls.why_no_dmarc = None, None
        cls.prepare_dmarc(rows)

    OPENDMARC = """
Socket local:{dir}/opendmarc.sock
UMask 000
Syslog no
Background no
SPFSelfValidate true
AuthservID mx.example.test
TrustedAuthservIDs mx.example.test
RejectFailures true
IgnoreHosts {dir}/nobody
PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat
"""

    @classmethod
    def prepare_dmarc(cls, rows):
        if not os.path.exists(OPENDMARC) or os.geteuid() != 0:
            cls.why_no_dmarc = "no opendmarc, or no root to give it a name server"
            return
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            cls.why_no_dmarc = "no mount namespaces here"
            return
        try:
            cls.stack.enter_context(FakeDNS(rows, host=NAMESERVER, port=53))
        except OSError as e:
            cls.why_no_dmarc = f"no name server on {NAMESERVER}:53: {e}"
            return
        resolv_conf = cls.write("resolv.conf", f"nameserver {NAMESERVER}\n")
        conf = cls.write("opendmarc.conf", cls.OPENDMARC.format(dir=cls.dir))
        cls.opendmarc = cls.add("opendmarc", [*WITH_RESOLV_CONF, resolv_conf, OPENDMARC, "-f", "-c", conf])

    @classmethod
    def services(cls):
        found = {"submission": {"smtpd_milters": cls.opendkim, "milter_macro_daemon_name": "ORIGINATING"},
                 "mx": {"smtpd_milters": cls.opendkim}}
        if cls.opendmarc:
            found["dmarc"] = {"smtpd_milters": f"{cls.opendkim}, {cls.opendmarc}"}
        return found

    def check(self, name, *words, message):
        return subprocess.run([str(CHECK), name, self.dns.address, *words], input=message, capture_output=True,
                              check=True).stdout

    def verdict(self, stored):
        """Of the signatures of a stored message."""
        message = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return [line.split()[0] for line in self.check("dkim", "0", "whole", message=message).decode().splitlines()
                if line[0] != "#"]

    def test_what_is_submitted_is_signed(self):
        """As it is stored: no byte of it changes later."""
        bodies = {"plain": "Hello.\r\n", "empty": "", "only lines": "\r\n\r\n", "blanks": " a \t b \r\n\r\n  \r\n",
                  "dots": "..\r\n...a\r\n", "eight bits": "\u00e4\u00f6\r\n", "no line end": "a\r\nb\r\n",
                  "large": "0123456789\r\n" * 100000}
        fields = ["X-Tab:\tvalue", "X-None:value", "X-Two:  value  ", "X-Folded: a\r\n b\r\n\tc", "X-Folded-first:\r\n a",
                  "X-Empty:", "x-case: \u00e4"]
        for kind, body in bodies.items():
            with self.subTest(kind):
                stored = self.delivered("submission", *fields, body=body)
                self.assertEqual(self.verdict(stored), ["pass"], stored[:1000])
                signature, = values_of(stored, "DKIM-Signature")
                self.assertIn("d=example.test", signature)

    def test_what_strangers_send_is_not(self):
        stored = self.delivered("mx")
        self.assertEqual(values_of(stored, "DKIM-Signature"), [])
        result, = results_of(stored)
        self.assertRegex(result, r"^mx\.example\.test; dkim=none")

    def sign(self, *fields, domain="aligned.test", body="Hello.\r\n", canonicalisation="ss"):
        """The fields that a signed message has before the others."""
        word = self.word()
        message = self.message(word, *fields, body=body)[:-3].replace("u1@example.test", f"ann@{domain}").encode()
        return word, self.check("dkim-sign", str(self.dir / "author.pem"), domain, "s1", canonicalisation, "", "0",
                                message=message)

    def send(self, service, message, sender="ann@aligned.test"):
        with self.client(service) as c:
            self.assertEqual([r[:3] for r in c.envelope(sender, "u2@example.test")], ["250"] * 2)
            return c.data(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    def test_signatures_of_others_are_verified(self):
        odd = ["X-Tab:\tvalue", "X-None:value", "X-Two:  value  ", "X-Folded: a\r\n b\r\n\tc"]
        for canonicalisation in ("ss", "rr"):
            with self.subTest(canonicalisation):
                word, message = self.sign(*odd, body=" a \r\n.b\r\n\r\n", canonicalisation=canonicalisation)
                self.assertEqual(self.send("mx", message)[:3], "250")
                result, = results_of(self.arrived("u2", word))
                self.assertRegex(result, r"^mx\.example\.test; dkim=pass .*header\.d=aligned\.test")

    def test_a_broken_signature_is_refused(self):
        _, message = self.sign()
        reply = self.send("mx", message.replace(b"Hello", b"Hallo"))
        self.assertRegex(reply, r"^550 5\.7\.0 bad DKIM signature data")

    def test_a_forged_author_is_refused_by_opendmarc(self):
        if not self.opendmarc:
            self.skipTest(self.why_no_dmarc)
        message = self.message(self.word())[:-3].replace("u1@example.test", "ann@aligned.test").encode()
        # libspf2 lets all of 127/8 pass: the domain has to be another.
        self.assertRegex(self.send("dmarc", message, "x@nothing.test"),
                         r"^550 5\.7\.1 rejected by DMARC policy for aligned\.test")

    def test_opendmarc_reads_what_opendkim_found(self):
        if not self.opendmarc:
            self.skipTest(self.why_no_dmarc)
        word, message = self.sign()
        self.assertEqual(self.send("dmarc", message)[:3], "250")
        results = results_of(self.arrived("u2", word))
        self.assertTrue(any("dkim=pass" in r for r in results), results)
        self.assertTrue(any("dmarc=pass" in r and "header.from=aligned.test" in r for r in results), results)


class Scored(Known):
    """rspamd with its proxy worker, which scans by itself; a rule of ours gives the score that a header asks for."""
    RULES = """
rspamd_config.X_TEST_SCORE = {
  score = 1.0,
  callback = function(task)
    local value = task:get_header('X-Test-Score')
    if value then return true, tonumber(value) end
    return false
  end
}
rspamd_config.X_TEST_LATER = {
  type = 'prefilter',
  callback = function(task)
    if task:get_header('X-Test-Later') then task:set_pre_result('soft reject', 'Try again later') end
  end
}
rspamd_config.X_TEST_ENVELOPE = {
  score = 0.0,
  callback = function(task)
    local from, to = task:get_from('smtp'), task:get_recipients('smtp')
    return true, 1.0, string.format('%s|%s|%s|%s', from[1].addr, to[1].addr, task:get_helo(), tostring(task:get_ip()))
  end
}
"""
    CONF = """
options {{
  filters = "";
  cache_file = "{dir}/rspamd/cache";
  hs_cache_dir = "{dir}/rspamd";
  control_socket = "{dir}/rspamd/control mode=0600";
  dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
  url_tld = "{dir}/rspamd/tld";
  tempdir = "{dir}/rspamd";
}}
logging {{ type = "console"; level = "info"; }}
worker "rspamd_proxy" {{
  bind_socket = "{dir}/rspamd.sock mode=0666";
  milter = yes; timeout = 60s; count = 1;
  upstream "local" {{ default = yes; self_scan = yes; hosts = "127.0.0.1"; }}
  spam_header = "X-Spam"; reject_message = "Spam message rejected";
}}
actions {{ reject = 15; rewrite_subject = 8; add_header = 6; subject = "[spam] %s"; }}
milter_headers {{ use = ["x-spamd-result", "x-spam-level", "x-spam-status"]; skip_local = false; }}
modules {{ path = "/usr/share/rspamd/plugins/milter_headers.lua"; }}
lua = "{dir}/rspamd/rules.lua";
"""

    @classmethod
    def prepare(cls):
        (cls.dir / "rspamd").mkdir()
        cls.write("rspamd/rules.lua", cls.RULES)
        cls.write("rspamd/tld", "test\norg\n")
        conf = cls.write("rspamd.conf", cls.CONF.format(dir=cls.dir))
        cls.rspamd = cls.add("rspamd", [RSPAMD, "-f", "--insecure", "--skip-template", "-c", conf])

    @classmethod
    def services(cls):
        return {"mx": {"smtpd_milters": cls.rspamd}}

    def test_an_innocent_message(self):
        mail = self.delivered("mx")
        result, = values_of(mail, "X-Spamd-Result")
        self.assertIn("u1@example.test|u2@example.test|client.test|127.0.0.1", result)
        self.assertEqual(values_of(mail, "X-Spam"), [])
        self.assertRegex(values_of(mail, "X-Spam-Status")[0], r"^ No, score=0")

    def test_gtube_is_refused(self):
        word, reply = self.mail("mx", body=f"{GTUBE}\r\n")
        self.assertRegex(reply, r"^554 5\.7\.1 (Gtube pattern|Spam message rejected)")
        self.logged(r"milter-reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: 5\.7\.1 ")
        self.delivered("mx")
        self.assertEqual(self.found("u2", word), [])

    def test_spam_is_marked(self):
        mail = self.delivered("mx", "X-Test-Score: 7", "X-Spam: forged")
        self.assertEqual(values_of(mail, "X-Spam"), [" Yes"])
        self.assertEqual(values_of(mail, "X-Spam-Level"), [" *******"])

    def test_the_subject_is_rewritten(self):
        word = self.word()
        mail = self.delivered("mx", "X-Test-Score: 9", word=word)
        self.assertEqual(values_of(mail, "Subject"), [f" [spam] {word}"])

    def test_much_of_it_is_refused(self):
        self.assertEqual(self.mail("mx", "X-Test-Score: 20")[1], "554 5.7.1 Spam message rejected")

    def test_greylisted(self):
        self.assertEqual(self.mail("mx", "X-Test-Later: yes")[1], "451 4.7.1 Try again later")

    def test_a_large_message(self):
        body = "0123456789 abc\r\n" * 100000
        self.assertEqual(body_of(self.delivered("mx", "X-Test-Score: 7", body=body)), body.replace("\r", ""))


@unittest.skipIf(why_no_keys(), why_no_keys())
class SignedByUs(Signed, unittest.TestCase):
    MTA = Ours


@needs_peers
@unittest.skipIf(why_no_postfix() or why_no_keys(), why_no_postfix() or why_no_keys())
class SignedByPostfix(Signed, unittest.TestCase):
    MTA = Reference


@unittest.skipUnless(os.path.exists(RSPAMD), "no rspamd")
class ScoredByUs(Scored, unittest.TestCase):
    MTA = Ours


@needs_peers
@unittest.skipIf(why_no_postfix() or not os.path.exists(RSPAMD), why_no_postfix() or "no rspamd")
class ScoredByPostfix(Scored, unittest.TestCase):
    MTA = Reference


if __name__ == "__main__":
    main()
