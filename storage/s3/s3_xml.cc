#include "storage/s3/s3_xml.h"

#include <cstring>
#include <pugixml.hpp>

#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// Keys may consist of blanks.
constexpr unsigned kParse = pugi::parse_default | pugi::parse_ws_pcdata_single;

// Takes what the writer gives.
class TextWriter final : public pugi::xml_writer {
 public:
  void write(const void* data, size_t size) override {
    text_.append(static_cast<const char*>(data), size);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

void AppendChild(pugi::xml_node node, const char* name,
                 const std::string& text) {
  node.append_child(name)
      .append_child(pugi::node_pcdata)
      .set_value(text.c_str());
}

std::string Written(const pugi::xml_document& document) {
  TextWriter writer;
  document.save(writer, "", pugi::format_raw | pugi::format_no_declaration);
  return writer.Take();
}

absl::Status NoAnswer() {
  return absl::UnavailableError("the object store answers what is not S3's");
}

}  // namespace

S3Error ParseS3Error(std::string_view xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size(), kParse);
  const pugi::xml_node error = document.child("Error");
  return {error.child_value("Code"), error.child_value("Region")};
}

absl::StatusOr<S3Page> ParseS3Page(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), kParse)) return NoAnswer();
  const pugi::xml_node result = document.child("ListBucketResult");
  if (!result) return NoAnswer();
  S3Page page;
  for (const pugi::xml_node& object : result.children("Contents")) {
    page.objects.push_back(
        {object.child_value("Key"), object.child("Size").text().as_llong()});
  }
  for (const pugi::xml_node& common : result.children("CommonPrefixes")) {
    page.prefixes.push_back(common.child_value("Prefix"));
  }
  if (std::strcmp(result.child_value("IsTruncated"), "true") == 0) {
    page.next = result.child_value("NextContinuationToken");
    if (page.next.empty()) return NoAnswer();
  }
  return page;
}

absl::StatusOr<std::string> ParseS3UploadId(std::string_view xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size(), kParse);
  std::string id =
      document.child("InitiateMultipartUploadResult").child_value("UploadId");
  if (id.empty()) return NoAnswer();
  return id;
}

std::string ParseS3DeleteError(std::string_view xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size(), kParse);
  const pugi::xml_node result = document.child("DeleteResult");
  if (!result) return "MalformedAnswer";
  const pugi::xml_node error = result.child("Error");
  if (!error) return "";
  const std::string code = error.child_value("Code");
  return code.empty() ? "InternalError" : code;
}

std::string S3DeleteXml(std::span<const std::string> keys) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("Delete");
  root.append_attribute("xmlns") = "http://s3.amazonaws.com/doc/2006-03-01/";
  AppendChild(root, "Quiet", "true");
  for (const std::string& key : keys) {
    AppendChild(root.append_child("Object"), "Key", key);
  }
  return Written(document);
}

std::string S3CompleteXml(std::span<const S3Part> parts) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  root.append_attribute("xmlns") = "http://s3.amazonaws.com/doc/2006-03-01/";
  for (const S3Part& part : parts) {
    pugi::xml_node node = root.append_child("Part");
    AppendChild(node, "PartNumber", StrCat(part.number));
    AppendChild(node, "ETag", part.etag);
  }
  return Written(document);
}

}  // namespace millstream::storage
