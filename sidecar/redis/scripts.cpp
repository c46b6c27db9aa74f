#include "sidecar/redis/scripts.hpp"

#include <span>
#include <utility>
#include <vector>

namespace ddt::redis {

Result<Reply> Script::run(Client& client, Command keys_and_arguments) const {
  Command& command = keys_and_arguments;
  command.insert(command.begin(), {"EVAL", std::string(text)});
  Result<std::vector<Reply>> replies = client.run_all(std::span(&command, 1));
  if (!replies) return replies.error();
  return std::move(replies->front());
}

}  // namespace ddt::redis
