#!/usr/bin/env bash
exec python3 bench/harness/harness_test.py
