#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A milter for tests, on Debian's libmilter: writes down what it is told and does what it is asked to.

    recording_milter.py SOCKET FOLDER

FOLDER/record gets one JSON line a callback: [session, name, arguments, macros].  FOLDER/plan is read before each:
{"callback name": "reject" | "tempfail" | "accept" | "discard" | "continue" | "skip" | [code, dsn, text ...],
 "changes": [["addheader", name, value] ...], "noreply": [callbacks], "nocallback": [callbacks], "leading": true}
"""
import itertools
import json
import pathlib
import sys

import Milter

SESSIONS = itertools.count(1)
FOLDER = pathlib.Path(sys.argv[2])
MACROS = ("j", "v", "_", "i", "{daemon_name}", "{daemon_addr}", "{client_addr}", "{client_name}", "{auth_type}",
          "{auth_authen}", "{mail_addr}", "{mail_host}", "{mail_mailer}", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}",
          "{tls_version}", "{cipher}", "{cipher_bits}", "{auth_results}")
VERDICTS = {"reject": Milter.REJECT, "tempfail": Milter.TEMPFAIL, "accept": Milter.ACCEPT,
            "discard": Milter.DISCARD, "continue": Milter.CONTINUE, "skip": Milter.SKIP}
NO_REPLY = {"connect": Milter.P_NR_CONN, "hello": Milter.P_NR_HELO, "envfrom": Milter.P_NR_MAIL,
            "envrcpt": Milter.P_NR_RCPT, "data": Milter.P_NR_DATA, "header": Milter.P_NR_HDR,
            "eoh": Milter.P_NR_EOH, "body": Milter.P_NR_BODY}
NO_CALLBACK = {"connect": Milter.P_NOCONNECT, "hello": Milter.P_NOHELO, "envfrom": Milter.P_NOMAIL,
               "envrcpt": Milter.P_NORCPT, "data": Milter.P_NODATA, "header": Milter.P_NOHDRS,
               "eoh": Milter.P_NOEOH, "body": Milter.P_NOBODY}


def plan():
    try:
        return json.loads((FOLDER / "plan").read_text())
    except (OSError, ValueError):
        return {}


class Recorder(Milter.Base):
    session = None

    def begin(self):
        """The first callback of a session."""
        self.session = next(SESSIONS)
        self.no_reply = set(plan().get("noreply", []))     # as it was when this was negotiated

    def negotiate(self, opts):
        """All actions; of the steps what the plan wants."""
        wanted = plan()
        steps = 0
        for name in wanted.get("noreply", []):
            steps |= NO_REPLY[name]
        for name in wanted.get("nocallback", []):
            steps |= NO_CALLBACK[name]
        if wanted.get("leading"):
            steps |= Milter.P_HDR_LEADSPC
        opts[1] = opts[1] & steps
        opts[2] = opts[3] = 0
        return Milter.CONTINUE

    def note(self, name, *args):
        if self.session is None:
            self.begin()
        macros = {m: self.getsymval(m) for m in MACROS if self.getsymval(m) is not None}
        clean = [a.decode("latin-1") if isinstance(a, bytes) else a for a in args]
        with open(FOLDER / "record", "a") as out:
            out.write(json.dumps([self.session, name, clean, macros]) + "\n")
        verdict = plan().get(name, "continue")
        if name in self.no_reply:
            return Milter.NOREPLY
        if isinstance(verdict, list):
            self.setreply(*verdict)
            return Milter.REJECT if verdict[0][0] == "5" else Milter.TEMPFAIL
        return VERDICTS[verdict]

    def connect(self, host, family, address):
        self.begin()
        return self.note("connect", host, family, address)

    def hello(self, name):
        return self.note("hello", name)

    def envfrom(self, *args):
        return self.note("envfrom", *args)

    def envrcpt(self, *args):
        return self.note("envrcpt", *args)

    def data(self):
        return self.note("data")

    @Milter.decode("bytes")
    def header(self, name, value):
        return self.note("header", name, value)

    def eoh(self):
        return self.note("eoh")

    def body(self, chunk):
        return self.note("body", chunk)

    def unknown(self, command):
        return self.note("unknown", command)

    def abort(self):
        self.note("abort")
        return Milter.CONTINUE

    def close(self):
        self.note("close")
        return Milter.CONTINUE

    def eom(self):
        for change, *args in plan().get("changes", []):
            if change == "replacebody":
                args = [args[0] * args[1]]
            getattr(self, change)(*args)
        return self.note("eom")


Milter.factory = Recorder
Milter.set_flags(Milter.CURR_ACTS)
Milter.runmilter("recorder", sys.argv[1], 60)
