"""Takes protections out, one by one, and looks whether a test goes red.

    python3 tests/mutations.py            # all of them
    python3 tests/mutations.py fsync uri  # those that name one of these
    python3 tests/mutations.py --write    # all, and docs/reliability.md

It wants a tree without changes, and leaves one. Each mutation is a place of the
source with something else in it, and the test that has to fail then; it passes
without. Each round of them is one build, as a release is, so that nearly all of
it comes from Bazel's cache; so a mutation is in no header that many include.
$BAZEL is the command.
"""

import argparse
import collections
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- by tests/mutations.py -->"
END = "<!-- end of tests/mutations.py -->"
BAZEL = os.environ.get("BAZEL", "bazel")
PYTHON = ROOT / ".cache" / "venv-3.17.2" / "bin" / "python"
# What tests in Python start.
SERVER = ["//app:millstream", "//tests/crash:libfaulty_disk.so"]

# what: what is taken out; old, new: what is there and what is put there; test:
# "file::Suite.Test", or "file.py::test", that fails.
Mutation = collections.namedtuple("Mutation", "what file old new test")

FSYNCS = [Mutation("fsync: " + what, *rest) for what, *rest in [
    ("SQLite's log with each commit", "storage/sqlite/sqlite_connection.cc",
     'options.durability == Durability::kMachine ? "FULL" : "NORMAL"',
     '"NORMAL"', "storage/sqlite/sqlite_database_test.cc"
     "::SqliteDatabaseTest.WritesNoMoreAfterAnIoErrorUntilOpenedAgain"),
    ("SQLite's log when it is asked for", "storage/sqlite/sqlite_database.cc",
     "if (fdatasync(log) != 0) sync_failed_ = true;", "",
     "storage/sqlite/sqlite_database_test.cc"
     "::SqliteDatabaseTest.ASyncThatFailedIsNotForgotten"),
    ("RocksDB's log with each append",
     "storage/rocksdb/rocksdb_metric_store.cc",
     "  options.sync = true;\n  rocksdb::WriteBatch merged;",
     "  rocksdb::WriteBatch merged;",
     "storage/rocksdb/rocksdb_metric_store_test.cc"
     "::RocksDbMetricStoreTest.APowerCutTakesNothingThatWasSynced"),
    ("RocksDB's log when it is asked for",
     "storage/rocksdb/rocksdb_metric_store.cc",
     "return FromRocksDb(db_->SyncWAL());", "return absl::OkStatus();",
     "storage/rocksdb/rocksdb_metric_store_test.cc"
     "::RocksDbMetricStoreTest.APowerCutTakesNothingThatWasSynced"),
    ("points of a batch, before its row in the outbox goes",
     "storage/sql/sql_run_log.cc", "absl::Status status = store_->Sync();",
     "absl::Status status;", "storage/sql/sql_run_log_test.cc"
     "::SqlRunLogTest.RowsStayUntilTheMetricStoreIsSynced"),
    ("the table of latest metrics, before a run's mark goes",
     "storage/sql/latest_metrics.cc",
     "!clean.empty() && database_->Sync().ok()", "!clean.empty()",
     "storage/sql/sql_run_log_test.cc"
     "::SqlRunLogTest.NoPowerCutTakesTheTableBackAndNotTheMark"),
    ("the same at a start", "storage/sql/latest_metrics.cc",
     "  if (!marks.empty()) RETURN_IF_ERROR(database_->Sync());\n", "",
     "storage/sql/sql_run_log_test.cc"
     "::SqlRunLogTest.NoPowerCutTakesTheTableBackAndNotTheMark"),
    ("the data folder's name", "storage/data_directory.cc",
     "fsync(folder) == 0", "true", "storage/data_directory_test.cc"
     "::DataDirectory.NamesOfAllThatWasMadeOutliveAPowerCut"),
    ("names of the folders above it", "storage/data_directory.cc",
     "if (folder == existing_ || ", "if (true || ",
     "storage/data_directory_test.cc"
     "::DataDirectory.NamesOfAllThatWasMadeOutliveAPowerCut"),
    ("names of the stores in it", "app/embedded_stores.cc",
     "    RETURN_IF_ERROR(directory_->Sync());\n", "", "app/stores_test.cc"
     "::StoresTest.NamesOfANewDataFolderOutliveAPowerCut"),
    ("an artifact", "storage/artifact/staging.cc",
     "  if (durable_) RETURN_IF_ERROR(files::Sync(file->fd()));\n", "",
     "storage/artifact/local_artifact_store_test.cc"
     "::LocalArtifactStoreTest.WhatWasAnsweredOutlivesAPowerCut"),
    ("an artifact's name", "storage/artifact/staging.cc",
     "return files::Sync(folder->get());", "return absl::OkStatus();",
     "storage/artifact/local_artifact_store_test.cc"
     "::LocalArtifactStoreTest.WhatWasAnsweredOutlivesAPowerCut"),
    ("an artifact's folders", "storage/artifact/staging.cc",
     "      RETURN_IF_ERROR(SyncParents(root_.get(), made));\n", "",
     "storage/artifact/local_artifact_store_test.cc"
     "::LocalArtifactStoreTest.WhatWasAnsweredOutlivesAPowerCut"),
    ("an artifact's end", "storage/artifact/local_artifact_store.cc",
     "staging_->durable() ? files::Sync(folder.get()) : absl::OkStatus()",
     "absl::OkStatus()", "storage/artifact/local_artifact_store_test.cc"
     "::LocalArtifactStoreTest.WhatWasAnsweredOutlivesAPowerCut"),
    ("the folder of all artifacts", "storage/artifact/staging.cc",
     "  if (durable) RETURN_IF_ERROR(SyncNames(folder, existing));\n", "",
     "storage/artifact/local_artifact_store_test.cc"
     "::LocalArtifactStoreTest.TheRootOutlivesAPowerCut"),
    ("a backup, and what is restored", "app/backup/new_folder.cc",
     "syncfs(fd_.get()) != 0", "false",
     "app/backup/backup_test.cc::BackupTest.OutlivesAPowerCut"),
    ("a backup's name", "app/backup/new_folder.cc",
     "above.get() < 0 || fsync(above.get()) != 0", "above.get() < 0",
     "app/backup/backup_test.cc::BackupTest.OutlivesAPowerCut"),
    ("the spool of a client", "python/src/millstream/_reader.py",
     "                os.fsync(fd)\n", "                pass\n",
     "tests/python/test_spool.py"
     "::test_a_log_is_forced_to_the_disk_with_its_names"),
    ("the journal of the spool", "python/src/millstream/_reader.py",
     "        os.fdatasync(self._fd)\n", "        pass\n",
     "tests/python/test_spool.py::test_what_was_sent_is_forced_to_the_disk"),
    ("the spool again and again", "python/src/millstream/_helper.py",
     "await loop.run_in_executor(None, self._spool.sync)", "pass",
     "tests/python/test_client.py::test_fsync_is_an_option"),
]]

ACCESS_TEST = "server/access_test.cc::DemandsTest."
AUTHORIZER_TEST = "server/authorizer_test.cc::Authorizer"
AUTHORISATION = [Mutation("authorisation: " + what, *rest)
                 for what, *rest in [
    ("the right to read what a run or logged model is in",
     "server/demands.cc",
     "  needs->push_back(whole);\n"
     "  needs->push_back(OnParts(type, action, whole));\n}\n",
     "  needs->push_back(OnParts(type, action, whole));\n}\n",
     ACCESS_TEST + "RightsOnPartsNeedOneToReadWhatTheyAreIn"),
    ("the right on a run or logged model itself", "server/demands.cc",
     "  needs->push_back(whole);\n"
     "  needs->push_back(OnParts(type, action, whole));\n}\n",
     "  needs->push_back(whole);\n}\n",
     ACCESS_TEST + "ADenialOnPartsReachesWhateverIsAboutThem"),
    ("feeds of an experiment: that nothing is denied on its runs",
     "server/demands.cc",
     '      needs->push_back(On(auth::kRunType, "*", Action::kNotDenied));\n',
     "", ACCESS_TEST + "FeedsOfAnExperimentAreOfItsRuns"),
    ("a version: the right to read its model", "server/demands.cc",
     "      whole.action = Action::kRead;\n      break;\n",
     "      return absl::OkStatus();\n",
     ACCESS_TEST + "RightsOnPartsNeedOneToReadWhatTheyAreIn"),
    ("a version: the right on it", "server/demands.cc",
     "      needs->push_back(OnParts(version, action, whole));\n"
     "      whole.action", "      whole.action",
     ACCESS_TEST + "ADenialOnPartsReachesWhateverIsAboutThem"),
    ("a model that goes: the right on its versions", "server/demands.cc",
     "      needs->push_back(OnParts(version, action, whole));\n"
     "      break;\n    case Demand::MODEL_VERSION:",
     "      break;\n    case Demand::MODEL_VERSION:",
     ACCESS_TEST + "ADenialOnPartsReachesWhateverIsAboutThem"),
    ("sources that name other models", "server/demands.cc",
     "    return Add(owner, model->name, request, needs);",
     "    return absl::OkStatus();", ACCESS_TEST + "SourcesAreWhatTheyName"),
    ("one form of the ids of experiments", "server/rights.cc",
     "return id.ok() ? StrCat(*id) : text;", "return text;",
     AUTHORIZER_TEST + "Test.IdsOfExperimentsHaveOneForm"),
    ("that who is removed has no rights", "server/rights.cc",
     "  if (user_ == nullptr) return false;\n",
     "  if (user_ == nullptr) return true;\n",
     AUTHORIZER_TEST + "Test.WhoIsGoneMayNothingThatHeMightBefore"),
    ("that strangers may not call", "server/authorizer.cc",
     "if (rights.user() == nullptr) return PermissionDenied();",
     "if (rights.user() == nullptr) return absl::OkStatus();",
     AUTHORIZER_TEST + "Test.StrangersMayNothing"),
    ("asking the database before anybody is denied", "server/authorizer.cc",
     "  users_.Refresh();\n", "",
     AUTHORIZER_TEST + "Test.WhatWasGrantedElsewhereJustNowHolds"),
    ("leaving out rows that may not be read", "server/shown_rows.cc",
     "return MayRead(rights, rows.of(), row);",
     "return true || MayRead(rights, rows.of(), row);",
     AUTHORIZER_TEST + "PagesTest.PagesAreFilledAsLongAsThatIsQuick"),
    ("sealing of page tokens", "server/shown_rows.cc", "sealer.Seal(next)",
     "next",
     AUTHORIZER_TEST + "PagesTest.TokensTellNothingOfRowsThatAreNotShown"),
    ("counting wrong guesses of one's own password", "server/user_service.cc",
     "gate_.AskAgain(\n      request.username(), request.current_password(), "
     "context.peer());",
     "users_.Verify(\n      request.username(), "
     "request.current_password()).status();",
     "server/user_service_test.cc"
     "::UserServiceTest.ASessionIsNoPlaceToGuessItsPasswordAt"),
]]

LIMITS = [Mutation("limit: " + what, *rest) for what, *rest in [
    ("calls of a gRPC connection", "server/connection_guard.cc",
     "++connection->calls > bounds_.calls", "++connection->calls < 0",
     "server/connection_guard_test.cc"
     "::ConnectionGuardTest.CallsOfAConnectionAreBounded"),
    ("bytes of a gRPC connection that belong to no call",
     "server/connection_guard.cc", "if (Exceeds(connection)) {",
     "if (false && Exceeds(connection)) {",
     "server/connection_guard_test.cc"
     "::ConnectionGuardTest.BytesOfNoCallAreBounded"),
    ("conditions of one filter", "storage/search/parser.cc",
     "filter.comparisons.size() == limits::kSearchConditionsMax", "false",
     "storage/search/limits_test.cc::SearchLimits.Conditions"),
    ("levels of a JSON body", "gateway/json/json_decoder.cc",
     "  if (depth > limits::kJsonDepthMax) return TooDeep();\n"
     "  const std::string_view token", "  const std::string_view token",
     "gateway/json/json_decoder_test.cc::JsonDecoder.NestingIsLimited"),
    ("levels of a JSON message", "gateway/json/json_decoder.cc",
     "  if (depth > limits::kJsonDepthMax) return TooDeep();\n"
     "  uint64_t seen_by_name = 0;", "  uint64_t seen_by_name = 0;",
     "gateway/json/json_decoder_test.cc"
     "::JsonDecoder.NestingOfMessagesIsLimited"),
    ("items of a JSON body", "gateway/json/json_decoder.cc",
     "++items_ <= limits::kRequestItemsMax", "true",
     "gateway/json/json_decoder_test.cc"
     "::JsonDecoder.ItemsOfAllListsAreCounted"),
    ("items of a gRPC request", "server/request_items.cc",
     "int left = limits::kRequestItemsMax;", "int left = 1'000'000'000;",
     "server/request_items_test.cc::RequestItems.ItemsAreCounted"),
    ("bytes of a gRPC message", "server/grpc_door.cc",
     "limits::kGrpcMessageBytesMax", "-1",
     "server/grpc_door_test.cc::GrpcDoorTest.RefusesMessagesOverTheLimit"),
    ("bytes of a body, as it says itself", "gateway/http_session.cc",
     "parser_.head().content_length.value_or(0) >\n"
     "        limits::kHttpBodyBytesMax", "false",
     "gateway/rest_door_test.cc::RestDoorTest.BodiesAreLimited"),
    ("bytes of a body that says nothing", "gateway/http_session.cc",
     "parser_.body_bytes() > limits::kHttpBodyBytesMax", "false",
     "gateway/rest_door_test.cc"
     "::RestDoorTest.BodiesThatDoNotSayTheirLengthAreLimited"),
    ("bytes before and after a chunk of a body", "gateway/http_parser.cc",
     "bytes.size() - used > limits::kHttpHeaderBytesMax", "false",
     "gateway/http_parser_test.cc"
     "::HttpParser.WhatStandsBetweenChunksIsLimited"),
    ("time of a slow body", "gateway/body_pace.h",
     "ms_left_ - ms + brought, 0,", "ms_left_ - ms / 1000 + brought, 0,",
     "gateway/body_pace_test.cc::BodyPace.TheSilentAreOutOfTime"),
    ("connections", "gateway/connection_list.cc",
     "staying >= list->connections_max_ && !list->EvictOne()", "false",
     "gateway/connection_list_test.cc::ConnectionList.ConnectionsAreCapped"),
    ("gRPC connections beside other files", "server/grpc_listener.cc",
     "std::min(limits::kDescriptorsReserved, all / 2)", "8",
     "server/grpc_listener_test.cc"
     "::GrpcListenerTest.SomeDescriptorsAreLeftAndItListensOn"),
    ("levels of a GraphQL query", "gateway/graphql/limits_check.cc",
     "next.depth > limits::kGraphqlDepthMax", "next.depth > 1'000'000",
     "gateway/graphql/parser_test.cc::GraphqlLimitsTest.CountLevels"),
    ("tokens of a GraphQL query", "gateway/graphql/lexer.cc",
     "++tokens_ > limits::kGraphqlTokensMax", "false",
     "gateway/graphql/parser_test.cc::GraphqlParserTest.BoundsHold"),
    ("parameters of a URL", "gateway/url.cc",
     "parameters.size() == limits::kQueryParametersMax", "false",
     "gateway/url_test.cc::Url.QueriesHaveALimit"),
    ("proxies that are believed", "gateway/forwarded.cc",
     "i < limits::kForwardedHopsMax && !hops.empty()", "!hops.empty()",
     "gateway/forwarded_test.cc"
     "::ForwardedTest.TheCallerIsTheLastThatIsNoProxy"),
    ("length of an artifact's path", "storage/artifact_path.cc",
     "canonical.size() > limits::kArtifactPathBytesMax", "false",
     "storage/artifact_path_test.cc::ArtifactPathTest.LengthsAreLimited"),
    ("parts of an upload", "storage/artifact/multipart.cc",
     "parts < 1 || parts > limits::kMultipartPartsMax", "parts < 1",
     "storage/artifact/local_artifact_store_test.cc"
     "::Local/ArtifactStoreConformance.RefusesPartsThatWereNotAnnounced/0"),
    ("uploads of one user", "storage/artifact/multipart.cc",
     "own >= limits::kMultipartUploadsOfOneMax", "false",
     "storage/artifact/local_artifact_store_test.cc"
     "::Local/ArtifactStoreConformance.NobodyTakesTheUploadsOfOthers/0"),
    ("how often a URI may be encoded over", "server/uri.cc",
     "i <= limits::kEncodingsMax", "i <= 1000",
     "server/uri_test.cc::UriTest.EscapesOfEscapesAreDecodedSoOften"),
    ("rows of a page", "server/validation.cc",
     "max_results >= 1 && max_results <= limit", "max_results >= 1",
     "server/validation_test.cc"
     "::CheckMaxResults.IsAPositiveNumberUpToTheLimit"),
    ("metrics, params and tags of a batch", "server/metrics.cc",
     'return CheckCount("metrics, params and tags", '
     "limits::kBatchEntitiesMax,",
     'return CheckCount("metrics, params and tags", 1000000,',
     "server/metrics_test.cc::MetricsTest.CountsHaveLimits"),
    ("points of one frame of a stream", "server/metric_frames.cc",
     "points <= limits::kMetricFramePointsMax", "true",
     "server/metric_frames_test.cc::MetricFramesTest.FramesHaveLimits"),
    ("length of a user's name", "auth/htpasswd_file.cc",
     "colon > limits::kUserNameBytesMax", "false",
     "auth/htpasswd_file_test.cc::HtpasswdFileTest.SaysWhichLineIsWrong"),
    ("what a password's hash may cost", "auth/password_hash.cc",
     "return cost > limits::kBcryptCostMax ? TooCostly() : absl::OkStatus();",
     "return absl::OkStatus();", "auth/password_hash_test.cc"
     "::PasswordHashTest.RefusesHashesThatTakeTooLong"),
    ("passwords that wait to be checked", "auth/gate.cc",
     "limits::kPasswordChecksWaitingMax)", "1'000'000)",
     "auth/gate_test.cc::GateTest.FewChecksRunAtOnceAndNotTooManyWait"),
    ("wrong passwords of one address", "auth/guess_limits.cc",
     "addresses_(limits::kGuessesMax, limits::kGuessMsMin)",
     "addresses_(1'000'000, limits::kGuessMsMin)",
     "auth/guess_limits_test.cc"
     "::GuessLimitsTest.OneAddressWaitsWhoeverItPretendsToBe"),
    ("length of an error's message", "base/error.cc",
     "message.size() <= limits::kErrorMessageBytesMax", "true",
     "base/error_test.cc::ErrorTest.LongMessagesAreCutBetweenCharacters"),
]]

BACKUPS = [Mutation("backup: " + what, *rest) for what, *rest in [
    ("that nothing is committed between the moments of both stores",
     "app/backup/door.cc",
     "database->Write([&](storage::sql::Transaction&) -> absl::Status {",
     "database->Read([&](storage::sql::Connection&) -> absl::Status {",
     "app/backup/backup_test.cc"
     "::BackupTest.NothingIsCommittedBetweenTheMomentsOfBothStores"),
]]

MUTATIONS = FSYNCS + AUTHORISATION + LIMITS + BACKUPS


def is_python(test):
    return test.partition("::")[0].endswith(".py")


def target_of(test):
    """What is built for a test, and run: a Bazel target or a file."""
    path = pathlib.PurePosixPath(test.partition("::")[0])
    return str(path) if is_python(test) else f"//{path.parent}:{path.stem}"


def log_of(test):
    return (ROOT / "bazel-testlogs"
            / target_of(test).removeprefix("//").replace(":", "/")
            / "test.log")


def bazel(command, *arguments):
    return subprocess.run([BAZEL, command, "--config=release", "--keep_going",
                           *arguments], cwd=ROOT).returncode


def bazel_test(tests):
    """These alone: others may not end without what is taken out."""
    names = ":".join(sorted(test.partition("::")[2] for test in tests))
    return bazel("test", f"--test_filter={names}",
                 *sorted({target_of(test) for test in tests}))


def pytest(tests):
    """With the package as the tree has it, whatever is installed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["python/build-wheel", folder], cwd=ROOT, check=True)
        [wheel] = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as package:
            package.extractall(folder)
        environment = {**os.environ, "MILLSTREAM_TEST_DOOR": "http",
                       "PYTHONPATH": folder}
        return subprocess.run([PYTHON, "-m", "pytest", "-q", *tests],
                              cwd=ROOT, env=environment).returncode


def is_red(test, since):
    """Whether it began and did not pass: it may end the process, or hang."""
    log = log_of(test)
    if not log.exists() or log.stat().st_mtime < since:
        return False
    text = log.read_text(errors="replace")
    name = test.partition("::")[2]
    return (f"[ RUN      ] {name}\n" in text
            and f"[       OK ] {name} (" not in text)


def run(tests):
    """Those of the tests that failed; one that cannot be built has not."""
    begin = time.time()
    cpp = [test for test in tests if not is_python(test)]
    if cpp:
        bazel_test(cpp)
    return [test for test in tests
            if (pytest([test]) == 1 if is_python(test)
                else is_red(test, begin))]


def sources_of(targets):
    """{target: the files that it is built from}"""
    labels = [target for target in targets if target.startswith("//")]
    graph = subprocess.run(
        [BAZEL, "query", "--output=graph", "--nograph:factored",
         f"deps(set({' '.join(labels)}))"], cwd=ROOT, check=True,
        stdout=subprocess.PIPE, text=True).stdout
    needs = collections.defaultdict(list)
    for one, other in re.findall(r'^  "(.+)" -> "(.+)"$', graph, re.M):
        needs[one].append(other)
    # Of Python, what is in the package.
    package = {m.file for m in MUTATIONS if m.file.endswith(".py")}
    found = {target: package for target in targets}
    for label in labels:
        seen, left = set(), [label]
        while left:
            new = set(needs[left.pop()]) - seen
            seen |= new
            left += new
        found[label] = {each.removeprefix("//").replace(":", "/")
                        for each in seen}
    return found


def rounds(mutations):
    """Mutations none of which is in what the test of another is built from are
    tried together."""
    sources = sources_of({target_of(m.test) for m in mutations})

    def meet(one, other):
        return (one.file in sources[target_of(other.test)]
                or other.file in sources[target_of(one.test)])

    # Who meets most is first, so that there are few rounds.
    left = sorted(mutations, key=lambda one: -sum(
        meet(one, other) for other in mutations))
    while left:
        now = []
        for mutation in left:
            if not any(meet(mutation, other) for other in now):
                now.append(mutation)
        yield now
        left = [mutation for mutation in left if mutation not in now]


def put(mutation):
    path = ROOT / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, mutation
    path.write_text(text.replace(mutation.old, mutation.new))


def passes(mutations):
    """All tests, of the source as it is."""
    tests = {mutation.test for mutation in mutations}
    python = sorted(filter(is_python, tests))
    cpp = tests.difference(python)
    return ((not cpp or bazel_test(cpp) == 0)
            and (not python
                 or bazel("build", *SERVER) == 0 and pytest(python) == 0))


def try_out(mutations):
    """Those that no test has noticed."""
    missed = []
    for together in rounds(mutations):
        try:
            for mutation in together:
                put(mutation)
            failed = run([mutation.test for mutation in together])
        finally:
            subprocess.run(["git", "checkout", "-q", "--",
                            *(mutation.file for mutation in together)],
                           cwd=ROOT, check=True)
        for mutation in together:
            caught = mutation.test in failed
            print("caught" if caught else "MISSED", mutation.what,
                  mutation.test, flush=True)
            if not caught:
                missed.append(mutation)
    return missed


def table(mutations, missed):
    yield "| taken out | caught by |"
    yield "|---|---|"
    for mutation in mutations:
        by = "nothing" if mutation in missed else f"`{mutation.test}`"
        yield f"| {mutation.what} (`{mutation.file}`) | {by} |"


def write(lines, mutations, missed, minutes):
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True,
        capture_output=True, text=True).stdout.strip()
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text("\n".join([
        before + BEGIN,
        f"{datetime.date.today()}, commit {commit}: {len(mutations)} tried, "
        f"{len(mutations) - len(missed)} caught, in {minutes:.0f} minutes.",
        "", *lines, END + after]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    wanted = [m for m in MUTATIONS if not arguments.words or any(
        word in "\n".join(m) for word in arguments.words)]
    if arguments.write and wanted != MUTATIONS:
        parser.error("--write is for all of them")
    if subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT).returncode:
        sys.exit("the tree has changes")
    if not passes(wanted):
        sys.exit("a test fails without any of them")
    begin = time.monotonic()
    missed = try_out(wanted)
    minutes = (time.monotonic() - begin) / 60
    print(f"{len(wanted)} tried, {len(wanted) - len(missed)} caught, "
          f"{minutes:.1f} minutes")
    if arguments.write:
        write(table(wanted, missed), wanted, missed, minutes)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
