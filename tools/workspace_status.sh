#!/bin/sh
# Bazel stamps nothing from the machine: builds of one tree are alike.
true
