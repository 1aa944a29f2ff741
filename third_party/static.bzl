"""What the program has of its libraries in its own file."""

# Debian's archives of the libraries that the program touches at each start.
# Linked so, it starts with a tenth less memory than with the shared ones, of
# which it would map, relocate and search more than it uses
# (docs/performance.md). The rest stay shared: those that few installations use
# (clients of databases, HTTP to object stores), those whose security fixes
# should not wait for a build of ours (OpenSSL), and RocksDB, whose archive
# Debian builds with its assertions.
_ARCHIVES = [
    "grpc++",
    "grpc",
    "gpr",
    "upb",
    "address_sorting",
    "cares",
    "re2",
    "protobuf",
    "z",
    "sqlite3",
    "xxhash",
    "pugixml",
    "absl_bad_optional_access",
    "absl_bad_variant_access",
    "absl_base",
    "absl_city",
    "absl_civil_time",
    "absl_cord",
    "absl_cord_internal",
    "absl_cordz_functions",
    "absl_cordz_handle",
    "absl_cordz_info",
    "absl_debugging_internal",
    "absl_demangle_internal",
    "absl_exponential_biased",
    "absl_graphcycles_internal",
    "absl_hash",
    "absl_hashtablez_sampler",
    "absl_int128",
    "absl_log_severity",
    "absl_low_level_hash",
    "absl_malloc_internal",
    "absl_random_distributions",
    "absl_random_internal_platform",
    "absl_random_internal_pool_urbg",
    "absl_random_internal_randen",
    "absl_random_internal_randen_hwaes",
    "absl_random_internal_randen_hwaes_impl",
    "absl_random_internal_randen_slow",
    "absl_random_internal_seed_material",
    "absl_random_seed_gen_exception",
    "absl_random_seed_sequences",
    "absl_raw_hash_set",
    "absl_raw_logging_internal",
    "absl_spinlock_wait",
    "absl_stacktrace",
    "absl_status",
    "absl_statusor",
    "absl_str_format_internal",
    "absl_strerror",
    "absl_strings",
    "absl_strings_internal",
    "absl_symbolize",
    "absl_synchronization",
    "absl_throw_delegate",
    "absl_time",
    "absl_time_zone",
]

# Comes before what the dependencies ask for: a shared library of which all is
# found by then is not needed any more (--as-needed).
STATIC_LINKOPTS = (
    ["-Wl,-Bstatic", "-Wl,--start-group"] +
    ["-l" + library for library in _ARCHIVES] +
    ["-Wl,--end-group", "-Wl,-Bdynamic", "-Wl,--as-needed"]
)
