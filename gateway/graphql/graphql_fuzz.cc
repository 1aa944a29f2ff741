// Whatever is sent as a body: an answer or a refusal, in bounded time.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/graphql/graphql.h"
#include "server/method_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millstream::server::CallContext;
  using millstream::server::Dispatcher;
  using millstream::server::MethodTable;
  static const MethodTable* const methods = new MethodTable();
  static Dispatcher* const dispatcher = new Dispatcher(methods);
  CallContext context(millstream::server::Door::kRest);
  const auto answer = millstream::gateway::graphql::Answer(
      std::string_view(reinterpret_cast<const char*>(data), size), context,
      dispatcher);
  if (answer.ok() && !answer->starts_with("{\"data\":")) std::abort();
  return 0;
}
