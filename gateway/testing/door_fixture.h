// A REST door over real sockets, for tests that bring their own rpcs.
#ifndef MILLSTREAM_GATEWAY_TESTING_DOOR_FIXTURE_H_
#define MILLSTREAM_GATEWAY_TESTING_DOOR_FIXTURE_H_

#include <memory>
#include <string_view>

#include "gateway/rest_door.h"
#include "gateway/testing/wire_client.h"
#include "gtest/gtest.h"
#include "server/dispatcher.h"
#include "server/ingest_budget.h"
#include "server/method_table.h"

namespace millstream::gateway {

// Not thread-safe. The test fills table_, changes options_ as it likes, and
// starts the door. The door has ended when the members of derived classes go.
class DoorFixture : public ::testing::Test {
 protected:
  DoorFixture() { options_.port = 0; }

  void TearDown() override { door_.reset(); }

  void Start() {
    auto door = RestDoor::Start(options_, &dispatcher_);
    ASSERT_TRUE(door.ok()) << door.status();
    door_ = *std::move(door);
  }

  // Asks over a connection of its own.
  WireReply Ask(std::string_view method, std::string_view target,
                std::string_view body = "", std::string_view headers = "") {
    return WireClient(door_->port()).Ask(method, target, body, headers);
  }

  RestOptions options_;
  server::MethodTable table_;
  server::IngestBudget budget_;
  server::Dispatcher dispatcher_{&table_, &budget_};
  std::unique_ptr<RestDoor> door_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_TESTING_DOOR_FIXTURE_H_
