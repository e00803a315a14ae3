# SPDX-License-Identifier: ISC
"""The two mail servers that milters are tried with, ours and Debian's Postfix, made to look alike: users u1..u9 of
example.test, and any number of SMTP services, each with its own parameters."""
import json
import os
import pathlib
import socket
import subprocess
import threading

from peers import Postfix
from posterntest import TOP, Instance, free_port, wait_until

BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build").resolve()
MAIL_UID = 64120
USERS = 9


def entries(ports, services):
    """Lines of master.cf."""
    return "".join(f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n" +
                   "".join(f"  -o {{ {key} = {value} }}\n" for key, value in settings.items())
                   for name, settings in services.items())


class Ours(Instance):
    def __init__(self, services, settings, certificate=None):
        settings = {"milter_quarantine_action": "hold", **settings}     # as Postfix does
        options = [f"users={USERS}", *(f"main.{name}={value}" for name, value in settings.items())]
        if certificate:
            options += [f"cert={certificate[0]}", f"key={certificate[1]}", "main.smtpd_tls_auth_only=no"]
        super().__init__(*options)
        self.services, self.ports = services, {name: free_port() for name in services}

    def start(self, *more):
        super().start(*more)
        with open(f"{self.facts['config']}/master.cf", "a", encoding="utf-8") as f:
            f.write(entries(self.ports, self.services))
        self.tool("postern", "reload")
        wait_until(lambda: all(is_listening(port) for port in self.ports.values()), 30, self.log_tail)

    def postqueue(self):
        return self.tool("postqueue", "-j").stdout

    def release(self, queue_id):
        self.tool("postsuper", "-H", queue_id)

    def sendmail(self, sender, recipients, text):
        subprocess.run([BUILD / "stage" / "sbin" / "sendmail", "-C", self.facts["config"], "-f", sender, *recipients],
                       input=text, text=True, capture_output=True, check=True)


class Reference(Postfix):
    MAILBOXES = {f"u{k}@example.test": f"u{k}/" for k in range(1, USERS + 1)}

    def __init__(self, services, settings, certificate=None):
        settings = {"myhostname": "mx.example.test", "virtual_mailbox_domains": "example.test",
                    "smtpd_peername_lookup": "yes", **settings}     # 127.0.0.1 is localhost, as it always is to us
        if certificate:
            settings.update({"smtpd_tls_cert_file": certificate[0], "smtpd_tls_key_file": certificate[1],
                             "smtpd_tls_security_level": "may", "smtp_tls_security_level": "none"})
        super().__init__(MAIL_UID, **settings)
        self.ports = {name: free_port() for name in services}
        self.more_services = entries(self.ports, services)

    def postqueue(self):
        return subprocess.run(["/usr/sbin/postqueue", "-c", self.dir / "etc", "-j"], capture_output=True, text=True,
                              check=True).stdout

    def release(self, queue_id):
        subprocess.run(["/usr/sbin/postsuper", "-c", self.dir / "etc", "-H", queue_id], capture_output=True, check=True)


def is_listening(port):
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in pathlib.Path("/proc/net/tcp").read_text()


def held(mta):
    """Queue ids on hold."""
    return [m["queue_id"] for m in map(json.loads, mta.postqueue().splitlines()) if m["queue_name"] == "hold"]


def make_certificate(folder):
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "30", "-subj", "/CN=mx.example.test", "-keyout", key, "-out", certificate], check=True,
                   capture_output=True)
    return certificate, key


class AuthServer:
    """What Postfix asks about logins, by Dovecot's protocol: everyone may be u1@example.test by PLAIN."""
    GREETING = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"

    def __init__(self, path):
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        os.chmod(path, 0o777)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s, s.makefile("rw", newline="\n") as f:
            print(self.GREETING, end="", file=f, flush=True)
            for line in f:
                words = line.rstrip("\n").split("\t")
                if words[0] == "AUTH":
                    print(f"OK\t{words[1]}\tuser=u1@example.test", file=f, flush=True)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
