#include "bench/system/status.hpp"

#include "bench/system/stores.hpp"
#include "sidecar/model/json.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::bench {

std::optional<SidecarStatus> read_status(redis::Client& redis) {
  const auto reply = redis.run({"GET", redis::SidecarKeys(Stores::kSidecarId).status});
  if (!reply) return std::nullopt;
  const auto json = model::JsonValue::parse(reply->text);
  if (!json) return std::nullopt;
  const auto* ledger = json->find("ledger");
  const auto* mysql = json->find("mysql");
  if (ledger == nullptr || mysql == nullptr) return std::nullopt;
  const auto count = [](const model::JsonValue& of, const char* name) {
    return static_cast<std::uint64_t>(of.int_or(name, 0));
  };
  return SidecarStatus{
      .segments = count(*json, "segments"),
      .stale_windows = count(*json, "stale_windows"),
      .retries = count(*json, "retries"),
      .produced = count(*ledger, "produced"),
      .stored = count(*ledger, "stored"),
      .dropped = count(*ledger, "dropped"),
      .rejected = count(*ledger, "rejected"),
      .lost = count(*ledger, "lost"),
      .in_flight = count(*ledger, "in_flight"),
      .residual = ledger->int_or("residual", -1),
      .rollup_lag_s = static_cast<double>(mysql->e8_or("lag_s", 0)) / 1e8,
      .durability = json->string_or("durability"),
  };
}

}  // namespace ddt::bench
