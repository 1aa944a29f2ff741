// What the operating system knows of this process, under the names that
// Prometheus' own client libraries give it.
#ifndef MILLSTREAM_MONITORING_PROCESS_READINGS_H_
#define MILLSTREAM_MONITORING_PROCESS_READINGS_H_

#include "base/reading.h"

namespace millstream::monitoring {

// Appends them; leaves out what /proc does not say. Thread-safe.
void ReadProcess(Readings* readings);

}  // namespace millstream::monitoring

#endif  // MILLSTREAM_MONITORING_PROCESS_READINGS_H_
