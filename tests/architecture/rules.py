"""What the tree must look like, as a function from a directory to its problems. Standard library only.

Directions  ALLOWED says for each area which others its files may include; the most specific area counts.
            docs/architecture.md draws it, and CMake's link lines say the same.
Doors       Each outside dependency is included in one place, so that replacing it is one file's work.
Tidy        Cheap rules of the house that a regular expression can hold.
"""

import re
from pathlib import Path

SOURCE_DIRS = ("shm", "producer", "sidecar", "api", "sql", "bench", "tests")
SUFFIXES = (".hpp", ".cpp", ".h")

# area: areas it may include besides itself. "shm/base" and "shm/words.hpp" are the part of shm without Lanes.
PLAIN = ["shm/base", "shm/words.hpp"]
ALLOWED = {
    "shm/base": [],
    "shm": ["shm/base"],
    "producer": ["shm"],
    "sidecar/model": PLAIN,
    "sidecar/redis": ["sidecar/model", *PLAIN],
    "sql": PLAIN,
    "sidecar": ["shm", "sql", "sidecar/model", "sidecar/redis"],
    "sidecar/top": ["shm", "sidecar", "sidecar/model", "sidecar/redis"],
    "api": ["sidecar/model", "sidecar/redis", "sql", *PLAIN],
    "bench/replay": ["producer", "shm"],
    "bench": ["producer", "shm", "sidecar", "sql", "bench/replay"],
    "tests": ["shm", "producer", "sidecar", "sidecar/top", "sidecar/model", "sidecar/redis", "api", "sql", "bench", "bench/replay"],
}

# include pattern: the one place (a regular expression on the file's path) that may have it.
DOORS = {
    r"(mysql|mariadb)(/|\.h|_)": r"sql/[^/]+",
    r"hiredis(/|\.h)": r"sidecar/redis/client\.cpp",
    r"concurrentqueue": r"sidecar/[\w/]*\.(hpp|cpp)",
    r"boost/interprocess/": r"shm/mapping\.(hpp|cpp)",
    r"pistache/": r"api/(http/)?server\.(hpp|cpp)",
    r"rapidjson/": r"sidecar/model/json\.(hpp|cpp)",
    r"toml\+\+/": r"sidecar/model/settings\.cpp",
    r"boost/(asio|beast)": r"(api/ws/[\w/]+|bench/system/ws_listener)\.(hpp|cpp)",
}
# Doors that are one file wherever it stands: FILES_MOST of them in all.
FILES_MOST = {r"concurrentqueue": 1}

BANNED = [
    (r"\bvolatile\b", "volatile: use std::atomic (asm volatile is allowed)"),
    (r"\batomic_thread_fence\b", "a fence: TSan cannot see it; use acquire and release operations"),
]
BANNED_IN_HEADERS = [(r"\busing\s+namespace\b", "using namespace in a header")]
BANNED_ANYWHERE = [
    (r"\b(TODO|FIXME|XXX)\b", "an unfinished note"),
    (r"(?<![\w.])/(work|home/\w+|root|Users)/", "a path of somebody's machine"),
]

LINES_WARNED = 500
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"([^()\s\\]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.S)
INCLUDE = re.compile(r"""^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")""")


def code_of(text):
    """The text without comments and literals, line for line."""
    return TOKEN.sub(lambda match: "\n" * match[0].count("\n") or " ", text)


def area_of(path):
    """The most specific area of a path relative to the root; None outside of all."""
    fitting = [area for area in ALLOWED if path == area or path.startswith(area + "/")]
    return max(fitting, key=len, default=None)


def may_include(area, target):
    if area_of(target) == area:
        return True
    return any(target == allowed or (area_of(target) == allowed or target.startswith(allowed + "/"))
               for allowed in ALLOWED[area])


def is_outside_doors(path):
    """A test may look behind a door, to judge what came through it; a peer is measured as its users use it."""
    return area_of(path) == "tests" or path.startswith("bench/peers/")


def include_problems(root, path, text):
    """Directions and doors of one file. Yields (line number, problem)."""
    area = area_of(path)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        angled, quoted = match.groups()
        target = angled or quoted
        if target.startswith("ddt/"):
            target = "producer/" + target  # The public header is rooted where bots see it.
        if quoted and not (root / target).is_file():
            yield number, f'"{quoted}" is no file seen from the root: includes are rooted there'
        elif quoted and area_of(target) is None:
            yield number, f'"{quoted}" lies in no area'
        elif area_of(target) and (root / target).is_file() and not may_include(area, target):
            yield number, f"{area} may not include {target}"
        if is_outside_doors(path):
            continue
        for pattern, place in DOORS.items():
            if re.match(pattern, target) and not re.fullmatch(place, path):
                yield number, f"<{target}> belongs behind its door: {place}"


def tidy_problems(path, text):
    """The cheap rules of one file. Yields (line number, problem)."""
    rules = BANNED + (BANNED_IN_HEADERS if path.endswith((".hpp", ".h")) else [])
    for number, line in enumerate(code_of(text).splitlines(), 1):
        for pattern, problem in rules:
            if re.search(pattern, re.sub(r"\b(__)?asm(__)?\s+(__)?volatile(__)?\b", "", line)):
                yield number, problem
    if "std::shared_ptr" in code_of(text) and not re.search(r"//[^\n]*shared", text, re.I):
        yield 1, "std::shared_ptr wants a comment that says why it is shared"
    if path.endswith((".hpp", ".h")):
        if "#pragma once" not in text:
            yield 1, "a header without #pragma once"
        if not text.startswith("//"):
            yield 1, "a header begins with its contract, in a comment"


def anywhere_problems(text):
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, problem in BANNED_ANYWHERE:
            if re.search(pattern, line):
                yield number, problem


def files_under(root, suffixes, directories=SOURCE_DIRS):
    for directory in directories:
        for path in sorted((root / directory).rglob("*")):
            if path.is_file() and path.suffix in suffixes:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def door_counts(root):
    for pattern, most in FILES_MOST.items():
        users = [path for path, text in files_under(root, SUFFIXES) if not is_outside_doors(path) and any(
            (match := INCLUDE.match(line)) and re.match(pattern, match[1] or match[2]) for line in text.splitlines())]
        if len(users) > most:
            yield f"{pattern} is included by {len(users)} files, {most} allowed: {', '.join(users)}"


def problems_in(root):
    """Every problem, as 'path:line: what'."""
    found = []
    for path, text in files_under(root, SUFFIXES):
        for number, problem in [*include_problems(root, path, text), *tidy_problems(path, text)]:
            found.append(f"{path}:{number}: {problem}")
    texts = (*SUFFIXES, ".sql", ".lua", ".py", ".sh", ".md", ".cmake", ".toml", "")
    for path, text in files_under(root, texts, (*SOURCE_DIRS, "scripts", "cmake", "docs", ".ci")):
        if not path.startswith("tests/architecture/"):  # These files name what they ban.
            found += [f"{path}:{number}: {problem}" for number, problem in anywhere_problems(text)]
    return found + list(door_counts(root))


def warnings_in(root):
    """What deserves a look and no verdict."""
    for path, text in files_under(root, SUFFIXES):
        if (length := len(text.splitlines())) > LINES_WARNED:
            yield f"{path}: {length} lines; a file should fit a sitting (about {LINES_WARNED})"
