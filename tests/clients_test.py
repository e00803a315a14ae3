#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Real mail programs against a real instance: curl, swaks, openssl, mbsync, mutt, and the sequences
that Thunderbird, offlineimap, iOS and Outlook were seen to send."""
import os
import pathlib
import re
import smtplib
import socket
import subprocess
import tempfile
import unittest

from posterntest import Instance, have, main, message, wait_until


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=6", "tls=yes").__enter__()
        for k in range(3):
            with smtplib.SMTP("127.0.0.1", cls.host.port("smtp"), timeout=30) as s:
                s.send_message(message(f"for clients {k}", to="u2@example.test"))
        cls.host.wait_for_mails("u2", 3)

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def run_program(self, *words, **more):
        more.setdefault("timeout", 60)
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **more)
        self.assertEqual(done.returncode, 0, f"{words}\n{done.stdout}\n{done.stderr}\n{self.host.log_tail()}")
        return done.stdout + done.stderr

    @unittest.skipUnless(have("curl"), "no curl")
    def test_curl_sends_by_smtps(self):
        with tempfile.NamedTemporaryFile("w", suffix=".eml") as f:
            f.write("Subject: by curl\r\n\r\nhello\r\n")
            f.flush()
            self.run_program("curl", "-sS", "--insecure", "--url",
                             f"smtps://127.0.0.1:{self.host.port('submissions')}", "--mail-from",
                             "u1@example.test", "--mail-rcpt", "u3@example.test", "-u",
                             "u1@example.test:secret", "-T", f.name)
        wait_until(lambda: any(b"by curl" in m for m in self.host.mails("u3")))

    @unittest.skipUnless(have("curl"), "no curl")
    def test_curl_reads_imap_and_pop3(self):
        out = self.run_program("curl", "-sS", "--insecure", "-u", "u2:secret",
                               f"imaps://127.0.0.1:{self.host.port('imaps')}/INBOX;MAILINDEX=1")
        self.assertIn("Subject: for clients", out)
        out = self.run_program("curl", "-sS", "--insecure", "-u", "u2:secret",
                               f"pop3s://127.0.0.1:{self.host.port('pop3s')}/1")
        self.assertIn("Subject: for clients", out)
        out = self.run_program("curl", "-sS", "--insecure", "-u", "u2:secret", "--ssl-reqd",
                               f"imap://127.0.0.1:{self.host.port('imap')}/", "-X", 'LIST "" "*"')
        self.assertIn("INBOX", out)

    @unittest.skipUnless(have("swaks"), "no swaks")
    def test_swaks_starttls_auth_pipelining(self):
        for extra in (["--auth", "PLAIN"], ["--auth", "LOGIN"], ["--auth", "PLAIN", "--pipeline"]):
            out = self.run_program("swaks", "--server", "127.0.0.1", "--port",
                                   self.host.port("submission"), "-tls", *extra, "--auth-user",
                                   "u1@example.test", "--auth-password", "secret", "--from",
                                   "u1@example.test", "--to", "u4@example.test", "--h-Subject",
                                   "by swaks")
            self.assertIn("queued as", out)
        wait_until(lambda: sum(b"by swaks" in m for m in self.host.mails("u4")) == 3)

    @unittest.skipUnless(have("openssl"), "no openssl")
    def test_openssl_sees_tls_1_2_and_1_3_and_nothing_older(self):
        for service in ("submissions", "imaps", "pop3s"):
            for version, works in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)):
                done = subprocess.run(["openssl", "s_client", "-connect",
                                       f"127.0.0.1:{self.host.port(service)}", version, "-brief"],
                                      input="", capture_output=True, text=True, timeout=30)
                self.assertEqual("CONNECTION ESTABLISHED" in done.stderr, works,
                                 f"{service} {version}: {done.stderr}")

    @unittest.skipUnless(have("mbsync"), "no mbsync")
    def test_mbsync_mirrors_both_ways(self):
        with tempfile.TemporaryDirectory() as folder:
            rc = pathlib.Path(folder) / "rc"
            pathlib.Path(folder, "mail").mkdir()
            rc.write_text(f"""
IMAPAccount a
Host localhost
Port {self.host.port('imaps')}
User u2
Pass secret
SSLType IMAPS
CertificateFile {self.host.facts['config']}/cert.pem

IMAPStore far
Account a

MaildirStore near
SubFolders Verbatim
Path {folder}/mail/
Inbox {folder}/mail/INBOX

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
            self.run_program("mbsync", "-c", rc, "-a")
            inbox = pathlib.Path(folder, "mail", "INBOX")
            got = list((inbox / "new").iterdir()) + list((inbox / "cur").iterdir())
            self.assertEqual(len(got), len(self.host.mails("u2")))
            # A flag set here appears there; a second run changes nothing.
            first = got[0]
            base = first.name.split(":")[0]
            first.rename(inbox / "cur" / f"{base}:2,FS")
            self.run_program("mbsync", "-c", rc, "-a")
            names = [p.name for p in (self.host.maildir("u2") / "cur").iterdir()]
            self.assertTrue(any(n.endswith(":2,FS") for n in names), names)
            out = self.run_program("mbsync", "-V", "-c", rc, "-a")
            self.assertNotIn("rror", out)

    @unittest.skipUnless(have("mutt"), "no mutt")
    def test_mutt_opens_the_mailbox(self):
        with tempfile.TemporaryDirectory() as folder:
            rc = pathlib.Path(folder) / "muttrc"
            rc.write_text(f"""
set folder="imaps://u2@127.0.0.1:{self.host.port('imaps')}/"
set spoolfile="+INBOX"
set imap_user=u2
set imap_pass=secret
set ssl_verify_dates=no ssl_verify_host=no
set certificate_file={self.host.facts['config']}/cert.pem
set ssl_starttls=yes
set quit=yes
set header_cache=
set debug_file="{folder}/debug"
push "<tag-pattern>~A<enter><exit>"
""")
            env = dict(os.environ, TERM="xterm", HOME=folder, LANG="C.UTF-8")
            done = subprocess.run(["script", "-qec", f"mutt -d 3 -n -F {rc}", "/dev/null"], env=env,
                                  capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            debug = "".join(p.read_text(errors="replace") for p in pathlib.Path(folder).glob("debug*"))
            debug += "".join(p.read_text(errors="replace") for p in pathlib.Path(folder).glob(".muttdebug*"))
            self.assertIn("SELECT", debug, done.stdout[-1000:])
            self.assertNotRegex(debug, r"a\d+ BAD")
            self.assertRegex(debug, r"a\d+ OK")

    # ---- sequences seen on the wire (tagged, one literal string each) ----

    def imap_dialogue(self, user, lines):
        """Send each line, read to its tagged reply; the whole transcript.  Any BAD fails."""
        from posterntest import loose_tls
        raw = socket.create_connection(("127.0.0.1", self.host.port("imaps")), 30)
        with loose_tls().wrap_socket(raw) as s:
            f = s.makefile("rwb")
            transcript = f.readline().decode()
            for number, line in enumerate([f'LOGIN {user} secret', *lines]):
                tag = f"t{number}"
                f.write(f"{tag} {line}\r\n".encode())
                f.flush()
                while True:
                    reply = f.readline().decode(errors="replace")
                    self.assertTrue(reply, f"closed after {line}\n{transcript}")
                    transcript += reply
                    if reply.startswith("+"):
                        f.write(b"DONE\r\n")
                        f.flush()
                    if reply.startswith(tag + " "):
                        self.assertFalse(reply.startswith(tag + " BAD"), f"{line}\n{transcript}")
                        break
        return transcript

    def test_thunderbird(self):
        out = self.imap_dialogue("u2", [
            "namespace", 'ID ("name" "Thunderbird" "version" "153.0")',
            'list (subscribed) "" "*" return (special-use)', 'list "" "INBOX"', 'list "" "Trash"',
            'create "Trash"', 'subscribe "Trash"', 'select "INBOX"', "UID fetch 1:* (FLAGS)",
            "UID fetch 1:3 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date "
            "Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To Received)])",
            "UID fetch 1 (BODY.PEEK[HEADER.FIELDS (Content-Type Content-Transfer-Encoding)] "
            "BODY.PEEK[TEXT]<0.2048>)",
            "noop", "UID fetch 4:* (FLAGS)", "IDLE", "UID fetch 1:200 (UID RFC822.SIZE BODY.PEEK[])",
            'UID store 1 +Flags (\\Seen)', 'uid copy 1 "Trash"', "close", "logout"])
        self.assertIn("* NAMESPACE", out)
        self.assertRegex(out, r"COPYUID \d+ 1 \d+")

    def test_mutt_sequence(self):
        self.imap_dialogue("u2", [
            "CAPABILITY", 'LIST "" ""', 'SELECT "INBOX"',
            "FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER "
            "SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO "
            "LINES LIST-POST X-LABEL)])",
            "UID FETCH 2 BODY.PEEK[]", "UID STORE 2 +FLAGS.SILENT (Old)", "CLOSE", "LOGOUT"])

    def test_offlineimap_sequence(self):
        self.imap_dialogue("u2", [
            "CAPABILITY", 'ID ("name" "OfflineIMAP")', 'LIST "" ""', 'LIST "" "*"', "SELECT INBOX",
            "EXAMINE INBOX", "FETCH 1:* (FLAGS UID INTERNALDATE)", "UID FETCH 1 (BODY.PEEK[])", "LOGOUT"])

    def test_ios_and_outlook_oddities(self):
        out = self.imap_dialogue("u2", [
            'LIST "" "*" RETURN (SPECIAL-USE)', 'LSUB "" "*"', 'SELECT INBOX',
            "UID SEARCH 1:* NOT DELETED", "UID FETCH 1 (UID RFC822.SIZE RFC822.PEEK)",
            "UID SEARCH *:*", "SEARCH 1:* UNSEEN NOT DELETED", "STATUS INBOX (UIDVALIDITY)",
            "UID FETCH 900:* (FLAGS)", "LOGOUT"])
        self.assertIn("RFC822", out)

    def test_pipelined_commands_behind_idle_and_done(self):
        with socket.create_connection(("127.0.0.1", self.host.port("imap")), 30):
            pass
        from posterntest import loose_tls
        raw = socket.create_connection(("127.0.0.1", self.host.port("imaps")), 30)
        with loose_tls().wrap_socket(raw) as s:
            s.sendall(b"a LOGIN u5 secret\r\nb SELECT INBOX\r\nc IDLE\r\nDONE\r\nd NAMESPACE\r\n"
                      b'e LIST "" "*"\r\nf LOGOUT\r\n')
            text = b""
            while True:
                part = s.recv(4096)
                if not part:
                    break
                text += part
        order = re.findall(rb"^([a-f]) OK", text, re.M)
        self.assertEqual(order, [b"a", b"b", b"c", b"d", b"e", b"f"], text)


if __name__ == "__main__":
    main()
