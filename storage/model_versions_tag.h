// The tag "mlflow.modelVersions" of a logged model: as which versions of
// registered models it is registered.
#ifndef MILLSTREAM_STORAGE_MODEL_VERSIONS_TAG_H_
#define MILLSTREAM_STORAGE_MODEL_VERSIONS_TAG_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace millstream::storage {

// The tag's `value`, a JSON list such as [{"name": "m", "version": 1}], with a
// version added unless it is in it. A value that is no such list, and callers
// may set any, begins a new one. Thread-safe.
std::string AddModelVersion(std::string_view value, std::string_view name,
                            int64_t version);
// Whether it is in it. Thread-safe.
bool ListsModelVersion(std::string_view value, std::string_view name,
                       int64_t version);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_MODEL_VERSIONS_TAG_H_
