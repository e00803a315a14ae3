#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Who may do what, read from /proc: uid, root folder, capabilities, no_new_privs, seccomp."""
import ctypes
import imaplib
import os
import pathlib
import pwd
import shutil
import signal
import smtplib
import tempfile
import unittest

from posterntest import SANITIZERS, TOP, Instance, loose_tls, main, message, wait_until

# Program -> its uid in tests/instance (OWNERS there).  local keeps the mail owner's uid.
UIDS = {"smtpd": 64102, "qmgr": 64101, "router": 64104, "dns": 64103, "auth": 64105,
        "tlsmgr": 64106, "smtp": 64102, "local": 64120, "login": 64102, "postlogd": 64107}
EMPTY_ROOT = {"smtpd", "login", "smtp", "tlsmgr"}
# master.cf names of those that must keep the right to become a user: they fork, the child becomes the
# user and confines itself before it sees a byte of mail (reliability-security.md section 5).
SPAWNERS = {"imap-session", "pop3-session", "local"}
SESSION_UID = 64120
# Daemons of a sanitizer build write reports below the build folder.
REPORTS = [str(TOP)] if SANITIZERS else []
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 4096, 16384, 1 << 18
SETGID, SETUID = 1 << 6, 1 << 7


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def is_filtered(facts):
    """It has a seccomp filter of its own, beside those of a container; sanitizers stand none."""
    more = int(facts["Seccomp_filters"]) - int(status("self")["Seccomp_filters"])
    return SANITIZERS or (facts["Seccomp"].strip() == "2" and more >= 1)


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Privileges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Instance("users=2", "tls=yes", "relayhost=127.0.0.1:9").__enter__()
        # One message each way, so that every program that starts on demand has been started.
        with smtplib.SMTP("127.0.0.1", cls.host.port("smtp"), timeout=30) as s:
            s.send_message(message("p"))
            s.send_message(message("q", to="x@elsewhere.test"))
        cls.host.wait_for_mails("u2", 1)
        wait_until(lambda: "status=deferred" in cls.host.log(), 30, cls.host.log_tail)
        cls.programs = cls.host.children()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()

    def of(self, name):
        """Processes of the program, spawners left out."""
        return [pid for pid, program in self.programs.items()
                if program == name and self.entry(pid) not in SPAWNERS]

    @staticmethod
    def entry(pid):
        """The name of the master.cf entry; None of one that is just starting or gone."""
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            return words[words.index("-n") + 1]
        except (OSError, ValueError):
            return None

    def spawners(self):
        return [pid for pid in self.programs if self.entry(pid) in SPAWNERS]

    def test_every_program_runs(self):
        for name in UIDS:
            self.assertTrue(self.of(name), f"{name} does not run: {self.programs}")

    def test_every_program_has_its_own_uid_and_no_way_back(self):
        for name, uid in UIDS.items():
            for pid in self.of(name):
                for field in ("Uid", "Gid"):
                    ids = {int(x) for x in status(pid)[field].split()}
                    self.assertEqual(len(ids), 1, f"{name} {field}: {ids}")
                self.assertEqual(int(status(pid)["Uid"].split()[0]), uid, name)
                self.assertEqual(status(pid)["Groups"].split(), [], name)

    def test_no_program_has_a_capability(self):
        for name in UIDS:
            for pid in self.of(name):
                for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    self.assertEqual(int(status(pid)[field], 16), 0, f"{name} {field}")

    def test_spawners_keep_only_what_becoming_a_user_takes(self):
        self.assertTrue(self.spawners())
        for pid in self.spawners():
            kept = int(status(pid)["CapEff"], 16)
            self.assertEqual(kept & ~(SETGID | SETUID), 0, self.entry(pid))

    def test_no_new_privs_and_seccomp_everywhere(self):
        for pid, name in self.programs.items():
            self.assertEqual(status(pid)["NoNewPrivs"].strip(), "1", name)
            self.assertTrue(is_filtered(status(pid)), name)

    def test_network_programs_see_an_empty_folder(self):
        for name in EMPTY_ROOT:
            for pid in self.of(name):
                if self.entry(pid) == "lmtp":   # reaches UNIX sockets by path: Landlock only
                    continue
                root = os.readlink(f"/proc/{pid}/root")
                self.assertEqual(root, str(pathlib.Path(self.host.facts["queue"]) / "empty"), name)
                self.assertEqual(os.listdir(f"/proc/{pid}/root"), [], name)

    def test_no_network_program_holds_an_open_file(self):
        for name in ("smtpd", "login"):
            for pid in self.of(name):
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    if SANITIZERS and fd == "2":    # for their reports
                        continue
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    self.assertTrue(target.startswith(("socket:", "anon_inode:", "pipe:", "/dev/null",
                                                       "/memfd:")) or target.endswith(".db"),
                                    f"{name}: {target}")

    def test_core_dumps_are_off(self):
        for pid, name in self.programs.items():
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core"))
            self.assertEqual(core.split()[4], "0", name)

    def test_master_keeps_only_the_rights_it_needs(self):
        self.assertEqual(status(self.host.master)["NoNewPrivs"].strip(), "1")
        self.assertTrue(is_filtered(status(self.host.master)))
        effective = int(status(self.host.master)["CapEff"], 16)
        for number, name in ((21, "SYS_ADMIN"), (12, "NET_ADMIN"), (16, "SYS_MODULE"),
                             (19, "SYS_PTRACE"), (17, "SYS_RAWIO")):
            self.assertFalse(effective >> number & 1, name)

    def test_only_root_can_reach_private_sockets(self):
        folder = pathlib.Path(self.host.facts["queue"]) / "private"
        self.assertEqual(folder.stat().st_uid, 0)
        self.assertEqual(folder.stat().st_mode & 0o077, 0)

    def test_a_session_runs_as_the_mail_user_in_its_own_confinement(self):
        c = imaplib.IMAP4_SSL("127.0.0.1", self.host.port("imaps"), ssl_context=loose_tls(),
                              timeout=30)
        c.login("u1", "secret")
        c.select("INBOX")
        sessions = []
        for path in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                facts = dict(line.split(":\t", 1) for line in path.read_text().splitlines()
                             if ":\t" in line)
            except OSError:
                continue
            if facts["Name"].strip().startswith("imapd") and int(facts["PPid"]) in self.spawners():
                sessions.append(facts)
        self.assertEqual(len(sessions), 1)
        facts = sessions[0]
        self.assertEqual({int(x) for x in facts["Uid"].split()}, {SESSION_UID})
        self.assertEqual(int(facts["CapEff"], 16), 0)
        self.assertEqual(facts["NoNewPrivs"].strip(), "1")
        self.assertTrue(is_filtered(facts))
        c.logout()

    def test_the_private_key_is_in_tlsmgr_alone(self):
        key = pathlib.Path(self.host.facts["config"]) / "key.pem"
        self.assertEqual(key.stat().st_mode & 0o077, 0)
        for name in ("smtpd", "login"):
            self.assertFalse(self.may_read(UIDS[name], key), name)

    @staticmethod
    def may_read(uid, path):
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                open(path, "rb").close()
                os._exit(0)
            except OSError:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class SystemUsers(unittest.TestCase):
    """A user of the system (of a passwd file only we see) gets mail from a process that is that user."""
    UID = 64130

    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="postern-home-"))
        cls.home.chmod(0o700)
        os.chown(cls.home, cls.UID, cls.UID)
        passwd = tempfile.NamedTemporaryFile("w")
        passwd.write(pathlib.Path("/etc/passwd").read_text() +
                     f"sysuser:x:{cls.UID}:{cls.UID}::{cls.home}:/bin/sh\n")
        passwd.flush()
        os.fchmod(passwd.fileno(), 0o644)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0 or \
                libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0 or \
                libc.mount(passwd.name.encode(), b"/etc/passwd", None, MS_BIND, None) != 0:
            raise unittest.SkipTest("no mount name space to be had")
        cls.host = Instance("users=1", "main.mydestination=sys.test").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.host.__exit__()
        shutil.rmtree(cls.home)

    def local(self):
        """The pids of the process that sees mail, and of its spawner."""
        front = [p for p in self.host.children() if Privileges.entry(p) == "local"]
        spawners = []
        for pid in front:
            try:
                text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
            except OSError:
                continue
            spawners += [int(word) for word in text.split()]
        return front, spawners

    def test_who_sees_mail_is_nobody_and_the_spawner_can_only_become_users(self):
        front, spawners = self.local()
        self.assertTrue(front)
        self.assertEqual(len(front), len(spawners))
        for pid in front:
            self.assertEqual({int(x) for x in status(pid)["Uid"].split()},
                             {pwd.getpwnam("nobody").pw_uid})
            self.assertEqual(int(status(pid)["CapEff"], 16), 0)
        for pid in spawners:
            for field in ("CapEff", "CapPrm", "CapBnd"):
                self.assertEqual(int(status(pid)[field], 16), SETGID | SETUID, field)
        for pid in front + spawners:
            self.assertEqual(status(pid)["NoNewPrivs"].strip(), "1")
            self.assertTrue(is_filtered(status(pid)))

    def test_mail_is_stored_by_its_user(self):
        new = self.home / "Maildir" / "new"
        with smtplib.SMTP("127.0.0.1", self.host.port("smtp"), timeout=30) as s:
            s.send_message(message("small", to="sysuser@sys.test"))
            s.send_message(message("large", to="sysuser@sys.test", body="0123456789 " * 20000))
        wait_until(lambda: new.is_dir() and len(list(new.iterdir())) == 2, 30, self.host.log_tail)
        for path in new.iterdir():
            self.assertEqual((path.stat().st_uid, path.stat().st_gid), (self.UID, self.UID))
            self.assertIn(b"Delivered-To: sysuser@sys.test\r\n", path.read_bytes())
        self.assertEqual(self.host.log().count("delivered to maildir"), 2)

    def test_virtual_mail_may_belong_to_many_users(self):
        base = pathlib.Path(tempfile.mkdtemp(prefix="postern-base-"))
        base.chmod(0o755)
        owners = {"u1": 64141, "u2": 64142}
        for user, uid in owners.items():
            (base / user).mkdir(0o700)
            os.chown(base / user, uid, uid)
        members = " ".join(f"{{ {user}@example.test = {uid} }}" for user, uid in owners.items())
        with Instance("users=3", f"main.virtual_mailbox_base={base}",
                      f"main.virtual_uid_maps=inline:{{ {members} }}",
                      f"main.virtual_gid_maps=inline:{{ {members} }}") as host:
            with smtplib.SMTP("127.0.0.1", host.port("smtp"), timeout=30) as s:
                for user in ("u1", "u2", "u3"):
                    s.send_message(message("hello", to=f"{user}@example.test"))
            for user, uid in owners.items():
                wait_until(lambda: list((base / user).rglob("new/*")), 30, host.log_tail)
                self.assertEqual([p.stat().st_uid for p in (base / user).rglob("new/*")], [uid])
            wait_until(lambda: "virtual_uid_maps has no usable entry" in host.log(), 30, host.log_tail)
        shutil.rmtree(base)

    def test_nothing_writes_outside_mail_directories(self):
        """Landlock of master and of the spawner: the kernel shows it nowhere, so a delivery tries it."""
        new = self.home / "Maildir" / "new"
        with tempfile.TemporaryDirectory(prefix="postern-only-") as only, \
                Instance("users=1", "main.mydestination=sys.test",
                         f"main.mail_directories={' '.join([only, *REPORTS])}") as host:
            before = len(list(new.iterdir())) if new.is_dir() else 0
            with smtplib.SMTP("127.0.0.1", host.port("smtp"), timeout=30) as s:
                s.send_message(message("x", to="sysuser@sys.test"))
                s.send_message(message("y", to="u1@example.test"))
            wait_until(lambda: "status=deferred" in host.log(), 30, host.log_tail)
            host.wait_logged("Permission denied")
            self.assertEqual(len(list(new.iterdir())) if new.is_dir() else 0, before)
            host.wait_for_mails("u1", 1)    # virtual_mailbox_base counts always

    def test_a_lost_spawner_is_replaced(self):
        _, spawners = self.local()
        for pid in spawners:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.local()[1] and not set(spawners) & set(self.local()[1]), 30,
                   self.host.log_tail)


if __name__ == "__main__":
    main()
