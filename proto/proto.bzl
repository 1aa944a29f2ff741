"""C++ from the .proto files, by Debian's protoc."""

def cc_protos(
        name,
        protos,
        folder = "millstream/v1",
        deps = [],
        visibility = None):
    """One cc_library of the messages and service descriptors of `protos`.

    Args:
      name: of the library.
      protos: names below `folder`, without ".proto".
      folder: that they lie in.
      deps: libraries of other protos that these import.
      visibility: as ever.
    """
    srcs = ["%s/%s.proto" % (folder, p) for p in protos]
    headers = ["%s/%s.pb.h" % (folder, p) for p in protos]
    sources = ["%s/%s.pb.cc" % (folder, p) for p in protos]
    native.genrule(
        name = name + "_gen",
        srcs = srcs,
        outs = headers + sources,
        cmd = "protoc -I proto --cpp_out=$(RULEDIR) $(SRCS)",
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-Wno-unused-variable"],
        includes = ["."],
        visibility = visibility,
        deps = deps + ["//third_party:protobuf"],
        # Descriptors register themselves; a linker that drops a file no code
        # names would drop its rpcs.
        alwayslink = True,
    )
