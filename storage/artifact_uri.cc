#include "storage/artifact_uri.h"

#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// A folder's name may hold a '?'; only a URI has a query.
bool HasScheme(std::string_view location) {
  const size_t end = location.find_first_of(":/?");
  return end != std::string_view::npos && end > 0 && location[end] == ':';
}

}  // namespace

std::string AppendToUri(std::string_view location, std::string_view path) {
  std::string_view query;
  if (HasScheme(location)) {
    const size_t mark = location.find('?');
    if (mark != std::string_view::npos) {
      query = location.substr(mark);
      location = location.substr(0, mark);
    }
  }
  const bool joins =
      location.empty() || location.ends_with('/') || location.ends_with(':');
  return StrCat(location, joins ? "" : "/", path, query);
}

}  // namespace millstream::storage
