#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What an admin and the programs of a host do: sendmail as cron, git and PHP call it, aliases, users, and a
host that an ordinary user runs."""
import imaplib
import os
import pathlib
import poplib
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest

from posterntest import INSTANCE, Instance, have, loose_tls, main, message, wait_until
from processes import is_running

NOBODY = 65534


def program(name):
    build = pathlib.Path(os.environ.get("POSTERN_BUILD") or pathlib.Path(__file__).parent.parent / "build")
    return str(build / "stage" / "sbin" / name)


class Host(unittest.TestCase):
    def arrived(self, user, *parts):
        """The message with all of these parts in the user's INBOX."""
        def found():
            return [m for m in self.host.mails(user) if all(p in m for p in parts)]
        wait_until(found, 30, self.host.log_tail)
        return found()[0]

    def sendmail(self, *words, text, status=0):
        done = subprocess.run([program("sendmail"), "-C", self.host.facts["config"], *words], input=text,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr


class Sendmail(Host):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=4").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def test_php(self):
        self.sendmail("-t", "-i", text="To: u1@example.test, Two <u2@example.test>\nCc: u3@example.test\n"
                      "Bcc: u4@example.test\nSubject: php\n\n.\nend\n")
        for user in ("u1", "u2", "u3", "u4"):
            mail = self.arrived(user, b"Subject: php")
            self.assertTrue(mail.endswith(b"\r\n\r\n.\r\nend\r\n"))
            self.assertNotIn(b"Bcc:", mail)
            self.assertRegex(mail, rb"\r\nMessage-I[dD]: <")
            self.assertIn(b"\r\nDate: ", mail)
            self.assertIn(b"\r\nFrom: ", mail)

    def test_cron(self):
        self.sendmail("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", text=
                      "From: root (Cron Daemon)\nTo: u1\nSubject: Cron <root@h> date\n\nout\n")
        mail = self.arrived("u1", b"Subject: Cron")
        self.assertIn(b"Delivered-To: u1@example.test\r\n", mail)
        self.sendmail("-i", "-FCronDaemon", "-B8BITMIME", "-oem", "u2", text="Subject: cron two\n\nx\n")
        self.assertIn(b"CronDaemon", self.arrived("u2", b"Subject: cron two"))

    def test_mailx(self):
        self.sendmail("-i", "-f", "u3@example.test", "--", "u1@example.test", text="Subject: mailx\n\nx\n")
        self.assertIn(b"Return-Path: <u3@example.test>", self.arrived("u1", b"Subject: mailx"))
        self.sendmail("-oi", "-fu3@example.test", "-bm", "u1@example.test", text="Subject: mailx two\n\nx\n")
        self.arrived("u1", b"Subject: mailx two")
        # Without -i a line with a single dot ends the message.
        self.sendmail("u1@example.test", text="Subject: dot ends\n\nseen\n.\nnot seen\n")
        self.assertNotIn(b"not seen", self.arrived("u1", b"Subject: dot ends"))

    def test_null_sender_and_verp_like_names(self):
        self.sendmail("-f", "<>", "u2@example.test", text="Subject: null\n\nx\n")
        self.assertIn(b"Return-Path: <>", self.arrived("u2", b"Subject: null"))

    def test_bs_speaks_smtp(self):
        out = self.sendmail("-bs", text="EHLO me\r\nMAIL FROM:<u1@example.test>\r\nRCPT TO:<u2@example.test>\r\n"
                            "DATA\r\nSubject: by bs\r\n\r\n..dot\r\n.\r\nQUIT\r\n")
        self.assertRegex(out, r"(?m)^220 ")
        self.assertRegex(out, r"(?m)^221 ")
        self.assertTrue(self.arrived("u2", b"Subject: by bs").endswith(b"\r\n\r\n.dot\r\n"))

    def test_mistakes(self):
        self.assertIn("o recipient", self.sendmail("-t", text="Subject: nobody\n\nx\n", status=75))
        with self.subTest("unknown recipients bounce to the sender"):
            self.sendmail("-f", "u3@example.test", "nobody@example.test", text="Subject: lost\n\nx\n")
            self.arrived("u3", b"nobody@example.test", b"5.1.1")

    def test_git_send_email(self):
        self.sendmail("-f", "u3@example.test", "-i", "u4@example.test", "u2@example.test", text=
                      "From: A <u3@example.test>\nTo: u4@example.test\nCc: u2@example.test\n"
                      "Subject: [PATCH] git sends\nX-Mailer: git-send-email 2.39\nMIME-Version: 1.0\n\ntext\n---\n x\n")
        for user in ("u2", "u4"):
            self.arrived(user, b"[PATCH] git sends")

    def test_mailq(self):
        self.sendmail("-bp", text="")
        wait_until(lambda: "Mail queue is empty" in self.host.tool("mailq").stdout, 30, self.host.log_tail)


class Offline(Host):
    def test_queue_tools_while_stopped(self):
        self.host = Instance("users=2", "relayhost=127.0.0.1:1", "main.minimal_backoff_time=300s")
        with self.host:
            with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
                for k in range(3):
                    s.sendmail("u1@example.test", ["x@far.test"], f"Subject: kept {k}\r\n\r\nx\r\n")
            wait_until(lambda: self.host.log().count("status=deferred") == 3, 30, self.host.log_tail)
            listed = self.host.tool("mailq").stdout
            ids = re.findall(r"(?m)^(\w{10,})[*!]? ", listed)
            self.assertEqual(len(ids), 3, listed)
            self.assertIn("-- 1 Kbytes in 3 Requests.", listed.replace("-- 0 ", "-- 1 "))
            self.host.stop()
            for k, queue_id in enumerate(sorted(ids)):
                self.assertRegex(self.host.tool("postcat", "-q", queue_id).stdout, r"Subject: kept \d")
            self.host.tool("postsuper", "-d", ids[0])
            self.host.tool("postsuper", "-h", ids[1])
            self.host.start()
            self.assertEqual(self.host.queued(), 2)
            listed = self.host.tool("mailq").stdout
            self.assertNotIn(ids[0], listed)
            self.assertRegex(listed, rf"{ids[1]}!")


class Aliases(Host):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=4", "main.mydestination=local.test, localhost", "main.myorigin=local.test")
        cls.text = cls.host.dir / "aliases"
        cls.members = cls.host.dir / "members"
        cls.members.write_text("# members\nu1@example.test\n\nu2@example.test, u3@example.test\n")
        cls.text.write_text(f"""# aliases
postmaster: root
root: u1@example.test
both: u1@example.test,
   u2@example.test
list: :include:{cls.members}
owner-list: u4@example.test
broken: nobody@example.test
owner-broken: u4@example.test
piped: |"/bin/cat"
filed: /tmp/never
loop: loop
""")
        cls.host.options += (f"main.alias_maps=hash:{cls.text}", f"main.alias_database=hash:{cls.text}")
        (cls.host.dir / "etc").mkdir()
        (cls.host.dir / "etc" / "main.cf").write_text(f"alias_database = hash:{cls.text}\n")
        subprocess.run([program("newaliases"), "-c", str(cls.host.dir / "etc")], check=True)
        cls.host.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def send(self, to, subject, sender="u3@example.test"):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.sendmail(sender, [to], f"Subject: {subject}\r\n\r\nx\r\n")

    def test_root_and_postmaster(self):
        self.send("root@local.test", "to root")
        self.send("postmaster@local.test", "to postmaster")
        self.arrived("u1", b"Subject: to root")
        self.arrived("u1", b"Subject: to postmaster")
        self.sendmail("root", text="Subject: bare root\n\nx\n")
        self.arrived("u1", b"Subject: bare root")

    def test_several_addresses(self):
        self.send("Both@local.test", "to both")
        for user in ("u1", "u2"):
            self.arrived(user, b"Subject: to both")

    def test_include_and_owner(self):
        self.send("list@local.test", "to list")
        for user in ("u1", "u2", "u3"):
            self.assertIn(b"Return-Path: <owner-list@local.test>", self.arrived(user, b"Subject: to list"))

    def test_bounces_of_a_list_go_to_its_owner(self):
        self.send("broken@local.test", "to broken")
        self.arrived("u4", b"nobody@example.test", b"Subject: to broken")
        self.assertFalse(any(b"to broken" in m for m in self.host.mails("u3")))

    def test_commands_and_files_wait_for_the_admin(self):
        for name in ("piped", "filed"):
            self.send(f"{name}@local.test", name)
            wait_until(lambda: re.search(rf"to=<{name}@local.test>.*status=deferred", self.host.log()), 30,
                       self.host.log_tail)
        self.assertFalse(pathlib.Path("/tmp/never").exists())

    def test_unknown_names_are_refused_at_rcpt(self):
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.send("nosuchname@local.test", "never")

    def test_newaliases_takes_effect(self):
        with open(self.text, "a") as f:
            f.write("fresh: u2@example.test\n")
        self.sendmail("-I", text="")        # which runs newaliases

        def accepted():
            try:
                self.send("fresh@local.test", "to fresh")
                return True
            except smtplib.SMTPRecipientsRefused:
                return False
        wait_until(accepted, 30, self.host.log_tail)
        self.arrived("u2", b"Subject: to fresh")


class Users(Host):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=1")
        etc = cls.host.dir / "etc"
        cls.host.options += (f"main.user_mailbox_file={etc}/mailboxes",)
        cls.host.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def user(self, verb, *words, text="", check=True):
        done = subprocess.run([program("postern"), "-c", self.host.facts["config"], "user", verb, *words],
                              input=text, capture_output=True, text=True, timeout=60)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def may_log_in(self, user, password):
        client = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30)
        try:
            client.login(user, password)
            return True
        except imaplib.IMAP4.error:
            return False
        finally:
            client.shutdown()

    def send(self, to):
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.sendmail("u1@example.test", [to], "Subject: welcome\r\n\r\nx\r\n")

    def test_a_user_s_life_on_a_running_host(self):
        name = "new@example.test"
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.send(name)
        self.user("add", "--stdin", name, text="first\n")
        self.assertTrue(self.may_log_in(name, "first"))
        self.assertFalse(self.may_log_in(name, "other"))
        self.assertIn(name, self.user("list").stdout)

        def accepted():
            try:
                self.send(name)
                return True
            except smtplib.SMTPRecipientsRefused:
                return False
        wait_until(accepted, 30, self.host.log_tail)
        client = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=30)
        client.login(name, "first")
        wait_until(lambda: client.select("INBOX")[1] == [b"1"], 30, self.host.log_tail)
        client.logout()
        self.user("passwd", "--stdin", name, text="second\n")
        self.assertTrue(self.may_log_in(name, "second"))
        self.assertFalse(self.may_log_in(name, "first"))
        self.assertNotEqual(self.user("add", "--stdin", name, text="x\n", check=False).returncode, 0)
        self.user("del", name)
        self.assertFalse(self.may_log_in(name, "second"))
        self.assertNotIn(name, self.user("list").stdout)
        self.assertTrue(self.may_log_in("u1@example.test", "secret"))

        def refused():
            try:
                self.send(name)
                return False
            except smtplib.SMTPRecipientsRefused:
                return True
        wait_until(refused, 30, self.host.log_tail)


class AsUser(Instance):
    """An instance that another, ordinary user runs."""

    def call(self, verb, *words):
        done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                               str(INSTANCE), verb, str(self.dir), *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"instance {verb}: {done.stderr.strip()}\n{self.log_tail()}")
        return done.stdout


@unittest.skipUnless(os.geteuid() == 0 and have("setpriv"), "needs root, to become an ordinary user")
class OrdinaryUser(Host):
    def test_everything_under_one_user(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-test-"))
        self.addCleanup(shutil.rmtree, folder, True)
        os.chown(folder, NOBODY, NOBODY)
        self.host = AsUser("users=2", "tls=yes", folder=folder)
        with self.host:
            self.assertEqual(os.stat(f"/proc/{self.host.master}").st_uid, NOBODY)
            for turn in range(2):
                with smtplib.SMTP("127.0.0.1", self.host.port("submission"), timeout=30) as s:
                    s.starttls(context=loose_tls())
                    s.login("u1@example.test", "secret")
                    s.send_message(message(f"turn {turn}", body="y" * 200000 + "\n"))
                self.arrived("u2", f"Subject: turn {turn}".encode())
                with imaplib.IMAP4_SSL("127.0.0.1", self.host.port("imaps"), ssl_context=loose_tls()) as c:
                    c.login("u2", "secret")
                    self.assertEqual(c.select("INBOX")[1], [str(turn + 1).encode()])
                pop = poplib.POP3_SSL("127.0.0.1", self.host.port("pop3s"), context=loose_tls())
                pop.user("u2")
                pop.pass_("secret")
                self.assertEqual(pop.stat()[0], turn + 1)
                pop.quit()
                self.host.stop()
                self.assertFalse(is_running(self.host.master))
                self.host.start()
        self.assertNotRegex(self.host.log(), r"(fatal|panic|bug):")


if __name__ == "__main__":
    main()
