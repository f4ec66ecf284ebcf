#pragma once
/// A small HTTP server that answers GET and HEAD from memory and has no files to give away.
///
/// It is meant for the person at this machine. It binds to loopback unless told otherwise; a page of another site
/// cannot read it through a name that it makes point here (DNS rebinding), because only these hosts are answered: an IP
/// address, `localhost`, and the names given.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pionbench::serve {

struct Document {
  std::string type;  ///< of the content
  std::string body;
};

/// What there is to serve. Called from several threads at once.
class Site {
 public:
  virtual ~Site() = default;
  virtual Document page() = 0;                ///< at /
  virtual std::string security_policy() = 0;  ///< Content-Security-Policy of the page
  /// At /api/<name>; nothing where there is none. A UserError is told to the reader (500).
  virtual std::optional<Document> document(const std::string& name) = 0;
  /// One line of JSON, sent to those who listen at /api/events whenever it is another one. About once a second while
  /// somebody does.
  virtual std::string status() = 0;
};

struct Address {
  std::string host = "127.0.0.1";
  int port = 0;                    ///< 0: any that is free
  std::vector<std::string> names;  ///< by which it may be asked for, beside IP addresses and localhost
};

class Server {
 public:
  /// Binds; UserError when the port is taken or the host is none of this machine's.
  Server(Site& site, const Address& address);
  ~Server();  ///< stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  void start();  ///< in threads of its own
  /// Ends open connections; returns once all threads have.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether a request that names this Host is answered: "localhost:8787", "127.0.0.1", "[::1]:80", one of `names`.
bool is_own_host(const std::string& host, const std::vector<std::string>& names);

}  // namespace pionbench::serve
