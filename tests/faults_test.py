#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A full disk, no descriptors, a stopped or killed helper, DNS that fails, a damaged file: what is
acknowledged is delivered, once; what cannot be taken now is told 4xx; nothing hangs; all is well again
when the cause is gone.

As root the test runs in a mount namespace of its own, so that its small file systems end with it."""
import contextlib
import imaplib
import itertools
import os
import pathlib
import re
import resource
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from posterntest import SHARED, Instance, free_port, loose_tls, main, wait_until
from queue_test import FarEnd

IS_ROOT = os.geteuid() == 0
IN_NAMESPACE = "POSTERN_TEST_NAMESPACE" in os.environ
MAIL_UID = 64120
# Our own network is checked as strangers are: else mailauth has nothing to do.
CHECKED = "main.mailauth_sign_networks="
QUICK = ("main.minimal_backoff_time=1s", "main.maximal_backoff_time=1s", "main.queue_run_delay=1s")
MARK = re.compile(rb"^Subject: mark-(\d+)\r?$", re.M)
numbers = itertools.count(1)

needs_root = unittest.skipUnless(IS_ROOT, "needs root")
needs_mounts = unittest.skipUnless(IN_NAMESPACE, "needs root and a mount namespace")


def mount(folder, *options, kind="tmpfs"):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", ",".join(options), kind, folder], check=True)


def hog_space(folder):
    """Take all space of a file system, and what is given back meanwhile, until the file is removed."""
    with open(folder / "hog", "ab", buffering=0) as hog:
        for size in (1 << 16, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    hog.write(b"\0" * size)


def hog_inodes(folder):
    (folder / "hogs").mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        while True:
            (folder / "hogs" / str(next(numbers))).touch(exist_ok=False)


class Fault(unittest.TestCase):
    """Sends marked messages, remembers what was acknowledged, and holds the host to it."""

    def setUp(self):
        self.marks = set()
        self.host = None

    def begin(self, *options, folder=None):
        self.host = Instance("users=4", *options, folder=folder)
        self.addCleanup(self.end)
        self.host.start()

    def end(self):
        with contextlib.suppress(RuntimeError):
            self.host.stop()
        for sub in ("queue", "mail", "log"):
            subprocess.run(["umount", "-l", self.host.dir / sub], stderr=subprocess.DEVNULL,
                           check=False)
        shutil.rmtree(self.host.dir, ignore_errors=True)

    def on_file_system(self, sub, *options):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-test-"))
        mount(folder / sub, *options)
        return folder

    def send(self, user="u1@example.test", size=100, seconds=30):
        """One message: the code and text of the reply that decided it."""
        number = next(numbers)
        body = f"Subject: mark-{number}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72 + 1)
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=seconds) as s:
            s.ehlo()
            for reply in (lambda: s.mail("sender@example.test"), lambda: s.rcpt(user)):
                code, text = reply()
                if code != 250:
                    return code, text.decode()
            try:
                code, text = s.data(body)
            except smtplib.SMTPDataError as error:
                return error.smtp_code, error.smtp_error.decode()
            if code == 250:
                self.marks.add(number)
            return code, text.decode()

    def try_to_send(self, **how):
        """The same, where a lost connection counts as 421; still never as silence."""
        try:
            return self.send(**how)
        except TimeoutError:
            raise
        except (smtplib.SMTPException, OSError) as error:
            return 421, str(error)

    def send_until_ok(self, **how):
        wait_until(lambda: self.try_to_send(**how)[0] == 250, 60, self.host.log_tail)

    def found(self):
        mails = [mail for k in range(1, 5) for mail in self.host.mails(f"u{k}")]
        return sorted(int(match.group(1)) for match in map(MARK.search, mails) if match)

    def check_all_arrived(self):
        self.host.call("flush")
        wait_until(lambda: self.host.queued() == 0, 60, self.host.log_tail)
        found = self.found()
        self.assertEqual(self.marks - set(found), set(), "lost")
        self.assertEqual(len(found), len(set(found)), "delivered twice")

    def pids(self, name):
        return [pid for pid, program in self.host.children().items() if program == name]

    def imap(self, seconds=30):
        client = imaplib.IMAP4("127.0.0.1", self.host.port("imap"), timeout=seconds)
        client.login("u1", "secret")
        return client


@needs_mounts
class SpoolFull(Fault):
    def fill_and_recover(self, hog, options):
        folder = self.on_file_system("queue", *options)
        self.begin("main.journal_segment_size=1048576", folder=folder)
        self.assertEqual(self.send()[0], 250)
        codes = set()

        def refused(code, text):
            codes.add((code, text[:5]))
            return code != 250
        hog(folder / "queue")
        for _ in range(400):
            hog(folder / "queue")
            if refused(*self.send(size=60000)):
                break
        wait_until(lambda: refused(*self.send(size=300000)), 30)
        self.assertEqual({c for c in codes if c[0] != 250}, {(452, "4.3.1")}, self.host.log_tail())
        (folder / "queue" / "hog").unlink(missing_ok=True)
        shutil.rmtree(folder / "queue" / "hogs", ignore_errors=True)
        self.send_until_ok(size=60000)
        self.send_until_ok(size=300000)
        self.check_all_arrived()
        self.assertNotIn("undeliverable", self.host.log())

    def test_no_space(self):
        self.fill_and_recover(hog_space, ["size=24m"])

    def test_no_inodes(self):
        self.fill_and_recover(hog_inodes, ["size=64m", "nr_inodes=300"])

    def test_a_declared_size_without_room_is_refused_at_mail(self):
        folder = self.on_file_system("queue", "size=24m")
        self.begin("main.journal_segment_size=1048576", folder=folder)
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.ehlo()
            code, text = s.mail("a@example.test", ["SIZE=50000000"])
            self.assertEqual((code, text[:5]), (452, b"4.3.1"))
            self.assertEqual(s.mail("a@example.test", ["SIZE=5000"])[0], 250)

    def test_mail_queued_before_survives_a_full_disk_and_a_restart(self):
        folder = self.on_file_system("queue", "size=24m")
        self.begin("main.journal_segment_size=1048576", "route.far.test=127.0.0.1:1", folder=folder)
        for _ in range(20):
            self.assertEqual(self.send(user="x@far.test", size=5000)[0], 250)
        hog_space(folder / "queue")
        self.try_to_send(user="x@far.test", size=300000)
        queued = self.host.queued()
        self.assertGreaterEqual(queued, 20)
        (folder / "queue" / "hog").unlink()
        self.host.stop()
        self.host.start()
        self.assertEqual(self.host.queued(), queued)


@needs_mounts
class MailFull(Fault):
    def fill_and_recover(self, hog, options):
        folder = self.on_file_system("mail", *options, f"uid={MAIL_UID},gid={MAIL_UID}")
        self.begin(*QUICK, folder=folder)
        self.send()
        self.host.wait_for_mails("u1", 1)
        hog(folder / "mail")
        for size in (100, 60000, 300000):
            for user in ("u1", "u2"):
                self.assertEqual(self.send(user=f"{user}@example.test", size=size)[0], 250)
        wait_until(lambda: self.host.log().count("status=deferred") >= 6, 30, self.host.log_tail)
        self.assertNotIn("status=bounced", self.host.log())
        self.assertEqual(self.found(), [min(self.marks)])
        with self.imap() as c:
            self.assertEqual(c.select("INBOX"), ("OK", [b"1"]))
            self.assertEqual(c.fetch("1", "(FLAGS BODY.PEEK[])")[0], "OK")
        (folder / "mail" / "hog").unlink(missing_ok=True)
        shutil.rmtree(folder / "mail" / "hogs", ignore_errors=True)
        wait_until(lambda: set(self.found()) == self.marks, 30, self.host.log_tail)
        self.check_all_arrived()

    def test_no_space(self):
        self.fill_and_recover(hog_space, ["size=8m"])

    def test_no_inodes(self):
        self.fill_and_recover(hog_inodes, ["size=64m", "nr_inodes=100"])

    def test_read_only(self):
        folder = self.on_file_system("mail", "size=8m", f"uid={MAIL_UID},gid={MAIL_UID}")
        self.begin(*QUICK, folder=folder)
        self.send()
        self.host.wait_for_mails("u1", 1)
        subprocess.run(["mount", "-o", "remount,ro", folder / "mail"], check=True)
        self.send()
        wait_until(lambda: "status=deferred" in self.host.log(), 30, self.host.log_tail)
        with self.imap() as c:
            self.assertEqual(c.select("INBOX", readonly=True), ("OK", [b"1"]))
        subprocess.run(["mount", "-o", "remount,rw", folder / "mail"], check=True)
        self.check_all_arrived()


def limit_as_its_user(pid, option):
    """Set a limit of a process as the user it runs as: that needs no capability."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uid, gid = (int(re.search(rf"^{key}:\t(\d+)", status, re.M).group(1)) for key in ("Uid", "Gid"))
    subprocess.run(["prlimit", f"--pid={pid}", option], check=True, extra_groups=(),
                   user=uid, group=gid)


@needs_root
@unittest.skipUnless(shutil.which("prlimit"), "no prlimit")
class NoMemory(Fault):
    """Whoever gets no memory ends, and is replaced; what was acknowledged is safe."""

    def test_each_helper(self):
        self.begin("main.smtpd_ask_time_limit=5s", CHECKED, *QUICK)
        for name in ("smtpd", "qmgr", "local", "router", "login", "auth", "dns", "tlsmgr", "mailauth"):
            with self.subTest(name):
                self.assertEqual(self.send()[0], 250)
                for pid in self.pids(name):
                    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0])
                    limit_as_its_user(pid, f"--as={pages * resource.getpagesize()}:")
                for size in (100, 3000000, 60000, 300000):
                    self.assertIn(self.try_to_send(size=size)[0], (250, 421, 451, 452))
                with contextlib.suppress(OSError, imaplib.IMAP4.error), self.imap() as c:
                    c.select("INBOX")
                for pid in self.pids(name):
                    with contextlib.suppress(OSError, subprocess.CalledProcessError):	# it has just ended
                        limit_as_its_user(pid, "--as=unlimited:")
                self.send_until_ok(size=300000)
        self.check_all_arrived()


@needs_root
@unittest.skipUnless(shutil.which("prlimit"), "no prlimit")
class NoDescriptors(Fault):
    HELD, PLENTY = 40, 1024

    def limit(self, name, room=None, limit=None):
        """No more descriptors than each process of it has now, and a few; or the given limit."""
        for pid in self.pids(name):
            most = limit or len(os.listdir(f"/proc/{pid}/fd")) + room
            limit_as_its_user(pid, f"--nofile={most}:")

    @staticmethod
    def cpu_seconds(pid):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def exhaust(self, name, service, use):
        self.begin()
        self.assertEqual(self.send()[0], 250)
        before = self.pids(name)
        self.limit(name, room=6)
        held = [socket.create_connection(("127.0.0.1", self.host.port(service)), 30)
                for _ in range(self.HELD)]
        wait_until(lambda: "too many open files" in self.host.log(), 30, self.host.log_tail)
        began = sum(map(self.cpu_seconds, before))
        time.sleep(2)
        self.assertLess(sum(map(self.cpu_seconds, before)) - began, 1, "a busy loop")
        for s in held:
            s.close()
        wait_until(use, 30, self.host.log_tail)
        self.assertEqual(set(before) - set(self.pids(name)), set(), "a process ended")
        self.check_all_arrived()

    def test_smtpd(self):
        self.exhaust("smtpd", "smtp", lambda: self.try_to_send()[0] == 250)

    def test_login(self):
        def use():
            try:
                with self.imap() as c:
                    return c.select("INBOX")[0] == "OK"
            except (OSError, imaplib.IMAP4.error):
                return False
        self.exhaust("login", "imap", use)

    def test_queue(self):
        self.begin()
        self.assertEqual(self.send()[0], 250)
        self.limit("qmgr", room=-2)
        for size in (100, 300000, 300000, 100):
            self.assertIn(self.try_to_send(size=size)[0], (250, 421, 451, 452))
        self.limit("qmgr", limit=self.PLENTY)
        self.send_until_ok(size=300000)
        self.check_all_arrived()

    def test_local(self):
        self.begin(*QUICK)
        self.assertEqual(self.send()[0], 250)
        self.host.wait_for_mails("u1", 1)
        self.limit("local", limit=4)
        for k in range(1, 5):
            for size in (100, 300000):
                self.assertEqual(self.send(user=f"u{k}@example.test", size=size)[0], 250)
        self.limit("local", limit=self.PLENTY)
        self.check_all_arrived()
        self.assertNotIn("status=bounced", self.host.log())


class Stopped(Fault):
    """Each kind of helper in turn stands still: with SIGSTOP, as in a hanging system call."""

    HELPERS = ("router", "auth", "dns", "tlsmgr", "qmgr", "local", "smtp", "login", "imapd", "pop3d",
               "postlogd", "smtpd", "pickup", "mailauth")

    def stop_helpers(self, name):
        pids = self.pids(name)[:1] if name in ("smtpd", "login") else self.pids(name)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    def go_on(self, pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def use_all(self):
        self.send_until_ok()
        self.send_until_ok(size=200000)

        def mailbox():
            try:
                with self.imap(10) as c:
                    return c.select("INBOX")[0] == "OK"
            except (OSError, imaplib.IMAP4.error):
                return False
        wait_until(mailbox, 60, self.host.log_tail)

    def test_the_hung_worker_is_replaced(self):
        self.begin("main.master_heartbeat_limit=3s", "main.master_heartbeat_interval=1s", CHECKED, *QUICK)
        for name in self.HELPERS:
            stopped = self.stop_helpers(name)
            with self.subTest(name):
                self.use_all()
                wait_until(lambda: not set(stopped) & set(self.pids(name)), 30,
                           lambda: f"{name} not replaced\n{self.host.log_tail()}")
            self.go_on(stopped)
        self.use_all()
        self.check_all_arrived()

    def test_clients_are_told_to_come_back_and_all_is_well_later(self):
        self.begin("main.master_heartbeat_limit=1h", "main.smtpd_ask_time_limit=3s", "main.milter_content_timeout=3s",
                   "main.milter_command_timeout=3s", CHECKED, *QUICK)
        for name in ("router", "qmgr", "local", "auth", "dns", "tlsmgr", "postlogd", "mailauth"):
            stopped = self.stop_helpers(name)
            with self.subTest(name):
                for size in (100, 200000):
                    code, text = self.try_to_send(size=size, seconds=60)
                    self.assertIn(code, (250, 421, 451, 452), text)
            self.go_on(stopped)
            with self.subTest(name + " goes on"):
                self.use_all()
                self.assertEqual(self.pids(name), stopped)
        # An unanswered commit may have been written all the same: then it is delivered, once.
        self.check_all_arrived()

    def test_a_stopped_receiver_does_not_stop_the_others(self):
        self.begin("main.master_heartbeat_limit=1h", "main.service_worker_limit=2")
        stopped = self.stop_helpers("smtpd")
        # Who has come to the stopped one waits; master and kernel give the rest to the other.
        answered = 0
        for _ in range(10):
            try:
                answered += self.send(seconds=2)[0] == 250
            except (smtplib.SMTPException, OSError):
                pass
        self.go_on(stopped)
        self.assertGreater(answered, 0)
        self.check_all_arrived()

    def test_a_stopped_key_holder_costs_only_handshakes(self):
        self.begin("tls=yes", "main.master_heartbeat_limit=1h", "main.disable_plaintext_auth=no")

        def handshake(service):
            with socket.create_connection(("127.0.0.1", self.host.port(service)), 60) as s:
                with loose_tls().wrap_socket(s):
                    return True
        stopped = self.stop_helpers("tlsmgr")
        for service in ("submissions", "imaps", "pop3s"):
            with self.assertRaises((ConnectionError, ssl.SSLError), msg=service):
                handshake(service)
        self.use_all()
        self.go_on(stopped)
        for service in ("submissions", "imaps", "pop3s"):
            self.assertTrue(handshake(service))

    def test_logins_end_when_the_judge_or_the_mail_store_stands_still(self):
        self.begin("main.master_heartbeat_limit=1h", "main.login_ask_time_limit=5s")
        for name in ("auth", "imapd"):
            stopped = self.stop_helpers(name)
            with self.subTest(name):
                with self.assertRaises((OSError, imaplib.IMAP4.error)) as caught:
                    with self.imap(100) as c:
                        c.select("INBOX")
                self.assertNotIsInstance(caught.exception, TimeoutError)
                # Mail from other hosts needs no judge of passwords, at no receiver and however often.
                for _ in range(4):
                    self.assertEqual(self.send(seconds=20)[0], 250)
            self.go_on(stopped)
        self.use_all()


@needs_mounts
class LogFull(Fault):
    def test_mail_goes_on_without_a_log(self):
        folder = self.on_file_system("log", "size=1m")
        self.begin(folder=folder)
        self.assertEqual(self.send()[0], 250)
        hog_space(folder / "log")
        for _ in range(50):
            self.assertEqual(self.send()[0], 250)
        (folder / "log" / "hog").unlink()
        self.send_until_ok()
        self.check_all_arrived()
        wait_until(lambda: self.send() and "status=sent" in self.host.log()[-4000:], 30)


class KilledWhileStreaming(Fault):
    def stream(self, victim, when):
        """Half of a large message, kill, the rest: the reply, or None for a lost connection."""
        number = next(numbers)
        block = ("x" * 998 + "\r\n").encode() * 1000
        with socket.create_connection(("127.0.0.1", self.host.port("smtp")), 30) as s:
            f = s.makefile("rwb")
            try:
                for line in (b"", b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<u1@example.test>\r\n",
                             b"DATA\r\n"):
                    f.write(line)
                    f.flush()
                    while f.readline()[3:4] == b"-":
                        pass
                f.write(f"Subject: mark-{number}\r\n\r\n".encode())
                for k in range(8):
                    if k == when:
                        for pid in self.pids(victim):
                            os.kill(pid, signal.SIGKILL)
                    f.write(block)
                    f.flush()
                f.write(b".\r\n")
                f.flush()
                reply = f.readline()
            except OSError:
                reply = b""
        if reply.startswith(b"250"):
            self.marks.add(number)
        return reply

    def test_each_helper(self):
        self.begin(CHECKED, *QUICK)
        for victim in ("smtpd", "qmgr", "local", "router", "dns", "tlsmgr", "auth", "mailauth"):
            for when in (0, 4, 7):
                with self.subTest(victim, when=when):
                    reply = self.stream(victim, when)
                    self.assertIn(reply[:1], (b"", b"2", b"4"), reply)
                    if victim in ("dns", "tlsmgr", "auth", "local"):
                        self.assertTrue(reply.startswith(b"250"), reply)
                    self.send_until_ok()
        self.check_all_arrived()
        self.assertEqual(set(self.found()), self.marks, "what was not acknowledged left something")


class DamagedFiles(Fault):
    def test_a_flipped_byte_in_the_journal_loses_no_other_record(self):
        self.begin("route.far.test=127.0.0.1:1")
        for _ in range(9):
            self.assertEqual(self.send(user="x@far.test", size=3000)[0], 250)
        self.host.stop()
        target = f"mark-{sorted(self.marks)[4]}\r".encode()
        hit = 0
        for path in (self.host.dir / "queue" / "journal").iterdir():
            data = bytearray(path.read_bytes())
            at = data.find(target)
            if at >= 0:
                data[at + 200] ^= 0x40
                path.write_bytes(data)
                hit += 1
        self.assertEqual(hit, 1)
        self.host.start()
        self.assertEqual(self.host.queued(), 8)
        self.assertEqual(len(list((self.host.dir / "queue" / "corrupt").iterdir())), 1)
        self.host.wait_logged("is damaged: a copy is kept in queue/corrupt")
        self.marks.clear()
        self.send_until_ok()
        self.host.wait_for_mails("u1", 1)

    def test_a_damaged_message_file_is_kept_and_not_delivered(self):
        self.begin("route.far.test=127.0.0.1:1")
        for _ in range(3):
            self.assertEqual(self.send(user="x@far.test", size=300000)[0], 250)
        self.host.stop()
        files = [p for p in (self.host.dir / "queue" / "message").rglob("*") if p.is_file()]
        self.assertEqual(len(files), 3)
        data = bytearray(files[0].read_bytes())
        data[len(data) // 2] ^= 1
        files[0].write_bytes(data)
        far = FarEnd()
        self.host.start("users=4", f"route.far.test=127.0.0.1:{far.port}", *QUICK)
        self.host.call("flush")
        wait_until(lambda: len(far.mails) >= 2 and "damaged: not delivered" in self.host.log(), 30,
                   self.host.log_tail)
        self.assertEqual([p.name for p in (self.host.dir / "queue" / "corrupt").iterdir()], [files[0].name])
        self.assertEqual(len(far.mails), 2)
        self.assertNotIn("status=bounced", self.host.log())

    def test_a_mailbox_outlives_its_caches(self):
        self.begin()
        for k in range(5):
            self.send()
        self.host.wait_for_mails("u1", 5)
        for damage in (lambda data: b"", lambda data: b"\xff" * 4096, lambda data: data[:len(data) // 2],
                       lambda data: data[:40] + b"\0" * 64 + data[104:], lambda data: data * 3):
            with self.imap() as c:
                self.assertEqual(c.select("INBOX"), ("OK", [b"5"]))
                self.assertEqual(c.store("1:3", "+FLAGS", r"(\Seen)")[0], "OK")
            for path in self.host.maildir("u1").iterdir():
                if path.is_file():
                    path.write_bytes(damage(path.read_bytes()))
            with self.imap() as c:
                self.assertEqual(c.select("INBOX"), ("OK", [b"5"]), self.host.log_tail())
                uids = c.uid("search", "ALL")[1][0].split()
                self.assertEqual(len(set(uids)), 5)
                self.assertEqual(c.search(None, "SEEN")[1][0].split(), [b"1", b"2", b"3"])
                bodies = c.fetch("1:*", "(BODY.PEEK[])")[1]
                self.assertEqual(sum(b"mark-" in b[1] for b in bodies if isinstance(b, tuple)), 5)
        self.assertEqual(len(self.host.mails("u1")), 5)


class UnusableSpool(Fault):
    def start_fails(self):
        with self.assertRaises(RuntimeError) as caught:
            self.host.start()
        done = self.host.tool("postern", "start", check=False)
        self.assertNotEqual(done.returncode, 0)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertEqual(self.host.children(), {})
        return lines[0] + str(caught.exception)

    @needs_mounts
    def test_read_only(self):
        folder = self.on_file_system("queue", "size=64m")
        self.begin(folder=folder)
        self.host.stop()
        subprocess.run(["mount", "-o", "remount,ro", folder / "queue"], check=True)
        self.assertIn("Read-only file system", self.start_fails())
        subprocess.run(["mount", "-o", "remount,rw", folder / "queue"], check=True)
        self.host.start()
        self.assertEqual(self.send()[0], 250)

    @needs_root
    def test_folders_of_somebody_else_are_taken_back(self):
        self.begin("route.far.test=127.0.0.1:1")
        self.send(user="x@far.test")
        self.host.stop()
        for sub in ("journal", "message", "corrupt", "pid", "private", "public"):
            os.chown(self.host.dir / "queue" / sub, 65534, 65534)
        self.host.start()
        self.assertEqual(self.host.queued(), 1)

    def test_a_file_in_place_of_a_folder(self):
        self.begin()
        self.host.stop()
        journal = self.host.dir / "queue" / "journal"
        journal.rename(journal.with_suffix(".kept"))
        journal.write_text("")
        self.assertIn("journal is not a folder", self.start_fails())
        journal.unlink()
        journal.with_suffix(".kept").rename(journal)
        self.host.start()
        self.assertEqual(self.send()[0], 250)


def fake_dns():
    sys.path.insert(0, str(SHARED / "conformance" / "dns"))
    try:
        import fakedns
        return fakedns
    except ImportError:
        return None


class Garbage(threading.Thread):
    """A name server that answers each question with noise, or with the answer to another."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        for k in itertools.count():
            try:
                query, client = self.socket.recvfrom(4096)
                self.socket.sendto((os.urandom(80), b"", query[:1] + b"?" + query[2:],
                                    query[:2] + b"\x84\x00" + os.urandom(40), query[:11])[k % 5], client)
            except OSError:
                return


@unittest.skipUnless(fake_dns(), "no test name server here")
class FailingDns(Fault):
    ZONE = [["null.test", "MX", "0", "."], ["broken.test", "TIMEOUT"], ["u.broken.test", "A", "127.0.0.1"]]

    def with_dns(self, address):
        self.begin(f"dns={address}", "main.dns_timeout=3s", "main.smtpd_peername_time_limit=2s", *QUICK)

    def bounced(self, domain):
        self.assertEqual(self.send(user=f"x@{domain}")[0], 250)
        wait_until(lambda: re.search(rf"to=<x@{domain}>.*status=bounced", self.host.log()), 60,
                   self.host.log_tail)
        return re.search(rf"to=<x@{domain}>.*dsn=([\d.]+), status=bounced.*", self.host.log()).group(1)

    def deferred(self, domain):
        self.assertEqual(self.send(user=f"x@{domain}")[0], 250)
        wait_until(lambda: re.search(rf"to=<x@{domain}>.*status=", self.host.log()), 60, self.host.log_tail)
        self.assertNotRegex(self.host.log(), rf"to=<x@{domain}>.*status=bounced")
        self.host.wait_logged(rf"to=<x@{domain}>.*dsn=4\.\d\.\d, status=deferred")

    def inbound_goes_on(self):
        self.assertEqual(self.send()[0], 250)
        self.host.wait_for_mails("u1", 1)

    def test_facts_bounce_failures_do_not(self):
        with fake_dns().FakeDNS(self.ZONE) as dns:
            self.with_dns(dns.address)
            self.assertEqual(self.bounced("null.test"), "5.1.10")
            self.assertIn(self.bounced("nowhere.test"), ("5.1.2", "5.4.4"))
            self.deferred("broken.test")
            self.inbound_goes_on()

    def test_a_silent_server_defers(self):
        with fake_dns().FakeDNS([["broken.test", "TIMEOUT"], ["in-addr.arpa", "TIMEOUT"]], silent=True) as dns:
            self.with_dns(dns.address)
            self.deferred("broken.test")
            self.inbound_goes_on()

    def test_no_server_at_all_defers(self):
        self.with_dns(f"127.0.0.1:{free_port()}")
        self.deferred("broken.test")
        self.inbound_goes_on()

    def test_garbage_defers(self):
        self.with_dns(Garbage().address)
        self.deferred("broken.test")
        self.inbound_goes_on()


def enter_namespace():
    """Go on in a mount namespace of our own, when that is allowed."""
    command = ["unshare", "-m", "--propagation", "private"]
    if not IS_ROOT or IN_NAMESPACE or not shutil.which("unshare"):
        return
    if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.environ["POSTERN_TEST_NAMESPACE"] = "1"
        os.execvp("unshare", [*command, sys.executable, *sys.argv])


if __name__ == "__main__":
    enter_namespace()
    main()
