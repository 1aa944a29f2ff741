"""Fuzz targets of parsers that read what strangers send."""

def cc_fuzz_test(name, corpus, **kwargs):
    """A test of LLVMFuzzerTestOneInput over a corpus, and a fuzzer.

    As a test it plays every file of the corpus, cut short and with bytes changed
    too. Under --config=fuzz it is a libFuzzer binary:
    `bazel run --config=fuzz //folder:name -- $PWD/folder/corpus`.

    Args:
      name: of the test.
      corpus: its files.
      **kwargs: as for cc_test.
    """
    native.cc_test(
        name = name,
        data = corpus,
        args = select({
            "//tools/fuzz:libfuzzer": ["-runs=20000"],
            "//conditions:default": ["$(locations %s)" % f for f in corpus],
        }),
        deps = kwargs.pop("deps", []) + select({
            "//tools/fuzz:libfuzzer": [],
            "//conditions:default": ["//tools/fuzz:play_corpus"],
        }),
        **kwargs
    )
