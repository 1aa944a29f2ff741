// The commands beside the server: check, backup, restore.
#ifndef MILLSTREAM_APP_TOOLS_H_
#define MILLSTREAM_APP_TOOLS_H_

#include "app/flags.h"
#include "base/liveness.h"

namespace millstream::app {

// Does what flags.tool names; says what it did on standard output and why it
// could not on standard error. Returns the status to exit with: 0 for success,
// 1 for a failure or for faults found, 2 for flags that make no sense. Stops,
// leaving nothing half-made, once `caller` no longer waits.
int RunTool(const ParsedFlags& flags, const Liveness& caller);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_TOOLS_H_
