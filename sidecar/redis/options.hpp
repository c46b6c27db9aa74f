// sidecar/redis/options.hpp — what the settings say about Redis.
#pragma once

#include "sidecar/model/settings.hpp"
#include "sidecar/redis/client.hpp"
#include "sidecar/redis/keys.hpp"

namespace ddt::redis {

// From the shared keys redis.*; problems_in() judges them.
ConnectOptions connect_options(const model::Settings& settings);

// redis.live_prefix. Problems of the prefix and of sidecar.id (which may be empty here) as texts.
LiveKeys live_keys(const model::Settings& settings);
std::vector<std::string> problems_in_names(const model::Settings& settings);

}  // namespace ddt::redis
