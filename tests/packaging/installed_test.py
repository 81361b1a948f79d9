"""Uses the installed tree as its users do. Every case has a directory of its own, and nothing but the prefix
is given to it.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import programs

_PROJECTS = pathlib.Path(__file__).resolve().parent
_DEADLINE = 250  # seconds


def run(*command, environment=None):
    """Gives what the command printed. It must end well."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=_DEADLINE,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


class InstalledTest(unittest.TestCase):
    def setUp(self):
        self.prefix = pathlib.Path(programs.environment("LATCHKEY_PREFIX"))
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def configure(self, project, *options):
        run(programs.environment("CMAKE"), "-G", "Ninja", "-S", _PROJECTS / project, "-B", self.directory,
            f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache",
            "-DCMAKE_CXX_FLAGS=-O0", *options)

    def build(self, project, *options):
        """Gives the program."""
        self.configure(project, *options)
        run(programs.environment("CMAKE"), "--build", self.directory)
        return self.directory / "program"

    def pkg_config(self, *options):
        path = {"PKG_CONFIG_PATH": str(self.libdir() / "pkgconfig")}
        return run("pkg-config", *options, "latchkey", environment=path).split()

    def libdir(self):
        """Where the libraries are: lib, or on Debian something below it."""
        return next(self.prefix.glob("lib/**/liblatchkey.so")).parent


class ClientTest(InstalledTest):
    def test_runs_its_work_once(self):
        program = self.build("client", "-DWANTED_VERSION=0.1")
        with programs.server() as address:
            self.assertEqual(run(program, address), "SUCCEEDED SUCCEEDED, 1 charge")

    def test_another_minor_version_is_another_library(self):
        for version in ("0.0", "0.2", "1.0"):
            with self.subTest(version), self.assertRaisesRegex(AssertionError, "compatible with requested"):
                self.configure("client", f"-DWANTED_VERSION={version}")


class PkgConfigTest(InstalledTest):
    def test_one_command_line_will_do(self):
        program = self.directory / "program"
        run("ccache", "g++", "-std=c++20", "-O0", *self.pkg_config("--cflags"), "-c",
            _PROJECTS / "client" / "main.cc", "-o", f"{program}.o")
        run("g++", f"{program}.o", *self.pkg_config("--libs"), "-o", program)
        self.assertEqual(self.pkg_config("--modversion"), ["0.1.0"])
        with programs.server() as address:
            said = run(program, address, environment={"LD_LIBRARY_PATH": str(self.libdir())})
            self.assertEqual(said, "SUCCEEDED SUCCEEDED, 1 charge")


class StubsTest(InstalledTest):
    def test_client_and_stock_stubs_share_a_program(self):
        program = self.build("stubs")
        with programs.server() as address:
            self.assertEqual(run(program, address), "SUCCEEDED ch_2")

    def test_stubs_of_another_language_can_be_made(self):
        protos = self.prefix / "share/latchkey/proto"
        run("protoc", "-I", protos, f"--python_out={self.directory}", *protos.rglob("*.proto"))
        self.assertTrue((self.directory / "latchkey/v1/coordination_pb2.py").exists())


class TestingTest(InstalledTest):
    def test_a_test_of_a_user(self):
        self.assertEqual(run(self.build("testing")), "ok")


class SymbolsTest(InstalledTest):
    def exported(self, name):
        listed = run("nm", "-DC", "--defined-only", self.libdir() / name).splitlines()
        return [line.split(maxsplit=2)[2] for line in listed]

    def test_nothing_but_what_is_public_is_exported(self):
        public = {"liblatchkey.so": "latchkey::client::(?!internal)",
                  "liblatchkey-testing.so": "latchkey::testing::"}
        for library, beginning in public.items():
            names = self.exported(library)
            self.assertGreater(len(names), 10)
            for name in names:
                with self.subTest(library, name=name):
                    self.assertRegex(name, rf"^({beginning}|LATCHKEY_0\.1$)")

    def test_the_soname_names_the_minor_version(self):
        for library in ("liblatchkey.so", "liblatchkey-proto.so", "liblatchkey-testing.so"):
            dynamic = run("readelf", "-d", self.libdir() / library)
            self.assertRegex(dynamic, re.escape(library) + r"\.0\.1\]")
            self.assertNotIn("librocksdb", dynamic)


class HeadersTest(InstalledTest):
    def test_each_compiles_alone_and_shows_no_other_library(self):
        include = self.prefix / "include"
        headers = sorted((include / "latchkey").rglob("*.h"))
        self.assertGreater(len(headers), 8)
        for header in headers:
            with self.subTest(header.name):
                needed = run("g++", "-std=c++20", "-x", "c++", "-M", f"-I{include}", header)
                self.assertNotRegex(needed, r"grpc|protobuf|absl|openssl|\.pb\.h")

    def test_there_is_a_licence(self):
        self.assertTrue((self.prefix / "share/doc/latchkey/LICENSE").exists())


if __name__ == "__main__":
    unittest.main()
