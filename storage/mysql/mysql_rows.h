// Values on their way to and from a prepared statement of libmariadb.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_ROWS_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_ROWS_H_

#include <mariadb/mysql.h>

#include <cstdint>
#include <string>
#include <vector>

#include "storage/mysql/mysql_connection.h"

namespace millstream::storage::mysql {

// As the library takes them; borrows. Those beyond `parameters` are NULL.
std::vector<MYSQL_BIND> BindParameters(const std::vector<Parameter>& parameters,
                                       size_t count);

// Room for one row of a statement. Not thread-safe.
class RowRoom {
 public:
  // Makes room for what `statement` answers with, and has it put there. False:
  // the library could not.
  bool Bind(MYSQL_STMT* statement);

  // Takes the row that was fetched. False: the library could not.
  bool Take(MYSQL_STMT* statement, RowReader::Row* row);

 private:
  enum class Kind { kInt64, kDouble, kDecimal, kText };
  struct Column {
    Kind kind = Kind::kText;
    int64_t number = 0;
    double real = 0;
    std::string text = {};
    unsigned long length = 0;
    my_bool is_null = 0;
    my_bool is_cut = 0;
  };

  static sql::Value ValueOf(const Column& column);
  bool BindColumns(MYSQL_STMT* statement);

  std::vector<Column> columns_;
  std::vector<MYSQL_BIND> binds_;
};

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_ROWS_H_
