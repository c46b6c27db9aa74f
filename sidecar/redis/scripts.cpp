#include "sidecar/redis/scripts.hpp"

#include <span>
#include <utility>
#include <vector>

namespace ddt::redis {

Command Script::command(Command keys_and_arguments) const {
  keys_and_arguments.insert(keys_and_arguments.begin(), {"EVAL", std::string(text)});
  return keys_and_arguments;
}

Result<Reply> Script::run(Client& client, Command keys_and_arguments) const {
  const Command eval = command(std::move(keys_and_arguments));
  Result<std::vector<Reply>> replies = client.run_all(std::span(&eval, 1));
  if (!replies) return replies.error();
  return std::move(replies->front());
}

}  // namespace ddt::redis
