#include "harness/serve/server.h"

#include <arpa/inet.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/error.h"

namespace pionbench::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kThreads = 40;
constexpr int kMostListeners = 32;  // each keeps a thread; the rest is for pages
constexpr auto kPoll = milliseconds(1000);
constexpr auto kPing = std::chrono::seconds(15);  // tells proxies and us whether the listener is still there

/// The newest status, for all that listen.
class Feed {
 public:
  void publish(std::string text) {
    {
      const std::lock_guard lock(mutex_);
      if (text == text_) return;
      text_ = std::move(text);
      ++version_;
    }
    changed_.notify_all();
  }
  void end() {
    {
      const std::lock_guard lock(mutex_);
      has_ended_ = true;
    }
    changed_.notify_all();
  }
  /// Waits for a version beyond `seen`; "" when there was none in time. Nothing once it has ended.
  std::optional<std::string> next(std::uint64_t& seen, steady_clock::duration patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return has_ended_ || version_ > seen; });
    if (has_ended_) return std::nullopt;
    if (version_ == seen) return "";
    seen = version_;
    return text_;
  }
  /// Sleeps; false once it has ended.
  bool sleep(steady_clock::duration duration) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, duration, [&] { return has_ended_; });
  }

  std::atomic<int> listeners = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::uint64_t version_ = 0;
  bool has_ended_ = false;
};

/// Counts a listener for as long as it is there.
class Listener {
 public:
  explicit Listener(Feed& feed) : feed_(feed) { ++feed_.listeners; }
  ~Listener() { --feed_.listeners; }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::uint64_t seen = 0;

 private:
  Feed& feed_;
};

void refuse(httplib::Response& response, int status, const std::string& why) {
  response.status = status;
  response.set_content(why + "\n", "text/plain; charset=utf-8");
}

/// SO_REUSEADDR alone: the library's default also sets SO_REUSEPORT, by which two servers would share one port.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

bool is_own_host(const std::string& host, const std::vector<std::string>& names) {
  std::string name = host;
  if (name.starts_with('[')) {
    const auto close = name.find(']');
    if (close == name.npos) return false;
    in6_addr address;
    return ::inet_pton(AF_INET6, name.substr(1, close - 1).c_str(), &address) == 1;
  }
  if (const auto colon = name.rfind(':'); colon != name.npos) name.resize(colon);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  in_addr address;
  return name == "localhost" || ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         std::ranges::find(names, name) != names.end();
}

struct Server::Impl {
  Impl(Site& site, const Address& address) : site(site), names(address.names) {
    http.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    http.set_socket_options(set_socket_options);
    http.set_keep_alive_timeout(1);  // what a stop waits for
    http.set_payload_max_length(1024);
    http.set_default_headers({{"X-Content-Type-Options", "nosniff"},
                              {"Cross-Origin-Resource-Policy", "same-origin"},
                              {"X-Frame-Options", "DENY"},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cache-Control", "no-store"}});
    http.set_pre_routing_handler([this](const auto& request, auto& response) { return admit(request, response); });
    http.Get("/", [this](const auto&, auto& response) {
      const Document page = this->site.page();
      response.set_header("Content-Security-Policy", this->site.security_policy());
      response.set_content(page.body, page.type);
    });
    http.Get("/api/events", [this](const auto&, auto& response) { listen_to_events(response); });
    http.Get("/api/(.+)", [this](const auto& request, auto& response) { answer(request.matches[1], response); });
    http.set_error_handler([](const auto&, auto& response) {
      if (response.body.empty()) refuse(response, response.status, "nothing here");
    });
    port = address.port;
    if (address.port == 0)
      port = http.bind_to_any_port(address.host);
    else if (!http.bind_to_port(address.host, address.port))
      port = -1;
    if (port < 0)
      throw UserError("cannot listen on " + address.host + (address.port ? ":" + std::to_string(address.port) : "") +
                          ": the port is taken, or the host is none of this machine's; choose others with --port "
                          "(0: any that is free) and --host",
                      kUsage);
  }

  httplib::Server::HandlerResponse admit(const httplib::Request& request, httplib::Response& response) const {
    using enum httplib::Server::HandlerResponse;
    if (!is_own_host(request.get_header_value("Host"), names)) {
      refuse(response, 403, "this server answers to localhost, to IP addresses and to the names of its --host only");
      return Handled;
    }
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      refuse(response, 405, "read-only: GET and HEAD");
      return Handled;
    }
    return Unhandled;
  }

  void answer(const std::string& name, httplib::Response& response) const {
    try {
      if (const auto document = site.document(name))
        response.set_content(document->body, document->type);
      else
        refuse(response, 404, "nothing here");
    } catch (const UserError& error) {
      refuse(response, 500, error.what());
    }
  }

  void listen_to_events(httplib::Response& response) {
    if (feed.listeners >= kMostListeners) return refuse(response, 503, "too many pages are open");
    auto listener = std::make_shared<Listener>(feed);
    response.set_chunked_content_provider("text/event-stream", [this, listener](std::size_t, httplib::DataSink& sink) {
      const auto text = feed.next(listener->seen, kPing);
      if (!text) {
        sink.done();
        return true;
      }
      const std::string event = text->empty() ? ": still here\n\n" : "event: status\ndata: " + *text + "\n\n";
      return sink.is_writable() && sink.write(event.data(), event.size());
    });
  }

  /// Asks for the status while somebody listens; a slow answer is asked for less often.
  void watch() {
    auto pause = steady_clock::duration(kPoll);
    while (feed.sleep(pause)) {
      if (feed.listeners == 0) continue;
      const auto began = steady_clock::now();
      feed.publish(site.status());
      pause = std::max<steady_clock::duration>(kPoll, 10 * (steady_clock::now() - began));
    }
  }

  Site& site;
  std::vector<std::string> names;
  int port = -1;
  Feed feed;
  httplib::Server http;
  std::thread listening, watching;
};

Server::Server(Site& site, const Address& address) : impl_(std::make_unique<Impl>(site, address)) {}
Server::~Server() {
  stop();
}

int Server::port() const {
  return impl_->port;
}

void Server::start() {
  impl_->feed.publish(impl_->site.status());
  impl_->listening = std::thread([this] { impl_->http.listen_after_bind(); });
  impl_->watching = std::thread([this] { impl_->watch(); });
  while (!impl_->http.is_running()) std::this_thread::sleep_for(milliseconds(1));
}

void Server::stop() {
  impl_->feed.end();
  impl_->http.stop();
  if (impl_->listening.joinable()) impl_->listening.join();
  if (impl_->watching.joinable()) impl_->watching.join();
}

}  // namespace pionbench::serve
