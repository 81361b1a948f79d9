"""Every rule must complain about a seeded violation, and about nothing in good files."""

import unittest

import rules

HEADER = "// What it is.\n#pragma once\n"


def include(header):
    return f'#include "{header}"\n'


def body(lines, indentation=""):
    inner = "".join(f"{indentation}  Call({i});\n" for i in range(lines))
    return f"{indentation}void F() {{\n{inner}{indentation}}}\n"


# Path, text, a part of the complaint.
VIOLATIONS = [
    ("base/a.cc", include("storage/record_store.h"), "may not see"),
    ("base/a.cc", include("latchkey/v1/results.pb.h"), "may not see"),
    ("storage/a.cc", include("server/machine/record_machine.h"), "may not see"),
    ("storage/a.cc", include("client/src/transport.h"), "may not see"),
    ("server/machine/a.cc", include("server/partition/partition.h"), "may not see"),
    ("server/partition/a.cc", include("server/service/service.h"), "may not see"),
    ("server/partition/a.cc", include("latchkey/client.h"), "may not see"),
    ("server/stray.cc", include("base/time.h"), "may not see"),
    ("server/main/a.cc", include("tools/payment_demo/order.h"), "may not see"),
    ("client/src/a.cc", include("storage/record_store.h"), "may not see"),
    ("client/src/a.cc", include("server/machine/limits.h"), "may not see"),
    ("client/src/a.cc", include("latchkey/storage/v1/record.pb.h"), "may not see"),
    ("testing/include/latchkey/testing/a.h", HEADER + include("server/service/server.h"), "may not see"),
    ("server/service/a.cc", include("testing/src/script.h"), "may not see"),
    ("tools/a/a.cc", include("server/machine/limits.h"), "may not see"),
    ("server/machine/a.cc", include("grpcpp/grpcpp.h"), "machine is pure"),
    ("server/machine/a.cc", include("latchkey/v1/coordination.grpc.pb.h"), "machine is pure"),
    ("server/machine/a.cc", include("rocksdb/db.h"), "machine is pure"),
    ("server/machine/a.cc", include("base/clock.h"), "machine is pure"),
    ("server/machine/a.cc", "#include <thread>\n", "machine is pure"),
    ("server/machine/a.cc", "#include <random>\n", "machine is pure"),
    ("server/partition/a.cc", include("rocksdb/db.h"), "only storage/rocksdb"),
    ("storage/memory_record_store.cc", "#include <rocksdb/db.h>\n", "only storage/rocksdb"),
    ("tests/behaviour/a.cc", include("rocksdb/db.h"), "only storage/rocksdb"),
    ("server/partition/a.cc", include("absl/synchronization/mutex.h"), "base/mutex.h"),
    ("storage/a.cc", "#include <condition_variable>\n", "base/mutex.h"),
    ("storage/a.cc", "int a;\n" * 501, "more than 500 lines"),
    ("storage/a.cc", body(69), "more than 70 lines"),
    ("storage/a.cc", "TEST(A, B) {\n" + "  C();\n" * 70 + "}\n", "more than 70 lines"),
    ("storage/a.h", HEADER + "class A {\n" + body(69, "  ") + "};\n", "more than 70 lines"),
    ("storage/a.cc", "void F(int a,\n       int b) {\n" + "  C();\n" * 68 + "}\n", "more than 70 lines"),
    ("tools/a/a.go", "func f() {\n" + "\tg()\n" * 70 + "}\n", "more than 70 lines"),
    ("storage/a.cc", "// " + "a" * 98 + "\n", "101 columns"),
    ("tools/a/a.go", "// " + "a" * 98 + "\n", "101 columns"),
    ("proto/a.proto", "// " + "a" * 118 + "\n", "121 columns"),
    ("storage/a.cc", "// TODO: later\n", "finish it"),
    ("README.md", "FIXME\n", "finish it"),
    ("tools/run", "# XXX\n", "finish it"),
    ("storage/a.cc", "// See iss" "ue 12.\n", "number of an issue"),
    ("docs/a.md", "As said in #" "12.\n", "number of an issue"),
    ("tests/behaviour/a.h", HEADER + "// See CONTRACT" ".md.\n", "docs/semantics.md"),
    ("tools/run", "cd /wo" "rk/x\n", "path of one machine"),
    ("docs/a.md", "see /ho" "me/me/x\n", "path of one machine"),
    ("tools/run", "curl http://deb.deb" "ian.org/\n", "package host"),
    ("server/partition/a.cc", "auto now = std::chrono::system_clock::now();\n", "wall clock"),
    ("client/src/a.cc", "clock_gettime(CLOCK_REALTIME, &t);\n", "wall clock"),
    ("server/partition/a.cc", "auto now = std::chrono::steady_clock::now();\n", "base/clock.h"),
    ("client/src/a.cc", "std::mutex mutex;\n", "the tools understand"),
    ("tests/behaviour/a.cc", "std::this_thread::sleep_for(1s);\n", "wait for a condition"),
    ("tests/end_to_end/a.py", "time.sleep(1)\n", "wait for a condition"),
    ("tests/end_to_end/a.sh", "  sleep 1\n", "wait for a condition"),
    ("storage/a.cc", "using namespace std;\n", "using namespace"),
    ("storage/a.h", "#pragma once\n", "what this file is"),
    ("storage/a.h", "// What it is.\n", "pragma once"),
    ("proto/a.proto", 'syntax = "proto3";\n', "what this file is"),
    ("proto/a.proto", "// A.\n\nmessage A {\n}\n", "message A"),
    ("proto/a.proto", "// A.\nmessage A {\n  string b = 1;\n}\n", "string b"),
    ("proto/a.proto", "// A.\nmessage A {\n  repeated google.rpc.Status b = 1;\n}\n", "Status b"),
    ("proto/a.proto", "// A.\nmessage A {\n  map<string, string> b = 1;\n}\n", "> b"),
    ("proto/a.proto", "// A.\nmessage A {\n  oneof b {\n  }\n}\n", "oneof b"),
    ("proto/a.proto", "// A.\nenum A {\n  B = 0;\n}\n", "B = 0"),
    ("proto/a.proto", "// A.\nservice A {\n  rpc B(C) returns (D);\n}\n", "rpc B"),
]

GOOD = [
    ("base/a.cc", include("base/clock.h") + "#include <chrono>\n"),
    ("base/clock.cc", "return std::chrono::system_clock::now();\n"),
    ("base/mutex.h", HEADER + "#include <mutex>\nstd::mutex mutex_;\n"),
    ("storage/a.cc", include("latchkey/storage/v1/record.pb.h") + include("base/time.h")),
    ("storage/rocksdb/a.cc", include("rocksdb/db.h")),
    ("tests/storage/a.cc", include("rocksdb/db.h") + include("server/machine/limits.h")),
    ("server/machine/a.cc", include("latchkey/v1/coordination.pb.h") + include("absl/status/status.h")),
    ("server/partition/a.cc", include("server/machine/limits.h") + include("storage/record_store.h")),
    ("server/main/a.cc", include("server/service/a.h") + include("storage/rocksdb/a.h")),
    ("client/src/a.cc", include("latchkey/client.h") + include("latchkey/v1/results.pb.h")),
    ("client/src/b.cc", include("google/rpc/status.pb.h") + include("transport.h")),
    ("tools/payment_demo/a.cc", include("latchkey/client.h") + "#include <mutex>\n"),
    ("testing/src/a.cc", include("server/service/server.h") + include("latchkey/testing/fake_service.h")),
    ("storage/b.cc", body(68) + "\nnamespace {\n" + body(68) + "}  // namespace\n"),
    ("storage/c.cc", "// " + "a" * 97 + "\n"),
    ("storage/d.h", HEADER + "struct A {\n  int b;\n};\n"),
    ("docs/a.md", "Write `color: &#35;` and order:123 into /var/lib/latchkey.\n"),
    ("proto/a.proto", "// A.\nsyntax = \"proto3\";\n\n// A.\nmessage A {\n  // B.\n  string b = 1;\n"
     "  int32 c = 2;  // C.\n  reserved 3;\n}\n"),
]


class RulesTest(unittest.TestCase):
    def test_complains_about_every_seeded_violation(self):
        for path, text, part in VIOLATIONS:
            with self.subTest(path=path, text=text[:60]):
                messages = [message for _, message in rules.check(path, text)]
                self.assertTrue(any(part in message for message in messages), messages)

    def test_complains_about_nothing_good(self):
        for path, text in GOOD:
            with self.subTest(path=path, text=text[:60]):
                self.assertEqual(rules.check(path, text), [])

    def test_names_the_line(self):
        self.assertEqual([line for line, _ in rules.check("storage/a.cc", "int a;\n// FIXME\n")], [2])


if __name__ == "__main__":
    unittest.main()
