# SPDX-License-Identifier: ISC
"""A milter without libmilter, in the test's own process: notes each packet, and answers what no milter should."""
import contextlib
import os
import socket
import struct
import threading
import time

NEGOTIATE, CONNECT, HELO, MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM, UNKNOWN = "OCHMRTLNBEU"
MACRO, ABORT, QUIT, QUIT_NEXT = "DAQK"
STAGES = {"negotiation": NEGOTIATE, "connect": CONNECT, "helo": HELO, "mail": MAIL, "rcpt": RCPT, "data": DATA,
          "header": HEADER, "end of header": EOH, "body": BODY, "end of message": EOM}
ALL_ACTIONS = 0x1FF


def packet(letter, data=b""):
    return struct.pack("!I", len(data) + 1) + letter.encode() + data


CONTINUE = packet("c")
HANG, CLOSE = object(), object()
# What is sent in place of an answer.
NONSENSE = {
    "hang": HANG,
    "close": CLOSE,
    "a reply that does not exist": packet("?", b"what"),
    "a reply of another stage": packet("o", b"\0\0\0\6"),
    "text": b"220 hello\r\n",
    "an oversized packet": struct.pack("!I", 0x7FFFFFFF) + b"c" * 100000,
    "an empty packet": struct.pack("!I", 0),
    "half a packet": struct.pack("!I", 20) + b"y550",
    "a reply code that is none": packet("y", b"250 fine\0"),
}


class RawFilter:
    """play(connection, letter, data) gives what is sent for a packet: bytes, HANG, CLOSE, a list of bytes and of seconds
    to wait between them, or None: the usual answer.

    A connection is a dict of its own for each session: "number", "client" (its address), and whatever play adds."""

    def __init__(self, where, play=lambda *_: None, version=6, steps=0):
        self.play, self.version, self.steps = play, version, steps
        self.packets, self.connections, self.open, self.hanging = [], 0, set(), 0
        if isinstance(where, int):
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", where))
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(where))
            os.chmod(where, 0o777)
        self.listener.listen(200)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in list(self.open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def accept(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self.open.add(s)
            threading.Thread(target=self.serve, args=(s, self.connections), daemon=True).start()

    def serve(self, s, number):
        connection = {"number": number}
        try:
            with s, s.makefile("rb") as f:
                while self.answer(s, connection, f):
                    pass
        except (OSError, ValueError):
            pass
        self.open.discard(s)

    def answer(self, s, connection, f):
        """One packet; False: the connection is to be closed."""
        head = f.read(4)
        if len(head) < 4:
            return False
        data = f.read(struct.unpack("!I", head)[0])
        letter, data = chr(data[0]), data[1:]
        self.packets.append((connection["number"], letter, data))
        if letter == CONNECT:
            name, rest = data.split(b"\0", 1)
            connection["client"] = rest[3:-1].decode()
        reply = self.play(connection, letter, data)
        if reply is None:
            reply = self.usual(letter, data)
        if reply is HANG:
            self.hang(s)
        elif reply is not CLOSE:
            for part in reply if isinstance(reply, list) else [reply]:
                if isinstance(part, bytes):
                    s.sendall(part)
                else:
                    time.sleep(part)
        return letter != QUIT and reply not in (HANG, CLOSE)

    def hang(self, s):
        """Until the other side gives up."""
        self.hanging += 1
        with contextlib.suppress(OSError):
            while s.recv(65536):
                pass
        self.hanging -= 1

    def usual(self, letter, data):
        if letter == NEGOTIATE:
            _, actions, steps = struct.unpack("!III", data[:12])
            return packet(NEGOTIATE, struct.pack("!III", self.version, actions & ALL_ACTIONS, steps & self.steps))
        return b"" if letter in (MACRO, ABORT, QUIT, QUIT_NEXT) else CONTINUE

    def seen(self, letter):
        return [data for _, found, data in self.packets if found == letter]

    def macros(self, stage):
        """The macros sent with a stage, as it was reported last."""
        found = [data for _, letter, data in self.packets if letter == MACRO and data[:1].decode() == stage]
        words = found[-1][1:].decode().split("\0")[:-1] if found else []
        return dict(zip(words[::2], words[1::2]))
