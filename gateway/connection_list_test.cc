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
  entry->SetPhase(ConnectionList::Phase::kBusy);
  { ConnectionList::Entry refused(&list, second.ends[0], &full); }
  EXPECT_TRUE(full);
  EXPECT_FALSE(first.Ended());
  entry.reset();
  ConnectionList::Entry again(&list, second.ends[0], &full);
  EXPECT_FALSE(full);
}

TEST(ConnectionList, ThoseThatAreNotServedMakeRoom) {
  ConnectionList list(3);
  Pair busy, idle, head, next, last;
  bool full = false;
  ConnectionList::Entry busy_entry(&list, busy.ends[0], &full);
  busy_entry.SetPhase(ConnectionList::Phase::kBusy);
  busy_entry.SetDeadline(MonotonicMs() + 1'000);
  ConnectionList::Entry idle_entry(&list, idle.ends[0], &full);
  idle_entry.SetDeadline(MonotonicMs() + 60'000);
  ConnectionList::Entry head_entry(&list, head.ends[0], &full);
  head_entry.SetPhase(ConnectionList::Phase::kHead);
  head_entry.SetDeadline(MonotonicMs() + 30'000);
  // What is ended is no longer counted, though it is still there.
  ConnectionList::Entry next_entry(&list, next.ends[0], &full);
  EXPECT_FALSE(full);
  EXPECT_TRUE(head.Ended());
  EXPECT_FALSE(idle.Ended());
  next_entry.SetPhase(ConnectionList::Phase::kBusy);
  ConnectionList::Entry last_entry(&list, last.ends[0], &full);
  EXPECT_FALSE(full);
  EXPECT_TRUE(idle.Ended());
  EXPECT_FALSE(busy.Ended());
  EXPECT_FALSE(next.Ended());
}

TEST(ConnectionList, ThoseWhoseBodiesAreAwaitedMakeRoomLast) {
  ConnectionList list(3);
  Pair slow, quick, idle, next, last;
  bool full = false;
  ConnectionList::Entry slow_entry(&list, slow.ends[0], &full);
  slow_entry.SetPhase(ConnectionList::Phase::kBody);
  slow_entry.SetDeadline(MonotonicMs() + 1'000);
  ConnectionList::Entry quick_entry(&list, quick.ends[0], &full);
  quick_entry.SetPhase(ConnectionList::Phase::kBody);
  quick_entry.SetDeadline(MonotonicMs() + 60'000);
  ConnectionList::Entry idle_entry(&list, idle.ends[0], &full);
  idle_entry.SetDeadline(MonotonicMs() + 90'000);
  ConnectionList::Entry next_entry(&list, next.ends[0], &full);
  next_entry.SetPhase(ConnectionList::Phase::kBusy);
  EXPECT_FALSE(full);
  EXPECT_TRUE(idle.Ended());
  EXPECT_FALSE(slow.Ended());
  ConnectionList::Entry last_entry(&list, last.ends[0], &full);
  EXPECT_FALSE(full);
  EXPECT_TRUE(slow.Ended());
  EXPECT_FALSE(quick.Ended());
}

TEST(ConnectionList, StoppingEndsTheIdleAndThenTheOthers) {
  ConnectionList list(10);
  Pair idle, busy;
  bool full = false;
  auto idle_entry =
      std::make_unique<ConnectionList::Entry>(&list, idle.ends[0], &full);
  auto busy_entry =
      std::make_unique<ConnectionList::Entry>(&list, busy.ends[0], &full);
  busy_entry->SetPhase(ConnectionList::Phase::kBusy);
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
