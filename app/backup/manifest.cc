#include "app/backup/manifest.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "app/backup/data_files.h"
#include "aws/digest.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/data_directory.h"

namespace millstream::app {
namespace {

constexpr char kTitle[] = "millstream backup ";
constexpr int kFormat = 1;

std::string Hash(std::string_view text) {
  return absl::BytesToHexString(aws::Sha256(text));
}

absl::Status NotWhole() {
  return absl::DataLossError(
      "The manifest is damaged or cut short, so nobody can say whether the "
      "backup is whole. Use another one.");
}

// Whether a path stays in its folder.
bool StaysBelow(const std::string& path) {
  if (path.empty() || path.front() == '/') return false;
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return path.find('\0') == std::string::npos;
}

bool ParseFile(absl::string_view line, ManifestFile* file) {
  const std::vector<absl::string_view> parts =
      absl::StrSplit(line, absl::MaxSplits(' ', 2));
  if (parts.size() != 3) return false;
  file->file.sha256 = std::string(parts[0]);
  return absl::SimpleAtoi(parts[1], &file->file.bytes) &&
         absl::CUnescape(parts[2], &file->path) && StaysBelow(file->path);
}

}  // namespace

uint64_t Manifest::Bytes() const {
  uint64_t bytes = 0;
  for (const ManifestFile& file : files) bytes += file.file.bytes;
  return bytes;
}

std::string Difference(const HashedFile& file, const HashedFile& before) {
  if (file.bytes != before.bytes) {
    return StrCat("has another size than when the backup was made: ",
                  file.bytes, " bytes, not ", before.bytes);
  }
  return file.sha256 == before.sha256
             ? ""
             : "has other bytes than when the backup was made";
}

std::string EncodeManifest(const Manifest& manifest) {
  std::string text = StrCat(kTitle, kFormat, "\nversion ", manifest.version,
                            "\ntime ", manifest.time, "\n");
  for (const ManifestFile& file : manifest.files) {
    StrAppend(&text, file.file.sha256, " ", file.file.bytes, " ",
              absl::Utf8SafeCEscape(file.path), "\n");
  }
  StrAppend(&text, "end ", manifest.files.size(), " ", Hash(text), "\n");
  return text;
}

absl::StatusOr<Manifest> ParseManifest(std::string_view text) {
  absl::string_view rest = AbslView(text);
  int format = 0;
  if (!absl::ConsumePrefix(&rest, kTitle) ||
      !absl::SimpleAtoi(rest.substr(0, rest.find('\n')), &format)) {
    return NotWhole();
  }
  if (format != kFormat) {
    return absl::FailedPreconditionError(
        StrCat("The backup has format ", format, ", and this version reads ",
               kFormat, ". Use the millstream that made it, or a newer one."));
  }
  if (text.back() != '\n') return NotWhole();
  const size_t end = text.rfind('\n', text.size() - 2) + 1;
  std::vector<absl::string_view> lines =
      absl::StrSplit(AbslView(text.substr(0, end)), '\n');
  lines.pop_back();  // behind the last line's end
  if (lines.size() < 3) return NotWhole();
  Manifest manifest;
  if (!absl::ConsumePrefix(&lines[1], "version ") ||
      !absl::ConsumePrefix(&lines[2], "time ")) {
    return NotWhole();
  }
  manifest.version = std::string(lines[1]);
  manifest.time = std::string(lines[2]);
  for (size_t i = 3; i < lines.size(); ++i) {
    if (!ParseFile(lines[i], &manifest.files.emplace_back())) {
      return NotWhole();
    }
  }
  const std::string wanted = StrCat("end ", manifest.files.size(), " ",
                                    Hash(text.substr(0, end)), "\n");
  if (text.substr(end) != wanted) return NotWhole();
  return manifest;
}

absl::Status WriteManifest(const std::string& path, const Manifest& manifest) {
  return WriteNewFile(path, EncodeManifest(manifest));
}

absl::StatusOr<Manifest> ReadManifest(const std::string& folder) {
  RETURN_IF_ERROR(storage::NeedFinished(folder));
  const std::string path = StrCat(folder, "/", kManifestName);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(
        StrCat("There is no '", path, "': that folder is no backup, or one "
               "that was not finished. Name a folder that `millstream backup` "
               "has made."));
  }
  std::stringstream text;
  text << file.rdbuf();
  return ParseManifest(text.str());
}

absl::StatusOr<bool> ForgetManifest(const std::string& folder) {
  const std::string path = StrCat(folder, "/", kManifestName);
  if (unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  return FileError("remove", path, errno);
}

}  // namespace millstream::app
