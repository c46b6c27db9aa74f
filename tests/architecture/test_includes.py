"""Holds the tree to its allowed includes, its doors and the cheap rules, and shows that the rules bite."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import rules  # noqa: E402

ROOT = Path(os.environ.get("DDT_SOURCE_DIR", Path(__file__).parents[2]))
GOOD = {
    "shm/base/result.hpp": "// result\n#pragma once\n",
    "shm/lane.hpp": '// lane\n#pragma once\n#include "shm/base/result.hpp"\n',
    "shm/mapping.cpp": "#include <boost/interprocess/mapped_region.hpp>\n",
    "producer/ddt/telemetry.hpp": '// door\n#pragma once\n#include "shm/lane.hpp"\n',
    "sidecar/model/event.hpp": '// event\n#pragma once\n#include "shm/base/result.hpp"\n',
    "sidecar/redis/client.cpp": '#include <hiredis/hiredis.h>\n#include "sidecar/model/event.hpp"\n',
    "sidecar/drain/queue.cpp": "#include <concurrentqueue/concurrentqueue.h>\n",
    "sql/client.hpp": '// sql\n#pragma once\n#include "shm/base/result.hpp"\n',
    "sql/client.cpp": '#include <mysql.h>\n#include "sql/client.hpp"\n',
    "api/routes/trades.cpp": '#include "sidecar/model/event.hpp"\n#include "sql/client.hpp"\n',
    "bench/replay/bot.cpp": '#include <ddt/telemetry.hpp>\nvoid f() { asm volatile("" ::: "memory"); }\n',
}


class Tree(unittest.TestCase):
    maxDiff = None

    def test_follows_its_rules(self):
        for warning in rules.warnings_in(ROOT):
            print("warning:", warning)
        self.assertEqual([], rules.problems_in(ROOT))

    def test_has_sources_to_judge(self):
        for directory in ("shm", "producer", "sidecar", "api", "sql"):
            self.assertTrue(any(path.startswith(directory + "/") for path, _ in rules.files_under(ROOT, rules.SUFFIXES)),
                            f"no sources in {directory}")


class Rules(unittest.TestCase):
    def problems(self, path=None, text=""):
        """The problems of the good tree with one file laid over it."""
        with tempfile.TemporaryDirectory() as directory:
            for name, content in {**GOOD, **({path: text} if path else {})}.items():
                file = Path(directory) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
            return rules.problems_in(Path(directory))

    def assert_refused(self, path, text, part):
        found = self.problems(path, text)
        self.assertEqual(1, len(found), found)
        self.assertIn(part, found[0])
        self.assertTrue(found[0].startswith(path) or path in found[0], found)

    def test_find_nothing_in_a_good_tree(self):
        self.assertEqual([], self.problems())

    def test_refuse_a_wrong_direction(self):
        for path, target in [
                ("shm/bad.cpp", "sidecar/model/event.hpp"), ("shm/base/bad.cpp", "shm/lane.hpp"),
                ("producer/bad.cpp", "sidecar/model/event.hpp"), ("sidecar/model/bad.cpp", "shm/lane.hpp"),
                ("sidecar/model/bad.cpp", "sql/client.hpp"), ("sidecar/redis/bad.cpp", "sql/client.hpp"),
                ("sql/bad.cpp", "sidecar/model/event.hpp"), ("api/bad.cpp", "shm/lane.hpp"),
                ("sidecar/bad.cpp", "producer/ddt/telemetry.hpp"), ("bench/replay/bad.cpp", "sql/client.hpp")]:
            with self.subTest(path=path, target=target):
                self.assert_refused(path, f'#include "{target}"\n', f"may not include {target}")

    def test_refuse_the_public_header_inside(self):
        self.assert_refused("sidecar/bad.cpp", "#include <ddt/telemetry.hpp>\n", "sidecar may not include producer")

    def test_refuse_an_include_that_is_not_rooted(self):
        self.assert_refused("sql/bad.cpp", '#include "client.hpp"\n', "rooted")

    def test_refuse_a_second_door(self):
        for path, header in [
                ("api/bad.cpp", "mysql.h"), ("sidecar/bad.cpp", "mysql/mysql.h"), ("sidecar/redis/bad.cpp", "hiredis/hiredis.h"),
                ("shm/bad.cpp", "boost/interprocess/file_mapping.hpp"), ("api/routes/bad.cpp", "pistache/http.h"),
                ("api/bad.cpp", "rapidjson/document.h"), ("sidecar/bad.cpp", "toml++/toml.h"),
                ("api/bad.cpp", "boost/beast/core.hpp")]:
            with self.subTest(path=path, header=header):
                self.assert_refused(path, f"#include <{header}>\n", "belongs behind its door")

    def test_refuse_the_queue_outside_of_the_sidecar(self):
        found = self.problems("shm/bad.cpp", "#include <concurrentqueue/concurrentqueue.h>\n")
        self.assertTrue(any("belongs behind its door" in problem for problem in found), found)

    def test_refuse_a_second_user_of_the_queue(self):
        self.assert_refused("sidecar/other.cpp", "#include <concurrentqueue/concurrentqueue.h>\n", "2 files, 1 allowed")

    def test_refuse_what_is_banned(self):
        header = "// bad\n#pragma once\n"
        for path, text, part in [
                ("shm/bad.hpp", header + "using namespace std;\n", "using namespace"),
                ("shm/bad.cpp", "volatile int x;\n", "volatile"),
                ("shm/bad.cpp", "std::atomic_thread_fence(std::memory_order_acquire);\n", "fence"),
                ("api/bad.cpp", "std::shared_ptr<int> x;\n", "comment"),
                ("api/bad.cpp", "// TODO: more\n", "unfinished"),
                ("api/bad.cpp", 'auto path = "/home/joe/bars.csv";\n', "machine"),
                ("api/bad.hpp", "// bad\n", "#pragma once"),
                ("api/bad.hpp", "#pragma once\n// late\n", "contract")]:
            with self.subTest(text=text):
                self.assert_refused(path, text, part)

    def test_read_code_and_not_comments_or_literals(self):
        self.assertEqual([], self.problems("shm/fine.cpp", (
            "// volatile, atomic_thread_fence and std::shared_ptr would be wrong here\n"
            "/* volatile */ const char* text = \"volatile\"; char quote = '\"'; int grouped = 1'000'000;\n"
            "using namespace std::chrono_literals;\n")))

    def test_accept_a_shared_pointer_that_says_why(self):
        self.assertEqual([], self.problems(
            "api/fine.cpp", "// Shared: the session outlives its handlers.\nstd::shared_ptr<int> x;\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
