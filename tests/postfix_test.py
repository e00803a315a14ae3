#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Mail to and from a real Postfix, to a real Dovecot by LMTP, and logins that they leave to us."""
import smtplib
import unittest

from peers import Dovecot, Postfix, why_no_dovecot, why_no_postfix
from posterntest import Instance, main, needs_peers, wait_until

MAIL_UID = 64120
SOON = ["main.minimal_backoff_time=1s", "main.maximal_backoff_time=2s", "main.queue_run_delay=1s"]


def submit(host, recipients, subject="interop", service="smtp"):
    """Sends as u1; the queue id."""
    with smtplib.SMTP("127.0.0.1", host.port(service), timeout=30) as s:
        s.ehlo()
        s.mail("u1@example.test")
        for r in recipients:
            code, text = s.rcpt(r)
            if code != 250:
                raise AssertionError(f"{r}: {text}")
        code, text = s.data(f"From: u1@example.test\r\nSubject: {subject}\r\n\r\n.dot\r\nGr\u00fc\u00dfe\r\n".encode())
        if code != 250:
            raise AssertionError(text)
        return text.decode().split()[-1]


class Fates:
    """Looks into the log for what became of each recipient."""

    def wait_for_fate(self, host, queue_id, recipient, dsn, status):
        wait_until(lambda: any(f"{queue_id}: to=<{recipient}>" in line and f"dsn={dsn}, status={status}" in line
                               for line in host.log().splitlines()), 30,
                   lambda: f"{recipient}: {dsn} {status}\n{host.log_tail()}")


@needs_peers
@unittest.skipIf(why_no_postfix(), why_no_postfix())
class ToPostfix(Fates, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keys = Instance("users=1", "tls=yes").__enter__()     # its certificate serves Postfix, too
        etc = cls.keys.facts["config"]
        cls.postfix = Postfix(MAIL_UID, smtpd_tls_security_level="may", smtpd_tls_received_header="yes",
                              smtpd_tls_chain_files=f"{etc}/key.pem, {etc}/cert.pem").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.postfix.__exit__()
        cls.keys.__exit__()

    def relay(self, level, subject):
        with Instance("users=2", f"route.pf.test=127.0.0.1:{self.postfix.port}",
                      f"main.smtp_tls_security_level={level}", "main.smtp_tls_loglevel=1", *SOON) as host:
            queue_id = submit(host, ["a@pf.test", "b@pf.test", "nobody@pf.test"], subject)
            self.wait_for_fate(host, queue_id, "a@pf.test", "2.0.0", "sent")
            self.wait_for_fate(host, queue_id, "b@pf.test", "2.0.0", "sent")
            self.wait_for_fate(host, queue_id, "nobody@pf.test", "5.1.1", "bounced")
            report = host.wait_for_mails("u1", 1)[0].decode()
            self.assertIn("Final-Recipient: rfc822; nobody@pf.test", report)
            self.assertIn("Remote-MTA: dns; 127.0.0.1", report)
            self.assertNotIn("b@pf.test", report.split("Subject: interop")[0].split("Content-Type: message/")[1])
        for user in ("a", "b"):
            wait_until(lambda: any(subject.encode() in m for m in self.postfix.mails(user)), 30,
                       self.postfix.log_tail)
        return next(m for m in self.postfix.mails("a") if subject.encode() in m).decode()

    def test_in_the_clear(self):
        mail = self.relay("none", "level-none")
        self.assertNotIn("using TLS", mail)
        self.assertIn("\n.dot\nGr\u00fc\u00dfe\n", mail)

    def test_starttls_where_offered(self):
        self.assertIn("using TLSv1.3", self.relay("may", "level-may"))

    def test_starttls_demanded(self):
        self.assertIn("using TLSv1.3", self.relay("encrypt", "level-encrypt"))

    def test_no_tls_there_but_demanded_defers(self):
        with Postfix(MAIL_UID) as bare, \
                Instance("users=2", f"route.pf.test=127.0.0.1:{bare.port}",
                         "main.smtp_tls_security_level=encrypt", *SOON) as host:
            queue_id = submit(host, ["a@pf.test"])
            self.wait_for_fate(host, queue_id, "a@pf.test", "4.7.4", "deferred")
            self.assertEqual(bare.mails("a"), [])


@needs_peers
@unittest.skipIf(why_no_postfix(), why_no_postfix())
class FromPostfix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=3", "tls=yes").__enter__()
        cls.postfix = Postfix(MAIL_UID, relayhost=f"[127.0.0.1]:{cls.host.port('smtp')}",
                              smtp_tls_security_level="encrypt", smtp_tls_loglevel="1").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.postfix.__exit__()
        cls.host.__exit__()

    def test_mail_arrives_and_an_unknown_user_bounces(self):
        self.postfix.sendmail("a@pf.test", ["u2@example.test", "u3@example.test", "nobody@example.test"],
                              "Subject: from postfix\n\n.dot\nlast\n")
        for user in ("u2", "u3"):
            mail = self.host.wait_for_mails(user, 1)[0]
            self.assertTrue(mail.endswith(b"\r\n\r\n.dot\r\nlast\r\n"), mail)
            self.assertIn(b"from mx.pf.test", mail)
            self.assertIn(b"TLSv1.3", mail)
        wait_until(lambda: self.postfix.mails("a"), 30, self.postfix.log_tail)
        report = self.postfix.mails("a")[0]
        self.assertIn(b"Final-Recipient: rfc822; nobody@example.test", report)
        self.assertIn(b"Status: 5.1.1", report)

    def test_a_large_message_with_many_recipients(self):
        text = "Subject: large\n\n" + ("x" * 70 + "\n") * 30000
        before = len(self.host.mails("u1"))
        self.postfix.sendmail("a@pf.test", ["u1@example.test", "postmaster@example.test"], text)
        mails = self.host.wait_for_mails("u1", before + 2)
        self.assertTrue(all(m.endswith(b"x" * 70 + b"\r\n") for m in mails[before:]))


class AuthenticatedRelay(Fates, unittest.TestCase):
    """One Postern logs in to the submission service of another."""

    @classmethod
    def setUpClass(cls):
        cls.far = Instance("users=3", "tls=yes").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.far.__exit__()

    def relay(self, password, mechanism, service="submission", *more):
        target = f"127.0.0.1:{self.far.port(service)}"
        near = Instance("users=1", f"relayhost={target}", "main.virtual_mailbox_domains=near.test",
                        "main.smtp_sasl_auth_enable=yes", "main.smtp_sasl_security_options=noanonymous",
                        "main.smtp_tls_security_level=encrypt",
                        f"main.smtp_sasl_mechanism_filter={mechanism}", *more, *SOON)
        table = near.dir / "sasl"
        host, _, port = target.rpartition(":")
        table.write_text(f"[{host}]:{port} u1@example.test:{password}\n")
        near.options += (f"main.smtp_sasl_password_maps=texthash:{table}",)
        return near

    def test_plain_and_login(self):
        for mechanism in ("plain", "login"):
            with self.relay("secret", mechanism) as near:
                queue_id = submit(near, ["u2@example.test"], f"by {mechanism}")
                self.wait_for_fate(near, queue_id, "u2@example.test", "2.0.0", "sent")
            wait_until(lambda: any(f"by {mechanism}".encode() in m for m in self.far.mails("u2")), 30,
                       self.far.log_tail)
            self.assertIn(f"sasl_method={mechanism.upper()}, sasl_username=u1@example.test", self.far.log())

    def test_through_the_tls_port(self):
        with self.relay("secret", "plain", "submissions", "main.smtp_tls_wrappermode=yes") as near:
            queue_id = submit(near, ["u3@example.test"], "wrapped")
            self.wait_for_fate(near, queue_id, "u3@example.test", "2.0.0", "sent")

    def test_a_wrong_password_defers(self):
        with self.relay("wrong", "plain") as near:
            queue_id = submit(near, ["u2@example.test"], "never")
            self.wait_for_fate(near, queue_id, "u2@example.test", "4.7.8", "deferred")
        self.assertFalse(any(b"never" in m for m in self.far.mails("u2")))


@needs_peers
@unittest.skipIf(why_no_dovecot("lmtp"), why_no_dovecot("lmtp"))
class Lmtp(Fates, unittest.TestCase):
    """Dovecot knows u1 and u2 only."""

    def setUp(self):
        self.keeper = Instance("users=1")       # its mail folder belongs to the user of mailboxes
        self.keeper.__enter__()
        self.dovecot = Dovecot(self.keeper.facts["mail"], MAIL_UID, 2, lmtp=True).__enter__()

    def tearDown(self):
        self.dovecot.__exit__()
        self.keeper.__exit__()

    def deliver_by(self, nexthop):
        with Instance("users=3", f"main.virtual_transport=lmtp:{nexthop}", *SOON) as host:
            queue_id = submit(host, ["u2@example.test", "u3@example.test"], "by lmtp")
            self.wait_for_fate(host, queue_id, "u2@example.test", "2.0.0", "sent")
            self.wait_for_fate(host, queue_id, "u3@example.test", "5.1.1", "bounced")
            wait_until(lambda: len(self.keeper.mails("u1")) == 1, 30, host.log_tail)
        self.assertIn(b"u3@example.test", self.keeper.mails("u1")[0])
        mail = self.keeper.mails("u2")[0]
        self.assertIn("Gr\u00fc\u00dfe".encode(), mail)
        self.assertEqual(self.dovecot.complaints(), [])

    def test_inet(self):
        self.deliver_by(f"inet:127.0.0.1:{self.dovecot.lmtp}")

    def test_unix(self):
        self.deliver_by(f"unix:{self.dovecot.dir}/lmtp.sock")


@needs_peers
@unittest.skipIf(why_no_postfix(), why_no_postfix())
class AuthForPostfix(unittest.TestCase):
    """Postfix asks our auth by Dovecot's protocol."""

    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=2").__enter__()
        cls.host.stop()
        with open(f"{cls.host.facts['config']}/master.cf", "a") as f:
            f.write("auth-client unix n - y - 1 auth-client\n")
        cls.host.tool("postern", "start")
        cls.postfix = Postfix(MAIL_UID, smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
                              smtpd_sasl_path=f"{cls.host.facts['queue']}/public/auth-client").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.postfix.__exit__()
        cls.host.__exit__()

    def login(self, password, mechanism):
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as s:
            s.ehlo()
            self.assertEqual(set(s.esmtp_features["auth"].split()), {"PLAIN", "LOGIN"})
            s.user, s.password = "u1@example.test", password
            return s.auth(mechanism.upper(), getattr(s, f"auth_{mechanism}"))[0]

    def test_good_passwords(self):
        for mechanism in ("plain", "login"):
            self.assertEqual(self.login("secret", mechanism), 235)

    def test_bad_passwords(self):
        for mechanism in ("plain", "login"):
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                self.login("wrong", mechanism)
            self.assertEqual(refused.exception.smtp_code, 535)

    def test_many_logins_at_once(self):
        clients = [smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) for _ in range(20)]
        for c in clients:
            c.login("u2@example.test", "secret")
            c.quit()


if __name__ == "__main__":
    main()
