#include "server/media_type.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"

namespace millstream::server {
namespace {

struct Type {
  std::string_view extension;
  std::string_view media_type;
};

// By extension, where the system does not know better. What is
// application/octet-stream anyway is left out.
constexpr Type kTypes[] = {
    {"3g2", "audio/3gpp2"},
    {"3gp", "audio/3gpp"},
    {"3gpp", "audio/3gpp"},
    {"3gpp2", "audio/3gpp2"},
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"adts", "audio/aac"},
    {"ai", "application/postscript"},
    {"aif", "audio/x-aiff"},
    {"aifc", "audio/x-aiff"},
    {"aiff", "audio/x-aiff"},
    {"ass", "audio/aac"},
    {"au", "audio/basic"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bat", "text/plain"},
    {"bcpio", "application/x-bcpio"},
    {"bmp", "image/bmp"},
    {"c", "text/plain"},
    {"cdf", "application/x-netcdf"},
    {"cpio", "application/x-cpio"},
    {"csh", "application/x-csh"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx",
     "application/vnd.openxmlformats-officedocument"
     ".wordprocessingml.document"},
    {"dot", "application/msword"},
    {"dvi", "application/x-dvi"},
    {"eml", "message/rfc822"},
    {"eps", "application/postscript"},
    {"epub", "application/epub+zip"},
    {"etx", "text/x-setext"},
    {"flac", "audio/flac"},
    {"geojson", "application/geo+json"},
    {"gif", "image/gif"},
    {"glb", "model/gltf-binary"},
    {"gltf", "model/gltf+json"},
    {"gtar", "application/x-gtar"},
    {"h", "text/plain"},
    {"h5", "application/x-hdf5"},
    {"hdf", "application/x-hdf"},
    {"heic", "image/heic"},
    {"heif", "image/heif"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"ico", "image/vnd.microsoft.icon"},
    {"ief", "image/ief"},
    {"jar", "application/java-archive"},
    {"jpe", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "application/javascript"},
    {"json", "application/json"},
    {"ksh", "text/plain"},
    {"latex", "application/x-latex"},
    {"loas", "audio/aac"},
    {"m1v", "video/mpeg"},
    {"m3u", "application/vnd.apple.mpegurl"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"man", "application/x-troff-man"},
    {"me", "application/x-troff-me"},
    {"mht", "message/rfc822"},
    {"mhtml", "message/rfc822"},
    {"mid", "audio/sp-midi"},
    {"mif", "application/x-mif"},
    {"mjs", "application/javascript"},
    {"mov", "video/quicktime"},
    {"movie", "video/x-sgi-movie"},
    {"mp2", "audio/mpeg"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpa", "video/mpeg"},
    {"mpe", "video/mpeg"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"ms", "application/x-troff-ms"},
    {"n3", "text/n3"},
    {"nc", "application/x-netcdf"},
    {"nq", "application/n-quads"},
    {"nt", "application/n-triples"},
    {"nws", "message/rfc822"},
    {"oda", "application/oda"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/opus"},
    {"otf", "font/otf"},
    {"p12", "application/x-pkcs12"},
    {"p7c", "application/pkcs7-mime"},
    {"pbm", "image/x-portable-bitmap"},
    {"pdf", "application/pdf"},
    {"pfx", "application/x-pkcs12"},
    {"pgm", "image/x-portable-graymap"},
    {"pl", "text/plain"},
    {"png", "image/png"},
    {"pnm", "image/x-portable-anymap"},
    {"pot", "application/vnd.ms-powerpoint"},
    {"ppa", "application/vnd.ms-powerpoint"},
    {"ppm", "image/x-portable-pixmap"},
    {"pps", "application/vnd.ms-powerpoint"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx",
     "application/vnd.openxmlformats-officedocument"
     ".presentationml.presentation"},
    {"ps", "application/postscript"},
    {"pwz", "application/vnd.ms-powerpoint"},
    {"py", "text/x-python"},
    {"pyc", "application/x-python-code"},
    {"pyo", "application/x-python-code"},
    {"qt", "video/quicktime"},
    {"ra", "audio/x-pn-realaudio"},
    {"ram", "application/x-pn-realaudio"},
    {"ras", "image/x-cmu-raster"},
    {"rdf", "application/xml"},
    {"rgb", "image/x-rgb"},
    {"roff", "application/x-troff"},
    {"rtf", "application/rtf"},
    {"rtx", "text/richtext"},
    {"sgm", "text/x-sgml"},
    {"sgml", "text/x-sgml"},
    {"sh", "application/x-sh"},
    {"shar", "application/x-shar"},
    {"snd", "audio/basic"},
    {"src", "application/x-wais-source"},
    {"srt", "text/plain"},
    {"stl", "model/stl"},
    {"sv4cpio", "application/x-sv4cpio"},
    {"sv4crc", "application/x-sv4crc"},
    {"svg", "image/svg+xml"},
    {"swf", "application/x-shockwave-flash"},
    {"t", "application/x-troff"},
    {"tar", "application/x-tar"},
    {"tcl", "application/x-tcl"},
    {"tex", "application/x-tex"},
    {"texi", "application/x-texinfo"},
    {"texinfo", "application/x-texinfo"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"tr", "application/x-troff"},
    {"trig", "application/trig"},
    {"tsv", "text/tab-separated-values"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain"},
    {"ustar", "application/x-ustar"},
    {"vcf", "text/x-vcard"},
    {"vtt", "text/vtt"},
    {"wasm", "application/wasm"},
    {"wav", "audio/x-wav"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"wiz", "application/msword"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"wsdl", "application/xml"},
    {"xbm", "image/x-xbitmap"},
    {"xlb", "application/vnd.ms-excel"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx",
     "application/vnd.openxmlformats-officedocument.spreadsheetml"
     ".sheet"},
    {"xml", "text/xml"},
    {"xpdl", "application/xml"},
    {"xpm", "image/x-xpixmap"},
    {"xsl", "application/xml"},
    {"xwd", "image/x-xwindowdump"},
    {"zip", "application/zip"},
};
static_assert(std::is_sorted(std::begin(kTypes), std::end(kTypes),
                             [](const Type& a, const Type& b) {
                               return a.extension < b.extension;
                             }));

// Shown as plain text whatever else they may be; case matters here. A file
// without extension is looked up by its name.
constexpr std::string_view kText[] = {
    "txt", "log",        "err",   "cfg",     "conf",     "cnf",  "cf",
    "ini", "properties", "prop",  "hocon",   "toml",     "yaml", "yml",
    "xml", "json",       "js",    "py",      "py3",      "csv",  "tsv",
    "md",  "rst",        "ipynb", "MLmodel", "mlproject"};

// Compressed files are what they hold.
constexpr std::string_view kCompressed[] = {"gz", "Z", "bz2", "xz", "br"};

// Short for compressed archives and images.
constexpr Type kShort[] = {{"svgz", "svg"}, {"taz", "tar"}, {"tbz2", "tar"},
                           {"tgz", "tar"},  {"txz", "tar"}, {"tz", "tar"}};

template <size_t N>
bool Has(const std::string_view (&list)[N], std::string_view value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

// Without its dot; empty if there is none. Dots at the start of a name begin
// no extension.
std::string_view ExtensionOf(std::string_view name) {
  const size_t start = std::min(name.find_first_not_of('.'), name.size());
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot < start ? std::string_view()
                                                      : name.substr(dot + 1);
}

// Debian's package media-types; the reference reads the file too.
constexpr char kSystemTypesFile[] = "/etc/mime.types";

// Lines of a media type and the extensions of such files; "#" begins a remark.
absl::flat_hash_map<std::string, std::string> ReadTypes(const char* file) {
  absl::flat_hash_map<std::string, std::string> types;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string type;
    words >> type;
    for (std::string extension; words >> extension;) types[extension] = type;
  }
  return types;
}

// Empty where there is no such file.
const absl::flat_hash_map<std::string, std::string>& SystemTypes() {
  static const auto* const types =
      new absl::flat_hash_map<std::string, std::string>(
          ReadTypes(kSystemTypesFile));
  return *types;
}

}  // namespace

std::string MediaTypeOf(std::string_view file_name) {
  std::string_view extension = ExtensionOf(file_name);
  if (Has(kText, extension.empty() ? file_name : extension)) {
    return "text/plain";
  }
  if (Has(kCompressed, extension)) {
    extension = ExtensionOf(
        file_name.substr(0, file_name.size() - extension.size() - 1));
  }
  std::string lower(extension);
  absl::AsciiStrToLower(&lower);
  for (const Type& type : kShort) {
    if (lower == type.extension) lower = type.media_type;
  }
  if (const auto known = SystemTypes().find(lower);
      known != SystemTypes().end()) {
    return known->second;
  }
  const Type* found =
      std::lower_bound(std::begin(kTypes), std::end(kTypes), lower,
                       [](const Type& type, const std::string& key) {
                         return type.extension < key;
                       });
  if (found == std::end(kTypes) || found->extension != lower) {
    return "application/octet-stream";
  }
  return std::string(found->media_type);
}

}  // namespace millstream::server
