-- The single truth of what has been counted, and the Blocks and rows that can never be stored.
-- binary: 0.1.0

-- step: committed Positions and the ledger's terms, one row per Lane
-- unless: table dd_lane_positions exists
CREATE TABLE IF NOT EXISTS dd_lane_positions (
  segment_id BINARY(16) NOT NULL,
  lane INT UNSIGNED NOT NULL,
  sidecar_id VARCHAR(64) NOT NULL,
  segment_name VARCHAR(80) NOT NULL DEFAULT '',
  owner_uid INT UNSIGNED NOT NULL DEFAULT 0,
  profile_id INT NOT NULL DEFAULT 0,
  script_name VARCHAR(50) NOT NULL DEFAULT '',
  `position` BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ordinal BIGINT UNSIGNED NOT NULL DEFAULT 0,
  produced BIGINT UNSIGNED NOT NULL DEFAULT 0,
  stored_samples BIGINT UNSIGNED NOT NULL DEFAULT 0,
  stored_states BIGINT UNSIGNED NOT NULL DEFAULT 0,
  stored_facts BIGINT UNSIGNED NOT NULL DEFAULT 0,
  dropped_samples BIGINT UNSIGNED NOT NULL DEFAULT 0,
  dropped_states BIGINT UNSIGNED NOT NULL DEFAULT 0,
  dropped_facts BIGINT UNSIGNED NOT NULL DEFAULT 0,
  refused BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rejected BIGINT UNSIGNED NOT NULL DEFAULT 0,
  lost BIGINT UNSIGNED NOT NULL DEFAULT 0,
  retired_at DATETIME(6) NULL,
  updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (segment_id, lane),
  KEY idx_lane_sidecar (sidecar_id, retired_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- step: what can never be stored, with the reason
-- unless: table dd_rejected exists
CREATE TABLE IF NOT EXISTS dd_rejected (
  id BIGINT NOT NULL AUTO_INCREMENT,
  segment_id BINARY(16) NULL,
  lane INT UNSIGNED NULL,
  `position` BIGINT UNSIGNED NULL,
  reason VARCHAR(200) NOT NULL,
  payload MEDIUMBLOB NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY uq_rejected_position (segment_id, lane, `position`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
