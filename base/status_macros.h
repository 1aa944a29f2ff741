// Early returns for absl::Status and absl::StatusOr.
#ifndef MILLSTREAM_BASE_STATUS_MACROS_H_
#define MILLSTREAM_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expr` from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    if (absl::Status status_macro_s_ = (expr);         \
        !status_macro_s_.ok()) {                       \
      return status_macro_s_;                          \
    }                                                  \
  } while (false)

#define MILLSTREAM_CONCAT_INNER_(a, b) a##b
#define MILLSTREAM_CONCAT_(a, b) MILLSTREAM_CONCAT_INNER_(a, b)

// Evaluates `expr`, a StatusOr; returns its status if it is an error, else
// moves its value into `lhs`, which may be a declaration.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(MILLSTREAM_CONCAT_(statusor_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr) \
  auto statusor = (expr);                           \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = *std::move(statusor)

#endif  // MILLSTREAM_BASE_STATUS_MACROS_H_
