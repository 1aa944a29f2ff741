// How much an answer of OK promises, named by the crash it survives.
#ifndef MILLSTREAM_STORAGE_DURABILITY_H_
#define MILLSTREAM_STORAGE_DURABILITY_H_

namespace millstream::storage {

enum class Durability {
  // The server dying (kill -9, out of memory): what it acknowledged was handed
  // to the operating system. A power cut may lose the last moments, whole
  // writes, newest first; of a batch that is kept by two stores (params and
  // metrics) it may lose the part of one.
  kProcess,
  // The machine dying (power cut, kernel crash): what it acknowledged was
  // forced to the disk. The default.
  kMachine,
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_DURABILITY_H_
