// MLflow's built UI.
#ifndef MILLSTREAM_GATEWAY_UI_FILES_H_
#define MILLSTREAM_GATEWAY_UI_FILES_H_

#include <memory>
#include <string>
#include <string_view>

#include "gateway/handler.h"

namespace millstream::gateway {

// The page itself, index.html of `dir`: checked by browsers each time. Says
// how to get the UI if `dir` is empty or has none.
std::shared_ptr<const Handler> MakeUiPageHandler(const std::string& dir);

// Files below `dir`, by the variable "path"; their names change with what is
// in them, so browsers keep them. Where there is "<file>.gz" beside a file, and
// the caller takes gzip, that is sent. No path leads out of `dir`, neither by
// ".." nor by links.
std::shared_ptr<const Handler> MakeUiFileHandler(const std::string& dir);

// Content type of a file of the UI by its name.
std::string_view UiContentType(std::string_view name);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_UI_FILES_H_
