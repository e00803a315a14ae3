#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The manual against the programs: every program and command has its page, options in a synopsis are options, and
every parameter is described once and named rightly; the queue's rules name tests that exist."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from posterntest import TOP, main

BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD") or TOP / "build")
PAGES = sorted((TOP / "man").glob("*.[158]"))
GENERATED = BUILD / "man" / "postconf.5"
LINK = ".so "
NAME = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")
# Words of the pages that look like parameters and are something else: rules of smtpd, fields of passwd-files.
OTHER_NAMES = {"auth_results", "check_policy_service", "permit_mx_backup", "permit_tls_clientcerts", "reject_unverified_recipient",
               "reject_unverified_sender", "allow_nets", "userdb_gid", "userdb_home", "userdb_mail",
               "userdb_mail_path", "userdb_uid"}
OPTION_WORD = re.compile(r"\bFl ((?:[A-Za-z#]+)(?: (?:\||,) (?!Fl)[A-Za-z#]+)*)")
REFUSED = re.compile(r"invalid option|unrecognized option")


def programs(variable):
    text = "\n".join(p.read_text() for p in TOP.glob("*/*.mk"))
    return {pathlib.Path(name).name for line in re.findall(rf"^{variable} \+= (.*)$", text, re.M)
            for name in line.split()}


def options_of(page):
    synopsis = page.read_text().partition(".Sh SYNOPSIS")[2].partition(".Sh ")[0]
    for word in OPTION_WORD.findall(synopsis):
        yield from re.sub(r"[ |,]", "", word)


def parameter_rows():
    """name -> meaning of each row of the table of parameters, as the C compiler joins it."""
    for path in (TOP / "lib" / "conf" / "params").glob("*.def"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for row in re.findall(r"^(?:PARAM|ACCEPTED)\((.*?)\)\s*$", text, re.M | re.S):
            yield row.split(",")[1].strip(), re.search(r'((?:"(?:[^"\\]|\\.)*"\s*)+)$', row).group(1).replace('"', "")


class Manual(unittest.TestCase):
    def test_each_program_has_a_page(self):
        for variable, section in (("pkglibexec_PROGRAMS", 8), ("sbin_PROGRAMS", 1)):
            found = programs(variable)
            self.assertTrue(found)
            for name in found:
                self.assertTrue((TOP / "man" / f"{name}.{section}").exists(), f"no {name}({section})")

    def test_each_page_is_installed(self):
        listed = " ".join(p.read_text() for p in TOP.glob("*/*.mk"))
        for page in PAGES:
            self.assertIn(f"man/{page.name}", listed.split())

    def test_links_lead_to_pages(self):
        for page in PAGES:
            text = page.read_text()
            if text.startswith(LINK):
                target = pathlib.Path(text[len(LINK):].strip()).name
                self.assertTrue((TOP / "man" / target).exists() or target == GENERATED.name, page.name)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_has_nothing_to_say(self):
        for page in PAGES + [GENERATED]:
            if not page.read_text().startswith(LINK):
                done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
                self.assertEqual(done.stdout + done.stderr, "")

    def test_see_also_exists(self):
        ours = {(p.stem, p.suffix[1:]) for p in PAGES + [GENERATED]} | {("crypt", "3")}
        for page in PAGES + [GENERATED]:
            for name, section in re.findall(r"^\.Xr (\S+) (\d)", page.read_text(), re.M):
                self.assertIn((name, section), ours, f"in {page.name}")

    def test_options_are_options(self):
        with tempfile.TemporaryDirectory() as folder:
            for page in PAGES:
                program = BUILD / "stage" / "sbin" / page.stem
                if page.suffix == ".1" and not page.read_text().startswith(LINK) and page.stem != "sendmail":
                    for option in options_of(page):
                        # A folder without main.cf: nothing is done, whatever else is asked.
                        done = subprocess.run([str(program), f"-{option}", "ALL", "-c", folder], capture_output=True,
                                              text=True, stdin=subprocess.DEVNULL, timeout=60,
                                              env=dict(os.environ, MAIL_CONFIG=folder))
                        self.assertIsNone(REFUSED.search(done.stderr), f"{page.stem} -{option}: {done.stderr}")


class Parameters(unittest.TestCase):
    def setUp(self):
        self.meanings = dict(parameter_rows())

    def test_each_has_a_meaning(self):
        self.assertGreater(len(self.meanings), 900)
        self.assertEqual([name for name, meaning in self.meanings.items() if not meaning.strip()], [])

    def test_each_is_in_the_manual_once(self):
        described = re.findall(r"^\.It Nm (\S+) Pq", GENERATED.read_text(), re.M)
        self.assertEqual(sorted(described), sorted(self.meanings))

    def test_pages_name_real_ones(self):
        for page in PAGES:
            text = re.sub(r"Ns _\w+", "", page.read_text())     # "transport_destination_..."
            for name in set(NAME.findall(text)) - OTHER_NAMES:
                self.assertIn(name, self.meanings, f"in {page.name}")


class Invariants(unittest.TestCase):
    def test_named_tests_exist(self):
        """QUEUE-INVARIANTS.md names a test for each rule and crash point."""
        text = (TOP / "qmgr" / "QUEUE-INVARIANTS.md").read_text()
        tests = "\n".join(p.read_text() for p in TOP.glob("*/*_test.c")) + \
            "\n".join(p.read_text() for p in TOP.glob("lib/*/*_test.c"))
        names = re.findall(r"`(?:\w+_test: )?([a-z]+(?:_[a-z0-9]+){2,})`", text)
        self.assertGreater(len(names), 20)
        for name in names:
            self.assertTrue(f"static void {name}(" in tests or list(TOP.rglob(f"{name}.c")), name)

    def test_each_crash_point_names_one(self):
        rows = re.findall(r"^\|.*\|$", (TOP / "qmgr" / "QUEUE-INVARIANTS.md").read_text().partition("## Intake")[2], re.M)
        for row in rows:
            if not row.startswith(("|---", "| step", "| a recipient is")):
                self.assertIn("`", row.split("|")[-2], row)


if __name__ == "__main__":
    main()
