-- What statistics are made of: equity by the minute, and the mergeable state of every window.
-- binary: 0.1.0

-- step: equity, one row per profile and minute
-- unless: table dd_equity_minute exists
CREATE TABLE IF NOT EXISTS dd_equity_minute (
  profile_id INT NOT NULL,
  minute DATETIME NOT NULL,
  open DECIMAL(20,8) NOT NULL,
  high DECIMAL(20,8) NOT NULL,
  low DECIMAL(20,8) NOT NULL,
  close DECIMAL(20,8) NOT NULL,
  open_time DATETIME(6) NULL,
  high_time DATETIME(6) NULL,
  low_time DATETIME(6) NULL,
  close_time DATETIME(6) NULL,
  mdd DECIMAL(20,8) NOT NULL DEFAULT 0,
  mdd_pct DECIMAL(20,8) NOT NULL DEFAULT 0,
  unrealized_pnl DECIMAL(20,8) NULL,
  realized_pnl DECIMAL(20,8) NULL,
  margin_used DECIMAL(20,8) NULL,
  margin_available DECIMAL(20,8) NULL,
  open_positions_count INT NULL,
  cash_flow DECIMAL(20,8) NULL,
  readings INT UNSIGNED NOT NULL DEFAULT 0,
  margin_pct_sum DECIMAL(30,8) NULL,
  margin_pct_max DECIMAL(20,8) NULL,
  margin_readings INT UNSIGNED NOT NULL DEFAULT 0,
  metadata JSON NULL,
  revision INT UNSIGNED NOT NULL DEFAULT 0,
  script_name VARCHAR(50) NULL,
  state BLOB NULL,
  PRIMARY KEY (profile_id, minute)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- step: state of the windows, and which of them have figures to be computed again
-- unless: table dd_window_state exists
CREATE TABLE IF NOT EXISTS dd_window_state (
  profile_id INT NOT NULL,
  metric_type VARCHAR(20) NOT NULL,
  script_name VARCHAR(50) NOT NULL,
  name VARCHAR(100) NOT NULL,
  window_type VARCHAR(10) NOT NULL,
  window_start DATETIME NOT NULL,
  window_end DATETIME NOT NULL,
  state MEDIUMBLOB NULL,
  revision INT UNSIGNED NOT NULL DEFAULT 0,
  figures_revision INT UNSIGNED NOT NULL DEFAULT 0,
  dirty TINYINT NOT NULL DEFAULT 0,
  updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (profile_id, metric_type, script_name, name, window_type, window_start),
  KEY idx_window_dirty (dirty, window_type, window_start)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
