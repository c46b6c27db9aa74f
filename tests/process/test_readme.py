"""The README's bot, taken from the README as it stands: it configures, builds, publishes, and waits for a sidecar."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ.get("DDT_SOURCE_DIR", Path(__file__).parents[2]))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.S | re.M)
    return found


def run(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Readme(unittest.TestCase):
    def test_bot_builds_with_nothing_but_the_producer_and_publishes(self):
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            (place / "deltadyno-telemetry").symlink_to(ROOT)
            (place / "CMakeLists.txt").write_text(block("cmake"), encoding="utf-8")
            (place / "my_bot.cpp").write_text(block("cpp"), encoding="utf-8")
            # What only the services need must not be looked for.
            run("cmake", "-G", "Ninja", "-S", place, "-B", place / "build", "-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON",
                "-DCMAKE_DISABLE_FIND_PACKAGE_spdlog=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON")
            run("cmake", "--build", place / "build")
            said = run(place / "build" / "my_bot", env={**os.environ, "DDT_DIR": str(place / "telemetry")})
            self.assertEqual("published\n", said)
            segments = [name for name in os.listdir(place / "telemetry") if name.startswith("seg-")]
            self.assertEqual(1, len(segments), "the Segment waits for a sidecar, also when its bot has ended")

    def test_files_it_names_exist(self):
        for target in re.findall(r"\]\(([^)#]+)\)", README):
            self.assertTrue((ROOT / target).exists(), target)
        for folder in re.findall(r"^\| `(\w+)/` \|", README, re.M):
            self.assertTrue((ROOT / folder).is_dir(), folder)


if __name__ == "__main__":
    unittest.main(verbosity=2)
