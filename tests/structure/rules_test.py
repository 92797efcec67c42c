#!/usr/bin/env python3
"""Shows that each rule of rules.py fires on what it is against, and stays silent on what it is not."""

import tempfile
import unittest
from pathlib import Path

import rules

HEADER = "// What it is.\n#pragma once\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = Path(self.directory.name)

    def write(self, path: str, text: str):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def fired(self, path: str, text: str) -> list[tuple[int, str]]:
        """(line, rule) of what the file violates, when it stands in the tree with a test beside it."""
        self.write(path, text)
        if path.endswith(".cc") and not path.endswith("_test.cc"):
            self.write(path.removesuffix(".cc") + "_test.cc", "")
        return [(v.line, v.rule) for v in rules.check_text(self.root) if v.path == path]


class Words(Tree):
    def test_a_pure_folder_includes_no_outside_world(self):
        for name in ("thread", "mutex", "chrono", "random", "fstream", "filesystem", "sys/socket.h", "unistd.h",
                     "grpcpp/grpcpp.h", "rocksdb/db.h", "absl/synchronization/mutex.h", "absl/time/clock.h"):
            for folder in ("license", "quorum"):
                self.assertEqual(self.fired(f"{folder}/a.cc", f"#include <{name}>\n"), [(1, "pure-include")], name)
        self.assertEqual(self.fired("license/a.cc", '#include "triad/v1/peer.grpc.pb.h"\n'), [(1, "pure-include")])

    def test_other_folders_and_tests_may_include_it(self):
        self.assertEqual(self.fired("storage/a.cc", "#include <mutex>\n"), [])
        for name in ("a_test.cc", "a_testing.cc", "test_a.cc"):
            self.assertEqual(self.fired(f"quorum/{name}", "#include <random>\n"), [], name)

    def test_a_pure_folder_asks_neither_clock_nor_chance(self):
        for code in ("std::chrono::system_clock::now();", "steady_clock::now();", "absl::Now();", "time(nullptr);",
                     "std::time (nullptr);", "rand();", "::getenv(\"X\");", "RAND_bytes(p, 8);"):
            self.assertEqual(self.fired("license/a.cc", f"\n{code}\n"), [(2, "pure-call")], code)

    def test_a_word_is_not_part_of_another_nor_in_a_comment_or_string(self):
        for code in ("entry.time();", "runtime(1);", "At::time(1);", "// time(now)", "/* rand( */",
                     'Say("time(now)");', 'Say(R"(rand(x))");'):
            self.assertEqual(self.fired("license/a.cc", f"{code}\n"), [], code)

    def test_unordered_containers_stay_out_of_the_pure_folders(self):
        self.assertEqual(self.fired("license/a.cc", "absl::flat_hash_map<int, int> m;\n"), [(1, "unordered")])
        self.assertEqual(self.fired("server/a.cc", "absl::flat_hash_map<int, int> m;\n"), [])

    def test_the_standard_string_view_stays_out(self):
        self.assertEqual(self.fired("cli/a.cc", "void F(std::string_view s);\n"), [(1, "string-view")])
        self.assertEqual(self.fired("client/a.cc", "void F(std::string_view s);\n"), [])

    def test_exceptions_stay_out(self):
        self.assertEqual(self.fired("cli/a.cc", "throw 1;\n"), [(1, "exception")])
        self.assertEqual(self.fired("cli/a.cc", "try {\n} catch (...) {\n}\n"), [(2, "exception")])

    def test_a_library_neither_prints_nor_ends_the_process(self):
        self.assertEqual(self.fired("storage/a.cc", "std::cout << 1;\n"), [(1, "print")])
        self.assertEqual(self.fired("storage/a.cc", "printf(x);\nsnprintf(b, 1, x);\n"), [(1, "print")])
        self.assertEqual(self.fired("quorum/a.cc", "std::abort();\n"), [(1, "end-process")])
        self.assertEqual(self.fired("quorum/check.h", HEADER + "inline void F() { std::abort(); }\n"), [])
        self.assertEqual(self.fired("cli/a.cc", "std::cout << 1;\nexit(1);\n"), [])

    def test_tests_do_not_sleep(self):
        for code in ("std::this_thread::sleep_for(x);", "usleep(1);", "absl::SleepFor(x);", "sleep(1);"):
            self.assertEqual(self.fired("quorum/a_test.cc", f"{code}\n"), [(1, "sleep")], code)
        self.assertEqual(self.fired("tests/integration/wait.h", HEADER + "usleep(1);\n"), [(3, "sleep")])

    def test_calls_without_bounds_or_seeds_stay_out(self):
        self.assertEqual(self.fired("cli/a.cc", "strcpy(a, b);\n"), [(1, "unsafe-call")])
        self.assertEqual(self.fired("tests/a.cc", "int x = rand();\n"), [(1, "rand")])

    def test_a_line_may_say_why_it_breaks_a_rule(self):
        code = "std::this_thread::sleep_for(x);"
        self.assertEqual(self.fired("cli/a_test.cc", f"// allow(sleep): polls.\n{code}\n"), [])
        self.assertEqual(self.fired("cli/a_test.cc", f"{code}  // allow(sleep): polls.\n"), [])
        self.assertEqual(self.fired("cli/a_test.cc", f"{code}  // allow(sleep):\n"), [(1, "sleep")])
        self.assertEqual(self.fired("cli/a_test.cc", f"{code}  // allow(print): polls.\n"), [(1, "sleep")])


class Form(Tree):
    def test_a_good_file_passes(self):
        self.assertEqual(self.fired("cli/a.h", HEADER + "void F();\n"), [])

    def test_lines_fit_the_screen(self):
        self.assertEqual(self.fired("cli/a.cc", "//" + "x" * 98 + "\n"), [])
        self.assertEqual(self.fired("cli/a.cc", "\n//" + "x" * 99 + "\n"), [(2, "line-length")])
        self.assertEqual(self.fired("cli/a_test.cc", 'X(R"(\n' + "x" * 120 + '\n)");\n'), [])

    def test_files_can_be_held_in_mind(self):
        self.assertEqual(self.fired("cli/a.cc", "\n" * 900), [])
        self.assertEqual(self.fired("cli/a.cc", "\n" * 901), [(901, "file-length")])

    def test_nothing_is_put_off(self):
        self.assertEqual(self.fired("cli/a.cc", "// TO" "DO: later\n"), [(1, "marker")])

    def test_a_header_opens_with_a_comment_and_is_read_once(self):
        self.assertEqual(self.fired("cli/a.h", "#pragma once\n"), [(1, "header-comment")])
        self.assertEqual(self.fired("cli/a.h", "// What it is.\n"), [(1, "pragma-once")])

    def test_a_source_includes_its_own_header_first(self):
        self.write("cli/a.h", HEADER)
        self.assertEqual(self.fired("cli/a.cc", '#include <map>\n#include "cli/a.h"\n'), [(1, "own-header-first")])
        self.assertEqual(self.fired("cli/a.cc", '#include "cli/a.h"\n#include <map>\n'), [])

    def test_a_source_has_a_test_beside_it_or_a_reason(self):
        self.write("cli/a.cc", "")
        unlisted = list(rules.check_tests_beside(self.root, rules.read_sources(self.root)))
        self.assertEqual([(v.path, v.rule) for v in unlisted], [("cli/a.cc", "untested")])
        self.write("tests/structure/untested.txt", "# Files.\ncli/a.cc the demo runs it\n")
        self.assertEqual(list(rules.check_text(self.root)), [])

    def test_the_list_of_the_untested_is_kept_up(self):
        self.write("cli/a.cc", "")
        self.write("tests/structure/untested.txt", "cli/a.cc\ncli/gone.cc was here\n")
        fired = [(v.line, v.rule) for v in rules.check_text(self.root)]
        self.assertEqual(fired, [(1, "untested"), (2, "untested")])


    def test_documents_name_what_is_there(self):
        self.write("cli/a.h", HEADER)
        self.assertEqual(self.fired("GUIDE.md", "See `cli/a.h` and [cli](cli/).\n"), [])
        self.assertEqual(self.fired("GUIDE.md", "\nSee `cli/b.h`.\n"), [(2, "stale-path")])


class Arrows(Tree):
    def test_a_folder_includes_only_what_it_may_know(self):
        for folder, other in (("license", "quorum"), ("license", "storage"), ("quorum", "license"),
                              ("storage", "server"), ("client", "server"), ("client", "quorum"), ("server", "client"),
                              ("cli", "storage")):
            include = f'#include "{other}/limits.h"\n'
            self.assertEqual(self.fired(f"{folder}/a.cc", include), [(1, "arrows")], f"{folder} -> {other}")
        self.assertEqual(self.fired("server/a.cc", '#include "storage/log.h"\n'), [])
        self.assertEqual(self.fired("tests/a.cc", '#include "storage/log.h"\n'), [])

    def test_public_headers_need_the_standard_library_only(self):
        path = "client/include/triad/a.h"
        self.assertEqual(self.fired(path, HEADER + '#include <string>\n#include "triad/client.h"\n'), [])
        for bad in ('"absl/status/status.h"', "<grpcpp/grpcpp.h>", '"triad/v1/command.pb.h"', '"client/limits.h"'):
            self.assertEqual(self.fired(path, HEADER + f"#include {bad}\n"), [(3, "public-header")], bad)

    def links(self, text: str) -> list[str]:
        return [v.advice for v in rules.check_links(rules.read_targets(text))]

    def test_a_library_links_only_what_it_may_know(self):
        self.assertEqual(self.links("library triad_quorum quorum: triad_messages absl::status\n"), [])
        self.assertEqual(self.links("library triad_quorum quorum: links-NOTFOUND\n"), [])
        self.assertEqual(self.links("library triad_quorum quorum: RocksDB::rocksdb\n"),
                         ["triad_quorum may not link rocksdb (design 2)"])
        self.assertEqual(self.links("library triad_server_core server: gRPC::grpc++\n"),
                         ["triad_server_core may not link grpc (design 2)"])
        self.assertEqual(self.links("program triad cli: triad_client triad_storage\n"),
                         ["triad may not link triad_storage (design 2)"])

    def test_a_deciding_library_reaches_nothing_through_others(self):
        text = ("library triad_server_core server: triad_license\n"
                "library triad_license license: triad_messages triad_services\n")
        self.assertIn("triad_server_core reaches grpc: triad_server_core -> triad_license -> triad_services -> grpc",
                      self.links(text))

    def test_a_deciding_library_reads_no_header_of_it(self):
        targets = rules.read_targets("library triad_server_core server: absl::status | a.cc\n"
                                     "library triad_server server: triad_server_core | b.cc\n")
        for path in ("server/a.cc", "server/a.h", "server/b.cc"):
            self.write(path, "#include <map>\n#include <grpcpp/grpcpp.h>\n")
        fired = rules.check_deciding_includes(rules.read_sources(self.root), targets)
        self.assertEqual([(v.path, v.line) for v in fired], [("server/a.cc", 2), ("server/a.h", 2)])

    def test_a_new_library_needs_its_row(self):
        self.assertEqual(self.links("library triad_extra server: absl::status\n"),
                         ["triad_extra has no row in MAY_LINK of tests/structure/rules.py"])
        self.assertEqual(self.links("program bench_checkout bench: rocksdb\n"), [])
        self.assertEqual(self.links("library triad_quorum_testing quorum: triad_quorum\n"), [])

    def symbols(self, name: str, *symbols: str) -> list[str]:
        output = "\na.cc.o:\n" + "".join(f"                 U {symbol}\n" for symbol in symbols)
        return [f"{v.path} {v.advice.split(':')[0] if '::' not in v.advice else v.advice}"
                for v in rules.check_symbols_of(name, output)]

    def test_a_deciding_library_calls_no_outside_world(self):
        for symbol in ("pthread_create", "pthread_create@GLIBC_2.34", "socket", "connect", "open64", "clock_gettime",
                       "getrandom", "std::thread::_M_start_thread(std::unique_ptr<x>)",
                       "std::chrono::_V2::system_clock::now()", "std::random_device::_M_getval()",
                       "absl::debian3::Now()", "grpc::Channel::Channel()", "rocksdb::DB::Open(x)"):
            for name in ("triad_license", "triad_server_core"):
                self.assertEqual(len(self.symbols(name, symbol)), 1, symbol)

    def test_names_that_only_resemble_them_pass(self):
        self.assertEqual(self.symbols("triad_license", "EVP_PKEY_keygen", "triad::license::open(int)", "reopen",
                                      "std::string::push_back(char)", "memcpy"), [])

    def test_only_the_pure_have_no_locks(self):
        lock = "absl::debian3::Mutex::Lock()"
        self.assertEqual(len(self.symbols("triad_quorum", lock)), 1)
        self.assertEqual(self.symbols("triad_server_core", lock), [])

    def test_a_library_that_is_not_built_is_said(self):
        targets = rules.read_targets("library triad_quorum quorum: absl::status\n")
        self.assertEqual([v.rule for v in rules.check_symbols(self.root, targets)], ["symbols"])


if __name__ == "__main__":
    unittest.main()
