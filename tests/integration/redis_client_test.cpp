// The client against a real server: what hiredis leaves open is closed here.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "sidecar/redis/client.hpp"
#include "tests/support/private_redis.hpp"

namespace ddt::redis {
namespace {

using namespace std::chrono_literals;

class RedisClient : public ::testing::Test {
 protected:
  test::PrivateRedis server_;
};

TEST_F(RedisClient, CarriesAnyBytesBothWays) {
  Client client = server_.client();
  std::string bytes("\0\r\n$-1\xff", 8);
  bytes += std::string(100'000, '\0');
  ASSERT_TRUE(client.run({"SET", bytes.substr(0, 9), bytes}));
  const Result<Reply> reply = client.run({"GET", bytes.substr(0, 9)});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kind, Reply::Kind::string);
  EXPECT_EQ(reply->text, bytes);
}

TEST_F(RedisClient, KnowsEveryKindOfReply) {
  Client client = server_.client();
  const Result<Reply> reply =
      client.run({"EVAL", "return {1, 'two', {redis.status_reply('three'), false}, {}}", "0"});
  ASSERT_TRUE(reply) << reply.error().message;
  ASSERT_EQ(reply->items.size(), 4U);
  EXPECT_EQ(reply->items[0].integer, 1);
  EXPECT_EQ(reply->items[1].text, "two");
  EXPECT_EQ(reply->items[2].items[0].kind, Reply::Kind::status);
  EXPECT_TRUE(reply->items[2].items[1].is_nil());
  EXPECT_EQ(reply->items[3].kind, Reply::Kind::array);
  EXPECT_TRUE(reply->items[3].items.empty());
}

TEST_F(RedisClient, GivesAnErrorReplyItsTextAndLivesOn) {
  Client client = server_.client();
  const Result<Reply> refused = client.run({"INCR"});
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().is_retryable);
  EXPECT_NE(refused.error().message.find("wrong number of arguments"), std::string::npos);
  EXPECT_TRUE(client.is_open());
  EXPECT_TRUE(client.run({"PING"}));
}

TEST_F(RedisClient, KeepsErrorRepliesOfAPipelineInTheirPlace) {
  Client client = server_.client();
  const std::vector<Command> commands{{"SET", "text", "x"}, {"INCR", "text"}, {"GET", "text"}};
  const Result<std::vector<Reply>> replies = client.run_all(commands);
  ASSERT_TRUE(replies);
  ASSERT_EQ(replies->size(), 3U);
  EXPECT_TRUE((*replies)[1].is_error());
  EXPECT_EQ((*replies)[2].text, "x");
}

TEST_F(RedisClient, RunsAPipelineLongerThanAnyBuffer) {
  Client client = server_.client();
  std::vector<Command> commands;
  for (int i = 0; i < 5'000; ++i)
    commands.push_back({"ECHO", std::string(4'000, 'a') + std::to_string(i)});
  const Result<std::vector<Reply>> replies = client.run_all(commands);
  ASSERT_TRUE(replies);
  for (std::size_t i = 0; i < commands.size(); ++i) ASSERT_EQ((*replies)[i].text, commands[i][1]);
}

TEST_F(RedisClient, IsDeadAfterTheServerEndedAndDoesNotDieOfSigpipe) {
  Client client = server_.client();
  server_.kill();
  for (int i = 0; i < 3; ++i) {
    const Result<Reply> reply = client.run({"SET", "key", std::string(1 << 20, 'x')});
    ASSERT_FALSE(reply);
    EXPECT_TRUE(reply.error().is_retryable);
    EXPECT_FALSE(client.is_open());
  }
  server_.start();
  EXPECT_FALSE(client.run({"PING"}));
  EXPECT_TRUE(server_.client().run({"PING"}));
}

TEST_F(RedisClient, GivesUpOnAServerThatDoesNotAnswer) {
  ConnectOptions options = server_.options();
  options.io_timeout = 100ms;
  Result<Client> client = Client::connect(options);
  ASSERT_TRUE(client);
  server_.pause();
  const auto begin = std::chrono::steady_clock::now();
  const Result<Reply> reply = client->run({"PING"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  server_.resume();
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().is_retryable);
  EXPECT_FALSE(client->is_open());
}

TEST_F(RedisClient, SaysWhereItCouldNotConnect) {
  ConnectOptions options = server_.options();
  server_.stop();
  const Result<Client> client = Client::connect(options);
  ASSERT_FALSE(client);
  EXPECT_TRUE(client.error().is_retryable);
  EXPECT_NE(client.error().message.find(std::to_string(options.port)), std::string::npos);
}

TEST_F(RedisClient, AuthenticatesAndSelects) {
  Client admin = server_.client();
  ASSERT_TRUE(admin.run({"ACL", "SETUSER", "bot", "on", ">secret", "~*", "+@all"}));
  ConnectOptions options = server_.socket_options();
  options.username = "bot";
  options.password = "secret";
  options.database = 3;
  Result<Client> client = Client::connect(options);
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ(client->run({"ACL", "WHOAMI"})->text, "bot");
  ASSERT_TRUE(client->run({"SET", "here", "1"}));
  EXPECT_TRUE(admin.run({"GET", "here"})->is_nil());

  options.password = "wrong-secret";
  const Result<Client> refused = Client::connect(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("wrong-secret"), std::string::npos);
  EXPECT_NE(refused.error().message.find("WRONGPASS"), std::string::npos);
}

TEST_F(RedisClient, RefusesAnArrayWithoutMeasure) {
  Client client = server_.client();
  const Result<Reply> reply =
      client.run({"EVAL", "local t = {} for i = 1, 1100000 do t[i] = 1 end return t", "0"});
  ASSERT_FALSE(reply);
  EXPECT_FALSE(client.is_open());
}

TEST_F(RedisClient, SubscriberHearsChannelsAndPatternsAndTimesOut) {
  Result<Subscriber> subscriber = Subscriber::connect(server_.options());
  ASSERT_TRUE(subscriber);
  ASSERT_TRUE(subscriber->subscribe("live:7"));
  ASSERT_TRUE(subscriber->subscribe_pattern("other:*"));
  Client client = server_.client();
  ASSERT_EQ(client.run({"PUBLISH", "live:7", "one"})->integer, 1);
  ASSERT_EQ(client.run({"PUBLISH", "other:8", std::string("t\0o", 3)})->integer, 1);
  Result<std::optional<Message>> first = subscriber->next(2s);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->channel, "live:7");
  EXPECT_EQ((*first)->payload, "one");
  Result<std::optional<Message>> second = subscriber->next(2s);
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->channel, "other:8");
  EXPECT_EQ((*second)->payload, std::string("t\0o", 3));
  Result<std::optional<Message>> none = subscriber->next(20ms);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);

  server_.kill();
  const Result<std::optional<Message>> dead = subscriber->next(2s);
  ASSERT_FALSE(dead);
  EXPECT_FALSE(subscriber->is_open());
}

TEST_F(RedisClient, SubscriberKeepsMessagesThatComeWhileItSubscribes) {
  Result<Subscriber> subscriber = Subscriber::connect(server_.options());
  ASSERT_TRUE(subscriber && subscriber->subscribe("a"));
  ASSERT_EQ(server_.client().run({"PUBLISH", "a", "early"})->integer, 1);
  ASSERT_TRUE(subscriber->subscribe("b"));
  ASSERT_TRUE(subscriber->unsubscribe("a"));
  EXPECT_EQ(server_.client().run({"PUBLISH", "a", "late"})->integer, 0);
  const Result<std::optional<Message>> message = subscriber->next(0ms);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->payload, "early");
}

}  // namespace
}  // namespace ddt::redis
