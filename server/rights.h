// What a user may do at one moment.
#ifndef MILLSTREAM_SERVER_RIGHTS_H_
#define MILLSTREAM_SERVER_RIGHTS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "auth/permission.h"
#include "auth/user_store.h"
#include "google/protobuf/message.h"

namespace millstream::server {

// A requirement that owns what it names.
struct Need {
  std::string type;
  std::string id;
  auth::Action action;
  // An experiment or a model; empty for none.
  std::string fallback_type;
  std::string fallback_id;
};
using Needs = std::vector<Need>;

absl::Status PermissionDenied();

// Immutable, so thread-safe.
class Rights {
 public:
  // Of `user` in `table`, who may be nobody; `by_default` is permitted where
  // nothing is granted.
  Rights(std::shared_ptr<const auth::UserTable> table, std::string_view user,
         auth::Permission by_default);

  // Null if there is no such user. Lives as long as this.
  const auth::User* user() const { return user_; }
  bool is_admin() const { return user_ != nullptr && user_->is_admin; }
  // Administrators, and those who manage the workspace.
  bool may_all() const { return may_all_; }

  // Whether all of that is granted.
  bool Meet(const Needs& needs) const;
  // What is permitted on one thing, or on all with id "*".
  auth::Permission On(std::string_view type, std::string_view id) const;

 private:
  const std::shared_ptr<const auth::UserTable> table_;
  const auth::Permission by_default_;
  const auth::User* const user_;
  const bool may_all_;
};

// --- What grants are about. These are thread-safe.

// Whether a registered model or version, or the request for one, is a prompt's.
bool IsPrompt(const google::protobuf::Message& message);

// The id of an experiment as grants have it, whichever way a caller writes it.
// What is none stays as it is.
std::string CanonicalExperiment(const std::string& text);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_RIGHTS_H_
