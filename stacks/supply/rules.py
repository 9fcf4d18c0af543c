"""What nothing pins by digest, hash or signature: one rule for each way in which things are fetched.

A rule reads one file and yields lines with what is fetched there. It knows the ways that this repository fetches in;
tests/unit/stacks/test_audit.py plants one of each.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath

Lines = Iterator[tuple[int, str]]
IMAGE = r"[a-z0-9][\w.-]*(?::\d+)?(?:/[\w.-]+)*:[\w.-]+"
"""An image by its tag."""
SAVED = re.compile(
    r"(?<!\S)(?:--output|--output-document|--remote-name|-[a-zA-Z]*[oO])(?:[ =]+(?!/dev/null)|$)"
    r"|(?<!\d)> ?(?!/dev/null|[>&])"
)
"""Words of curl and wget, and of a shell, by which an answer becomes a file."""
NEAR = 4
"""Lines after a download within which its checksum is looked at."""


@dataclass(frozen=True)
class Rule:
    """One way to fetch.

    Attributes:
        kind: its word in the list.
        names: patterns of files' paths or names, as of the shell; `*` is any folder, too.
        find: lines of such a file, and what each fetches unpinned.
    """

    kind: str
    names: tuple[str, ...]
    find: Callable[[str], Lines]

    def reads(self, path: str) -> bool:
        """Whether this is such a file."""
        return any(fnmatchcase(path, name) or fnmatchcase(PurePath(path).name, name) for name in self.names)


def commands(text: str) -> Lines:
    """Commands of a shell file, each with the line it begins on; comments left out."""
    whole, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if whole else number
        whole += line.removesuffix("\\") if line.endswith("\\") else line
        if not line.endswith("\\"):
            if not whole.lstrip().startswith("#"):
                yield first, whole.strip()
            whole = ""


def digests(text: str) -> Lines:
    """Default images, in digests.json."""
    for image, digest in json.loads(text).items():
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest or ""):
            line = next(number for number, line in enumerate(text.splitlines(), 1) if f'"{image}"' in line)
            yield line, image


def bases(text: str) -> Lines:
    """What a Dockerfile begins with."""
    stages: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", line, re.I)
        argument = re.match(rf"\s*ARG\s+\w*(?:BASE|IMAGE)\w*=({IMAGE}\S*)", line)
        image = found[1] if found else argument[1] if argument else ""
        if image and "@sha256:" not in image and "$" not in image and image not in {"scratch", *stages}:
            yield number, image
        if found and found[2]:
            stages.add(found[2])


def stack_images(text: str) -> Lines:
    """Images that a stack's file names."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(rf"\s*(?:image|engine|gateway):\s*['\"]?({IMAGE})['\"]?\s*(?:#.*)?$", line)
        if found:
            yield number, found[1]


def pulls(text: str) -> Lines:
    """Images that a script pulls by name."""
    for number, command in commands(text):
        for image in re.findall(rf"\bdocker (?:image )?pull (?:-\S+ )*({IMAGE})(?!@)(?=\s|$|;)", command):
            yield number, image


def unhashed(text: str) -> Lines:
    """Requirements of a lock file that have no hash."""
    for number, line in commands(text):
        if re.match(r"[A-Za-z0-9]", line) and "--hash=sha256:" not in line:
            yield number, line.split()[0]


def installs(text: str) -> Lines:
    """pip and uv in scripts that look at no hash."""
    for number, command in commands(text):
        if not re.search(r"\b(pip|pip_says) (install|download|wheel)\b|\buv tool (run|install)\b|\buvx\b", command):
            continue
        if not re.search(r"--require-hashes|--no-index|--offline|\bneeds? .*pip install", command):
            yield number, command


def python_installs(text: str) -> Lines:
    """The same in Python: the words of one call or list."""
    if not re.search(r"[\"'](install|download|wheel|add|i)[\"']", text):
        return
    seen: set[ast.AST] = set()
    for node in ast.walk(ast.parse(text)):  # what is outside comes before what is inside it
        if isinstance(node, ast.Call | ast.List | ast.Tuple) and node not in seen:
            seen |= set(ast.walk(node))
            words = [word.value for word in ast.walk(node) if isinstance(word, ast.Constant)]
            for tool, verbs, pinned in TOOLS:
                if tool in words and verbs & {w for w in words if isinstance(w, str)} and not pinned & {*words}:
                    yield node.lineno, " ".join(w for w in words if isinstance(w, str))


TOOLS = (
    ("pip", {"install", "download", "wheel"}, {"--require-hashes", "--no-index", "--offline"}),
    ("npm", {"install", "i", "add"}, {"--package-lock-only"}),
    ("plugin", {"install"}, {"--checksum"}),
)
"""A program's name or group, the words by which it fetches, and those by which that is pinned."""


def requirements(text: str) -> Lines:
    """Requirements written in Python, `NAME==VERSION` and no hash."""
    if "==" not in text:
        return
    lines = text.splitlines()
    for statement in ast.walk(ast.parse(text)):
        if not isinstance(statement, ast.stmt) or hasattr(statement, "body"):
            continue
        segment = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        if "--hash=" in segment or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            continue
        for node in ast.walk(statement):
            words = _text(node)
            if words and re.fullmatch(r"[A-Za-z][\w.-]*(\[[\w,-]+\])?==[\w.]+", words):
                yield node.lineno, words  # type: ignore[attr-defined]  # a text has its line


def _text(node: ast.AST) -> str:
    """A text as it stands; of one with values in it, `v` for each."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "v" for part in node.values)
    return ""


def modules(text: str) -> Lines:
    """Go programs by a version that can move, and a checksum database that is switched off."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.findall(r"\b[\w-]+\.[a-z]+/[\w./-]+@(?!v?\d+\.\d+\.\d)[a-z][\w.-]*", line):
            if "://" not in line:
                yield number, found
        off = re.search(r"\b(GONOSUMDB|GONOSUMCHECK|GOINSECURE|GOFLAGS=\S*-insecure|GOSUMDB\W{1,4}off)\b", line)
        if off:
            yield number, off[0]


def node_installs(text: str) -> Lines:
    """npm without its lock file."""
    for number, command in commands(text):
        if re.search(r"\bnpm (install|i|add)\b|\bnpx ", command) and "--package-lock-only" not in command:
            yield number, command


def node_lock(text: str) -> Lines:
    """Packages of npm's lock file without a hash."""
    for name, package in json.loads(text)["packages"].items():
        if name and not package.get("integrity", "").startswith("sha512-"):
            yield 1, name


def downloads(text: str) -> Lines:
    """Files that curl or wget brings, and whose checksum nobody looks at."""
    lines = text.splitlines()
    for number, command in commands(text):
        if not re.search(r"\b(curl|wget) -|\bwget \S*:", command):
            continue
        saved = SAVED.search(command)
        run = re.search(r"\|\s*(sudo )?(ba|z|da)?sh\b|\|\s*(sudo )?tar\b|\|\s*gpg\b", command)
        after = "\n".join(lines[number - 1 : number + NEAR])
        if (saved or run) and not re.search(r"sha(256|512)sum .*(-c|--check)", after):
            yield number, command


def python_downloads(text: str) -> Lines:
    """Programs that fetch files, and know no hash."""
    fetches = re.search(r"\burlopen\(|\burlretrieve\(|\bbuild_opener\(|\bHTTPS?Connection\(", text)
    writes = re.search(r"\burlretrieve\(|[\"']wb[\"']|write_bytes|copyfileobj", text)
    if fetches and writes and not re.search(r"\bimport hashlib|\bsha256", text):
        yield text[: fetches.start()].count("\n") + 1, "a file over HTTP"


def repositories(text: str) -> Lines:
    """Package repositories whose key is not a file that was looked at."""
    for number, command in commands(text):
        loose = re.search(r"trusted=yes|--allow-unauthenticated|--nogpgcheck|\bapt-key\b", command)
        unsigned = re.search(r"[\"']deb (?!.*signed-by=).*?https?://", command)
        unchecked = re.search(r"(?<!repo_)gpgcheck=0", command) and "repo_gpgcheck=1" not in command
        fetched = re.search(r"gpgkey=(?!file://)", command)
        if loose or unsigned or unchecked or fetched:
            yield number, command


def clones(text: str) -> Lines:
    """Git repositories at whatever their branch is."""
    for number, command in commands(text):
        if re.search(r"\bgit clone\b.*(https?|ssh|git)(://|@)", command):
            yield number, command


def actions(text: str) -> Lines:
    """Steps of a workflow by a tag."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*-?\s*uses:\s*([\w.-]+/\S+)", line)
        if found and not re.search(r"@[0-9a-f]{40}$", found[1]):
            yield number, found[1]


PRODUCT = tuple(f"{folder}/*.py" for folder in ("components", "localcloud", "stacks", "toolchain"))
SCRIPTS = ("*.sh", "*.service", "Makefile", ".ci/run")
RULES = (
    Rule("image", ("stacks/digests.json",), digests),
    Rule("image", ("Dockerfile", "Dockerfile.*", "*.dockerfile"), bases),
    Rule("image", ("*.yaml", "*.yml"), stack_images),
    Rule("image", (*SCRIPTS, "*.py"), pulls),
    Rule("python", ("*.lock",), unhashed),
    Rule("python", (*SCRIPTS,), installs),
    Rule("python", PRODUCT, requirements),
    Rule("program", ("*.py",), python_installs),
    Rule("go", (*SCRIPTS, "*.py"), modules),
    Rule("node", SCRIPTS, node_installs),
    Rule("node", ("package-lock.json",), node_lock),
    Rule("download", SCRIPTS, downloads),
    Rule("download", PRODUCT, python_downloads),
    Rule("repository", (*SCRIPTS, "*.py"), repositories),
    Rule("git", SCRIPTS, clones),
    Rule("action", (".github/workflows/*.yml", ".github/workflows/*.yaml"), actions),
)


def beside(files: frozenset[str]) -> Iterator[tuple[str, str, int, str]]:
    """Kind, file, line and what: files that name what is fetched, without the lock file that pins it."""
    locks = {"go.mod": "go.sum", "package.json": "package-lock.json"}
    for path in sorted(files):
        place = PurePath(path)
        lock = locks.get(place.name) or (place.with_suffix(".lock").name if place.suffix == ".in" else "")
        if lock and str(place.with_name(lock)) not in files:
            yield {"go.mod": "go", "package.json": "node"}.get(place.name, "python"), path, 1, f"no {lock} beside it"
