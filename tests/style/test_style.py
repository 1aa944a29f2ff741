"""The house rules that a machine can check, over all files git knows."""

import pathlib
import re
import subprocess

import pytest

import mutations

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE_MAX = 80
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 75
CPP = (".cc", ".h")

# Which headers belong to which folders: (pattern, folders that may).
OWNERS = [
    (r"grpcpp?/", ["server/grpc_door", "client/connection",
      "client/frame_stream", "client/testing/relay", "bench/"]),
    (r"boost/", ["gateway/", "bench/"]),
    (r"simdjson", ["gateway/json/", "gateway/graphql/", "server/model_json",
      "aws/json", "bench/"]),
    (r"curl/", ["aws/http_"]),
    (r"openssl/", ["auth/", "aws/digest", "gateway/"]),
    (r"pugixml", ["aws/sts", "storage/s3/s3_xml"]),
    (r"aws/", ["aws/", "storage/s3/", "app/"]),
    (r"rocksdb/", ["storage/rocksdb/"]),
    (r"sqlite3", ["storage/sqlite/"]),
    (r"postgresql/", ["storage/postgres/"]),
    (r"mariadb/", ["storage/mysql/"]),
    (r"CLI/", ["app/", "bench/"]),
    (r"storage/sqlite/", ["app/", "storage/sqlite/", "storage/testing/"]),
    (r"storage/postgres/", ["app/", "storage/postgres/", "storage/testing/"]),
    (r"storage/mysql/", ["app/", "storage/mysql/", "storage/testing/"]),
    (r"storage/rocksdb/", ["app/", "storage/rocksdb/", "storage/testing/"]),
    (r"storage/artifact/", ["app/", "storage/artifact/", "storage/testing/"]),
    (r"storage/s3/", ["app/", "storage/s3/"]),
    (r"server/(?!dispatcher|ingest_budget|method_table|call_context|transfer"
     r"|testing)",
     ["server/", "app/", "tests/"]),
    (r"gateway/", ["gateway/", "app/", "tests/"]),
    (r"client/", ["client/", "bench/"]),
    (r"app/", ["app/"]),
]


def files(*suffixes):
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name.endswith(suffixes) and (ROOT / name).is_file():
            yield name


def lines(name):
    return (ROOT / name).read_text(errors="replace").splitlines()


def report(findings):
    findings = list(findings)
    assert not findings, "\n".join(findings)


def test_lines_are_short():
    report(f"{name}:{number}: {len(line)} characters"
           for name in files(*CPP, ".proto", ".py")
           for number, line in enumerate(lines(name), 1)
           if len(line) > LINE_MAX and "http" not in line
           and not name.startswith("tests/conformance/"))


def test_files_have_one_subject():
    report(f"{name}: {len(lines(name))} lines" for name in files(*CPP, ".py")
           if len(lines(name)) > FILE_LINES_MAX)


def test_functions_fit_a_screen():
    """A function body begins at a line ending in "{" in column 0 and ends at
    "}" in column 0, as clang-format leaves it."""
    findings = []
    for name in files(".cc"):
        start = None
        for number, line in enumerate(lines(name), 1):
            if (re.match(r"[A-Za-z].*\) (const |noexcept |override )*\{$", line)
                    or re.match(r" .*\) (const )?\{$", line)
                    and start is None and not line.startswith("     ")):
                start = start or number
            if line == "}":
                if start and number - start > FUNCTION_LINES_MAX:
                    findings.append(f"{name}:{start}: {number - start} lines")
                start = None
            elif line.startswith("}"):
                start = None
    report(findings)


def test_headers_say_what_they_are():
    report(f"{name}: does not begin with a comment"
           for name in files(".h") if not lines(name)[0].startswith("//"))


def test_header_guards_name_the_file():
    for name in files(".h"):
        guard = "MILLSTREAM_" + re.sub(r"[/.]", "_", name).upper() + "_"
        assert f"#ifndef {guard}" in lines(name), name


def test_libraries_stay_in_their_rooms():
    findings = []
    for name in files(*CPP):
        for number, line in enumerate(lines(name), 1):
            include = re.match(r'#include [<"]([^>"]+)[>"]', line)
            if not include:
                continue
            for pattern, owners in OWNERS:
                if (re.match(pattern, include[1])
                        and not any(name.startswith(o) for o in owners)):
                    findings.append(f"{name}:{number}: {include[1]}")
    report(findings)


def test_folders_say_their_rule():
    report(f"{name}: does not begin with a comment"
           for name in files("BUILD.bazel")
           if not name.startswith("third_party/rules_cc/")
           and lines(name) and not lines(name)[0].startswith("#"))


@pytest.mark.parametrize("pattern", [
    r"\b(TODO|FIXME|XXX|HACK)\b",
    r"/work/|/root/(?!\.aws\b)|/opt/wheels",
    r"\bstd::(cout|cerr)\b",
    r"\busing namespace\b",
])
def test_not_in_the_tree(pattern):
    report(f"{name}:{number}: {line.strip()}"
           for name in files(*CPP, ".py", ".proto", ".bzl", ".sh", ".md")
           if not name.startswith("tests/style/")
           for number, line in enumerate(lines(name), 1)
           if re.search(pattern, line))


def test_every_cc_file_is_built():
    """A file that no target names is dead."""
    findings = []
    for name in files(*CPP):
        folder = pathlib.PurePosixPath(name)
        for parent in folder.parents:
            build = ROOT / parent / "BUILD.bazel"
            if build.is_file():
                text = build.read_text()
                stem = str(folder.relative_to(parent))
                if stem not in text and "glob(" not in text:
                    findings.append(name)
                break
    report(findings)


# Of base/limits.h, those that no test waits for: what does it then.
UNTESTED_LIMITS = {
    "kGrpcIdleMsMax": "ten minutes, counted by the gRPC library",
    "kHttpAdmissionMsMax": "the clock is that of handler_slots_test.cc",
    "kPasswordCheckMsMax": "the clock is that of connection_list_test.cc",
}


def test_every_limit_is_tested():
    names = re.findall(r"constexpr \w+ (k\w+) =",
                       (ROOT / "base" / "limits.h").read_text())
    assert len(names) > 150
    words = set()
    for name in files("_test.cc", ".py", ".cc"):
        if (name.endswith("_test.cc") or "/conformance/" in name
                or name.startswith("tests/") and "/style/" not in name):
            words.update(re.findall(r"\bk[A-Z]\w+", (ROOT / name).read_text()))
    report(f"base/limits.h: no test names {name}" for name in names
           if name not in words and name not in UNTESTED_LIMITS)
    report(f"{name} is tested, or no limit" for name in UNTESTED_LIMITS
           if name in words or name not in names)


def named_tests(document):
    """`file::test` in a document; of C++, `file::Suite.Test`."""
    return re.findall(r"`([\w/.]+)::([\w.]+)`",
                      (ROOT / document).read_text())


def test_tests_that_documents_name_exist():
    findings = []
    for document in files(".md"):
        for file, test in named_tests(document):
            path = ROOT / file
            text = path.read_text() if path.is_file() else ""
            suite, _, case = test.rpartition(".")
            pattern = (rf"TEST\w*\(\s*{suite},\s*{case}\)" if suite
                       else rf"def {test}\(")
            if not re.search(pattern, text):
                findings.append(f"{document}: {file} has no {test}")
    report(findings)


def test_every_weakness_has_its_test():
    """Each row of the table of docs/security.md names one at least."""
    _, _, rest = (ROOT / "docs" / "security.md").read_text().partition(
        "| weakness |")
    rows = [row for row in rest.partition("\n\n")[0].splitlines()[2:]]
    assert len(rows) > 12
    report(row[:60] for row in rows if not re.search(r"`\S+::\w+", row))


def test_mutations_are_of_what_is_there():
    report(f"{each.file}: not once: {each.old}"
           for each in mutations.MUTATIONS
           if (ROOT / each.file).read_text().count(each.old) != 1)
