#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A python3-milter program that writes down all it is told, and does what it is told to do.

    recorder.py SOCKET RECORD ORDERS [--quiet] [--leading-space] [--rejected] [--macros STAGE=NAMES ...]

RECORD gets a JSON line for each callback: session, what, arguments, and the value of every macro that can be had then
(libmilter remembers those of the stages before).  ORDERS is a JSON file, read at each connection and each MAIL:
{"mail": [["reply", "450", "4.7.1", "text", "second line"]], "eom": [["addheader", "X-A", "b"], ["accept"]]}: what to
do in a callback, the last word being the verdict.

--quiet: answer only RCPT and the end (@noreply), and see no HELO (@nocallback)."""
import argparse
import itertools
import json
import os
import threading
import time

import Milter

MACROS = ["i", "j", "v", "_", "{daemon_name}", "{daemon_addr}", "{daemon_port}", "{if_name}", "{if_addr}",
          "{client_addr}", "{client_name}", "{client_port}", "{client_ptr}", "{client_resolve}", "{client_connections}",
          "{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}",
          "{auth_type}", "{auth_authen}", "{auth_author}", "{auth_ssf}", "{mail_addr}", "{mail_host}", "{mail_mailer}",
          "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}", "{auth_results}", "{made_up}"]
STAGES = {"connect": Milter.M_CONNECT, "helo": Milter.M_HELO, "mail": Milter.M_ENVFROM, "rcpt": Milter.M_ENVRCPT,
          "data": Milter.M_DATA, "eoh": Milter.M_EOH, "eom": Milter.M_EOM}
VERDICTS = {"continue": Milter.CONTINUE, "accept": Milter.ACCEPT, "reject": Milter.REJECT, "tempfail": Milter.TEMPFAIL,
            "discard": Milter.DISCARD, "skip": Milter.SKIP}
SESSIONS = itertools.count(1)
LOCK = threading.Lock()


class Recorder(Milter.Base):
    options = None

    def __init__(self):
        super().__init__()
        self.session = next(SESSIONS)
        self.read_orders()

    def read_orders(self):
        with open(self.options.orders, encoding="utf-8") as f:
            self.orders = json.load(f)

    def negotiate(self, opts):
        offered = opts[1]
        answer = super().negotiate(opts)
        for wanted, flag in ((self.options.leading_space, Milter.P_HDR_LEADSPC),
                             (self.options.rejected, Milter.P_RCPT_REJ)):
            if wanted:
                opts[1] |= offered & flag
        for text in self.options.macros:
            stage, _, names = text.partition("=")
            self._ctx.setsymlist(STAGES[stage], names)     # that of the base class cannot, in 1.0.5
        self.record("negotiate", opts[0], offered)
        return answer

    def record(self, what, *arguments):
        seen = {"session": self.session, "what": what, "arguments": arguments, "macros": {}}
        if what != "negotiate":
            for name in MACROS:
                value = self.getsymval(name)
                if value is not None:
                    seen["macros"][name] = value
        with LOCK, open(self.options.record, "a", encoding="utf-8", errors="surrogateescape") as f:
            f.write(json.dumps(seen) + "\n")

    def obey(self, what, *seen):
        for name, *arguments in self.orders.get(what, []):
            if name == "when":      # the rest is for this first argument only
                if seen[:1] != tuple(arguments):
                    break
                continue
            if name in VERDICTS:
                return VERDICTS[name]
            if name == "reply":
                self.setreply(*arguments)
                return Milter.REJECT if arguments[0][0] == "5" else Milter.TEMPFAIL
            if name == "sleep":
                time.sleep(arguments[0])
            elif name == "die":
                os._exit(3)
            elif name == "replacebody":     # text, how often, end
                text, times, end = arguments
                self.replacebody(text.encode() * times + end.encode())
            else:
                getattr(self, name)(*arguments)
        return Milter.CONTINUE

    def note(self, what, *arguments):
        self.record(what, *arguments)
        return self.obey(what, *arguments)

    def connect(self, hostname, family, hostaddr):
        return self.note("connect", hostname, family, hostaddr)

    def hello(self, hostname):
        return self.note("helo", hostname)

    def envfrom(self, f, *s):
        self.read_orders()
        return self.note("mail", f, *s)

    def envrcpt(self, to, *s):
        return self.note("rcpt", to, *s)

    def data(self):
        return self.note("data")

    def header(self, field, value):
        return self.note("header", field, value)

    def eoh(self):
        return self.note("eoh")

    def body(self, blk):
        return self.note("body", len(blk), blk[:80].decode("latin-1"), blk[-80:].decode("latin-1"))

    def unknown(self, cmd):
        return self.note("unknown", cmd.decode("latin-1") if isinstance(cmd, bytes) else cmd)

    def eom(self):
        return self.note("eom")

    def abort(self):
        return self.note("abort")

    def close(self):
        with LOCK, open(self.options.record, "a", encoding="utf-8") as f:
            f.write(json.dumps({"session": self.session, "what": "close", "arguments": [], "macros": {}}) + "\n")
        return Milter.CONTINUE


class Quiet(Recorder):
    connect, envfrom, data, header, eoh, body, unknown = map(
        Milter.noreply, (Recorder.connect, Recorder.envfrom, Recorder.data, Recorder.header, Recorder.eoh, Recorder.body,
                         Recorder.unknown))

    @Milter.nocallback
    def hello(self, hostname):
        return self.note("helo", hostname)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("record")
    parser.add_argument("orders")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--leading-space", action="store_true")
    parser.add_argument("--rejected", action="store_true")
    parser.add_argument("--macros", action="append", default=[])
    Recorder.options = parser.parse_args()
    os.umask(0)
    Milter.factory = Quiet if Recorder.options.quiet else Recorder
    Milter.set_flags(Milter.CURR_ACTS)
    Milter.runmilter("recorder", Recorder.options.socket, 60)


main()
