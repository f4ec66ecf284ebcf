#include "common/hash.h"

#include <openssl/evp.h>

#include <cmath>
#include <stdexcept>

namespace pionbench {
namespace {

void append(std::string& out, const nlohmann::json& json) {
  if (json.is_object()) {
    out += '{';
    bool first = true;
    // nlohmann::json keeps object keys sorted by bytes.
    for (const auto& [key, value] : json.items()) {
      if (!first) out += ',';
      first = false;
      out += nlohmann::json(key).dump();
      out += ':';
      append(out, value);
    }
    out += '}';
  } else if (json.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < json.size(); ++i) {
      if (i) out += ',';
      append(out, json[i]);
    }
    out += ']';
  } else {
    if (json.is_number_float() && !std::isfinite(json.get<double>()))
      throw std::logic_error("canonical JSON cannot hold " + std::to_string(json.get<double>()));
    out += json.dump();
  }
}

}  // namespace

std::string sha256(std::string_view bytes) {
  // Fetched once: OpenSSL 3 looks an EVP_sha256() up anew in every call, which costs more than the digest of 1 kB.
  static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!kSha256 || EVP_Digest(bytes.data(), bytes.size(), digest, &size, kSha256, nullptr) != 1)
    throw std::runtime_error("OpenSSL refused SHA-256");
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

std::string canonical(const nlohmann::json& json) {
  std::string out;
  append(out, json);
  return out;
}

std::string content_hash(const nlohmann::json& json) {
  return sha256(canonical(json));
}

}  // namespace pionbench
