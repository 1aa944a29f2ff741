// What TailMetrics and WatchRuns send: first what is stored, unless the caller
// goes on from a position that the feed holds, then what the feed brings.
#ifndef MILLSTREAM_SERVER_FEED_SOURCES_H_
#define MILLSTREAM_SERVER_FEED_SOURCES_H_

#include <memory>

#include "server/feed_stream.h"
#include "server/run_feed.h"

namespace millstream::storage {
class MetricStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

// All must outlive the sources.
std::unique_ptr<FeedSource> MakeTailSource(RunFeed* feed,
                                           storage::TrackingStore* store,
                                           storage::MetricStore* points);
std::unique_ptr<FeedSource> MakeWatchSource(RunFeed* feed,
                                            storage::TrackingStore* store);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_FEED_SOURCES_H_
