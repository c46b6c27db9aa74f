-- Indexes for questions about any range of a long history: they read what they show, and not what lies between.
-- binary: 0.1.0

-- step: newest exits of one symbol of a profile first
-- unless: index dd_trade_performance.idx_profile_symbol_exit exists
ALTER TABLE dd_trade_performance ADD KEY idx_profile_symbol_exit (profile_id, symbol, exit_time, id);

-- step: readings of one profile by their hour
-- unless: index dd_system_health.idx_health_hour exists
ALTER TABLE dd_system_health ADD KEY idx_health_hour (profile_id, bucket);

-- step: states of one profile by their hour
-- unless: index dd_window_state.idx_window_profile exists
ALTER TABLE dd_window_state ADD KEY idx_window_profile (profile_id, window_type, window_start);

-- step: newest Windows of a profile first
-- unless: index dd_telemetry_metrics.idx_profile_window exists
ALTER TABLE dd_telemetry_metrics ADD KEY idx_profile_window (profile_id, window_start, id);

-- step: newest Windows of one type first
-- unless: index dd_telemetry_metrics.idx_profile_type_window exists
ALTER TABLE dd_telemetry_metrics ADD KEY idx_profile_type_window (profile_id, metric_type, window_type, window_start, id);
