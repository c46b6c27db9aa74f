// bare_pistache PORT BYTES THREADS — Pistache as its users use it, answering every GET with the same JSON text of
// BYTES bytes: what a reply of that size costs when nothing has to be found out.
#include <pistache/endpoint.h>
#include <pistache/http.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>

namespace {

class SameReply : public Pistache::Http::Handler {
 public:
  HTTP_PROTOTYPE(SameReply)
  explicit SameReply(std::string body) : body_(std::move(body)) {}

  void onRequest(const Pistache::Http::Request&, Pistache::Http::ResponseWriter response) override {
    response.send(Pistache::Http::Code::Ok, body_, MIME(Application, Json));
  }

 private:
  std::string body_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const auto bytes = static_cast<std::size_t>(std::max(std::atoi(argv[2]), 2));
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  Pistache::Http::Endpoint endpoint(Pistache::Address("127.0.0.1", Pistache::Port(port)));
  endpoint.init(Pistache::Http::Endpoint::options()
                    .threads(std::atoi(argv[3]))
                    .flags(Pistache::Tcp::Options::ReuseAddr | Pistache::Tcp::Options::NoDelay)
                    .keepaliveTimeout(std::chrono::hours(1)));
  endpoint.setHandler(std::make_shared<SameReply>('"' + std::string(bytes - 2, 'x') + '"'));
  endpoint.serveThreaded();
  int signal = 0;
  sigwait(&stop_signals, &signal);
  endpoint.shutdown();
  return 0;
}
