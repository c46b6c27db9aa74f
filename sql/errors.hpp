// sql/errors.hpp — what a MySQL error number means for us: is the connection gone, can a retry
// help?
#pragma once

namespace ddt::sql {

// The connection can not be used any more: lost, never made, or out of step.
bool is_connection_error(unsigned number) noexcept;

// The same transaction may succeed later: connection errors, deadlocks, lock waits, a server that
// is starting, stopping, full, read-only or short of something.
bool is_retryable_error(unsigned number) noexcept;

}  // namespace ddt::sql
