// The MariaDB server that tests of this folder share.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_TESTING_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_TESTING_H_

#include <string>
#include <string_view>

#include "storage/conformance/database_server.h"
#include "storage/mysql/mysql_database.h"
#include "storage/testing/mariadb_server.h"

namespace millstream::storage::mysql {

struct MysqlServerTraits {
  using Server = testing::MariadbServer;
  using Database = MysqlDatabase;
  static constexpr auto* kOptionsOf = &MysqlOptionsOf;
  static constexpr std::string_view kSleep = "SELECT SLEEP(60)";
  static constexpr std::string_view kBytesType = "BLOB";
  static constexpr std::string_view kSocket = "socket";
  // There is but the one to wait for.
  static constexpr std::string_view kCommitted = "";

  static std::string MakeDatabase(Server& server, const std::string& name) {
    return server.MakeDatabase(name, "utf8mb4_nopad_bin");
  }
};

using SharedMariadb = DatabaseServerOf<MysqlServerTraits>;

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_TESTING_H_
