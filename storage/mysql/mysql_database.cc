#include "storage/mysql/mysql_database.h"

template class millstream::storage::sql::ServerDatabase<
    millstream::storage::mysql::MysqlEngine>;
