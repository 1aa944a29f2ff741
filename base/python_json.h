// JSON text as Python writes it: clients compare some tags as text.
#ifndef MILLSTREAM_BASE_PYTHON_JSON_H_
#define MILLSTREAM_BASE_PYTHON_JSON_H_

#include <string>
#include <string_view>

namespace millstream {

// Appends `text` (UTF-8) in quotes as json.dumps does: ASCII only, the rest as
// \u escapes, in surrogate pairs where needed. Thread-safe.
void AppendPythonJsonString(std::string_view text, std::string* out);

}  // namespace millstream

#endif  // MILLSTREAM_BASE_PYTHON_JSON_H_
