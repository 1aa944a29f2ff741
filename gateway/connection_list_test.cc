#include "gateway/connection_list.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

// Two ends of one connection.
struct Pair {
  Pair() { socketpair(AF_UNIX, SOCK_STREAM, 0, ends); }
  ~Pair() {
    close(ends[0]);
    close(ends[1]);
  }
  // Whether end 0 gets nothing more, without waiting.
  bool Ended() const {
    char byte;
    return recv(ends[0], &byte, 1, MSG_DONTWAIT) == 0;
  }
  int ends[2];
};

TEST(ConnectionList, OverdueConnectionsAreEnded) {
  ConnectionList list(10);
  Pair slow, fast;
  bool full = false;
  ConnectionList::Entry slow_entry(&list, slow.ends[0], &full);
  ConnectionList::Entry fast_entry(&list, fast.ends[0], &full);
  EXPECT_FALSE(full);
  slow_entry.SetDeadline(MonotonicMs() - 1);
  fast_entry.SetDeadline(MonotonicMs() + 60'000);
  list.EndOverdue();
  EXPECT_TRUE(slow.Ended());
  EXPECT_FALSE(fast.Ended());
}

TEST(ConnectionList, ConnectionsAreCapped) {
  ConnectionList list(1);
  Pair first, second;
  bool full = false;
  auto entry =
      std::make_unique<ConnectionList::Entry>(&list, first.ends[0], &full);
  EXPECT_FALSE(full);
  { ConnectionList::Entry refused(&list, second.ends[0], &full); }
  EXPECT_TRUE(full);
  entry.reset();
  ConnectionList::Entry again(&list, second.ends[0], &full);
  EXPECT_FALSE(full);
}

TEST(ConnectionList, StoppingEndsTheIdleAndThenTheOthers) {
  ConnectionList list(10);
  Pair idle, busy;
  bool full = false;
  auto idle_entry =
      std::make_unique<ConnectionList::Entry>(&list, idle.ends[0], &full);
  auto busy_entry =
      std::make_unique<ConnectionList::Entry>(&list, busy.ends[0], &full);
  busy_entry->SetIdle(false);
  std::thread stopper([&] { list.Stop(/*wait_ms=*/0); });
  // Returns once the socket is shut down.
  char byte;
  EXPECT_EQ(recv(idle.ends[0], &byte, 1, 0), 0);
  EXPECT_TRUE(idle_entry->stopping());
  idle_entry.reset();
  EXPECT_EQ(recv(busy.ends[0], &byte, 1, 0), 0);
  busy_entry.reset();
  stopper.join();
}

}  // namespace
}  // namespace millstream::gateway
