"""Measures servers of MLflow's REST API in turn; see bench/README.md."""
