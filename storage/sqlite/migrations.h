// The steps of the schema, embedded from storage/sqlite/migrations when built.
#ifndef MILLSTREAM_STORAGE_SQLITE_MIGRATIONS_H_
#define MILLSTREAM_STORAGE_SQLITE_MIGRATIONS_H_

namespace millstream::storage::sqlite {

struct Migration {
  const char* name;  // "0001_initial"
  const char* sql;
};

// In order; the first leads from an empty file to version 1.
extern const Migration kMigrations[];
extern const int kMigrationCount;

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_MIGRATIONS_H_
