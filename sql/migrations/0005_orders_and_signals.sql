-- Facts that had no table: orders, one row per status that was ever seen, and signals with their fate.
-- binary: 0.1.0

-- step: orders, one row per (profile, order, status); a repeat changes nothing
-- unless: table dd_orders exists
CREATE TABLE IF NOT EXISTS dd_orders (
  id BIGINT NOT NULL AUTO_INCREMENT,
  profile_id INT NOT NULL,
  order_id VARCHAR(64) NOT NULL,
  status VARCHAR(50) NOT NULL,
  parent_order_id VARCHAR(64) NULL,
  signal_id VARCHAR(64) NULL,
  symbol VARCHAR(32) NULL,
  order_type VARCHAR(50) NULL,
  side VARCHAR(50) NULL,
  quantity DECIMAL(20,8) NULL,
  filled_quantity DECIMAL(20,8) NULL,
  limit_price DECIMAL(20,8) NULL,
  filled_price DECIMAL(20,8) NULL,
  api_latency_ms DECIMAL(20,6) NULL,
  script_name VARCHAR(50) NULL,
  event_time DATETIME(6) NOT NULL,
  segment_id BINARY(16) NULL,
  lane INT UNSIGNED NULL,
  `position` BIGINT UNSIGNED NULL,
  metadata JSON NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY uq_order_status (profile_id, order_id, status),
  KEY idx_order_time (profile_id, event_time),
  KEY idx_order_parent (profile_id, parent_order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- step: signals, one row per Record
-- unless: table dd_signals exists
CREATE TABLE IF NOT EXISTS dd_signals (
  id BIGINT NOT NULL AUTO_INCREMENT,
  profile_id INT NOT NULL,
  signal_id VARCHAR(64) NULL,
  fate VARCHAR(50) NOT NULL,
  reason VARCHAR(50) NULL,
  script_name VARCHAR(50) NULL,
  symbol VARCHAR(32) NULL,
  direction VARCHAR(50) NULL,
  bar_strength DECIMAL(20,8) NULL,
  close_price DECIMAL(20,8) NULL,
  candle_size DECIMAL(20,8) NULL,
  volume DECIMAL(20,8) NULL,
  event_time DATETIME(6) NOT NULL,
  segment_id BINARY(16) NULL,
  lane INT UNSIGNED NULL,
  `position` BIGINT UNSIGNED NULL,
  metadata JSON NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY uq_signal_position (segment_id, lane, `position`),
  KEY idx_signal_time (profile_id, event_time),
  KEY idx_signal_id (profile_id, signal_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
