-- Figures per window: sums beyond 1e11, a figure that is undefined (NULL, with the reason in status), several
-- labels of one figure, and one row per figure and window, written again whenever the window changes.
-- Rows from before have labels NULL and stay as they are, repeated ones too.
-- binary: 0.1.0

-- step: widen the columns from before, in one rebuild of the table
-- unless: column dd_telemetry_metrics.metric_type is varchar(50) utf8mb4_bin not null
-- unless: column dd_telemetry_metrics.metric_name is varchar(100) utf8mb4_bin not null
-- unless: column dd_telemetry_metrics.metric_value is decimal(30,8) null
-- unless: column dd_telemetry_metrics.window_type is varchar(20) utf8mb4_bin not null
-- unless: column dd_telemetry_metrics.window_start is datetime(6) not null
-- unless: column dd_telemetry_metrics.window_end is datetime(6) not null
ALTER TABLE dd_telemetry_metrics
  MODIFY COLUMN metric_type VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN metric_name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN metric_value DECIMAL(30,8) NULL,
  MODIFY COLUMN window_type VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN window_start DATETIME(6) NOT NULL,
  MODIFY COLUMN window_end DATETIME(6) NOT NULL,
  DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- step: what the figure is split by: '' or 'script=order_monitor'
-- unless: column dd_telemetry_metrics.labels exists
ALTER TABLE dd_telemetry_metrics ADD COLUMN labels VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: why there is no value
-- unless: column dd_telemetry_metrics.status exists
ALTER TABLE dd_telemetry_metrics ADD COLUMN status VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: revision of the window the figure was computed from
-- unless: column dd_telemetry_metrics.revision exists
ALTER TABLE dd_telemetry_metrics ADD COLUMN revision INT UNSIGNED NOT NULL DEFAULT 0;

-- step: whether the window had ended
-- unless: column dd_telemetry_metrics.final exists
ALTER TABLE dd_telemetry_metrics ADD COLUMN final TINYINT NOT NULL DEFAULT 1;

-- step: when it was last written (NULL: before this column)
-- unless: column dd_telemetry_metrics.updated_at exists
ALTER TABLE dd_telemetry_metrics ADD COLUMN updated_at DATETIME(6) NULL;

-- step: updated_at keeps itself from now on
-- unless: column dd_telemetry_metrics.updated_at updates itself
ALTER TABLE dd_telemetry_metrics
  MODIFY COLUMN updated_at DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6);

-- step: one row per figure, window and labels; also the index of the usual query
-- unless: index dd_telemetry_metrics.uq_metric_window exists
ALTER TABLE dd_telemetry_metrics ADD UNIQUE KEY uq_metric_window (profile_id, metric_type, metric_name, window_type, window_start, labels);
