#!/usr/bin/env python3
"""cmake --install puts every tool where it runs from: none needs the build directory any more."""
import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["DDT_BIN_DIR"]).parent
TOOLS = {"ddt-sidecar", "ddt-api", "ddt-top", "ddt-bench"}


class Install(unittest.TestCase):
    def test_puts_the_tools_into_bin_and_they_run(self):
        with tempfile.TemporaryDirectory() as prefix:
            done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True,
                                  timeout=120, check=False)
            self.assertEqual(0, done.returncode, done.stderr)
            tools = {path.name: path for path in pathlib.Path(prefix, "bin").iterdir()}
            self.assertEqual(TOOLS, set(tools))
            for name, path in tools.items():
                helped = subprocess.run([path, "--help"], capture_output=True, text=True, timeout=60, cwd=prefix,
                                        check=False)
                self.assertEqual(0, helped.returncode, helped.stderr)
                self.assertIn("--config" if name != "ddt-bench" else "--cpus", helped.stdout, name)


if __name__ == "__main__":
    unittest.main()
