-- Trades: wide enough for option symbols, fractions and microseconds; all that a trade Record says; keys that
-- make a repeat harmless. Every change of a type only widens: no value of a row from before changes.
-- Texts compare by bytes: ids that differ in case are different ids. New columns are NULL in rows from before,
-- so the unique keys do not concern them. New columns come last: adding them is instant.
-- binary: 0.1.0

-- step: result in percent (the Python service has it)
-- unless: column dd_trade_performance.pnl_pct exists
ALTER TABLE dd_trade_performance ADD COLUMN pnl_pct DECIMAL(20,8) NULL;

-- step: strength of the signal's bar (the Python service has it)
-- unless: column dd_trade_performance.bar_strength exists
ALTER TABLE dd_trade_performance ADD COLUMN bar_strength DECIMAL(20,8) NULL;

-- step: direction of the signal (the Python service has it)
-- unless: column dd_trade_performance.direction exists
ALTER TABLE dd_trade_performance ADD COLUMN direction VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: why it was closed (the Python service has it)
-- unless: column dd_trade_performance.exit_reason exists
ALTER TABLE dd_trade_performance ADD COLUMN exit_reason VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: widen the columns from before, in one rebuild of the table
-- unless: column dd_trade_performance.symbol is varchar(32) utf8mb4_bin not null
-- unless: column dd_trade_performance.trade_type is varchar(50) utf8mb4_bin not null
-- unless: column dd_trade_performance.entry_price is decimal(20,8) null
-- unless: column dd_trade_performance.exit_price is decimal(20,8) null
-- unless: column dd_trade_performance.quantity is decimal(20,8) null
-- unless: column dd_trade_performance.pnl is decimal(30,8) null
-- unless: column dd_trade_performance.pnl_pct is decimal(20,8) null
-- unless: column dd_trade_performance.slippage is decimal(20,8) null
-- unless: column dd_trade_performance.entry_time is datetime(6) null
-- unless: column dd_trade_performance.exit_time is datetime(6) null
-- unless: column dd_trade_performance.duration_seconds is decimal(18,6) null
-- unless: column dd_trade_performance.bar_strength is decimal(20,8) null
-- unless: column dd_trade_performance.direction is varchar(50) utf8mb4_bin null
-- unless: column dd_trade_performance.exit_reason is varchar(50) utf8mb4_bin null
ALTER TABLE dd_trade_performance
  MODIFY COLUMN symbol VARCHAR(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN trade_type VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  MODIFY COLUMN entry_price DECIMAL(20,8) NULL,
  MODIFY COLUMN exit_price DECIMAL(20,8) NULL,
  MODIFY COLUMN quantity DECIMAL(20,8) NULL,
  MODIFY COLUMN pnl DECIMAL(30,8) NULL,
  MODIFY COLUMN pnl_pct DECIMAL(20,8) NULL,
  MODIFY COLUMN slippage DECIMAL(20,8) NULL,
  MODIFY COLUMN entry_time DATETIME(6) NULL,
  MODIFY COLUMN exit_time DATETIME(6) NULL,
  MODIFY COLUMN duration_seconds DECIMAL(18,6) NULL,
  MODIFY COLUMN bar_strength DECIMAL(20,8) NULL,
  MODIFY COLUMN direction VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  MODIFY COLUMN exit_reason VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- step: side, as published
-- unless: column dd_trade_performance.side exists
ALTER TABLE dd_trade_performance ADD COLUMN side VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: multiplier of the contract
-- unless: column dd_trade_performance.multiplier exists
ALTER TABLE dd_trade_performance ADD COLUMN multiplier DECIMAL(20,8) NULL;

-- step: price of the instrument when the decision was made
-- unless: column dd_trade_performance.reference_price exists
ALTER TABLE dd_trade_performance ADD COLUMN reference_price DECIMAL(20,8) NULL;

-- step: fees
-- unless: column dd_trade_performance.fees exists
ALTER TABLE dd_trade_performance ADD COLUMN fees DECIMAL(20,8) NULL;

-- step: size of the signal's candle
-- unless: column dd_trade_performance.candle_size exists
ALTER TABLE dd_trade_performance ADD COLUMN candle_size DECIMAL(20,8) NULL;

-- step: id that makes a repeat a correction
-- unless: column dd_trade_performance.trade_id exists
ALTER TABLE dd_trade_performance ADD COLUMN trade_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: order that closed it
-- unless: column dd_trade_performance.order_id exists
ALTER TABLE dd_trade_performance ADD COLUMN order_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: signal that opened it
-- unless: column dd_trade_performance.signal_id exists
ALTER TABLE dd_trade_performance ADD COLUMN signal_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: script that published it
-- unless: column dd_trade_performance.script_name exists
ALTER TABLE dd_trade_performance ADD COLUMN script_name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;

-- step: when it was published
-- unless: column dd_trade_performance.event_time exists
ALTER TABLE dd_trade_performance ADD COLUMN event_time DATETIME(6) NULL;

-- step: number of corrections
-- unless: column dd_trade_performance.revision exists
ALTER TABLE dd_trade_performance ADD COLUMN revision INT UNSIGNED NOT NULL DEFAULT 0;

-- step: where its Record lay: Segment
-- unless: column dd_trade_performance.segment_id exists
ALTER TABLE dd_trade_performance ADD COLUMN segment_id BINARY(16) NULL;

-- step: where its Record lay: Lane
-- unless: column dd_trade_performance.lane exists
ALTER TABLE dd_trade_performance ADD COLUMN lane INT UNSIGNED NULL;

-- step: where its Record lay: Position
-- unless: column dd_trade_performance.position exists
ALTER TABLE dd_trade_performance ADD COLUMN `position` BIGINT UNSIGNED NULL;

-- step: one row per Record
-- unless: index dd_trade_performance.uq_trade_position exists
ALTER TABLE dd_trade_performance ADD UNIQUE KEY uq_trade_position (segment_id, lane, `position`);

-- step: one row per trade id
-- unless: index dd_trade_performance.uq_trade_id exists
ALTER TABLE dd_trade_performance ADD UNIQUE KEY uq_trade_id (profile_id, trade_id);

-- step: newest exits of a profile first
-- unless: index dd_trade_performance.idx_profile_exit exists
ALTER TABLE dd_trade_performance ADD KEY idx_profile_exit (profile_id, exit_time, id);
