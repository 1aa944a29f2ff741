// Whether a caller may do what he asks, by the permissions that users have.
#ifndef MILLSTREAM_SERVER_AUTHORIZER_H_
#define MILLSTREAM_SERVER_AUTHORIZER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/permission.h"
#include "auth/user_store.h"
#include "google/protobuf/message.h"
#include "millstream/v1/options.pb.h"
#include "server/owner_cache.h"

namespace millstream::storage {
class RegistryStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

absl::Status PermissionDenied();

// Thread-safe. What each rpc demands stands beside it in the .proto files
// (v1::Access); how grants answer that is auth/permission.h. What does not
// exist is denied, where the reference does so: an answer must not tell which
// runs there are.
class Authorizer {
 public:
  using Message = google::protobuf::Message;
  using Handler = absl::FunctionRef<absl::Status(const Message&, Message*)>;

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

  // The path below the artifact proxy of what a URI names, if that is where
  // this server keeps the files of all: see ArtifactLocations::OwnPath.
  using OwnPath =
      std::function<std::optional<std::string>(std::string_view uri)>;

  // All must outlive this.
  Authorizer(auth::UserStore* users, storage::TrackingStore* tracking,
             storage::RegistryStore* registry, auth::Permission by_default,
             OwnPath own_path = nullptr)
      : users_(*users),
        tracking_(tracking),
        registry_(registry),
        by_default_(by_default),
        own_path_(std::move(own_path)) {}

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

  bool IsAdmin(std::string_view user) const;
  // Administrators, and those who manage the workspace.
  bool ManagesUsers(std::string_view user) const;
  // Those who have a role.
  absl::Status CheckSeesRoles(std::string_view user) const;
  // What `user` is permitted on one thing, or on all with id "*".
  auth::Permission PermissionOf(std::string_view user, std::string_view type,
                                std::string_view id) const;

 private:
  // Nothing if everything is allowed to the user.
  struct Caller {
    std::shared_ptr<const auth::UserTable> table;
    const auth::User* user = nullptr;
    bool may_all = false;
  };
  Caller Find(std::string_view user) const;

  absl::Status CheckNow(std::string_view user, const v1::Access& access,
                        const Message& request);
  bool Meets(const Caller& caller, const Needs& needs) const;
  // Adds what all demands of an rpc need for one request.
  absl::Status Collect(const v1::Access& access, const Message& request,
                       Needs* needs);
  // Adds what one demand needs for one name. PERMISSION_DENIED for what is not
  // there, or cannot be understood.
  absl::Status AddNeeds(const v1::Demand& demand, const std::string& name,
                        const Message& request, Needs* needs);
  absl::Status AddPart(std::string_view type, const std::string& experiment,
                       auth::Action action, Needs* needs) const;
  absl::Status AddModel(const v1::Demand& demand, const std::string& name,
                        const Message& request, Needs* needs);
  absl::Status AddArtifact(const v1::Demand& demand, const std::string& path,
                           Needs* needs) const;
  absl::Status AddArtifactUri(const v1::Demand& demand, const std::string& uri,
                              const Message& request, Needs* needs);
  absl::StatusOr<std::string> ExperimentOfRun(const std::string& run_id);
  absl::StatusOr<std::string> ExperimentOfModel(const std::string& model_id);
  // Looks a registered model up by a name that may be written in another way
  // than it is stored, where the database takes both for the same. What is not
  // there is no prompt and has the name that was asked for.
  struct ModelName {
    std::string stored;
    bool is_prompt = false;
  };
  absl::StatusOr<ModelName> FindModel(const std::string& name) const;

  bool MayRead(const Caller& caller, v1::Demand::Subject of,
               const Message& row) const;
  absl::Status CallThinned(const Caller& caller, const v1::Rows& rows,
                           const Message& request, Message* response,
                           Handler handler);
  absl::Status CallFiltered(const Caller& caller, const v1::Rows& rows,
                            const Message& request, Message* response,
                            Handler handler);
  // `name`: the registered model's, as it was stored before the call.
  absl::Status Follow(std::string_view user, const v1::Access& access,
                      const std::string& name, const Message& request,
                      const Message& response);

  auth::UserStore& users_;
  storage::TrackingStore* const tracking_;
  storage::RegistryStore* const registry_;
  const auth::Permission by_default_;
  const OwnPath own_path_;
  // Experiments of runs and of logged models.
  OwnerCache experiments_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_AUTHORIZER_H_
