// The limits of what one caller, or a stranger, may hold of a server that
// others use as well. All others are in base/limits.h.
#ifndef MILLSTREAM_BASE_CALLER_LIMITS_H_
#define MILLSTREAM_BASE_CALLER_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace millstream::limits {

// Unfinished multipart uploads of one user, of kMultipartUploadsMax.
inline constexpr int kMultipartUploadsOfOneMax = 500;
// Users who change their own password at once.
inline constexpr int kOwnPasswordChangesMax = 2;
// How long it is remembered which experiment a run or logged model is in.
inline constexpr int64_t kKnownOwnerMsMax = 5000;
// A text that is sealed for its holder: a page token, and what that adds.
inline constexpr size_t kSealedTextBytesMax = 8192;

}  // namespace millstream::limits

#endif  // MILLSTREAM_BASE_CALLER_LIMITS_H_
