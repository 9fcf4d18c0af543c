"""`make audit` finds one unpinned thing of each kind, lets the pinned one by, and no reason outlives its thing."""

import pytest

from stacks.supply.audit import REASONS, ROOT, Finding, Reason, findings, reasons_of, report, tracked

DIGEST = f"sha256:{'a' * 64}"
HASH = "sha256:" + "b" * 64
COMMIT = "c" * 40
URL = "https://example.test"
KEY = "signed-by=/usr/share/keyrings/x.asc"

# Kind, file, what is not pinned, and the same thing pinned.
CASES = [
    ("image", "stacks/digests.json", '{"a:1": null}', f'{{"a:1": "{DIGEST}"}}'),
    ("image", "x/Dockerfile", "FROM a/b:1 AS part", f"FROM a/b:1@{DIGEST} AS part\nFROM part\nFROM ${{BASE}}"),
    ("image", "x/Dockerfile", "ARG BUILD_IMAGE=a/b:1", f"ARG BUILD_IMAGE=a/b:1@{DIGEST}\nARG BASE_USER=root"),
    (
        "image",
        "recipes/a.yaml",
        "  engine: host:5000/a/b:1",
        f"  engine: host:5000/a/b:1@{DIGEST}\n  image: ^ubuntu_22",
    ),
    ("image", "x/a.sh", "docker pull --quiet a/b:1", f'docker pull a/b:1@{DIGEST}\ndocker pull "$part"'),
    ("python", "x/a.lock", "a==1 \\\n    --hash=" + HASH + "\nb==2", f"a==1 \\\n    --hash={HASH}"),
    (
        "python",
        "x/a.sh",
        "python3 -m pip install \\\n  a==1",
        "pip install --require-hashes -r a.lock\n# pip install a",
    ),
    ("python", "Makefile", "\tuv tool run black", "\tpip install --no-index a"),
    (
        "python",
        "components/a.py",
        'A = ("a==1",)',
        f'A = ("a==1 "\n     "--hash={HASH}",)\n"""a==1"""\nB = "write a==1"',
    ),
    ("python", "stacks/a.py", 'A = f"a=={1}"', "A = 1 == 1"),
    ("python", "x/a.in", "a==1", None),
    ("program", "x/a.py", 'run(*("pip", "install"), "a")', 'run("pip", "install", "--require-hashes", "-r", lock)'),
    ("program", "x/a.py", 'run("npm", "install", "a")', 'run("npm", "ci")'),
    ("program", "x/a.py", 'words = [pulumi, "plugin", "install"]', 'words = [p, "plugin", "install", "--checksum", s]'),
    ("go", "x/a.sh", "go install example.test/a/b@latest", "go install example.test/a/b@v1.2.3"),
    ("go", "x/a.py", 'env = {"GOSUMDB": "off"}', 'env = {"GOSUMDB": "sum.golang.org"}'),
    ("go", "x/go.mod", "module x", None),
    ("node", "x/a.sh", "npm install a", "npm ci\nnpm install --package-lock-only"),
    (
        "node",
        "x/package-lock.json",
        '{"packages": {"a": {}}}',
        '{"packages": {"": {}, "a": {"integrity": "sha512-a"}}}',
    ),
    ("node", "x/package.json", "{}", None),
    ("download", "x/a.sh", f"curl -sSL {URL}/a --output a", f"curl -o a {URL}/a\nsha256sum --check <<<sums"),
    ("download", "x/a.sh", f"curl -sSf {URL}/a | sudo bash", f"curl -o /dev/null {URL}\ncurl -s {URL} | head -1"),
    ("download", "x/a.sh", f"curl -fsSLO {URL}/a", f"wget -q {URL}/a -O a\necho x a | sha512sum -c"),
    ("download", "toolchain/a.py", "urlopen(u)\nopen(f, 'wb')", "import hashlib\nurlopen(u)\nopen(f, 'wb')"),
    ("repository", "x/a.sh", f"echo 'deb {URL}/a /' >list", f"echo 'deb [{KEY}] {URL}/a /' >list"),
    ("repository", "x/a.sh", f"echo 'deb [trusted=yes] {URL}/a /' >list", "echo 'deb [signed-by=$key] file:/a /'"),
    ("repository", "x/a.sh", f"printf 'gpgcheck=1\\ngpgkey={URL}/gpg'", "printf 'gpgcheck=1\\ngpgkey=file://%s' $key"),
    ("repository", "x/a.sh", "printf 'gpgcheck=0'", "printf 'repo_gpgcheck=1\\ngpgcheck=0'"),
    ("repository", "x/a.sh", "dnf --nogpgcheck install a", "dnf install a"),
    ("git", "x/a.sh", f"git clone {URL}/a.git", "git -C a fetch origin"),
    ("action", ".github/workflows/a.yml", "  - uses: a/b@v4", f"  - uses: a/b@{COMMIT} # v4"),
]


def look(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return findings(root, [path])


@pytest.mark.parametrize(("kind", "path", "loose", "pinned"), CASES)
def test_an_unpinned_thing_is_found_with_file_and_line_and_a_pinned_one_is_not(tmp_path, kind, path, loose, pinned):
    (found,) = look(tmp_path, path, f"{loose}\n")
    assert (found.kind, found.file) == (kind, path)
    assert 1 <= found.line <= 3
    assert str(found).startswith(f"{path}:{found.line}: {kind}: ")
    if pinned is not None:
        assert look(tmp_path, path, f"{pinned}\n") == []


def test_a_lock_file_beside_it_is_what_pins_a_list_of_names():
    assert findings(ROOT, ["x/a.in", "x/a.lock", "x/go.mod", "x/go.sum", "x/package.json", "x/package-lock.json"]) == []


def test_a_reason_excuses_what_it_names_and_one_too_many_is_reported():
    found = [
        Finding("image", "a.yaml", 1, "a:1"),
        Finding("image", "b.yaml", 1, "b:1"),
        Finding("go", "a.yaml", 2, "x"),
    ]
    excused, wrong = report(found, [Reason("image", "*.yaml", "why", what="a:*"), Reason("git", "*", "gone")])
    assert excused == ["why", "  a.yaml:1: image: a:1"]
    assert wrong == [
        "b.yaml:1: image: b:1",
        "a.yaml:2: go: x",
        "unpinned.toml: git in * is pinned now; take this reason out",
    ]


def test_all_that_is_fetched_here_is_pinned_or_has_its_reason():
    _, wrong = report(findings(ROOT, tracked(ROOT)), reasons_of(REASONS))
    assert wrong == []
