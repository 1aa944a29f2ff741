// Where artifacts of a run or a model go, below an artifact location.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_URI_H_
#define MILLSTREAM_STORAGE_ARTIFACT_URI_H_

#include <string>
#include <string_view>

namespace millstream::storage {

// Appends relative `path` to the path of the URI or folder `location`; a query
// stays at the end: "s3://b/x?a=b" and "r/artifacts" give
// "s3://b/x/r/artifacts?a=b". Thread-safe.
std::string AppendToUri(std::string_view location, std::string_view path);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_URI_H_
