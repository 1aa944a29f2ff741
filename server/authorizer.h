// Whether a caller may do what he asks, by the permissions that users have.
#ifndef MILLSTREAM_SERVER_AUTHORIZER_H_
#define MILLSTREAM_SERVER_AUTHORIZER_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "auth/permission.h"
#include "auth/user_store.h"
#include "google/protobuf/message.h"
#include "millstream/v1/options.pb.h"
#include "server/demands.h"
#include "server/rights.h"
#include "server/shown_rows.h"

namespace millstream::server {

// Thread-safe. What each rpc demands stands beside it in the .proto files
// (v1::Access). How that is answered: rights.h is who the caller is and what is
// granted to him, demands.h what his request needs, shown_rows.h what he sees
// of the answer; how grants work together is auth/permission.h.
class Authorizer {
 public:
  using Message = google::protobuf::Message;

  // All must outlive this. REQUIRES: own_path != nullptr.
  Authorizer(auth::UserStore* users, storage::TrackingStore* tracking,
             storage::RegistryStore* registry, auth::Permission by_default,
             Demands::OwnPath own_path)
      : users_(*users),
        by_default_(by_default),
        demands_(tracking, registry, std::move(own_path)) {}

  // PERMISSION_DENIED unless `user` may call an rpc of `access` with `request`.
  // Before it denies, it asks the users' database: what another server granted
  // a moment ago holds here too.
  absl::Status Check(std::string_view user, const v1::Access& access,
                     const Message& request);

  // The same for one message of a stream, which may go on long after
  // permissions have changed: `named` collects what its messages need, and all
  // of it is asked for anew.
  absl::Status CheckNext(std::string_view user, const v1::Access& access,
                         const Message& message, Needs* named);
  // PERMISSION_DENIED unless `user` may still do all of that.
  absl::Status CheckAgain(std::string_view user, const Needs& named) const;

  // Runs `handler`, and shows the caller what he may see of its answer; then
  // puts the rpc's effect on permissions into force. REQUIRES: Check() passed.
  absl::Status Call(std::string_view user, const v1::Access& access,
                    const Message& request, Message* response,
                    Handler handler);

  // Another whenever users or permissions are others.
  std::shared_ptr<const void> rules() const { return users_.table(); }

  // As they are now.
  Rights RightsOf(std::string_view user) const {
    return Rights(users_.table(), user, by_default_);
  }

 private:
  absl::Status CheckNow(std::string_view user, const v1::Access& access,
                        const Message& request);
  // `name`: the registered model's, as it was stored before the call.
  absl::Status Follow(std::string_view user, const v1::Access& access,
                      const std::string& name, const Message& request,
                      const Message& response);

  auth::UserStore& users_;
  const auth::Permission by_default_;
  Demands demands_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_AUTHORIZER_H_
