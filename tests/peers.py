# SPDX-License-Identifier: ISC
"""Other mail systems beside ours: private instances of Debian's Dovecot and Postfix, for interop tests.

They run from a folder of their own, with their own configuration, sockets and log; the system's are not touched."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from posterntest import free_port, wait_until
from processes import is_running

POSTFIX_DAEMONS = pathlib.Path("/usr/lib/postfix/sbin")


def has_user(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


def why_no_dovecot(*parts):
    """None, or why a Dovecot with these parts (imap, pop3, lmtp) cannot run here."""
    if os.geteuid() != 0:
        return "Dovecot as configured here needs root"
    for part in parts:
        if not pathlib.Path("/usr/lib/dovecot", part).exists():
            return f"no Dovecot {part}"
    return None if has_user("dovecot") else "no user dovecot"


def why_no_postfix():
    if os.geteuid() != 0:
        return "Postfix needs root"
    return None if (POSTFIX_DAEMONS / "master").exists() and has_user("postfix") else "no Postfix"


class Peer:
    """A folder, and what every peer can do; a context manager."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postern-peer-"))
        self.dir.chmod(0o755)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self):
        return "\n".join(self.log().splitlines()[-25:])


class Dovecot(Peer):
    """Dovecot over the mail folders of users u1..uN under `mail`, which belong to `uid`."""
    CONFIG = """
protocols = {protocols}
listen = 127.0.0.1
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = {dir.name}
log_path = {dir}/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
lda_mailbox_autocreate = yes
postmaster_address = postmaster@example.test
hostname = dovecot.example.test
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
{lmtp_service}
"""
    LMTP = """
service lmtp {{
  unix_listener {dir}/lmtp.sock {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"""

    def __init__(self, mail, uid, users, lmtp=False):
        super().__init__()
        self.mail, self.uid, self.users = pathlib.Path(mail), uid, users
        self.has_lmtp = lmtp
        self.imap, self.pop3, self.lmtp = free_port(), free_port(), free_port()

    def start(self):
        (self.dir / "state").mkdir()
        (self.dir / "users").write_text("".join(
            f"u{k}@example.test:{{PLAIN}}secret:{self.uid}:{self.uid}::{self.mail}/u{k}::\n"
            for k in range(1, self.users + 1)))
        ports = {"imap": self.imap, "pop3": self.pop3, "lmtp": self.lmtp}
        (self.dir / "dovecot.conf").write_text(self.CONFIG.format(
            dir=self.dir, protocols="imap pop3 lmtp" if self.has_lmtp else "imap pop3",
            lmtp_service=self.LMTP.format(dir=self.dir, **ports) if self.has_lmtp else "", **ports))
        # Not through pipes: the server would hold them open.
        subprocess.run(["dovecot", "-c", self.dir / "dovecot.conf"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "starting up" in self.log(), 30, self.log_tail)

    def stop(self):
        stop_pid_file(self.dir / "run" / "master.pid")

    def complaints(self):
        """Lines of the log that are no plain information."""
        return [line for line in self.log().splitlines()
                if any(f"{word}: " in line for word in ("Warning", "Error", "Panic", "Fatal"))]


class Postfix(Peer):
    """Postfix with Maildirs for MAILBOXES under dir/mail; settings are lines of main.cf."""
    MAILBOXES = {"a@pf.test": "a/", "b@pf.test": "b/"}
    MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
showq unix n - n - - showq
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, uid, **settings):
        super().__init__()
        self.uid, self.port = uid, free_port()
        self.more_services = ""         # lines of master.cf
        self.settings = {
            "compatibility_level": "3.6", "config_directory": self.dir / "etc",
            "queue_directory": self.dir / "queue", "data_directory": self.dir / "data",
            "command_directory": "/usr/sbin", "daemon_directory": POSTFIX_DAEMONS,
            "mail_owner": "postfix", "setgid_group": "postdrop", "multi_instance_enable": "yes",
            "multi_instance_name": "postfix-peer", "maillog_file": self.dir / "log",
            "maillog_file_prefixes": "/", "myhostname": "mx.pf.test", "mydestination": "",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "",
            "virtual_mailbox_domains": "pf.test", "virtual_mailbox_base": self.dir / "mail",
            "virtual_mailbox_maps": f"texthash:{self.dir}/etc/vmailbox",
            "virtual_uid_maps": f"static:{uid}", "virtual_gid_maps": f"static:{uid}",
            "disable_dns_lookups": "yes", "smtpd_peername_lookup": "no", "alias_maps": "",
            "alias_database": "", "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "queue_run_delay": "1s", "in_flow_delay": "0",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            **settings}

    def start(self):
        for name in ("etc", "queue", "data", "mail"):
            (self.dir / name).mkdir()
        shutil.chown(self.dir / "data", "postfix")
        os.chown(self.dir / "mail", self.uid, self.uid)
        (self.dir / "etc" / "vmailbox").write_text(
            "".join(f"{address} {folder}\n" for address, folder in self.MAILBOXES.items()))
        (self.dir / "etc" / "main.cf").write_text(
            "".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        (self.dir / "etc" / "master.cf").write_text(
            self.MASTER.format(port=self.port).lstrip() + self.more_services)
        with open(self.dir / "start.out", "w") as out:
            done = subprocess.run(["/usr/sbin/postfix", "-c", self.dir / "etc", "start"], stdout=out, stderr=out)
        if done.returncode != 0:
            raise RuntimeError(f"postfix start: {(self.dir / 'start.out').read_text()}\n{self.log_tail()}")

    def stop(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.dir / "etc", "stop"], capture_output=True)

    def mails(self, user):
        folder = self.dir / "mail" / user / "new"
        return [p.read_bytes() for p in sorted(folder.iterdir())] if folder.is_dir() else []

    def sendmail(self, sender, recipients, text):
        subprocess.run(["/usr/sbin/sendmail", "-C", self.dir / "etc", "-f", sender, *recipients],
                       input=text, text=True, check=True)


def stop_pid_file(path):
    """Ends the process named there and waits for it."""
    try:
        pid = int(path.read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    wait_until(lambda: not is_running(pid), 30)
