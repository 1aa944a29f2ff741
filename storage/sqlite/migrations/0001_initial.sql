-- The whole of what is relational. Tables and columns have the names that
-- MLflow 3.17 gives them (its traces, evaluation and gateway tables follow with
-- their features); keys, clustering and indexes are ours:
-- what belongs to a run is clustered by the run, because pages of runs are
-- loaded far more often than anything is looked for by key.
-- Booleans are 0 and 1; times are ms since the Unix epoch.

-- --- Experiments

CREATE TABLE experiments (
  experiment_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  workspace TEXT NOT NULL DEFAULT 'default',
  artifact_location TEXT,
  lifecycle_stage TEXT NOT NULL CHECK (
    lifecycle_stage IN ('active', 'deleted')),
  creation_time INTEGER NOT NULL,
  last_update_time INTEGER NOT NULL,
  UNIQUE (workspace, name)
);

-- The list of experiments in its own order.
CREATE INDEX index_experiments_last_update_time
  ON experiments (last_update_time DESC, experiment_id, lifecycle_stage);

CREATE TABLE experiment_tags (
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id),
  "key" TEXT NOT NULL,
  value TEXT,
  PRIMARY KEY (experiment_id, "key")
) WITHOUT ROWID;

-- --- Runs

CREATE TABLE runs (
  run_uuid TEXT NOT NULL PRIMARY KEY,
  name TEXT,
  source_type TEXT,
  source_name TEXT,
  entry_point_name TEXT,
  user_id TEXT,
  status TEXT NOT NULL CHECK (
    status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED')),
  start_time INTEGER,
  end_time INTEGER,
  deleted_time INTEGER,
  source_version TEXT,
  lifecycle_stage TEXT NOT NULL CHECK (
    lifecycle_stage IN ('active', 'deleted')),
  artifact_uri TEXT,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id)
) WITHOUT ROWID;

-- The run table in its own order, of any stage; names are searched in it.
CREATE INDEX index_runs_experiment_id_start_time
  ON runs (experiment_id, start_time DESC, run_uuid, lifecycle_stage, name);

CREATE TABLE tags (
  run_uuid TEXT NOT NULL REFERENCES runs (run_uuid),
  "key" TEXT NOT NULL,
  value TEXT,
  PRIMARY KEY (run_uuid, "key")
) WITHOUT ROWID;

-- The children of a run, which the page of each run asks for.
CREATE INDEX index_tags_parent_run_id
  ON tags (value, run_uuid) WHERE "key" = 'mlflow.parentRunId';

CREATE TABLE params (
  run_uuid TEXT NOT NULL REFERENCES runs (run_uuid),
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_uuid, "key")
) WITHOUT ROWID;

-- Of each metric of a run the point with the greatest (step, timestamp, value).
-- The points are not here but in storage/rocksdb.
CREATE TABLE latest_metrics (
  run_uuid TEXT NOT NULL REFERENCES runs (run_uuid),
  "key" TEXT NOT NULL,
  value REAL NOT NULL,  -- 0 for NaN, +-1.7976931348623157e308 for infinities
  "timestamp" INTEGER NOT NULL,
  step INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  PRIMARY KEY (run_uuid, "key")
) WITHOUT ROWID;

-- Runs in the order of a metric.
CREATE INDEX index_latest_metrics_key_value
  ON latest_metrics ("key", is_nan, value, run_uuid);

-- Points that are acknowledged and may not be in storage/rocksdb yet, in the
-- order of their arrival.
CREATE TABLE metric_outbox (
  sequence INTEGER PRIMARY KEY,
  run_uuid TEXT NOT NULL,
  points BLOB NOT NULL
);

-- --- Inputs and outputs of runs

CREATE TABLE datasets (
  dataset_uuid TEXT NOT NULL UNIQUE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id),
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  dataset_source_type TEXT NOT NULL,
  dataset_source TEXT NOT NULL,
  dataset_schema TEXT,
  dataset_profile TEXT,
  PRIMARY KEY (experiment_id, name, digest)
);

-- An edge: (DATASET, dataset) -> (RUN, run), (RUN_INPUT, run) -> (MODEL_INPUT,
-- model), (RUN_OUTPUT, run) -> (MODEL_OUTPUT, model).
CREATE TABLE inputs (
  input_uuid TEXT NOT NULL UNIQUE,
  source_type TEXT NOT NULL,
  source_id TEXT NOT NULL,
  destination_type TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  step INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (source_type, source_id, destination_type, destination_id)
) WITHOUT ROWID;

CREATE INDEX index_inputs_destination
  ON inputs (destination_type, destination_id, source_type);

CREATE TABLE input_tags (
  input_uuid TEXT NOT NULL REFERENCES inputs (input_uuid),
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (input_uuid, name)
) WITHOUT ROWID;

-- --- Logged models

CREATE TABLE logged_models (
  model_id TEXT NOT NULL PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id),
  name TEXT NOT NULL,
  artifact_location TEXT NOT NULL,
  creation_timestamp_ms INTEGER NOT NULL,
  last_updated_timestamp_ms INTEGER NOT NULL,
  status INTEGER NOT NULL,
  lifecycle_stage TEXT NOT NULL CHECK (
    lifecycle_stage IN ('active', 'deleted')),
  model_type TEXT,
  source_run_id TEXT,
  status_message TEXT
) WITHOUT ROWID;

CREATE INDEX index_logged_models_experiment_id_creation_timestamp_ms
  ON logged_models (experiment_id, creation_timestamp_ms DESC, model_id,
                    lifecycle_stage);

CREATE TABLE logged_model_metrics (
  model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
  metric_name TEXT NOT NULL,
  metric_timestamp_ms INTEGER NOT NULL,
  metric_step INTEGER NOT NULL,
  metric_value REAL,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id),
  run_id TEXT NOT NULL REFERENCES runs (run_uuid),
  dataset_uuid TEXT,
  dataset_name TEXT,
  dataset_digest TEXT,
  PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id)
) WITHOUT ROWID;

CREATE TABLE logged_model_params (
  model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id),
  param_key TEXT NOT NULL,
  param_value TEXT NOT NULL,
  PRIMARY KEY (model_id, param_key)
) WITHOUT ROWID;

CREATE TABLE logged_model_tags (
  model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id),
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  PRIMARY KEY (model_id, tag_key)
) WITHOUT ROWID;

-- --- Model registry

CREATE TABLE registered_models (
  workspace TEXT NOT NULL DEFAULT 'default',
  name TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  last_updated_time INTEGER,
  description TEXT,
  PRIMARY KEY (workspace, name)
) WITHOUT ROWID;

CREATE TABLE registered_model_tags (
  workspace TEXT NOT NULL DEFAULT 'default',
  name TEXT NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT,
  PRIMARY KEY (workspace, name, "key"),
  FOREIGN KEY (workspace, name) REFERENCES registered_models (workspace, name)
    ON UPDATE CASCADE
) WITHOUT ROWID;

CREATE TABLE registered_model_aliases (
  workspace TEXT NOT NULL DEFAULT 'default',
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (workspace, name, alias),
  FOREIGN KEY (workspace, name) REFERENCES registered_models (workspace, name)
    ON UPDATE CASCADE ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE model_versions (
  workspace TEXT NOT NULL DEFAULT 'default',
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  creation_time INTEGER NOT NULL,
  last_updated_time INTEGER,
  description TEXT,
  user_id TEXT,
  current_stage TEXT,
  source TEXT,
  storage_location TEXT,
  run_id TEXT,
  run_link TEXT,
  status TEXT,
  status_message TEXT,
  PRIMARY KEY (workspace, name, version),
  FOREIGN KEY (workspace, name) REFERENCES registered_models (workspace, name)
    ON UPDATE CASCADE
) WITHOUT ROWID;

-- Versions that were made from a run.
CREATE INDEX index_model_versions_run_id ON model_versions (run_id);

CREATE TABLE model_version_tags (
  workspace TEXT NOT NULL DEFAULT 'default',
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  value TEXT,
  PRIMARY KEY (workspace, name, version, "key"),
  FOREIGN KEY (workspace, name, version)
    REFERENCES model_versions (workspace, name, version) ON UPDATE CASCADE
) WITHOUT ROWID;

-- Prompts, which searches leave out: whether a model is one is asked for each of
-- its versions. All four columns, or the planner takes the table's own key and
-- reads all tags of the model each time.
CREATE INDEX index_model_version_tags_prompts
  ON model_version_tags (workspace, "key", value, name)
  WHERE "key" = 'mlflow.prompt.is_prompt' AND value = 'true';
