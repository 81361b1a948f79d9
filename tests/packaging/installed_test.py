"""Uses the installed tree as its users do. Every case has a directory of its own, and nothing but the prefix
is given to it.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import documents
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


class PageTest(InstalledTest):
    """What docs/installing.md shows is what is run here, but for its directories."""

    def setUp(self):
        super().setUp()
        shutil.copy(_PROJECTS / "client" / "main.cc", self.directory / "checkout.cc")

    def check_runs(self, program, **environment):
        with programs.server() as address:
            self.assertEqual(run(program, address, environment=environment), "SUCCEEDED SUCCEEDED, 1 charge")

    def install(self, build, *options):
        """The page's line that installs, into a new directory; gives what is there then."""
        line = documents.block(documents.INSTALLING, "sh", "cmake --install").text.splitlines()[-1]
        place = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        words = [{"build/programs": build, "/usr/local": place}.get(word, word) for word in line.split()]
        self.assertIn(build, words)
        self.assertIn(place, words)
        run(*words, *options)
        return {str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()}

    def test_the_lines_that_build_name_what_there_is(self):
        text = documents.block(documents.INSTALLING, "sh", "cmake --install").text
        steps = text.splitlines()[0].split(" && ")
        self.assertEqual(steps[0], "tools/setup")
        self.assertTrue(os.access(documents.ROOT / steps[0], os.X_OK))
        for step, kind in zip(steps[1:], ("configure", "build"), strict=True):
            preset = re.fullmatch(r"cmake (?:--build )?--preset (\w+)", step)[1]
            listed = run(programs.environment("CMAKE"), "-S", documents.ROOT, f"--list-presets={kind}")
            self.assertIn(f'"{preset}"', listed)

    def test_the_line_that_installs_gives_the_components_of_the_table(self):
        build = programs.environment("LATCHKEY_BUILD")
        found = set()
        for component, what in documents.table(documents.INSTALLING, ["component", "what"])[1:]:
            files = self.install(build, "--component", component.strip("`"))
            self.assertTrue(files and not files & found, component)
            for name in re.findall(r"`([\w.-]+)`", what):
                with self.subTest(component, name=name):
                    self.assertTrue(any(file.endswith(name) for file in files))
            found |= files
        self.assertEqual(self.install(build), found)

    def test_the_headers_that_are_named_are_there(self):
        named = set(re.findall(r"#include <(latchkey/[^>]+)>", documents.INSTALLING.read_text()))
        self.assertGreater(len(named), 3)
        for header in named:
            roots = [self.prefix / "include", self.prefix / "include/latchkey-proto"]
            self.assertTrue(any((root / header).exists() for root in roots), header)

    def test_the_lines_for_cmake(self):
        shown = documents.block(documents.INSTALLING, "cmake", "find_package").text
        (self.directory / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(shop LANGUAGES CXX)\n"
            f"add_executable(checkout checkout.cc)\n{shown}\n")
        self.configure(self.directory)
        run(programs.environment("CMAKE"), "--build", self.directory)
        self.check_runs(self.directory / "checkout")

    def test_the_line_for_pkg_config(self):
        line = documents.block(documents.INSTALLING, "sh", "pkg-config").text
        run("bash", "-c", f"cd {self.directory} && {line}",
            environment={"PKG_CONFIG_PATH": str(self.libdir() / "pkgconfig")})
        self.check_runs(self.directory / "checkout", LD_LIBRARY_PATH=str(self.libdir()))


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
