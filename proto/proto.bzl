"""C++ from the .proto files, by Debian's protoc."""

def cc_protos(name, protos, deps = [], visibility = None):
    """One cc_library of the messages and service descriptors of `protos`.

    Args:
      name: of the library.
      protos: names below millstream/v1, without ".proto".
      deps: libraries of other protos that these import.
      visibility: as ever.
    """
    srcs = ["millstream/v1/%s.proto" % p for p in protos]
    headers = ["millstream/v1/%s.pb.h" % p for p in protos]
    sources = ["millstream/v1/%s.pb.cc" % p for p in protos]
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
