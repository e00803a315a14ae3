#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The message's whole way with Python's own clients: in by SMTP, read by IMAP and POP3."""
import imaplib
import poplib
import re
import smtplib
import socket
import unittest

from posterntest import Instance, loose_tls, main, message, wait_until


class Plain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=12").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def smtp(self, service="smtp"):
        return smtplib.SMTP("127.0.0.1", self.host.port(service), timeout=30)

    def imap(self, user):
        client = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30)
        client.login(user, "secret")
        return client

    def test_a_message_arrives_as_it_was_sent(self):
        with self.smtp() as s:
            s.send_message(message("arrives", body=".dot\n..two\n\nlast line without dot\n"))
        mail = self.host.wait_for_mails("u2", 1)[-1]
        self.assertIn(b"\r\nSubject: arrives\r\n", mail)
        self.assertIn(b"\r\n.dot\r\n..two\r\n\r\nlast line without dot\r\n", mail)
        self.assertNotIn(b"\r\r", mail)

    def test_delivery_headers_are_on_top(self):
        with self.smtp() as s:
            s.sendmail("u1@example.test", ["u3@example.test"], "Subject: top\r\n\r\nx\r\n")
        head = self.host.wait_for_mails("u3", 1)[0].decode().split("\r\n\r\n")[0].split("\r\n")
        self.assertEqual(head[0], "Return-Path: <u1@example.test>")
        self.assertIn("Delivered-To: u3@example.test", head[:3])
        received = next(i for i, line in enumerate(head) if line.startswith("Received: "))
        text = " ".join(head[received:received + 4])
        self.assertRegex(text, r"from \S+ \(\S+ \[127\.0\.0\.1\]\)")
        self.assertRegex(text, r"by mx\.example\.test \(.*\) with ESMTP id \w+")

    def test_the_queue_id_of_the_reply_is_the_one_in_the_log(self):
        with self.smtp() as s:
            s.ehlo()
            s.mail("u1@example.test")
            s.rcpt("u4@example.test")
            code, text = s.data(b"Subject: id\r\n\r\nx\r\n")
        self.assertEqual(code, 250)
        queue_id = re.match(rb"2\.0\.0 Ok: queued as (\w+)$", text).group(1).decode()
        wait_until(lambda: f"{queue_id}: removed" in self.host.log(), 30, self.host.log_tail)
        log = self.host.log()
        self.assertRegex(log, rf"smtpd\[\d+\]: {queue_id}: client=")
        self.assertRegex(log, rf"qmgr\[\d+\]: {queue_id}: from=<u1@example.test>, size=\d+, nrcpt=1 \(queue active\)")
        self.assertRegex(log, rf"{queue_id}: to=<u4@example.test>, .*dsn=2\.0\.0, status=sent \(delivered to maildir\)")

    def test_unknown_users_and_strangers_are_refused_at_rcpt(self):
        with self.smtp() as s:
            s.ehlo()
            s.mail("u1@example.test")
            self.assertEqual(s.rcpt("nobody@example.test")[0], 550)
            self.assertEqual(s.rcpt("someone@elsewhere.test")[0], 554)
            self.assertEqual(s.rcpt("u1@example.test")[0], 250)

    def test_many_recipients_get_one_copy_each(self):
        users = [f"u{k}" for k in range(5, 11)]
        before = {u: len(self.host.mails(u)) for u in users}
        with self.smtp() as s:
            s.sendmail("u1@example.test", [f"{u}@example.test" for u in users],
                       "Subject: many\r\n\r\nx\r\n")
        for u in users:
            self.host.wait_for_mails(u, before[u] + 1)
            self.assertEqual(len(self.host.mails(u)), before[u] + 1)

    def test_a_large_message_goes_through_a_file(self):
        body = ("0123456789" * 7 + "\r\n") * 60000      # 4.3 MB
        with self.smtp() as s:
            s.sendmail("u1@example.test", ["u11@example.test"], "Subject: large\r\n\r\n" + body)
        mail = self.host.wait_for_mails("u11", 1)[0]
        self.assertTrue(mail.endswith(body.encode()))

    def test_the_size_limit_is_announced_and_kept(self):
        with self.smtp() as s:
            s.ehlo()
            limit = int(s.esmtp_features["size"])
            code, _ = s.mail("u1@example.test", [f"SIZE={limit + 1}"])
            self.assertEqual(code, 552)

    def test_eight_bit_and_utf8_bodies_are_kept(self):
        text = "Grüße aus Köln — ✓\n"
        with self.smtp() as s:
            s.send_message(message("8bit", to="u12@example.test", body=text))
        mail = self.host.wait_for_mails("u12", 1)[-1]
        self.assertIn(b"Gr", mail)
        with self.imap("u12") as c:
            c.select("INBOX")
            _, data = c.fetch("1", "(BODY.PEEK[])")
            self.assertEqual(data[0][1], mail)

    def test_imap_reads_what_pop3_reads(self):
        with self.smtp() as s:
            s.send_message(message("both", to="u1@example.test", body="the same\n"))
        self.host.wait_for_mails("u1", 1)
        with self.imap("u1") as c:
            c.select("INBOX", readonly=True)
            _, data = c.fetch("1", "(BODY.PEEK[])")
            by_imap = data[0][1]
        p = poplib.POP3("127.0.0.1", self.host.port("pop3"), timeout=30)
        p.user("u1@example.test")
        p.pass_("secret")
        by_pop3 = b"\r\n".join(p.retr(1)[1]) + b"\r\n"
        p.quit()
        self.assertEqual(by_imap, by_pop3)

    def test_imap_flags_search_copy_move_expunge(self):
        for k in range(3):
            with self.smtp() as s:
                s.send_message(message(f"flags {k}", to="u2@example.test"))
        wait_until(lambda: sum(b"Subject: flags" in m for m in self.host.mails("u2")) == 3)
        with self.imap("u2@example.test") as c:
            c.select("INBOX")
            _, found = c.search(None, "SUBJECT", "flags")
            numbers = found[0].split()
            self.assertEqual(len(numbers), 3)
            self.assertEqual(c.store(numbers[0], "+FLAGS", r"(\Flagged $Label1)")[0], "OK")
            _, data = c.fetch(numbers[0], "(FLAGS)")
            self.assertIn(b"$Label1", data[0])
            self.assertEqual(c.create("Work/2026")[0], "OK")
            self.assertEqual(c.copy(numbers[0], "Work/2026")[0], "OK")
            c._simple_command("MOVE", numbers[1].decode(), "Work/2026")
            _, found = c.search(None, "SUBJECT", "flags")
            self.assertEqual(len(found[0].split()), 2)
            c.store(found[0].split()[0], "+FLAGS", r"\Deleted")
            self.assertEqual(c.expunge()[0], "OK")
            self.assertEqual(c.select("Work/2026")[1], [b"2"])
            _, data = c.fetch("1", "(FLAGS)")
            self.assertIn(rb"\Flagged", data[0])
            self.assertIn(b"$Label1", data[0])
            c.close()
            self.assertEqual(c.delete("Work/2026")[0], "OK")

    def test_imap_append_gives_its_uid(self):
        with self.imap("u3") as c:
            kind, data = c.append("INBOX", r"(\Seen)", '"17-Jul-2026 02:44:25 -0700"',
                                  b"Subject: appended\r\n\r\nbody\r\n")
            self.assertEqual(kind, "OK")
            self.assertRegex(data[0], rb"\[APPENDUID \d+ \d+\]")
            c.select("INBOX", readonly=True)
            _, found = c.search(None, "SUBJECT", "appended")
            _, data = c.fetch(found[0], "(FLAGS INTERNALDATE)")
            self.assertIn(rb"\Seen", data[0])
            stamp = imaplib.Internaldate2tuple(data[0])
            self.assertIsNotNone(stamp)

    def test_idle_tells_of_new_mail(self):
        with self.imap("u9") as c:
            c.select("INBOX")
            c.send(b"x1 IDLE\r\n")
            self.assertTrue(c.readline().startswith(b"+"))
            with self.smtp() as s:
                s.send_message(message("wake", to="u9@example.test"))
            line = b""
            while b"EXISTS" not in line:
                line = c.readline()
                self.assertTrue(line)
            c.send(b"DONE\r\n")
            while not line.startswith(b"x1 "):
                line = c.readline()
            self.assertTrue(line.startswith(b"x1 OK"))

    def test_pop3_deletes_at_quit_only(self):
        with self.smtp() as s:
            s.send_message(message("pop", to="u10@example.test"))
        self.host.wait_for_mails("u10", 1)
        p = poplib.POP3("127.0.0.1", self.host.port("pop3"), timeout=30)
        p.user("u10")
        p.pass_("secret")
        count = p.stat()[0]
        p.dele(1)
        p.close()                                       # no QUIT
        p = poplib.POP3("127.0.0.1", self.host.port("pop3"), timeout=30)
        p.user("u10")
        p.pass_("secret")
        self.assertEqual(p.stat()[0], count)
        p.dele(1)
        p.quit()
        self.assertEqual(len(self.host.mails("u10")), count - 1)

    def test_a_wrong_password_is_refused_everywhere(self):
        c = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30)
        with self.assertRaises(imaplib.IMAP4.error):
            c.login("u1", "wrong")
        with self.assertRaises(imaplib.IMAP4.error):
            c.login("nobody", "secret")
        p = poplib.POP3("127.0.0.1", self.host.port("pop3"), timeout=30)
        p.user("u1")
        with self.assertRaises(poplib.error_proto):
            p.pass_("wrong")
        with self.smtp("submission") as s:
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                s.login("u1@example.test", "wrong")

    def test_submission_wants_authentication(self):
        with self.smtp("submission") as s:
            s.ehlo()
            s.mail("u1@example.test")
            self.assertGreaterEqual(s.rcpt("u2@example.test")[0], 500)
        with self.smtp("submission") as s:
            s.login("u1@example.test", "secret")
            s.send_message(message("submitted", to="u6@example.test"))
        wait_until(lambda: any(b"Subject: submitted" in m for m in self.host.mails("u6")))

    def test_bdat_chunks_make_one_message(self):
        with socket.create_connection(("127.0.0.1", self.host.port("smtp")), 30) as s:
            f = s.makefile("rwb")
            f.readline()
            head, tail = b"Subject: bdat\r\n", b"\r\n.\r\nx\r\n"
            f.write(b"EHLO x\r\n")
            f.flush()
            while f.readline()[3:4] == b"-":
                pass
            f.write(b"MAIL FROM:<u1@example.test>\r\nRCPT TO:<u7@example.test>\r\n"
                    + b"BDAT %d\r\n" % len(head) + head
                    + b"BDAT %d LAST\r\n" % len(tail) + tail + b"QUIT\r\n")
            f.flush()
            replies = f.read().decode()
        self.assertIn("queued as", replies, replies)
        wait_until(lambda: any(b"Subject: bdat" in m for m in self.host.mails("u7")))


class Encrypted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=3", "tls=yes", "main.disable_plaintext_auth=yes").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def test_starttls_then_auth_then_mail(self):
        with smtplib.SMTP("127.0.0.1", self.host.port("submission"), timeout=30) as s:
            s.ehlo()
            self.assertNotIn("auth", s.esmtp_features)
            s.starttls(context=loose_tls())
            s.login("u1@example.test", "secret")
            s.send_message(message("starttls", to="u2@example.test"))
        mail = self.host.wait_for_mails("u2", 1)
        self.assertTrue(any(b"with ESMTPSA id" in m for m in mail))

    def test_implicit_tls_on_every_port(self):
        with smtplib.SMTP_SSL("127.0.0.1", self.host.port("submissions"), timeout=30,
                              context=loose_tls()) as s:
            s.login("u2@example.test", "secret")
            s.send_message(message("465", sender="u2@example.test", to="u3@example.test"))
        self.host.wait_for_mails("u3", 1)
        with imaplib.IMAP4_SSL("127.0.0.1", self.host.port("imaps"), ssl_context=loose_tls(),
                               timeout=30) as c:
            c.login("u3", "secret")
            self.assertEqual(c.select("INBOX")[0], "OK")
            _, data = c.fetch("1", "(BODY.PEEK[])")
            self.assertIn(b"Subject: 465", data[0][1])
        p = poplib.POP3_SSL("127.0.0.1", self.host.port("pop3s"), timeout=30, context=loose_tls())
        p.user("u3")
        p.pass_("secret")
        self.assertEqual(p.stat()[0], 1)
        p.quit()

    def test_starttls_in_imap_and_stls_in_pop3(self):
        with imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30) as c:
            self.assertIn("LOGINDISABLED", c.capabilities)
            c.starttls(loose_tls())
            c.login("u1", "secret")
            self.assertEqual(c.select("INBOX")[0], "OK")
        p = poplib.POP3("127.0.0.1", self.host.port("pop3"), timeout=30)
        p.stls(loose_tls())
        p.user("u1")
        p.pass_("secret")
        p.quit()

    def test_plain_logins_are_refused_without_tls(self):
        c = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30)
        with self.assertRaises(imaplib.IMAP4.error):
            c.login("u1", "secret")

    def test_injected_bytes_before_starttls_are_not_obeyed(self):
        with socket.create_connection(("127.0.0.1", self.host.port("smtp")), 30) as s:
            f = s.makefile("rwb")
            f.readline()
            f.write(b"EHLO x\r\n")
            f.flush()
            while f.readline()[3:4] == b"-":
                pass
            f.write(b"STARTTLS\r\nRSET\r\n")
            f.flush()
            reply = f.readline()
            if reply.startswith(b"220"):
                tls = loose_tls().wrap_socket(s)
                tls.sendall(b"NOOP\r\n")
                self.assertTrue(tls.recv(200).startswith(b"250"))
                tls.sendall(b"MAIL FROM:<u1@example.test>\r\n")
                self.assertFalse(tls.recv(200).startswith(b"250 2.0.0"))
            else:
                self.assertTrue(reply.startswith(b"5"), reply)

    def test_sessions_are_resumed(self):
        import ssl
        context = loose_tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for turn in range(2):
            raw = socket.create_connection(("127.0.0.1", self.host.port("imaps")), 30)
            with context.wrap_socket(raw, session=session) as tls:
                tls.recv(100)
                self.assertEqual(tls.session_reused, turn == 1)
                session = tls.session


if __name__ == "__main__":
    main()
