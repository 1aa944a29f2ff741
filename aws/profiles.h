// The files ~/.aws/config and ~/.aws/credentials.
#ifndef MILLSTREAM_AWS_PROFILES_H_
#define MILLSTREAM_AWS_PROFILES_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "aws/environment.h"

namespace millstream::aws {

// Settings of one profile, by name in lower case.
using Profile = std::map<std::string, std::string, std::less<>>;

// Reads the text of such a file: sections and their settings. Lines that are
// neither are passed over, as are settings within settings (indented ones), and
// comments: lines that begin with "#" or ";", and what follows " #".
// Thread-safe.
std::map<std::string, Profile, std::less<>> ParseIni(std::string_view text);

// Immutable, so thread-safe.
class Profiles {
 public:
  // Reads the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name,
  // or those in ~/.aws. A file that cannot be read is as if it were empty.
  // What both have is taken from the credentials.
  static Profiles Load(const Environment& environment);

  // Null if there is none of that name.
  const Profile* Find(std::string_view name) const;
  // The one that AWS_PROFILE (or AWS_DEFAULT_PROFILE) names, or "default".
  const std::string& chosen() const { return chosen_; }
  // Whether it was named.
  bool is_chosen() const { return is_chosen_; }
  // A setting of the chosen profile; empty if it has none.
  std::string Setting(std::string_view name) const;

 private:
  std::string chosen_;
  bool is_chosen_ = false;
  std::map<std::string, Profile, std::less<>> profiles_;
};

// A small file as text. NOT_FOUND if it cannot be read; RESOURCE_EXHAUSTED if
// it is larger than limits::kSettingsFileBytesMax. Thread-safe.
absl::StatusOr<std::string> ReadSettingsFile(const std::string& path);

// The region: AWS_REGION, AWS_DEFAULT_REGION, or the profile's; empty if none
// says. Thread-safe.
std::string RegionOf(const Environment& environment, const Profiles& profiles);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_PROFILES_H_
