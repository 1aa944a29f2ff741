// One connection to a PostgreSQL server, in libpq's pipeline mode: what need
// not be waited for travels with what follows. BEGIN goes with the first
// statement of a transaction, statements that return nothing may go with the
// next, and the end of a reading transaction is not waited for. So a read of
// one statement costs one round trip, and a write of n statements that are
// looked at n + 1.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_CONNECTION_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_CONNECTION_H_

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "storage/postgres/postgres_error.h"
#include "storage/postgres/statement_text.h"

struct pg_conn;
struct pg_result;

namespace millstream::storage::postgres {

struct ResultDeleter {
  void operator()(pg_result* result) const;
};
using Result = std::unique_ptr<pg_result, ResultDeleter>;

// Where the rows of a running statement go. Rows arrive one by one; they are
// only held together when another statement is run before the last was read.
struct RowReader {
  Result current;       // the row to be read, or null
  int row = -1;         // in `current`
  std::deque<Result> buffered;
  bool at_end = true;   // nothing more will arrive
};

struct ConnectionOptions {
  // libpq's keywords with values.
  std::vector<std::pair<std::string, std::string>> keywords;
  // The server ends statements that take longer. Zero: it does not.
  absl::Duration statement_timeout = absl::ZeroDuration();
};

// Thread-compatible: used by one thread at a time.
class PostgresConnection {
 public:
  // Statements that the server keeps prepared, and the longest text of one.
  static constexpr size_t kPreparedMax = 256;
  static constexpr size_t kPreparedTextBytesMax = 16 << 10;
  // How long after its timeout, or after it was cancelled, a statement is
  // waited for. Then the server or the network is taken for dead.
  static constexpr absl::Duration kGrace = absl::Seconds(20);
  static constexpr absl::Duration kCancelGrace = absl::Seconds(5);
  // How long a statement waits for a lock.
  static constexpr absl::Duration kLockWait = absl::Seconds(5);

  // Waits for the server as long as the keyword connect_timeout says.
  // kUnavailable with libpq's message, which names hosts and users: it is for
  // the log of a server that starts, not for callers.
  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Connect(
      const ConnectionOptions& options);

  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  absl::Time opened() const { return opened_; }

  // Whether it can be lent: asks nothing of the server, but sees if the server
  // has closed it.
  bool IsUsable();
  // Whether it is to be closed instead of being given back.
  bool is_spent() const { return spent_; }

  // Statements end soon after `caller` no longer waits. Null: they do not.
  void WorkFor(const Liveness* caller) { caller_ = caller; }
  // False: nothing is kept prepared, for poolers that hand each transaction to
  // another session.
  void set_prepares(bool prepares) { prepares_ = prepares; }

  // The next statement is the first of a transaction that `begin`, a constant,
  // opens.
  void Begin(const char* begin);

  // The text of a statement, prepared or to be prepared; known by the last
  // kPreparedMax texts.
  std::shared_ptr<StatementText> Find(std::string_view sql);

  // Runs a statement and waits for its first row or its end. The reader's rows
  // are then got by Advance. Once a statement of a transaction has failed, all
  // fail alike.
  absl::Status Execute(const std::shared_ptr<StatementText>& text,
                       const Parameters& parameters, RowReader* reader);
  // Runs one whose rows nobody wants, at the latest before the next is run. Its
  // failure is that of the next, or of Commit.
  absl::Status ExecuteLater(const std::shared_ptr<StatementText>& text,
                            const Parameters& parameters);
  // True: reader->current is at a row.
  absl::StatusOr<bool> Advance(RowReader* reader);
  // The reader is no longer there.
  void Forget(RowReader* reader);
  // Rows that the last statement that was waited for changed.
  int64_t changes() const { return changes_; }

  // Ends the transaction. After Commit, fault() tells whether it was kept.
  void Commit();
  // Does not wait. Nothing of what was written is kept.
  void Rollback() { End("ROLLBACK"); }
  // The same for transactions that only read.
  void EndRead() { End(fault_ ? "ROLLBACK" : "COMMIT"); }

  // What went wrong first since Begin.
  const Fault& fault() const { return fault_; }

  size_t prepared() const { return by_text_.size(); }

 private:
  // What the server is to answer next.
  struct Expected {
    enum class Kind {
      kCommand,   // must succeed
      kPrepare,   // `text` is prepared if it succeeds
      kRows,      // go to `reader`, or nowhere
      kSync,      // end of a part of the pipeline: after an error, the rest of
                  // the part is not run
    };
    Kind kind;
    std::shared_ptr<StatementText> text = nullptr;
    RowReader* reader = nullptr;
    // Of a transaction that has ended: whether it succeeds does not matter.
    bool left_over = false;
  };
  using TextList = std::list<std::shared_ptr<StatementText>>;

  explicit PostgresConnection(pg_conn* conn, absl::Duration statement_timeout);

  void SetUp(absl::Duration statement_timeout);
  void End(const char* command);
  void Expect(Expected expected) { expected_.push_back(std::move(expected)); }
  // Puts things into the pipeline. False: the connection is lost.
  bool SendCommand(const char* sql, bool left_over = false);
  bool SendSync();
  bool Send(const std::shared_ptr<StatementText>& text,
            const Parameters& parameters, RowReader* reader);
  bool SendPrepare(const std::shared_ptr<StatementText>& text,
                   std::vector<TypeId> types);

  // Waits for the next result. Null: the end of the results of one entry; or
  // the connection is lost.
  Result Receive();
  bool WaitForInput();
  bool WaitForSocket(bool for_output);
  void Cancel();
  void SetDeadline();
  // Takes the results of the front of expected_, and it away.
  void FinishFront();
  // Until the reader's entry is in front.
  void FinishUntil(const RowReader* reader);
  void FinishAll();
  // Moves all rows that the last statement still has to its reader.
  void BufferRows();
  // The next result of the reader's entry, which is in front.
  bool Fetch(RowReader* reader);
  void Note(const pg_result* result, Expected::Kind kind, bool left_over);
  void Lose();
  void EvictTexts();

  pg_conn* const conn_;
  const absl::Duration statement_timeout_;
  const absl::Time opened_;
  const Liveness* caller_ = nullptr;
  bool prepares_ = true;
  bool spent_ = false;
  // Waiting ends here.
  absl::Time deadline_ = absl::InfiniteFuture();
  bool cancelled_ = false;

  const char* begin_ = nullptr;  // not sent yet
  bool in_transaction_ = false;
  bool committing_ = false;
  bool needs_sync_ = false;  // the last entry is no kSync
  Fault fault_;
  int64_t changes_ = 0;
  std::deque<Expected> expected_;
  RowReader* streaming_ = nullptr;

  // Most recently used first.
  TextList texts_;
  // Keys are texts of the list.
  absl::flat_hash_map<std::string_view, TextList::iterator> by_text_;
};

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_CONNECTION_H_
