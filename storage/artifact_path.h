// The one gate between what a client calls a file and a path of ours.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_PATH_H_
#define MILLSTREAM_STORAGE_ARTIFACT_PATH_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millstream::storage {

// A relative path that stays below its root: valid UTF-8, no "..", no leading
// "/", no control characters, within the limits of base/limits.h. Two paths
// that name the same file have the same canonical(). Permission is decided on
// canonical(), never on what was sent.
//
// A value; immutable.
class ArtifactPath {
 public:
  // Names that begin with this are the stores' own: unfinished uploads. The
  // reference uses the same, so that either server hides the other's.
  static constexpr std::string_view kReservedPrefix = ".artifact.uploading.";

  // The root itself.
  ArtifactPath() = default;

  // Reads what a client sent, percent-encoded any number of times or not at
  // all, and accepts or refuses it as the reference does: absolute paths (of
  // Windows too), file: URIs, ".." between slashes and "#" are refused with
  // INVALID_PARAMETER_VALUE; backslashes, "?" and other scheme-like names are
  // names. Control characters end up percent-encoded in the name. Stricter than
  // the reference: no name is an absolute path of Windows ("\x", "c:\x") or has
  // ".." between backslashes, for a client there who joins it to a folder.
  static absl::StatusOr<ArtifactPath> Parse(std::string_view sent);

  // `below` under this path. INVALID_PARAMETER_VALUE if that is too long.
  absl::StatusOr<ArtifactPath> Join(const ArtifactPath& below) const;

  // Decoded, but with the sender's redundant "/" and "./" kept: answers and
  // messages repeat it.
  const std::string& text() const { return text_; }
  // Empty for the root; else components with one "/" between them.
  const std::string& canonical() const { return canonical_; }

  bool IsRoot() const { return canonical_.empty(); }
  // Last component of canonical(); empty for the root.
  std::string_view name() const;
  // Whether text() can name a new file: it ends in a name, and the folder
  // before that is written without "./" and repeated slashes, so that a client
  // who lists what it sent finds it under the name it gave.
  bool NamesFile() const;
  // Whether a component begins with kReservedPrefix.
  bool IsReserved() const;

  friend bool operator==(const ArtifactPath& a, const ArtifactPath& b) {
    return a.canonical_ == b.canonical_;
  }

 private:
  ArtifactPath(std::string text, std::string canonical)
      : text_(std::move(text)), canonical_(std::move(canonical)) {}

  std::string text_;
  std::string canonical_;
};

// `bytes` with every ill-formed part replaced by U+FFFD: names found on disk
// need not be UTF-8, answers must be.
std::string ToValidUtf8(std::string_view bytes);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_PATH_H_
