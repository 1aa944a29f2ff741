// One connection to a MySQL or MariaDB server, over libmariadb.
//
// The session has no autocommit: a transaction begins with its first statement
// and costs no round trip of its own. The end of one that only read, or is
// given up, is sent and not waited for.
//
// Statements are prepared on the server and kept. Their rows arrive one by one;
// they are only held together when another statement is run before the last was
// read.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_CONNECTION_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_CONNECTION_H_

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "storage/mysql/mysql_error.h"
#include "storage/mysql/mysql_options.h"
#include "storage/sql/database.h"

struct st_mysql;

namespace millstream::storage::mysql {

// A value to bind; text is borrowed.
struct Parameter {
  enum class Kind { kNull, kInt64, kDouble, kText, kBytes };
  Kind kind = Kind::kNull;
  int64_t number = 0;
  double real = 0;
  std::string_view text = {};
};

// Where the rows of a running statement go.
struct RowReader {
  using Row = std::vector<sql::Value>;
  Row current;
  std::deque<Row> buffered;
  bool at_end = true;  // nothing more will arrive
};

// Thread-compatible: used by one thread at a time.
class MysqlConnection {
 public:
  // Statements that the server keeps prepared, and the longest text of one.
  static constexpr size_t kPreparedMax = 256;
  static constexpr size_t kPreparedTextBytesMax = 16 << 10;
  // How long after its timeout, or after it was cancelled, a statement is
  // waited for. Then the server or the network is taken for dead.
  static constexpr absl::Duration kGrace = absl::Seconds(20);
  static constexpr absl::Duration kCancelGrace = absl::Seconds(5);
  // The longest wait for a lock, after which the transaction is run again.
  static constexpr absl::Duration kLockWait = absl::Seconds(5);

  // kUnavailable with the library's message, which names hosts and users: it is
  // for the log of a server that starts, not for callers.
  static absl::StatusOr<std::unique_ptr<MysqlConnection>> Connect(
      const MysqlOptions& options);

  ~MysqlConnection();
  MysqlConnection(const MysqlConnection&) = delete;
  MysqlConnection& operator=(const MysqlConnection&) = delete;

  absl::Time opened() const { return opened_; }

  // Whether it can be lent: asks nothing of the server, but sees if the server
  // has closed it.
  bool IsUsable();
  // Whether it is to be closed instead of being given back.
  bool is_spent() const { return spent_; }

  // Statements end soon after `caller` no longer waits. Null: they do not.
  void WorkFor(const Liveness* caller) { caller_ = caller; }
  // False: nothing is kept prepared, what was is given up.
  void set_prepares(bool prepares) { prepares_ = prepares; }

  // The next statement is the first of a transaction; `begin`, a constant, is
  // run before it unless it is empty.
  void Begin(const char* begin);

  // Runs a statement and waits for its first row or its end. The reader's rows
  // are then got by Advance. Once a statement of a transaction has failed, all
  // fail alike.
  absl::Status Execute(std::string_view sql,
                       const std::vector<Parameter>& parameters,
                       RowReader* reader);
  // True: reader->current is a row.
  absl::StatusOr<bool> Advance(RowReader* reader);
  // The reader is no longer there.
  void Forget(RowReader* reader);
  // Of the last statement.
  int64_t changes() const { return changes_; }
  int64_t last_insert_id() const { return last_insert_id_; }

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
  class Prepared;
  using PreparedList = std::list<std::shared_ptr<Prepared>>;

  MysqlConnection(const MysqlOptions& options, st_mysql* mysql);

  static st_mysql* Open(const MysqlOptions& options, std::string* message);
  absl::Status SetUp();

  // Runs one of the library's calls to its end, looking after the caller and
  // the deadline while the server is waited for.
  void Drive(absl::FunctionRef<int()> start, absl::FunctionRef<int(int)> go_on);
  int WaitForSocket(int wanted);
  void SetDeadline();
  void Cancel();

  // False: fault_ says why.
  bool Query(std::string_view sql);
  // Takes the answer of what End has sent.
  void FinishPending();
  std::shared_ptr<Prepared> Find(std::string_view sql);
  bool PrepareNew(Prepared* prepared);
  bool Run(Prepared* prepared, const std::vector<Parameter>& parameters);
  void NoteChanges(Prepared* prepared);
  // The next row of streaming_ to `reader`.
  bool Fetch(RowReader* reader);
  // Moves all rows that the last statement still has to its reader.
  void BufferRows();
  void End(std::string_view command);
  void Note(unsigned int number, std::string_view message);
  // Why a call on a statement failed.
  void NoteStatement(const Prepared* prepared);
  void Lose();

  const MysqlOptions options_;
  st_mysql* const mysql_;
  const absl::Time opened_;
  const Liveness* caller_ = nullptr;
  bool prepares_ = true;
  bool spent_ = false;
  // Waiting ends here.
  absl::Time deadline_ = absl::InfiniteFuture();
  bool cancelled_ = false;

  const char* begin_ = nullptr;  // not run yet
  bool in_transaction_ = false;
  bool committing_ = false;
  bool pending_ = false;  // an answer was not taken yet
  Fault fault_;
  int64_t changes_ = 0;
  int64_t last_insert_id_ = 0;
  RowReader* streaming_ = nullptr;
  std::shared_ptr<Prepared> running_;  // whose rows streaming_ reads

  // Most recently used first.
  PreparedList prepared_;
  // Keys are texts of the list.
  absl::flat_hash_map<std::string_view, PreparedList::iterator> by_text_;
};

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_CONNECTION_H_
