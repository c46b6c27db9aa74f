-- Health: errors are kept one by one (identity set, bucket NULL); of a state the last reading of every hour
-- (bucket set). Rows from before have neither.
-- binary: 0.1.0

-- step: widen the columns from before, in one rebuild of the table
-- unless: column dd_system_health.script_name is varchar(50) utf8mb4_bin not null
-- unless: column dd_system_health.metric_name is varchar(100) utf8mb4_bin not null
-- unless: column dd_system_health.metric_value is decimal(30,8) null
-- unless: column dd_system_health.status is varchar(50) utf8mb4_bin null
-- unless: column dd_system_health.timestamp is datetime(6) null
ALTER TABLE dd_system_health
  MODIFY COLUMN script_name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN metric_name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN metric_value DECIMAL(30,8) NULL,
  MODIFY COLUMN status VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  MODIFY COLUMN timestamp DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6),
  DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- step: hour of a state's reading
-- unless: column dd_system_health.bucket exists
ALTER TABLE dd_system_health ADD COLUMN bucket DATETIME(6) NULL;

-- step: where an error's Record lay: Segment
-- unless: column dd_system_health.segment_id exists
ALTER TABLE dd_system_health ADD COLUMN segment_id BINARY(16) NULL;

-- step: where an error's Record lay: Lane
-- unless: column dd_system_health.lane exists
ALTER TABLE dd_system_health ADD COLUMN lane INT UNSIGNED NULL;

-- step: where an error's Record lay: Position
-- unless: column dd_system_health.position exists
ALTER TABLE dd_system_health ADD COLUMN `position` BIGINT UNSIGNED NULL;

-- step: one row per Record
-- unless: index dd_system_health.uq_health_position exists
ALTER TABLE dd_system_health ADD UNIQUE KEY uq_health_position (segment_id, lane, `position`);

-- step: one row per state and hour
-- unless: index dd_system_health.uq_health_bucket exists
ALTER TABLE dd_system_health ADD UNIQUE KEY uq_health_bucket (profile_id, script_name, metric_name, bucket);

-- step: readings of one script in time order
-- unless: index dd_system_health.idx_health_metric exists
ALTER TABLE dd_system_health ADD KEY idx_health_metric (profile_id, script_name, metric_name, timestamp);
