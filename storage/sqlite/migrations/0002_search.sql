-- Searches whose cost follows the page: each value of a run stands in an index
-- of its experiment, in the order of runs that have the same value. For that a
-- value's row repeats what a run never changes, its experiment and its start.

CREATE TABLE new_tags (
  run_uuid TEXT NOT NULL REFERENCES runs (run_uuid),
  "key" TEXT NOT NULL,
  value TEXT,
  experiment_id INTEGER NOT NULL,
  start_time INTEGER,
  PRIMARY KEY (run_uuid, "key")
) WITHOUT ROWID;
INSERT INTO new_tags
  SELECT t.run_uuid, t."key", t.value, r.experiment_id, r.start_time
  FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid
  ORDER BY t.run_uuid, t."key";
DROP TABLE tags;
ALTER TABLE new_tags RENAME TO tags;
CREATE INDEX index_tags_experiment_id_key_value
  ON tags (experiment_id, "key", value, start_time DESC, run_uuid);

CREATE TABLE new_params (
  run_uuid TEXT NOT NULL REFERENCES runs (run_uuid),
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  experiment_id INTEGER NOT NULL,
  start_time INTEGER,
  PRIMARY KEY (run_uuid, "key")
) WITHOUT ROWID;
INSERT INTO new_params
  SELECT p.run_uuid, p."key", p.value, r.experiment_id, r.start_time
  FROM params p JOIN runs r ON r.run_uuid = p.run_uuid
  ORDER BY p.run_uuid, p."key";
DROP TABLE params;
ALTER TABLE new_params RENAME TO params;
CREATE INDEX index_params_experiment_id_key_value
  ON params (experiment_id, "key", value, start_time DESC, run_uuid);

CREATE TABLE new_latest_metrics (
  run_uuid TEXT NOT NULL REFERENCES runs (run_uuid),
  "key" TEXT NOT NULL,
  value REAL NOT NULL,  -- 0 for NaN, +-1.7976931348623157e308 for infinities
  "timestamp" INTEGER NOT NULL,
  step INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  experiment_id INTEGER NOT NULL,
  start_time INTEGER,
  PRIMARY KEY (run_uuid, "key")
) WITHOUT ROWID;
INSERT INTO new_latest_metrics
  SELECT m.run_uuid, m."key", m.value, m."timestamp", m.step, m.is_nan,
    r.experiment_id, r.start_time
  FROM latest_metrics m JOIN runs r ON r.run_uuid = m.run_uuid
  ORDER BY m.run_uuid, m."key";
DROP TABLE latest_metrics;
ALTER TABLE new_latest_metrics RENAME TO latest_metrics;
CREATE INDEX index_latest_metrics_experiment_id_key_value
  ON latest_metrics (experiment_id, "key", is_nan, value, start_time DESC,
                     run_uuid);

-- Runs in their own order, now with what else they are filtered and ordered by;
-- an index of each would have to be written with each run.
DROP INDEX index_runs_experiment_id_start_time;
CREATE INDEX index_runs_experiment_id_start_time
  ON runs (experiment_id, start_time DESC, run_uuid, lifecycle_stage, name,
           status, end_time, user_id);
CREATE INDEX index_runs_experiment_id_name
  ON runs (experiment_id, name, start_time DESC, run_uuid, lifecycle_stage);
