"""Takes protections out, one by one, and looks whether a test goes red.

    python3 tests/mutations.py        # wants a clean tree, and leaves one

Each mutation is a line of the source with something else in its place, and the
C++ test that has to fail then. Those that no line alone makes were tried by
hand: docs/reliability.md.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# (file, what is there, what is put there, file::Suite.Test that fails)
MUTATIONS = [
    ("storage/search/parser.cc",
     "filter.comparisons.size() == limits::kSearchConditionsMax", "false",
     "storage/search/limits_test.cc::SearchLimits.Conditions"),
    ("gateway/json/json_decoder.cc", "  if (depth > limits::kJsonDepthMax) "
     "return TooDeep();\n  uint64_t seen_by_name = 0;",
     "  uint64_t seen_by_name = 0;",
     "gateway/json/json_decoder_test.cc::JsonDecoder.NestingIsLimited"),
    ("gateway/http_parser.cc",
     "bytes.size() - used > limits::kHttpHeaderBytesMax", "false",
     "gateway/http_parser_test.cc"
     "::HttpParser.WhatStandsBetweenChunksIsLimited"),
    ("gateway/graphql/limits_check.cc",
     "next.depth > limits::kGraphqlDepthMax", "next.depth > 1'000'000",
     "gateway/graphql/parser_test.cc::GraphqlLimitsTest.CountLevels"),
    ("storage/artifact_path.cc",
     "canonical.size() > limits::kArtifactPathBytesMax", "false",
     "storage/artifact_path_test.cc::ArtifactPathTest.LengthsAreLimited"),
    ("server/uri.cc", "i <= limits::kEncodingsMax", "i <= 1000",
     "server/uri_test.cc::UriTest.EscapesOfEscapesAreDecodedSoOften"),
    ("auth/password_hash.cc", "return cost > limits::kBcryptCostMax ? "
     "TooCostly() : absl::OkStatus();", "return absl::OkStatus();",
     "auth/password_hash_test.cc"
     "::PasswordHashTest.RefusesHashesThatTakeTooLong"),
    ("auth/guess_limits.cc",
     "addresses_(limits::kGuessesMax, limits::kGuessMsMin)",
     "addresses_(1'000'000, limits::kGuessMsMin)",
     "auth/guess_limits_test.cc"
     "::GuessLimitsTest.OneAddressWaitsWhoeverItPretendsToBe"),
    ("base/error.cc", "message.size() <= limits::kErrorMessageBytesMax",
     "true",
     "base/error_test.cc::ErrorTest.LongMessagesAreCutBetweenCharacters"),
    ("gateway/url.cc", "parameters.size() == limits::kQueryParametersMax",
     "false", "gateway/url_test.cc::Url.QueriesHaveALimit"),
    ("gateway/body_pace.h", "ms_left_ - ms + brought, 0,",
     "ms_left_ - ms / 1000 + brought, 0,",
     "gateway/body_pace_test.cc::BodyPace.TheSilentAreOutOfTime"),
    ("server/metric_frames.cc", "points <= limits::kMetricFramePointsMax",
     "true", "server/metric_frames_test.cc::MetricFramesTest.FramesHaveLimits"),
]


def target_of(test):
    """Of "a/b_test.cc::Suite.Test" the target that bazel knows."""
    path = pathlib.PurePosixPath(test.partition("::")[0])
    return f"//{path.parent}:{path.stem}"


def failed(test):
    log = (ROOT / "bazel-testlogs"
           / target_of(test).removeprefix("//").replace(":", "/") / "test.log")
    return (log.exists() and f"[  FAILED  ] {test.partition('::')[2]}"
            in log.read_text(errors="replace"))


def rounds(mutations):
    """Mutations that do not meet are tried together."""
    left = list(mutations)
    while left:
        files, targets, now = set(), set(), []
        for mutation in left:
            file, test = mutation[0], mutation[3]
            if file not in files and target_of(test) not in targets:
                files.add(file)
                targets.add(target_of(test))
                now.append(mutation)
        yield now
        left = [mutation for mutation in left if mutation not in now]


def main():
    wanted = [m for m in MUTATIONS if len(sys.argv) < 2 or any(
        word in "".join(m) for word in sys.argv[1:])]
    if subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT).returncode:
        sys.exit("the tree has changes")
    missed = 0
    for together in rounds(wanted):
        files = [mutation[0] for mutation in together]
        try:
            for file, old, new, _ in together:
                text = (ROOT / file).read_text()
                assert text.count(old) == 1, (file, old)
                (ROOT / file).write_text(text.replace(old, new))
            subprocess.run(
                ["bazel", "test", "--keep_going", "--test_output=summary",
                 *sorted({target_of(m[3]) for m in together})], cwd=ROOT)
            for file, old, _, test in together:
                caught = failed(test)
                missed += not caught
                limit = re.search(r"limits::(\w+)", old)
                print("caught" if caught else "MISSED", file,
                      limit[1] if limit else old, test, flush=True)
        finally:
            subprocess.run(["git", "checkout", "-q", "--", *files], cwd=ROOT)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
