#include "gateway/json/message_table.h"

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "base/str_cat.h"

namespace millstream::gateway {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// All tables made so far.
class MessageTables {
 public:
  const MessageTable& Of(const Descriptor* type) {
    absl::MutexLock lock(&mutex_);
    return *Get(type);
  }

 private:
  const MessageTable* Get(const Descriptor* type)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::unique_ptr<MessageTable>& slot = tables_[type];
    if (slot != nullptr) return slot.get();
    slot = std::make_unique<MessageTable>();
    // `slot` moves when the map grows below; the table itself does not. A type
    // that contains itself finds its table here already.
    MessageTable* table = slot.get();
    table->fields_.reserve(type->field_count());
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const google::protobuf::FieldOptions& options = field->options();
      table->fields_.push_back(FieldInfo{
          .descriptor = field,
          .index = i,
          .name = field->name(),
          .camel_name = field->json_name(),
          .json_key = StrCat("\"", field->name(), "\":"),
          .type = field->cpp_type(),
          .bytes = field->type() == FieldDescriptor::TYPE_BYTES,
          .repeated = field->is_repeated(),
          .map = field->is_map(),
          .in_body = options.GetExtension(v1::in_body),
          .exact_name = options.GetExtension(v1::exact_name) ||
                        options.GetExtension(v1::required) ||
                        options.GetExtension(v1::in_body),
          .not_null = options.GetExtension(v1::not_null),
          .misfit = options.GetExtension(v1::misfit),
          .always_shown = options.GetExtension(v1::always_shown),
          .message = field->message_type() == nullptr
                         ? nullptr
                         : Get(field->message_type()),
          .access = AccessTo(field),
      });
    }
    return table;
  }

  absl::Mutex mutex_;
  absl::flat_hash_map<const Descriptor*, std::unique_ptr<MessageTable>>
      tables_ ABSL_GUARDED_BY(mutex_);
};

const MessageTable& MessageTable::Of(const Descriptor* type) {
  static auto* tables = new MessageTables;
  return tables->Of(type);
}

const FieldInfo* MessageTable::FindByName(std::string_view name) const {
  for (const FieldInfo& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

}  // namespace millstream::gateway
