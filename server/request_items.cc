#include "server/request_items.h"

#include "base/limits.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace millstream::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Deeper than any message of ours; below it nothing is looked at, and the
// parser refuses it.
constexpr int kDepthMax = 100;

// Counts `*left` down; false once it is used up. Stops where `in` makes no
// sense.
bool Count(const Descriptor& type, int depth, CodedInputStream* in, int* left) {
  for (;;) {
    const uint32_t tag = in->ReadTag();
    if (tag == 0) return true;
    const FieldDescriptor* field =
        type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if ((field == nullptr || field->is_repeated()) && --*left < 0) return false;
    if (field == nullptr ||
        field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
        WireFormatLite::GetTagWireType(tag) !=
            WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(in, tag)) return true;
      continue;
    }
    uint32_t length = 0;
    if (!in->ReadVarint32(&length) || depth == kDepthMax) return true;
    const CodedInputStream::Limit limit =
        in->PushLimit(static_cast<int>(length));
    if (!Count(*field->message_type(), depth + 1, in, left)) return false;
    if (in->BytesUntilLimit() > 0) return true;
    in->PopLimit(limit);
  }
}

}  // namespace

bool HasTooManyItems(const Descriptor& type,
                     google::protobuf::io::ZeroCopyInputStream* bytes) {
  CodedInputStream in(bytes);
  int left = limits::kRequestItemsMax;
  return !Count(type, 0, &in, &left);
}

}  // namespace millstream::server
