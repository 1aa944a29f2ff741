#include "storage/testing/temp_dir.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <system_error>

namespace millstream::storage::testing {

TempDir::TempDir() : path_(::testing::TempDir() + "/millstream.XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) abort();
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace millstream::storage::testing
