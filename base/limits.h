// Every limit on what a caller may send, in one place. Both doors and the
// services read these. Each has a test that names and crosses it, but those of
// time, whose clocks have one (gateway/connection_list_test.cc).
//
// "MLflow's" marks the limits that the reference has too, with the same value:
// clients count on them. The others are ours.
#ifndef MILLSTREAM_BASE_LIMITS_H_
#define MILLSTREAM_BASE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace millstream::limits {

// --- Names and values (characters unless they end in _bytes)

// MLflow's: metric, param and tag keys.
inline constexpr size_t kKeyLengthMax = 250;
// MLflow's: longer param values are cut to this.
inline constexpr size_t kParamValueLengthMax = 6000;
// MLflow's: longer run tag values are cut to this.
inline constexpr size_t kTagValueLengthMax = 8000;
// MLflow's: experiment tags.
inline constexpr size_t kExperimentTagKeyLengthMax = 250;
inline constexpr size_t kExperimentTagValueLengthMax = 20'000;
// MLflow's.
inline constexpr size_t kExperimentNameLengthMax = 500;
// MLflow's.
inline constexpr size_t kRunIdLengthMax = 256;
inline constexpr size_t kArtifactLocationLengthMax = 2048;
// MLflow's: custom views that the UI keeps in tags of an experiment.
inline constexpr int kCustomViewsMax = 50;
// The list of models in a run's tag "mlflow.log-model.history".
inline constexpr size_t kLoggedModelsBytesMax = 1'000'000;

// Of an X-Request-Id that is taken over; with a longer one the request gets
// one of ours.
inline constexpr size_t kRequestIdLengthMax = 128;

// --- Datasets

// MLflow's.
inline constexpr size_t kDatasetNameLengthMax = 500;
inline constexpr size_t kDatasetDigestLengthMax = 36;
inline constexpr size_t kDatasetSourceLengthMax = 65'535;
inline constexpr size_t kDatasetSchemaLengthMax = 1'048'575;
inline constexpr size_t kDatasetProfileLengthMax = 16'777'215;
inline constexpr size_t kInputTagKeyLengthMax = 255;
inline constexpr size_t kInputTagValueLengthMax = 500;
// The width of MLflow's column.
inline constexpr size_t kDatasetSourceTypeLengthMax = 36;
// MLflow's: experiments of one search for datasets, and what it returns.
inline constexpr int kDatasetExperimentsMax = 20;
inline constexpr int kDatasetSummariesMax = 1000;
// MLflow's: aliases, and tag values in the model registry.
inline constexpr size_t kAliasLengthMax = 255;
inline constexpr size_t kRegistryTagValueLengthMax = 100'000;
// Names, descriptions and links in the model registry.
inline constexpr size_t kRegistryTextLengthMax = 100'000;
// Params or tags of a logged model in one request.
inline constexpr int kLoggedModelPairsMax = 10'000;
// Source of a model version.
inline constexpr size_t kSourceLengthMax = 8000;
// Versions that a model version was copied from, one from the other, behind
// which the owner of its files is looked for.
inline constexpr int kModelCopiesMax = 16;
// How often a path or URI may be percent-encoded over.
inline constexpr int kEncodingsMax = 9;
// As much of a caller's text as an error message repeats, and the message in
// all, in bytes: gRPC sends it in trailers, percent-encoded and once more in
// the details, and clients take 8 KiB of those.
inline constexpr size_t kShownTextLengthMax = 256;
inline constexpr size_t kErrorMessageBytesMax = 1500;

// --- Batches

// Names and tags that a run is made with: bytes in all, and tags of it or of
// an experiment, registered model or version.
inline constexpr size_t kCreateRunBytesMax = 1'000'000;
inline constexpr int kCreateTagsMax = 10'000;
inline constexpr size_t kRunNameLengthMax = 8000;
// MLflow's: entities in one log-batch.
inline constexpr int kBatchMetricsMax = 1000;
inline constexpr int kBatchParamsMax = 100;
inline constexpr int kBatchTagsMax = 100;
inline constexpr int kBatchEntitiesMax = 1000;

// --- Pages

// MLflow's.
inline constexpr int kSearchRunsResultsDefault = 1000;
inline constexpr int kSearchResultsMax = 50'000;
// MLflow's: the model registry.
inline constexpr int kSearchRegisteredModelsResultsDefault = 100;
inline constexpr int kSearchRegisteredModelsResultsMax = 1000;
inline constexpr int kSearchModelVersionsResultsMax = 200'000;
// MLflow's: without max_results, and with 0.
inline constexpr int kSearchLoggedModelsResultsDefault = 50;
inline constexpr int kSearchLoggedModelsResultsOfZero = 100;
// MLflow's: points of a bulk history.
inline constexpr int kHistoryResultsMax = 25'000;
// Points of one history answer, however many are asked for; the rest is behind
// its next_page_token.
inline constexpr int kHistoryAnswerPointsMax = 250'000;
// MLflow's: runs of one bulk chart request, and points for each.
inline constexpr int kBulkRunsMax = 100;
inline constexpr int kBulkIntervalResultsMax = 2500;

// Bytes of params, tags, metrics and inputs of all runs in an answer. Pages of
// runs that have more are made shorter.
inline constexpr size_t kRunPartsBytesMax = 100'000'000;

// --- Search (ours: the reference takes any size, and one request can hold it
// for minutes)

// One filter. A list of a thousand run ids fits.
inline constexpr size_t kSearchFilterBytesMax = 128 * 1024;
// Conditions of one filter; databases join for each of them.
inline constexpr size_t kSearchConditionsMax = 100;
// Items of one IN list, and of all lists of a filter together.
inline constexpr size_t kSearchListItemsMax = 4000;
// Terms of an order_by, and the length of one.
inline constexpr size_t kSearchOrderByMax = 32;
inline constexpr size_t kSearchOrderByBytesMax = 4096;
// A key such as metrics.`...`; the longest key that can be stored is a logged
// model's metric of 500 characters.
inline constexpr size_t kSearchKeyBytesMax = 2048;
// A LIKE pattern: its cost is its length times that of the text.
inline constexpr size_t kSearchPatternBytesMax = 1024;
// Experiments searched at once.
inline constexpr size_t kSearchExperimentIdsMax = 20'000;
// Datasets that a search for logged models names.
inline constexpr size_t kSearchDatasetsMax = 100;
// A page token; rows whose place cannot be told in it are paged by offset.
inline constexpr size_t kPageTokenBytesMax = 4096;

// --- Doors

// One gRPC message: what the body of the same rpc may be over HTTP
// (kHttpBodyBytesMax). The profile of one dataset may be most of it.
inline constexpr int kGrpcMessageBytesMax = 64'000'000;
// One of many messages of a call: a frame of a metric stream, a part of a file.
inline constexpr size_t kGrpcStreamMessageBytesMax = 4 << 20;
// Descriptors that connections leave to the stores and to files: at most this
// many, and half of what the system allows where that is little.
inline constexpr int kDescriptorsReserved = 1024;
// gRPC calls that wait for a thread; more are refused.
inline constexpr size_t kGrpcCallsWaitingMax = 1024;
// Bytes of a file on their way through memory, for each transfer.
inline constexpr size_t kTransferChunkBytes = 256 * 1024;
// A connection says that it speaks gRPC within this time, and may be without
// calls for the second.
inline constexpr int kGrpcHandshakeMsMax = 10'000;
inline constexpr int kGrpcIdleMsMax = 10 * 60 * 1000;
// Calls of one connection at a time; others wait at the caller's side.
inline constexpr int kGrpcStreamsPerConnectionMax = 2000;
// Calls that the server has still to do with, of one connection, those that
// were reset too, and of all; connections that have more are cut.
inline constexpr int kGrpcCallsPerConnectionMax = 2500;
inline constexpr int kGrpcCallsMax = 20'000;
// Bytes on their way into calls that do not read yet, or that belong to none:
// of one call, of one connection beside its calls, and of all, with what is on
// its way out. Connections are looked at so often, and cut.
inline constexpr int kGrpcLookaheadBytes = 1 << 20;
inline constexpr int kGrpcUntakenBytesMax = 4 << 20;
inline constexpr int kGrpcTransportBytesMax = 512 << 20;
inline constexpr int kGrpcLookMs = 100;
// Files on their way, of all callers and of one user or address.
inline constexpr size_t kGrpcTransfersMax = 256;
inline constexpr size_t kGrpcTransfersEachMax = 192;
// Answers above the first share the second until they are taken, by callers who
// take as many bytes a second as the third; and how many they may be.
inline constexpr size_t kGrpcSmallAnswerBytes = 4096;
inline constexpr size_t kGrpcHeldBytesMax = 256'000'000;
inline constexpr size_t kGrpcAnswerBytesPerSecondMin = 256 * 1024;
inline constexpr size_t kGrpcAnswersMax = 10'000;
inline constexpr size_t kGrpcAnswersEachMax = 7500;
// Calls that watch the server's health, or ask by reflection what it serves, of
// all callers and of one.
inline constexpr size_t kStandardStreamsMax = 1000;
inline constexpr size_t kStandardStreamsEachMax = 250;

// --- Streams

// Metric streams that are open, of all runs, of one user or address, and of one
// run.
inline constexpr size_t kMetricStreamsMax = 10'000;
inline constexpr size_t kMetricStreamsEachMax = 7500;
inline constexpr size_t kMetricStreamsPerRunMax = 4096;
inline constexpr size_t kWriterIdBytesMax = 250;
// Streams of one kind whose first message has not come, of all callers and of
// one user or address.
inline constexpr size_t kStreamsUnopenedMax = 2000;
inline constexpr size_t kStreamsUnopenedEachMax = 500;
// A stream of any kind sends its first message within this time, and its caller
// takes each answer, or sends each part of a file, within the second.
inline constexpr int64_t kStreamFirstMessageMsMax = 30'000;
inline constexpr int64_t kStreamAnswerMsMax = 60'000;
// Names in a stream's dictionary, and bytes of all dictionaries together. When
// these are used up, streams that were silent for longer than the third end.
inline constexpr size_t kMetricStreamKeysMax = 10'000;
inline constexpr size_t kMetricStreamKeyBytesMax = 64 << 20;
inline constexpr int64_t kMetricStreamSilentMsMax = 60'000;
inline constexpr int kMetricFrameColumnsMax = 10'000;
inline constexpr int kMetricFramePointsMax = 100'000;
// A stream is not read while this much of it waits; so it holds that and one
// message more at most.
inline constexpr size_t kMetricStreamBytesMax = 4 << 20;
// Of the bytes that wait, as many as one commit takes, rounded up to a message.
inline constexpr size_t kMetricCommitBytesMax = 1 << 20;
// Commits of streams that are under way at once, and bytes in all of them; in
// memory that is some ten times as much.
inline constexpr size_t kMetricStreamThreadsMax = 16;
inline constexpr size_t kMetricCommitsBytesMax = 8 << 20;

// TailMetrics and WatchRuns: callers, of them those of one user or address,
// threads that serve them, runs and experiments that they watch.
inline constexpr size_t kFeedStreamsMax = 1000;
inline constexpr size_t kFeedStreamsEachMax = 750;
inline constexpr size_t kFeedThreadsMax = 8;
inline constexpr size_t kFeedTopicsMax = 1000;
// Points that are held for those who watch, of one run or experiment and of
// all, in bytes; and runs of one experiment whose changes are.
inline constexpr size_t kFeedTopicBytesMax = 4 << 20;
inline constexpr size_t kFeedBytesMax = 64 << 20;
inline constexpr size_t kFeedTopicRunsMax = 100'000;
// Metrics of which a watcher remembers from where on it has to read the store,
// because points are not held any more; beyond that it reads all of them.
inline constexpr size_t kFeedLeftOutSeriesMax = 1024;
// They are held for this long after the last who watched has gone.
inline constexpr int64_t kFeedIdleMsMax = 60'000;
// In a database that several servers use: how often runs that are watched are
// compared with what they were, and how many of them in a second.
inline constexpr int64_t kFeedPollMs = 2000;
inline constexpr size_t kFeedPollRunsPerSecond = 500;
// Runs of one experiment that are compared before those of the next.
inline constexpr size_t kFeedPollSliceRuns = 64;
// Series that are compared there, in all; clocks of those who log may be this
// far apart; and points that a watcher remembers to have sent, so that it sends
// few of them again.
inline constexpr size_t kFeedPollSeriesMax = 1'000'000;
inline constexpr int64_t kFeedPollClocksMs = 5'000;
inline constexpr size_t kTailSentPointsMax = 4096;
// Metrics that one request names, points of one answer (a watcher holds three
// times as many at most), bytes of runs after which an answer takes no more of
// them, and bytes of those that were read for the next answers, which may be
// one run that is larger.
inline constexpr int kTailKeysMax = 1000;
inline constexpr size_t kTailAnswerPointsMax = 4096;
inline constexpr size_t kWatchAnswerBytes = 128 * 1024;
inline constexpr size_t kWatchPageBytes = 256 * 1024;

// Writes in memory that are not kept yet, in bytes as they were sent: no
// stream is read beyond the one, and no call is taken beyond the other.
inline constexpr size_t kIngestStreamBytesMax = 48 << 20;
inline constexpr size_t kIngestBytesMax = 64 << 20;

// --- Artifacts

// A path as sent (encoded), decoded, and one name in it.
inline constexpr size_t kArtifactPathSentBytesMax = 16'384;
inline constexpr size_t kArtifactPathBytesMax = 2048;
inline constexpr size_t kArtifactNameBytesMax = 255;
// Entries of one folder that a listing takes.
inline constexpr int kArtifactListEntriesMax = 100'000;
// MLflow's: body of upload-artifact.
inline constexpr int64_t kUploadArtifactBytesMax = 10 * 1024 * 1024;
// Parts of a multipart upload and bytes of each (as S3 has them), uploads open
// at a time, and how long one may lie unfinished.
inline constexpr int kMultipartPartsMax = 10'000;
inline constexpr int64_t kMultipartPartBytesMax = int64_t{5} << 30;
inline constexpr int kMultipartUploadsMax = 1000;
inline constexpr int64_t kMultipartAgeSecondsMax = 24 * 60 * 60;
// Uploads open at a time of one user.
inline constexpr int kMultipartUploadsOfOneMax = 500;
// MLflow's: how long a presigned URL may be asked to live.
inline constexpr int64_t kPresignedUrlSecondsMax = 7 * 24 * 60 * 60;

// --- Object stores and other services

// Connections of one kind of client, and those kept while nobody uses them.
inline constexpr size_t kHttpClientConnectionsMax = 256;
inline constexpr size_t kHttpClientIdleMax = 32;
// Bytes that one transfer holds each way.
inline constexpr size_t kHttpClientBufferBytes = 128 * 1024;
// An answer that is read whole: a page of a listing, a document with keys.
inline constexpr size_t kServiceAnswerBytesMax = 8 << 20;
// A file of settings or keys.
inline constexpr size_t kSettingsFileBytesMax = 1 << 20;

// S3's: a key; names of one page of a listing, and of one request to delete;
// parts of an object; bytes of a part that is not the last.
inline constexpr size_t kS3KeyBytesMax = 1024;
inline constexpr size_t kS3KeysPerRequestMax = 1000;
inline constexpr int kS3PartsMax = 10'000;
inline constexpr int64_t kS3PartBytesMin = 5 << 20;
inline constexpr int64_t kS3ObjectBytesMax = int64_t{5} << 40;
// Bytes that uploads to S3 hold in memory, each and all of them; what is beyond
// that lies in a file until it is sent.
inline constexpr int64_t kS3PartMemoryBytesMax = 8 << 20;
inline constexpr size_t kS3UploadsMemoryBytesMax = 64 << 20;

// --- HTTP

// Request line and headers; the line before a chunk; what follows the last.
inline constexpr size_t kHttpHeaderBytesMax = 64 * 1024;
// Body of an rpc that is no upload. The reference has no limit; its clients
// send at most 1 MB.
inline constexpr size_t kHttpBodyBytesMax = 64'000'000;
// A body that is refused unread is still read up to this, so that its sender
// gets to see the answer.
inline constexpr size_t kHttpDrainBytesMax = 16'000'000;
// Bodies and answers that are larger than the first share the second; who finds
// no room is told to come back.
inline constexpr size_t kHttpSmallBytesMax = 64 * 1024;
inline constexpr size_t kHttpHeldBytesMax = 512'000'000;
// Bodies above this take several times their size to be read, and so no more
// of them than this are, at a time.
inline constexpr size_t kHttpLargeBodyBytes = 2'000'000;
inline constexpr int kHttpLargeBodiesMax = 2;

// A connection may be silent between requests for this long.
inline constexpr int64_t kHttpIdleMsMax = 75'000;
// From the first byte of a request to the end of its head.
inline constexpr int64_t kHttpHeadMsMax = 30'000;
// A body may be this much behind what the rate below would have brought.
inline constexpr int64_t kHttpBodyMsMax = 60'000;
inline constexpr int64_t kHttpBodyBytesPerSecondMin = 16 * 1024;
// For the caller to take each kTransferChunkBytes of an answer.
inline constexpr int64_t kHttpWriteMsMax = 60'000;
// Work for one call that only reads may take this long.
inline constexpr int64_t kHttpCallMsMax = 5 * 60 * 1000;
// A request waits this long for a free handler, then it is told to come back.
inline constexpr int64_t kHttpAdmissionMsMax = 10'000;
// A stopping server waits this long for the requests it took, at both doors:
// less than the ten seconds that containers are given to stop.
inline constexpr int64_t kStopMsMax = 8'000;

// From a connection's start to the end of its TLS handshake.
inline constexpr int64_t kTlsHandshakeMsMax = 10'000;
// A file of certificates or a key.
inline constexpr size_t kTlsFileBytesMax = 1 << 20;
// Networks of proxies that are trusted, and addresses that they pass on.
inline constexpr size_t kForwardedHopsMax = 32;

// Parameters of a URL. The reference's clients send a few hundred run ids.
inline constexpr size_t kQueryParametersMax = 2000;
// Objects and lists within each other in a JSON body.
inline constexpr int kJsonDepthMax = 900;
// Items of all lists of a request together, at either door. Each takes far more
// memory than the few bytes that may name it.
inline constexpr int kRequestItemsMax = 100'000;

// --- Who is calling

// A password; the longest that crypt(3) takes.
inline constexpr size_t kPasswordBytesMax = 512;
inline constexpr size_t kUserNameBytesMax = 255;
// An Authorization header.
inline constexpr size_t kAuthorizationBytesMax = 4096;
// A hash, and what it may cost to check: bcrypt's cost, rounds of SHA-crypt and
// of PBKDF2, memory and lanes of scrypt.
inline constexpr size_t kPasswordHashBytesMax = 1024;
inline constexpr int kBcryptCostMax = 16;
inline constexpr int kShaCryptRoundsMax = 2'000'000;
inline constexpr int kPbkdf2RoundsMax = 5'000'000;
inline constexpr uint64_t kScryptBytesMax = 128 << 20;
inline constexpr uint64_t kScryptParallelMax = 16;
// A file of users.
inline constexpr size_t kUserFileBytesMax = 4 << 20;
inline constexpr size_t kUserFileUsersMax = 20'000;
// Checks of passwords under way at once, and those that wait for one.
inline constexpr size_t kPasswordChecksMax = 2;
inline constexpr size_t kPasswordChecksWaitingMax = 256;
// From a request's head to the verdict on its password.
inline constexpr int64_t kPasswordCheckMsMax = 120'000;
// Right credentials that are remembered, and for how long.
inline constexpr size_t kKnownCredentialsMax = 10'000;
inline constexpr int64_t kKnownCredentialsMsMax = 60'000;
// Wrong guesses in a row of one address, for one user, and of one address for
// one user; afterwards one in so many milliseconds is looked at.
inline constexpr int kGuessesMax = 20;
inline constexpr int64_t kGuessMsMin = 3000;
inline constexpr int kGuessesOfPairMax = 10;
inline constexpr int64_t kGuessOfPairMsMin = 1000;
// Users who change their own password at once.
inline constexpr int kOwnPasswordChangesMax = 2;
// How long it is remembered which experiment a run or logged model is in.
inline constexpr int64_t kKnownOwnerMsMax = 5000;
// A text that is sealed for its holder: a page token, and what that adds.
inline constexpr size_t kSealedTextBytesMax = 8192;
// Runs and logged models whose experiments are remembered.
inline constexpr size_t kKnownOwnersMax = 100'000;
// Pages that are read to fill one of what a caller may see.
inline constexpr int kFilteredPagesMax = 50;
// Addresses and users whose guesses are counted, and pairs that are known to
// have been right, for how long.
inline constexpr size_t kGuessersMax = 10'000;
inline constexpr int64_t kKnownPairMsMax = 24 * 60 * 60 * 1000;

// --- GraphQL

// Body, and the query in it.
inline constexpr size_t kGraphqlBodyBytesMax = 1'000'000;
inline constexpr size_t kGraphqlQueryBytesMax = 100'000;
inline constexpr int kGraphqlTokensMax = 10'000;
// Levels of selections, values and types as they are written, and of JSON.
inline constexpr int kGraphqlNestingMax = 64;
// Operations and fragments of a query.
inline constexpr size_t kGraphqlDefinitionsMax = 100;
// MLflow's: levels with fragments put in, fields in all, outermost fields, and
// aliases of one level.
inline constexpr int kGraphqlDepthMax = 10;
inline constexpr int kGraphqlSelectionsMax = 1000;
inline constexpr size_t kGraphqlRootFieldsMax = 10;
inline constexpr int kGraphqlAliasesMax = 10;
// Errors that an answer tells.
inline constexpr size_t kGraphqlErrorsMax = 100;

}  // namespace millstream::limits

#endif  // MILLSTREAM_BASE_LIMITS_H_
