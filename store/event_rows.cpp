#include "store/event_rows.h"

#include <string_view>

namespace pionbench {
namespace {

[[noreturn]] void bad(const char* key, std::string_view wanted, const Json* got) {
  std::string shown = got ? got->dump(-1, ' ', false, Json::error_handler_t::replace) : "nothing";
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  throw BadEvent("\"" + std::string(key) + "\" must be " + std::string(wanted) + ", got " + shown);
}

const Json* find(const Json& event, const char* key) {
  const auto it = event.find(key);
  return it == event.end() ? nullptr : &*it;
}

const std::string& text(const Json& event, const char* key) {
  const Json* value = find(event, key);
  if (!value || !value->is_string()) bad(key, "a text", value);
  return value->get_ref<const std::string&>();
}

double seconds(const Json& event, const char* key) {
  const Json* value = find(event, key);
  if (!value || !value->is_number() || value->get<double>() < 0) bad(key, "a number from 0 up", value);
  return value->get<double>();
}

/// {name: number}; JSON has no NaN or infinity, so every number is finite.
const Json& numbers_by_name(const Json& event, const char* key) {
  const Json* values = find(event, key);
  if (!values || !values->is_object()) bad(key, "an object of numbers", values);
  for (const auto& [name, value] : values->items())
    if (!value.is_number()) bad((std::string(key) + "." + name).c_str(), "a finite number", &value);
  return *values;
}

const Json& number_list(const Json& event, const char* key) {
  const Json* values = find(event, key);
  if (!values || !values->is_array()) bad(key, "a list of numbers", values);
  for (const auto& value : *values)
    if (!value.is_number()) bad(key, "a list of numbers", &value);
  return *values;
}

}  // namespace

std::int64_t whole_number(const Json& event, const char* key, std::int64_t least) {
  const Json* value = find(event, key);
  // 18446744073709551615 is_number_integer too, and would wrap round.
  const bool fits = value && value->is_number_integer() &&
                    !(value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{1} << 62);
  if (!fits || value->get<std::int64_t>() < least)
    bad(key, "a whole number from " + std::to_string(least) + " up", value);
  return value->get<std::int64_t>();
}

NameTable::NameTable(const Database& db)
    : db_(db),
      find_(db.prepare("SELECT id FROM names WHERE name = ?")),
      insert_(db.prepare("INSERT INTO names (name) VALUES (?)")) {}

std::int64_t NameTable::id(const std::string& name) {
  if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
  std::int64_t id = -1;
  find_.query(name);
  while (find_.step()) id = find_.integer(0);
  if (id < 0) {
    insert_.run(name);
    id = db_.last_row_id();
  }
  return ids_[name] = id;
}

// REPLACE: events come in order of seq, so the row that comes later is the one that holds.
EventRows::EventRows(const Database& db)
    : db_(db),
      names_(db),
      metric_(db.prepare("INSERT OR REPLACE INTO metrics (run_id, name_id, step, value, seq) VALUES (?, ?, ?, ?, ?)")),
      spectral_(db.prepare("INSERT OR REPLACE INTO spectral (run_id, parameter_id, head, name_id, step, value, seq) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?)")),
      item_(db.prepare("INSERT OR REPLACE INTO evaluations (run_id, step, split_id, item, name_id, value, seq) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?)")),
      curve_(db.prepare("INSERT OR REPLACE INTO curves (run_id, name, variant, x, y, seq) VALUES (?, ?, ?, ?, ?, ?)")),
      phase_(db.prepare("INSERT INTO phases (run_id, seq, step, name_id, seconds) VALUES (?, ?, ?, ?, ?)")),
      read_total_(db.prepare("SELECT seconds FROM phase_totals WHERE run_id = ? AND name_id = ?")),
      write_total_(db.prepare("INSERT OR REPLACE INTO phase_totals (run_id, name_id, seconds) VALUES (?, ?, ?)")),
      environment_(db.prepare("INSERT OR REPLACE INTO environment (run_id, attempt, name, value) VALUES (?, ?, ?, ?)")),
      artifact_(db.prepare(
          "INSERT OR REPLACE INTO artifacts (run_id, path, kind, bytes, step, seq) VALUES (?, ?, ?, ?, ?, ?)")) {}

const EventRows::TypeWriter EventRows::kWriters[] = {
    {"metric", &EventRows::metric},           {"phase", &EventRows::phase},
    {"progress", &EventRows::progress},       {"spectral", &EventRows::spectral},
    {"evaluation", &EventRows::evaluation},   {"curve", &EventRows::curve},
    {"checkpoint", &EventRows::checkpoint},   {"artifact", &EventRows::artifact},
    {"run_started", &EventRows::run_started}, {"run_finished", &EventRows::run_finished},
};

void EventRows::write(std::int64_t run_id, std::int64_t seq, const Json& event, RunProgress& progress) {
  const std::string& type = text(event, "type");
  for (const auto& writer : kWriters)
    if (writer.type == type) return (this->*writer.write)({run_id, seq, event, progress});
}

void EventRows::run_started(const Context& c) {
  const std::int64_t schema = whole_number(c.event, "schema", 1);
  if (schema != 1) throw BadEvent("\"schema\" is " + std::to_string(schema) + ", this program reads 1");
  const std::int64_t attempt = whole_number(c.event, "attempt", 1);
  const Json* values = find(c.event, "environment");
  if (!values || !values->is_object()) bad("environment", "an object of texts", values);
  for (const auto& [name, value] : values->items())
    if (!value.is_string()) bad(("environment." + name).c_str(), "a text", &value);
  if (c.event.contains("resumed_from")) {
    take_back(c.run_id, whole_number(c.event, "resumed_from", -1), c.seq);
    c.progress.step = c.event.contains("step") ? whole_number(c.event, "step") : 0;
  }
  for (const auto& [name, value] : values->items())
    environment_.run(c.run_id, attempt, name, value.get_ref<const std::string&>());
}

/// What an earlier attempt reported behind the checkpoint that the run goes on from happens again, so it must not count
/// twice: its values go, its seconds are kept apart.
void EventRows::take_back(std::int64_t run_id, std::int64_t after, std::int64_t before) {
  for (const char* table : {"metrics", "spectral", "evaluations", "curves", "artifacts"})
    db_.prepare(std::string("DELETE FROM ") + table + " WHERE run_id = ?1 AND seq > ?2 AND seq < ?3")
        .run(run_id, after, before);
  db_.prepare("UPDATE phases SET name_id = ?4 WHERE run_id = ?1 AND seq > ?2 AND seq < ?3")
      .run(run_id, after, before, names_.id(kDiscardedPhase));
  totals_.clear();
  db_.prepare("DELETE FROM phase_totals WHERE run_id = ?").run(run_id);
  db_.prepare(
         "INSERT INTO phase_totals (run_id, name_id, seconds) "
         "SELECT run_id, name_id, sum(seconds) FROM phases WHERE run_id = ? GROUP BY name_id")
      .run(run_id);
}

void EventRows::flush(std::int64_t run_id) {
  for (const auto& [name_id, seconds] : totals_) write_total_.run(run_id, name_id, seconds);
  totals_.clear();
}

void EventRows::metric(const Context& c) {
  const std::int64_t step = whole_number(c.event, "step");
  for (const auto& [name, value] : numbers_by_name(c.event, "values").items())
    metric_.run(c.run_id, names_.id(name), step, value.get<double>(), c.seq);
  c.progress.step = step;
}

void EventRows::spectral(const Context& c) {
  const std::int64_t step = whole_number(c.event, "step"), head = whole_number(c.event, "head", -1);
  const std::string& parameter = text(c.event, "parameter");
  const Json& values = numbers_by_name(c.event, "values");
  const std::int64_t parameter_id = names_.id(parameter);
  for (const auto& [name, value] : values.items())
    spectral_.run(c.run_id, parameter_id, head, names_.id(name), step, value.get<double>(), c.seq);
  c.progress.step = step;
}

void EventRows::evaluation(const Context& c) {
  const std::int64_t step = whole_number(c.event, "step");
  const std::string& split = text(c.event, "split");
  const Json& means = numbers_by_name(c.event, "values");
  const Json* items = find(c.event, "items");
  if (items) {
    if (!items->is_array()) bad("items", "a list", items);
    for (const auto& item : *items) {
      if (!item.is_object()) bad("items", "a list of objects", &item);
      whole_number(item, "item");
      numbers_by_name(item, "values");
    }
  }
  for (const auto& [name, value] : means.items())
    metric_.run(c.run_id, names_.id("evaluation/" + split + "/" + name), step, value.get<double>(), c.seq);
  if (items) {
    const std::int64_t split_id = names_.id(split);
    for (const auto& item : *items)
      for (const auto& [name, value] : item["values"].items())
        item_.run(c.run_id, step, split_id, item["item"].get<std::int64_t>(), names_.id(name), value.get<double>(),
                  c.seq);
  }
  c.progress.step = step;
}

void EventRows::curve(const Context& c) {
  const std::string &name = text(c.event, "name"), &variant = text(c.event, "variant");
  const Json &x = number_list(c.event, "x"), &y = number_list(c.event, "y");
  if (x.size() != y.size())
    throw BadEvent("\"x\" has " + std::to_string(x.size()) + " numbers, \"y\" " + std::to_string(y.size()));
  curve_.run(c.run_id, name, variant, x.dump(), y.dump(), c.seq);
}

void EventRows::phase(const Context& c) {
  const std::int64_t step = whole_number(c.event, "step");
  const std::string& name = text(c.event, "name");
  const double spent = seconds(c.event, "seconds");
  const std::int64_t name_id = names_.id(name);
  phase_.run(c.run_id, c.seq, step, name_id, spent);
  auto [total, is_new] = totals_.try_emplace(name_id, 0.0);
  if (is_new)
    for (read_total_.query(c.run_id, name_id); read_total_.step();) total->second = read_total_.real(0);
  total->second += spent;
  c.progress.step = step;
}

void EventRows::progress(const Context& c) {
  const std::int64_t step = whole_number(c.event, "step"), steps = whole_number(c.event, "steps");
  c.progress.step = step;
  c.progress.steps = steps;
}

void EventRows::checkpoint(const Context& c) {
  const std::int64_t step = whole_number(c.event, "step");
  artifact_.run(c.run_id, text(c.event, "path"), "checkpoint", nullptr, step, c.seq);
  c.progress.step = step;
}

void EventRows::artifact(const Context& c) {
  artifact_.run(c.run_id, text(c.event, "path"), text(c.event, "kind"), whole_number(c.event, "bytes"), nullptr, c.seq);
}

void EventRows::run_finished(const Context& c) {
  const std::string& status = text(c.event, "status");
  if (status != "done" && status != "diverged") bad("status", "\"done\" or \"diverged\"", find(c.event, "status"));
  const std::int64_t step = whole_number(c.event, "step");
  c.progress.finish_reason = find(c.event, "reason") ? text(c.event, "reason") : "";
  c.progress.finish_status = status;
  c.progress.step = step;
}

}  // namespace pionbench
