#include "harness/serve/live_store.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "results/dashboard/assets.h"
#include "results/dashboard/document.h"
#include "store/schema.h"

namespace pionbench::serve {
namespace {

using std::chrono::steady_clock;

// Compressed by nobody: over loopback that costs more than it saves, so the type is one that the library leaves alone.
constexpr const char* kJsonType = "application/vnd.pionbench+json";
// However fast a store changes, what was made stays good for this many times what it cost.
constexpr int kRest = 5;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

class LiveStore::View {
 public:
  explicit View(std::filesystem::path out) : out_(std::move(out)) {}

  /// Null while there is none.
  const Store* store() {
    auto stamp = store_stamp(out_);
    const auto database = [](const std::string& text) { return text.substr(0, text.find(':')); };
    if (database(stamp) != database(stamp_)) open(!stamp.empty());
    stamp_ = std::move(stamp);
    return store_ ? &*store_ : nullptr;
  }
  const BulkReader& bulk() const { return *bulk_; }
  /// store_stamp() before the last store(): what is read now is no older.
  const std::string& stamp() const { return stamp_; }

 private:
  void open(bool is_there) {
    bulk_.reset();
    store_.reset();
    if (!is_there) return;
    try {
      store_.emplace(out_, Store::Mode::kReadOnly);
      bulk_ = std::make_unique<BulkReader>(*store_);
    } catch (const NoStoreYet&) {
      store_.reset();
    }
  }

  std::filesystem::path out_;
  std::optional<Store> store_;
  std::unique_ptr<BulkReader> bulk_;
  std::string stamp_;
};

LiveStore::LiveStore(std::filesystem::path out, dashboard::DataOptions options, Progress progress)
    : out_(std::move(out)),
      options_(std::move(options)),
      progress_(std::move(progress)),
      documents_(std::make_unique<View>(out_)),
      status_view_(std::make_unique<View>(out_)) {}
LiveStore::~LiveStore() = default;

Document LiveStore::page() {
  return {"text/html; charset=utf-8", dashboard::live_page()};
}

std::string LiveStore::security_policy() {
  return dashboard::content_security_policy(true);
}

std::optional<Document> LiveStore::document(const std::string& name) {
  if (name == "vega") return Document{"application/octet-stream", std::string(dashboard::assets::vega_js())};
  const std::lock_guard lock(documents_mutex_);
  documents_->store();
  if (name.starts_with("run/")) {
    auto body = make_run(name.substr(4));
    return body ? std::optional(Document{kJsonType, std::move(*body)}) : std::nullopt;
  }
  const auto is_good = [&](const Made& made) {
    return made.stamp == documents_->stamp() || steady_clock::now() - made.at < kRest * made.cost;
  };
  if (const auto known = made_.find(name); known != made_.end() && is_good(known->second))
    return Document{kJsonType, known->second.body};
  const auto began = steady_clock::now();
  auto body = make(name);
  if (!body) return std::nullopt;
  const auto now = steady_clock::now();
  made_[name] = {*body, documents_->stamp(), now, now - began};
  return Document{kJsonType, std::move(*body)};
}

std::optional<std::string> LiveStore::make(const std::string& name) {
  const Store* store = documents_->store();
  if (name == "main") {
    Json main = store ? dashboard::main_document(*store, options_) : dashboard::empty_main_document(out_.string());
    main["revision"] = documents_->stamp();
    return text_of(main);
  }
  if (!store)
    return name == "claims" || name == "exhibits" ? std::optional(text_of({{name, Json::array()}})) : std::nullopt;
  if (name == "claims") return text_of(dashboard::claims_document(*store, gather(*store)));
  if (name == "exhibits" || name.starts_with("exhibit/")) {
    make_exhibits();
    if (const auto made = made_.find(name); made != made_.end()) return made->second.body;
  }
  return std::nullopt;
}

/// All at once: to know what there is, each has to be made.
void LiveStore::make_exhibits() {
  const auto began = steady_clock::now();
  const auto all = dashboard::exhibits(gather(*documents_->store()));
  const auto now = steady_clock::now();
  std::erase_if(made_, [](const auto& entry) { return entry.first.starts_with("exhibit"); });
  Json summaries = Json::array();
  for (const auto& exhibit : all) {
    made_["exhibit/" + exhibit.summary["name"].get<std::string>()] = {text_of(exhibit.content), documents_->stamp(),
                                                                      now, now - began};
    summaries.push_back(exhibit.summary);
  }
  made_["exhibits"] = {text_of({{"exhibits", summaries}}), documents_->stamp(), now, now - began};
}

std::optional<std::string> LiveStore::make_run(const std::string& name) {
  const Store* store = documents_->store();
  if (!store) return std::nullopt;
  const auto runs = store->runs();
  const auto run = std::ranges::find(runs, name, &RunRow::run);
  if (run == runs.end()) return std::nullopt;
  return text_of(dashboard::run_document(*store, documents_->bulk(), *run));
}

std::string LiveStore::status() {
  const std::lock_guard lock(status_mutex_);
  try {
    const Store* store = status_view_->store();
    Json status = progress_(store);
    status["revision"] = status_view_->stamp();
    return text_of(status);
  } catch (const UserError& error) {
    return text_of({{"running", Json::array()},
                    {"waiting", Json::array()},
                    {"eta_s", nullptr},
                    {"revision", status_view_->stamp()},
                    {"error", error.what()}});
  }
}

}  // namespace pionbench::serve
