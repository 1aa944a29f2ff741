#include "gateway/json/field_access.h"

#include "absl/container/flat_hash_map.h"
#include "millstream/v1/entities.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {
namespace {

using google::protobuf::Message;
using Field = google::protobuf::FieldDescriptor;

// --- By reflection

FieldAccess ByReflection(const Field* field) {
  FieldAccess access;
  if (field->is_repeated()) {
    access.count = [](const Message& m, const Field* f) {
      return m.GetReflection()->FieldSize(m, f);
    };
    if (field->cpp_type() != Field::CPPTYPE_MESSAGE) return access;
    access.get_message = [](const Message& m, const Field* f,
                            int index) -> const Message& {
      return m.GetReflection()->GetRepeatedMessage(m, f, index);
    };
    access.add_message = [](Message* m, const Field* f) {
      return m->GetReflection()->AddMessage(m, f);
    };
    return access;
  }
  access.has = [](const Message& m, const Field* f) {
    return m.GetReflection()->HasField(m, f);
  };
  switch (field->cpp_type()) {
    case Field::CPPTYPE_DOUBLE:
      access.get_double = [](const Message& m, const Field* f) {
        return m.GetReflection()->GetDouble(m, f);
      };
      access.set_double = [](Message* m, const Field* f, double value) {
        m->GetReflection()->SetDouble(m, f, value);
      };
      break;
    case Field::CPPTYPE_INT64:
      access.get_int64 = [](const Message& m, const Field* f) -> int64_t {
        return m.GetReflection()->GetInt64(m, f);
      };
      access.set_int64 = [](Message* m, const Field* f, int64_t value) {
        m->GetReflection()->SetInt64(m, f, value);
      };
      break;
    case Field::CPPTYPE_STRING:
      access.get_text = [](const Message& m,
                           const Field* f) -> const std::string& {
        // Generated classes keep strings; nothing is put into the scratch.
        static std::string* const scratch = new std::string;
        return m.GetReflection()->GetStringReference(m, f, scratch);
      };
      access.set_text = [](Message* m, const Field* f,
                           std::string_view value) {
        m->GetReflection()->SetString(m, f, std::string(value));
      };
      break;
    default:
      break;
  }
  return access;
}

// --- By the generated accessors

template <typename M>
const M& As(const Message& message) {
  return static_cast<const M&>(message);
}
template <typename M>
M* As(Message* message) {
  return static_cast<M*>(message);
}

template <typename M, bool (M::*kHas)() const>
bool Has(const Message& m, const Field*) {
  return (As<M>(m).*kHas)();
}

template <typename M, bool (M::*kHas)() const, double (M::*kGet)() const,
          void (M::*kSet)(double)>
FieldAccess Double() {
  return {.has = Has<M, kHas>,
          .get_double = [](const Message& m,
                           const Field*) { return (As<M>(m).*kGet)(); },
          .set_double = [](Message* m, const Field*,
                           double value) { (As<M>(m)->*kSet)(value); }};
}

template <typename M, bool (M::*kHas)() const, int64_t (M::*kGet)() const,
          void (M::*kSet)(int64_t)>
FieldAccess Int64() {
  return {.has = Has<M, kHas>,
          .get_int64 = [](const Message& m,
                          const Field*) { return (As<M>(m).*kGet)(); },
          .set_int64 = [](Message* m, const Field*,
                          int64_t value) { (As<M>(m)->*kSet)(value); }};
}

template <typename M, bool (M::*kHas)() const,
          const std::string& (M::*kGet)() const, std::string* (M::*kMutable)()>
FieldAccess Text() {
  return {.has = Has<M, kHas>,
          .get_text = [](const Message& m, const Field*) -> const std::string& {
            return (As<M>(m).*kGet)();
          },
          .set_text = [](Message* m, const Field*, std::string_view value) {
            (As<M>(m)->*kMutable)()->assign(value);
          }};
}

template <typename M, typename E, int (M::*kCount)() const,
          const E& (M::*kGet)(int) const, E* (M::*kAdd)()>
FieldAccess Repeated() {
  return {.count = [](const Message& m,
                      const Field*) { return (As<M>(m).*kCount)(); },
          .get_message = [](const Message& m, const Field*,
                            int index) -> const Message& {
            return (As<M>(m).*kGet)(index);
          },
          .add_message = [](Message* m, const Field*) -> Message* {
            return (As<M>(m)->*kAdd)();
          }};
}

using Typed = absl::flat_hash_map<const Field*, FieldAccess>;

template <typename M>
void Add(const char* name, const FieldAccess& access, Typed* typed) {
  (*typed)[M::descriptor()->FindFieldByName(name)] = access;
}

#define DOUBLE(M, name)                                                 \
  Add<v1::M>(#name,                                                     \
             Double<v1::M, &v1::M::has_##name, &v1::M::name,            \
                    &v1::M::set_##name>(),                              \
             &typed)
#define INT64(M, name)                                                  \
  Add<v1::M>(#name,                                                     \
             Int64<v1::M, &v1::M::has_##name, &v1::M::name,             \
                   &v1::M::set_##name>(),                               \
             &typed)
#define TEXT(M, name)                                                   \
  Add<v1::M>(#name,                                                     \
             Text<v1::M, &v1::M::has_##name, &v1::M::name,              \
                  &v1::M::mutable_##name>(),                            \
             &typed)
#define REPEATED(M, E, name)                                            \
  Add<v1::M>(#name,                                                     \
             Repeated<v1::M, v1::E, &v1::M::name##_size, &v1::M::name,  \
                      &v1::M::add_##name>(),                            \
             &typed)

// What batches, histories and pages of runs are made of.
Typed MakeTyped() {
  Typed typed;
  TEXT(Metric, key);
  DOUBLE(Metric, value);
  INT64(Metric, timestamp);
  INT64(Metric, step);
  TEXT(Metric, dataset_name);
  TEXT(Metric, dataset_digest);
  TEXT(Metric, model_id);
  TEXT(Metric, run_id);
  TEXT(Param, key);
  TEXT(Param, value);
  TEXT(RunTag, key);
  TEXT(RunTag, value);
  TEXT(LogMetricRequest, run_id);
  TEXT(LogMetricRequest, run_uuid);
  TEXT(LogMetricRequest, key);
  DOUBLE(LogMetricRequest, value);
  INT64(LogMetricRequest, timestamp);
  INT64(LogMetricRequest, step);
  REPEATED(LogBatchRequest, Metric, metrics);
  REPEATED(LogBatchRequest, Param, params);
  REPEATED(LogBatchRequest, RunTag, tags);
  REPEATED(GetMetricHistoryResponse, Metric, metrics);
  REPEATED(GetMetricHistoryBulkIntervalResponse, Metric, metrics);
  REPEATED(RunData, Metric, metrics);
  REPEATED(RunData, Param, params);
  REPEATED(RunData, RunTag, tags);
  return typed;
}

#undef DOUBLE
#undef INT64
#undef TEXT
#undef REPEATED

}  // namespace

FieldAccess AccessTo(const google::protobuf::FieldDescriptor* field) {
  static const Typed* const typed = new Typed(MakeTyped());
  const auto found = typed->find(field);
  return found != typed->end() ? found->second : ByReflection(field);
}

}  // namespace millstream::gateway
