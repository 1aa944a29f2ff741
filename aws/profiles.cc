#include "aws/profiles.h"

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

// A path that may begin with "~/".
std::string Expanded(const Environment& environment, const std::string& path) {
  if (!path.starts_with("~/")) return path;
  return environment("HOME") + path.substr(1);
}

std::string FileOf(const Environment& environment, const char* variable,
                   const char* ordinary) {
  const std::string named = environment(variable);
  return Expanded(environment, named.empty() ? ordinary : named);
}

// What stands before " #".
absl::string_view WithoutComment(absl::string_view value) {
  for (size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '#' && absl::ascii_isspace(value[i - 1])) {
      return value.substr(0, i);
    }
  }
  return value;
}

}  // namespace

absl::StatusOr<std::string> ReadSettingsFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(limits::kSettingsFileBytesMax + 1, '\0');
  if (!file.is_open() || !file.read(text.data(), text.size()).eof()) {
    if (file.is_open() && file.good()) {
      return absl::ResourceExhaustedError(
          StrCat("'", path, "' is larger than a file of settings is."));
    }
    return absl::NotFoundError(StrCat("'", path, "' cannot be read."));
  }
  text.resize(file.gcount());
  return text;
}

std::map<std::string, Profile, std::less<>> ParseIni(std::string_view text) {
  std::map<std::string, Profile, std::less<>> sections;
  Profile* section = nullptr;
  for (absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    if (line.empty() || absl::ascii_isspace(line[0])) continue;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      const size_t end = line.find(']');
      section = nullptr;
      if (end == absl::string_view::npos) continue;
      section = &sections[std::string(
          absl::StripAsciiWhitespace(line.substr(1, end - 1)))];
      continue;
    }
    const size_t equals = line.find('=');
    if (section == nullptr || equals == absl::string_view::npos) continue;
    (*section)[absl::AsciiStrToLower(
        absl::StripAsciiWhitespace(line.substr(0, equals)))] =
        std::string(absl::StripAsciiWhitespace(
            WithoutComment(line.substr(equals + 1))));
  }
  return sections;
}

Profiles Profiles::Load(const Environment& environment) {
  Profiles profiles;
  for (const char* variable : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (profiles.chosen_.empty()) profiles.chosen_ = environment(variable);
  }
  profiles.is_chosen_ = !profiles.chosen_.empty();
  if (!profiles.is_chosen_) profiles.chosen_ = "default";
  const auto config =
      ReadSettingsFile(FileOf(environment, "AWS_CONFIG_FILE", "~/.aws/config"));
  if (config.ok()) {
    for (auto& [name, settings] : ParseIni(*config)) {
      // Its sections are called "profile NAME", but for the default one.
      absl::string_view short_name = name;
      if (absl::ConsumePrefix(&short_name, "profile")) {
        short_name = absl::StripLeadingAsciiWhitespace(short_name);
      } else if (name != "default") {
        continue;
      }
      profiles.profiles_[std::string(short_name)] = settings;
    }
  }
  const auto credentials = ReadSettingsFile(
      FileOf(environment, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"));
  if (credentials.ok()) {
    for (auto& [name, settings] : ParseIni(*credentials)) {
      for (auto& [key, value] : settings) {
        profiles.profiles_[name][key] = value;
      }
    }
  }
  return profiles;
}

const Profile* Profiles::Find(std::string_view name) const {
  const auto found = profiles_.find(name);
  return found == profiles_.end() ? nullptr : &found->second;
}

std::string Profiles::Setting(std::string_view name) const {
  const Profile* profile = Find(chosen_);
  if (profile == nullptr) return "";
  const auto found = profile->find(name);
  return found == profile->end() ? "" : found->second;
}

std::string RegionOf(const Environment& environment, const Profiles& profiles) {
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    std::string region = environment(variable);
    if (!region.empty()) return region;
  }
  return profiles.Setting("region");
}

}  // namespace millstream::aws
