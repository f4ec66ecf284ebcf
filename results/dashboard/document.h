#pragma once
/// The dashboard as one HTML file, and the empty page that `serve` fills.
///
/// The file asks nothing of any network and, by its Content-Security-Policy, cannot: data and the chart library lie in
/// it as deflated blocks that the page unpacks when they are looked at. The same store gives the same bytes.

#include <string>

#include "results/dashboard/data.h"

namespace pionbench::dashboard {

struct PageOptions {
  DataOptions data;
  /// Of the whole file. Curves, spectra and logs of runs are thinned, all alike, until they fit; runs, their last
  /// values, figures, claims and measured series never are.
  std::size_t most_bytes = 15'000'000;
};

struct Page {
  std::string html;
  std::size_t runs = 0, series = 0, exhibits = 0;
  int changed = 0;         ///< series that a person has to see to (needs_a_look)
  std::string thinned;     ///< what was left out, in one sentence; "" for nothing
  bool has_charts = true;  ///< false: this build has no chart library in it
};

/// Needs browsers of 2023 on (DecompressionStream).
Page static_page(const Store& store, const PageOptions& options);

/// The same page without data, for a server that has /api/<document>.
std::string live_page();
/// The policy that live_page() must be sent with, and that static_page() carries in itself.
std::string content_security_policy(bool is_live);

}  // namespace pionbench::dashboard
