-- The original design's three tables, with its names, columns and indexes. Tables that are there already,
-- the design's or the Python service's, are taken as they are; the next migrations bring them forward.
-- binary: 0.1.0

-- step: figures per window
-- unless: table dd_telemetry_metrics exists
CREATE TABLE IF NOT EXISTS dd_telemetry_metrics (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  profile_id INT NOT NULL,
  metric_type VARCHAR(50) NOT NULL,
  metric_name VARCHAR(100) NOT NULL,
  metric_value DECIMAL(15,4) NOT NULL,
  window_type VARCHAR(20) NOT NULL,
  window_start TIMESTAMP NOT NULL,
  window_end TIMESTAMP NOT NULL,
  metadata JSON,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  INDEX idx_profile_metric (profile_id, metric_type, metric_name),
  INDEX idx_window (window_start, window_end)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- step: trades
-- unless: table dd_trade_performance exists
CREATE TABLE IF NOT EXISTS dd_trade_performance (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  profile_id INT NOT NULL,
  symbol VARCHAR(10) NOT NULL,
  trade_type VARCHAR(20) NOT NULL,
  entry_price DECIMAL(10,4),
  exit_price DECIMAL(10,4),
  quantity INT,
  pnl DECIMAL(10,2),
  slippage DECIMAL(10,4),
  entry_time TIMESTAMP,
  exit_time TIMESTAMP,
  duration_seconds INT,
  metadata JSON,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  INDEX idx_profile_trade (profile_id, entry_time),
  INDEX idx_symbol (symbol, entry_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- step: readings of the scripts' health
-- unless: table dd_system_health exists
CREATE TABLE IF NOT EXISTS dd_system_health (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  profile_id INT NOT NULL,
  script_name VARCHAR(50) NOT NULL,
  metric_name VARCHAR(100) NOT NULL,
  metric_value DECIMAL(15,4),
  status VARCHAR(20),
  timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  metadata JSON,
  INDEX idx_profile_script (profile_id, script_name, timestamp)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
