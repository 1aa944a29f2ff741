// What TailMetrics and WatchRuns send: first what is stored, unless the caller
// goes on from a position that the feed holds, then what the feed brings.
#ifndef MILLSTREAM_SERVER_FEED_SOURCES_H_
#define MILLSTREAM_SERVER_FEED_SOURCES_H_

#include <memory>

#include "server/feed_stream.h"
#include "server/feed_subject.h"

namespace millstream::server {

std::unique_ptr<FeedSource> MakeTailSource(const FeedParts& parts);
std::unique_ptr<FeedSource> MakeWatchSource(const FeedParts& parts);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_FEED_SOURCES_H_
